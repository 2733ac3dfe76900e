// The frame of the page: tabs, the key, and the list of models. Each tab is a file of its own.

import { get, setKey, whenDenied } from "./api.js";
import { $, $$, node } from "./dom.js";
import "./chat.js";
import "./compare.js";
import "./classify.js";
import "./extract.js";
import "./metrics.js";

const tabs = $$("[role=tab]"), state = $("#state"), keyForm = $("#key");
let chosen = false; // a tab, by the user

function show(tab, focus) {
  for (const t of tabs) {
    const on = t === tab;
    t.setAttribute("aria-selected", on);
    t.tabIndex = on ? 0 : -1;
    $("#" + t.getAttribute("aria-controls")).hidden = !on;
  }
  if (focus) tab.focus();
  history.replaceState(null, "", "#" + tab.getAttribute("aria-controls"));
  document.dispatchEvent(new Event("panel"));
}

for (const [i, tab] of tabs.entries()) {
  tab.addEventListener("click", () => { chosen = true; show(tab); });
  tab.addEventListener("keydown", (e) => {
    const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: -1 }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    chosen = true;
    show(tabs.at(to % tabs.length), true);
  });
}

async function load() {
  try {
    const { data } = await get("v1/models");
    for (const select of $$("[data-models]")) {
      const before = select.value;
      select.replaceChildren(...data.map((m) => node("option", { value: m.id }, m.id)));
      select.value = data.some((m) => m.id === before) ? before : data[Math.min(Number(select.dataset.models) || 0, data.length - 1)]?.id;
    }
    state.textContent = data.length ? data.map((m) => m.id).join(", ") : "no model is loaded";
    state.classList.remove("bad");
    keyForm.hidden = true;
    if (!chosen && data.length && data.every((m) => m.labels)) show(tabs.find((t) => t.getAttribute("aria-controls") === "classify")); // they are not made to chat
  } catch (e) {
    state.textContent = e.message;
    state.classList.add("bad");
  }
}

whenDenied(() => { keyForm.hidden = false; $("#key-value").focus(); });
keyForm.addEventListener("submit", (e) => {
  e.preventDefault();
  setKey($("#key-value").value.trim());
  load();
});

const asked = tabs.find((t) => "#" + t.getAttribute("aria-controls") === location.hash);
chosen = Boolean(asked);
show(asked ?? tabs[0]);
load();
