// The script of freehold ui: what changes while a run goes on, reading of charts, and asking teacher and student. Everything else stands in the pages themselves.
// Texts of runs and models only ever become text nodes; parts of pages come from the server, which escapes them.

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
const SVG = "http://www.w3.org/2000/svg";

function node(name, attributes = {}, ...children) {
  const e = name === "svg" || name === "rect" || name === "line" || name === "circle" ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  e.append(...children);
  return e;
}

// Live parts: the server sends them anew when files of the run change.

const live = $("#live"), link = $("#link");
const shown = new Map(); // part -> its HTML as it came, before the reader opened or pointed at something

function take(html) {
  let at = live.firstElementChild;
  for (const fresh of new DOMParser().parseFromString(html, "text/html").body.children) {
    const key = fresh.dataset.part, text = fresh.outerHTML;
    const old = [...live.children].find((e) => e.dataset.part === key);
    if (old && shown.get(key) === text) { at = old.nextElementSibling; continue; }
    shown.set(key, text);
    const part = document.importNode(fresh, true);
    if (old) replace(old, part); else live.insertBefore(part, at);
    at = part.nextElementSibling;
  }
  while (at) { const next = at.nextElementSibling; shown.delete(at.dataset.part); at.remove(); at = next; }
}

// replace keeps what the reader has opened and where the keyboard is.
function replace(old, part) {
  for (const d of $$("details[open]", old)) { const same = d.id && $("#" + CSS.escape(d.id), part); if (same) same.open = true; }
  const focus = old.contains(document.activeElement) ? document.activeElement.id : "";
  old.replaceWith(part);
  if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
  if (reading && !reading.svg.isConnected) {
    const svg = document.getElementById(reading.svg.id);
    if (svg) read(svg, reading.at, reading.last); else hide();
  }
}

let source = null;

function follow() {
  source = new EventSource(live.dataset.live);
  source.addEventListener("part", (e) => { link.textContent = ""; take(JSON.parse(e.data)); });
  source.addEventListener("gone", () => { source.close(); link.textContent = "the run is gone"; });
  source.addEventListener("error", () => {
    link.textContent = "not connected; trying again";
    if (source.readyState === EventSource.CLOSED) setTimeout(() => { if (!document.hidden) follow(); }, 5000);
  });
}

if (live) {
  for (const e of live.children) shown.set(e.dataset.part, e.outerHTML);
  follow();
  // A page that nobody looks at holds no connection: browsers have six for all pages of a server.
  document.addEventListener("visibilitychange", () => { source.close(); if (!document.hidden) follow(); });
}

// Reading of charts, by mouse and by arrow keys.

const tip = $("#tip");
let reading = null; // {svg, at: index in the longest curve, last: it is the newest point}

function curves(svg) {
  return $$("polyline", svg).map((e) => ({ name: e.dataset.name, xs: e.dataset.xs.split(" ").map(Number), ys: e.dataset.ys.split(" "), points: e.getAttribute("points").split(" ").map((p) => p.split(",").map(Number)) }));
}
const nearest = (xs, x) => xs.reduce((best, v, i) => (Math.abs(v - x) < Math.abs(xs[best] - x) ? i : best), 0);
const longest = (all) => all.reduce((a, b) => (b.xs.length > a.xs.length ? b : a));

function read(svg, at, toEnd) {
  const all = curves(svg), main = longest(all);
  at = toEnd ? main.xs.length - 1 : Math.max(0, Math.min(main.xs.length - 1, at));
  if (reading && reading.svg !== svg) hide();
  reading = { svg, at, last: at === main.xs.length - 1 };
  const x = main.xs[at], [, t, , b] = svg.dataset.box.split(" ").map(Number), px = main.points[at][0];
  const hair = $(".hair", svg), marks = [node("line", { x1: px, x2: px, y1: t, y2: b })], lines = [(svg.dataset.x === "step" ? "step " : "after ") + x + (svg.dataset.x === "step" ? "" : " s")];
  const near = (main.xs.at(-1) - main.xs[0]) / 50;
  for (const c of all) {
    const i = nearest(c.xs, x);
    if (Math.abs(c.xs[i] - x) > near) continue;
    marks.push(node("circle", { cx: c.points[i][0], cy: c.points[i][1], r: 3 }));
    lines.push(`${c.name}: ${c.ys[i]} ${svg.dataset.unit}`.trim());
  }
  hair.replaceChildren(...marks);
  hair.removeAttribute("hidden");
  tip.textContent = lines.join("\n");
  tip.hidden = false;
  const box = svg.getBoundingClientRect(), own = tip.getBoundingClientRect(), left = box.left + (px / svg.viewBox.baseVal.width) * box.width;
  tip.style.left = Math.max(4, left + 12 + own.width < innerWidth ? left + 12 : left - own.width - 12) + "px";
  tip.style.top = Math.max(4, box.top + 8) + "px";
}

function hide() {
  if (reading) $(".hair", reading.svg)?.setAttribute("hidden", "");
  reading = null;
  tip.hidden = true;
}

