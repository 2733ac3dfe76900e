// Short forms for building the page. Text from models only ever becomes text nodes.

export const $ = (selector, within = document) => within.querySelector(selector);
export const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

export function node(name, attributes = {}, ...children) {
  const e = document.createElement(name);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  e.append(...children);
  return e;
}

export function svg(name, attributes = {}, ...children) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  e.append(...children);
  return e;
}

export const number = (input) => (input.value === "" ? undefined : Number(input.value));
export const failure = (e) => node("p", { class: "error", role: "alert" }, e.message);

// running makes a form do one thing at a time: work(signal) runs on submit, the stop button and Escape end it.
export function running(section, work) {
  const form = $("form", section), send = $(".primary", form), stop = $("[data-stop]", form);
  let control = null;
  const cancel = () => control?.abort();
  stop?.addEventListener("click", cancel);
  section.addEventListener("keydown", (e) => { if (e.key === "Escape" && control) { e.preventDefault(); cancel(); } });
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    if (control) return;
    control = new AbortController();
    send.disabled = true;
    if (stop) stop.hidden = false;
    try { await work(control.signal); } finally {
      control = null;
      send.disabled = false;
      if (stop) stop.hidden = true;
    }
  });
  return { cancel, submit: () => form.requestSubmit(send) };
}
