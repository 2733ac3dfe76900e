import { post } from "./api.js";
import { $, node, svg, failure, running } from "./dom.js";

const section = $("#classify"), out = $("#classes"), below = $("#below"), shown = $("#below-value");
let results = [];

// draw shows what was answered under the line that is set now; moving the line asks the server nothing.
function draw() {
  const line = Number(below.value);
  shown.value = line.toFixed(2);
  out.replaceChildren(...results.map(({ text, choices }) => {
    const best = choices[0], sure = best.p >= line;
    return node("div", { class: "result" }, node("p", {}, text),
      node("p", { class: sure ? "verdict" : "verdict abstain" }, sure ? best.label : `abstains: ${best.label} reaches ${best.p.toFixed(3)} only`),
      node("table", { class: "bars" }, node("tbody", {}, ...choices.map((c) => node("tr", {},
        node("th", { scope: "row" }, c.label),
        node("td", {}, bar(c.p, line)),
        node("td", { class: "number" }, c.p.toFixed(3)))))));
  }));
}

const bar = (p, line) => node("div", { class: "track", "aria-hidden": "true" }, svg("svg", { class: "bar", viewBox: "0 0 1 1", preserveAspectRatio: "none" },
  svg("rect", { class: p >= line ? "fill" : "low", x: 0, y: 0, width: p, height: 1 }),
  svg("line", { x1: line, x2: line, y1: 0, y2: 1, "vector-effect": "non-scaling-stroke" })));

running(section, async (signal) => {
  const texts = $("#classify-text").value.split("\n").map((s) => s.trim()).filter(Boolean);
  if (!texts.length) return;
  const labels = $("[name=labels]", section).value.split(",").map((s) => s.trim()).filter(Boolean);
  const body = { model: $("[name=model]", section).value, input: texts };
  if (labels.length) body.labels = labels;
  try {
    const answer = await post("v1/classify", body, signal);
    results = answer.data.map((d, i) => ({ text: texts[i], choices: d.choices }));
    draw();
  } catch (err) { results = []; out.replaceChildren(failure(err)); }
});
below.addEventListener("input", draw);
