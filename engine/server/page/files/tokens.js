// Text whose tokens tell how likely they were, by mouse and by keyboard.

import { $, node } from "./dom.js";

const tip = $("#tip");
const percent = (logprob) => { const p = 100 * Math.exp(logprob); return p >= 99.95 ? "100 %" : p >= 0.1 ? p.toFixed(1) + " %" : "< 0.1 %"; };

// add appends a token to an element made by box; entry is its element of logprobs.content, or undefined.
export function add(box, text, entry) {
  if (!entry) { box.append(text); return; }
  const p = Math.exp(entry.logprob);
  const span = node("span", { class: p < 0.3 ? "token p1" : p < 0.7 ? "token p2" : "token" }, text);
  span.entry = entry;
  box.append(span);
}

// box makes the element that tokens stand in: it can be focused, and arrow keys go from token to token.
export function box() {
  const e = node("div", { class: "text" });
  const show = (span) => {
    $(".here", e)?.classList.remove("here");
    if (!span?.entry) { tip.hidden = true; return; }
    span.classList.add("here");
    const rows = [span.entry, ...(span.entry.top_logprobs ?? []).filter((t) => t.token !== span.entry.token)];
    tip.replaceChildren(node("table", {}, ...rows.map((t, i) => node("tr", {}, node("td", {}, percent(t.logprob)), node("td", {}, node("code", {}, JSON.stringify(t.token))), node("td", {}, i ? "" : "chosen")))));
    tip.hidden = false;
    const at = span.getBoundingClientRect(), own = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(at.left, innerWidth - own.width - 4)) + "px";
    tip.style.top = (at.bottom + own.height + 8 < innerHeight ? at.bottom + 4 : Math.max(4, at.top - own.height - 4)) + "px";
    e.setAttribute("aria-describedby", "tip");
  };
  e.addEventListener("mouseover", (ev) => { if (ev.target.classList.contains("token")) show(ev.target); });
  e.addEventListener("mouseleave", () => show(null));
  e.addEventListener("blur", () => show(null));
  e.addEventListener("keydown", (ev) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[ev.key];
    if (ev.key === "Escape") show(null);
    if (!step) return;
    ev.preventDefault();
    const all = [...e.querySelectorAll(".token")], i = all.findIndex((s) => s.classList.contains("here"));
    show(all[Math.max(0, Math.min(all.length - 1, i + step))]);
  });
  return e;
}

// ready is called when the text is whole: only then it takes part in the order of tab stops.
export function ready(e) {
  if (!$(".token", e)) return;
  e.tabIndex = 0;
  e.setAttribute("role", "group");
  e.setAttribute("aria-label", "Answer; arrow keys go through its tokens and say how likely each was");
}
