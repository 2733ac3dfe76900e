import { post } from "./api.js";
import { $, node, svg, failure, running } from "./dom.js";

const section = $("#classify"), out = $("#classes"), below = $("#below"), shown = $("#below-value");
let results = [], line = Number(below.value), told = 0; // told: the line of the model that answered last

// draw shows what was answered under the line that is set now; moving the line asks the server nothing.
function draw() {
  shown.value = line.toFixed(2);
  out.replaceChildren(...results.map(({ text, choices, explanation, ...row }) => {
    if (row.labels) return several(text, choices, row.labels);
    const best = choices[0], taught = row.answered_by === "teacher", sure = taught || best.p >= line;
    return node("div", { class: "result" }, node("p", {}, ...(explanation ? marked(text, explanation) : [text])),
      node("p", { class: sure ? "verdict" : "verdict abstain" }, sure ? best.label : `abstains: ${best.label} reaches ${best.p.toFixed(3)} only`),
      node("table", { class: "bars" }, node("tbody", {}, ...choices.map((c) => node("tr", {},
        node("th", { scope: "row" }, c.label),
        node("td", {}, bar(c.p, taught ? 0 : line)),
        node("td", { class: "number" }, c.p.toFixed(3)))))),
      ...[explanation && why(best.label, explanation), who(row)].filter(Boolean).map((s) => node("p", { class: "stats" }, s)));
  }));
}

// several are any number of labels, each with the line that its model has for it.
const several = (text, choices, labels) => node("div", { class: "result" }, node("p", {}, text),
  node("p", { class: labels.length ? "verdict" : "verdict abstain" }, labels.length ? labels.join("; ") : "none of the labels"),
  node("table", { class: "bars" }, node("tbody", {}, ...choices.map((c) => node("tr", {},
    node("th", { scope: "row" }, c.label), node("td", {}, bar(c.p, c.threshold)), node("td", { class: "number" }, c.p.toFixed(3)))))));

// who says which model answered, where there is more than one, and whether the server kept the text.
function who({ answered_by, teacher, student, collected }) {
  const kept = collected ? "The server kept this text, masked, for the next run." : "";
  if (!answered_by) return kept;
  return (student ? `Answered by the teacher, ${teacher}: the student said ${student.label} with ${student.p.toFixed(3)}. ` : "Answered by the student. ") + kept;
}

// marked is the text with its words underlined by what they do for the answer, in thirds of the strongest.
function marked(text, { words }) {
  const most = Math.max(...words.map((w) => Math.abs(w.change)), 1e-9), parts = [];
  let at = 0;
  for (const w of words) {
    const start = text.indexOf(w.text, at), size = Math.ceil(3 * Math.abs(w.change) / most);
    parts.push(text.slice(at, start), node("span", { class: `word ${w.change < 0 ? "against" : "for"} s${size}`, title: `${w.change.toFixed(3)} log-odds` }, w.text));
    at = start + w.text.length;
  }
  return [...parts, text.slice(at)];
}

// why names the words that do most, in figures.
function why(label, { words, log_odds, forward_passes }) {
  const top = [...words].sort((a, b) => Math.abs(b.change) - Math.abs(a.change)).slice(0, 5).map((w) => `${w.text} ${w.change < 0 ? "" : "+"}${w.change.toFixed(2)}`);
  return `Log-odds of ${label} ${log_odds.toFixed(2)}; what they lose without a word: ${top.join(", ")} (${forward_passes} forward passes).`;
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
  if ($("[name=explain]", section).checked) body.explain = true;
  try {
    const answer = await post("v1/classify", body, signal);
    results = answer.data.map((d, i) => ({ ...d, text: texts[i], teacher: answer.teacher }));
    if (answer.abstain_below && answer.abstain_below !== told) { told = line = answer.abstain_below; below.value = line; }
    draw();
  } catch (err) { results = []; out.replaceChildren(failure(err)); }
});
below.addEventListener("input", () => { line = Number(below.value); draw(); });