const chartOf = (target) => target instanceof Element ? target.closest("svg[data-box]") : null;
document.addEventListener("pointermove", (e) => {
  const svg = chartOf(e.target);
  if (!svg) { if (reading && reading.svg !== document.activeElement) hide(); return; }
  const box = svg.getBoundingClientRect(), x = ((e.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
  const main = longest(curves(svg));
  read(svg, nearest(main.points.map((p) => p[0]), x), false);
});
document.addEventListener("keydown", (e) => {
  const svg = chartOf(document.activeElement);
  if (!svg) return;
  const at = reading?.svg === svg ? reading.at : -1, n = longest(curves(svg)).xs.length, page = Math.max(1, Math.round(n / 10));
  const to = { ArrowRight: at + 1, ArrowLeft: at < 0 ? n - 1 : at - 1, Home: 0, End: n - 1, PageDown: at + page, PageUp: at - page }[e.key];
  if (e.key === "Escape") hide();
  if (to === undefined) return;
  e.preventDefault();
  read(svg, to, false);
});
document.addEventListener("focusout", (e) => { if (chartOf(e.target)) setTimeout(() => { if (reading && !chartOf(document.activeElement)) hide(); }); });

// Asking teacher and student.

const section = $("#try"), form = $("#ask");
const answers = {}; // side -> what it said, of this question
let control = null;

// messages yields the events of an answer.
async function* messages(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += value;
    for (let end; (end = rest.indexOf("\n\n")) >= 0; rest = rest.slice(end + 2)) {
      const lines = rest.slice(0, end).split("\n");
      const field = (name) => lines.find((l) => l.startsWith(name + ": "))?.slice(name.length + 2);
      if (field("event")) yield [field("event"), JSON.parse(field("data"))];
    }
  }
}

const boxOf = (side) => $(`[data-side=${side}] .answer`, section);
const milliseconds = (ms) => (ms < 10 ? ms.toFixed(1) : Math.round(ms)) + " ms";

const handle = {
  opening({ side, model }) { $(`[data-side=${side}] h3 .soft`, section).textContent = model; boxOf(side).replaceChildren(node("p", { class: "busy" }, "answering ")); },
  labels({ side, choices, line, note, ms, has }) {
    const best = has ? has.join(";") || "(none)" : choices[0].label;
    answers[side] = best;
    const sure = has || choices[0].p >= line;
    boxOf(side).replaceChildren(
      node("p", { class: "said" }, sure ? best : `${best}, below its line of ${line}: it abstains`),
      node("table", { class: "bars" }, node("tbody", {}, ...choices.slice(0, 20).map((c) => node("tr", {}, node("th", { scope: "row" }, c.label),
        node("td", {}, node("svg", { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" }, node("rect", { class: c.p >= line ? "fill" : "low", width: 100 * c.p, height: 10 }))),
        node("td", { class: "number" }, c.p.toFixed(3)))))),
      node("p", { class: "soft" }, [milliseconds(ms), note].filter(Boolean).join(" · ")));
  },
  piece({ side, text }) {
    const box = boxOf(side);
    if (!$(".text", box)) box.replaceChildren(node("div", { class: "text busy" }));
    $(".text", box).append(text);
    answers[side] = (answers[side] ?? "") + text;
  },
  ended({ side, tokens, ms, cut, note }) {
    const box = boxOf(side);
    answers[side] ??= "";
    if (!$(".text", box)) box.replaceChildren(node("div", { class: "text" }, "(an empty answer)"));
    $(".text", box).classList.remove("busy");
    box.append(node("p", { class: "soft" }, [`${tokens} tokens in ${milliseconds(ms)}`, cut && "cut at its limit", note].filter(Boolean).join(" · ")));
  },
  problem({ side, message }) { boxOf(side).replaceChildren(node("p", { class: "error", role: "alert" }, message)); },
};

async function ask(sides) {
  const text = $("#text").value;
  if (control || !text.trim()) return;
  control = new AbortController();
  for (const side of ["teacher", "student"]) {
    delete answers[side];
    boxOf(side).replaceChildren(...(sides.includes(side) ? [node("p", { class: "soft" }, "waits")] : []));
  }
  const verdict = $("#verdict"), buttons = $$("button:not([type])", form);
  verdict.textContent = "";
  for (const b of buttons) b.disabled = true;
  $("#stop").hidden = false;
  try {
    const answer = await fetch(section.dataset.ask, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ text, sides, file: $("#file")?.value ?? "" }), signal: control.signal });
    if (!answer.ok) throw new Error(await answer.text());
    for await (const [name, data] of messages(answer)) handle[name]?.(data);
    const { teacher, student } = answers;
    if (teacher !== undefined && student !== undefined) verdict.textContent = teacher === student ? `Both say ${teacher}.`.slice(0, 200) : "They differ.";
    else if (student !== undefined) verdict.textContent = `The student says ${student}.`.slice(0, 200);
  } catch (e) {
    verdict.textContent = e.name === "AbortError" ? "Stopped." : e.message;
  } finally {
    control = null;
    for (const b of buttons) b.disabled = false;
    $("#stop").hidden = true;
    for (const b of $$(".busy", section)) b.classList.remove("busy");
  }
}

if (form) {
  form.addEventListener("submit", (e) => { e.preventDefault(); ask((e.submitter?.value || "student teacher").split(" ")); });
  $("#text").addEventListener("keydown", (e) => { if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); ask(["student", "teacher"]); } });
  $("#stop").addEventListener("click", () => control?.abort());
  section.addEventListener("keydown", (e) => { if (e.key === "Escape") control?.abort(); });
  $("#file")?.addEventListener("change", (e) => { $("[data-side=student] h3 .soft", section).textContent = e.target.value; });
  for (const b of $$(".again")) b.addEventListener("click", () => {
    $("#text").value = b.dataset.text;
    section.scrollIntoView({ block: "start" });
    $("#text").focus({ preventScroll: true });
    ask(["student", "teacher"]);
  });
}
