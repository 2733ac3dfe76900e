import { chat, tookText } from "./api.js";
import { $, node, number, failure, running } from "./dom.js";

const section = $("#extract"), out = $("#extracted");

// rows lists the leaves of a JSON value by their place.
function* rows(value, place = "") {
  if (value !== null && typeof value === "object") {
    for (const [k, v] of Object.entries(value)) yield* rows(v, Array.isArray(value) ? `${place}[${k}]` : place ? `${place}.${k}` : k);
  } else yield [place, value];
}

running(section, async (signal) => {
  out.replaceChildren();
  let schema;
  try { schema = JSON.parse($("#extract-schema").value); } catch (e) {
    out.append(failure(new Error("The schema is no JSON: " + e.message)));
    $("#extract-schema").focus();
    return;
  }
  const live = node("pre", { class: "busy" });
  const result = node("div", { class: "result" }, live);
  out.append(result);
  try {
    const took = await chat({
      model: $("[name=model]", section).value, max_tokens: number($("[name=max_tokens]", section)), temperature: 0,
      messages: [{ role: "user", content: "Extract what the schema asks for from this text. Answer with JSON.\n\nText: " + $("#extract-text").value }],
      response_format: { type: "json_schema", json_schema: { name: "extract", schema, strict: true } },
    }, signal, (piece) => live.append(piece));
    const text = live.textContent;
    if (took.reason === "length") throw new Error("The answer was cut at its limit of tokens and is no whole JSON: allow more.");
    const value = JSON.parse(text);
    live.textContent = JSON.stringify(value, null, 2);
    result.prepend(node("table", { class: "bars" }, node("tbody", {}, ...[...rows(value)].map(([k, v]) => node("tr", {}, node("th", { scope: "row" }, k || "value"), node("td", {}, String(v)))))));
    result.append(node("p", { class: "stats" }, tookText(took)));
  } catch (err) {
    result.append(err.name === "AbortError" ? node("p", { class: "stats" }, "stopped") : failure(err));
  } finally { live.classList.remove("busy"); }
});
