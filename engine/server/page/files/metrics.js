import { getText } from "./api.js";
import { $, node, svg } from "./dom.js";

const section = $("#metrics"), charts = $("#charts"), body = $("#figures tbody");
const kept = 90; // points of a curve: three minutes
// What is drawn: a gauge as it is, a counter by what it grows by in a second.
const drawn = [
  { name: "freehold_generated_tokens_total", title: "Tokens generated", unit: "/s", rate: true },
  { name: "freehold_prompt_tokens_total", title: "Prompt tokens", unit: "/s", rate: true },
  { name: "freehold_slots_busy", title: "Generating now", unit: "" },
  { name: "freehold_requests_waiting", title: "Waiting", unit: "" },
];
const curves = drawn.map((d) => ({ ...d, points: [], last: null }));

// read gives the samples of Prometheus' text format.
export function read(text) {
  return text.split("\n").filter((l) => l && !l.startsWith("#")).map((l) => {
    const m = l.match(/^([A-Za-z_:][\w:]*)(\{.*\})?\s+(\S+)/);
    return m && { name: m[1], labels: m[2] ?? "", value: Number(m[3].replace("+Inf", "Infinity")) };
  }).filter(Boolean);
}

function draw(c) {
  const top = Math.max(...c.points, 1e-9), now = c.points.at(-1) ?? 0;
  const points = c.points.map((y, i) => `${i},${(1 - y / top) * 28 + 1}`).join(" ");
  return node("figure", {}, node("figcaption", {}, c.title), node("strong", {}, now.toFixed(now < 10 && now % 1 ? 1 : 0) + c.unit),
    svg("svg", { viewBox: `0 0 ${kept} 30`, preserveAspectRatio: "none", role: "img", "aria-label": `${c.title}, the last minutes; highest ${top.toFixed(1)}${c.unit}` }, svg("polyline", { points })));
}

async function refresh() {
  if (section.hidden || document.hidden) return;
  let samples;
  try { samples = read(await getText("metrics")); } catch (e) {
    charts.replaceChildren(node("p", { class: "error", role: "alert" }, e.message));
    return;
  }
  const now = performance.now() / 1000;
  for (const c of curves) {
    const value = samples.filter((s) => s.name === c.name).reduce((sum, s) => sum + s.value, 0);
    if (!c.rate) c.points.push(value);
    else if (c.last) c.points.push(Math.max(0, (value - c.last.value) / (now - c.last.now)));
    c.last = { value, now };
    if (c.points.length > kept) c.points.shift();
  }
  charts.replaceChildren(...curves.map(draw));
  body.replaceChildren(...samples.filter((s) => !s.name.endsWith("_bucket")).map((s) => node("tr", {}, node("td", {}, s.name), node("td", {}, s.labels.slice(1, -1)), node("td", {}, String(Number(s.value.toPrecision(6)))))));
}

setInterval(refresh, 2000);
document.addEventListener("panel", refresh);
