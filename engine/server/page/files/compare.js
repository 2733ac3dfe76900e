import { chat, tookText } from "./api.js";
import { $, number, failure, running } from "./dom.js";
import * as tokens from "./tokens.js";

const section = $("#compare");

running(section, async (signal) => {
  const field = (name) => $(`[name=${name}]`, section);
  await Promise.all(["left", "right"].map(async (side) => {
    const content = tokens.box(), stats = $(`[data-stats=${side}]`, section), model = field(side).value;
    $(`[data-side=${side}]`, section).textContent = model;
    $(`[data-answer=${side}]`, section).replaceChildren(content);
    stats.textContent = "";
    content.classList.add("busy");
    try {
      const took = await chat({
        model, temperature: number(field("temperature")), max_tokens: number(field("max_tokens")), logprobs: true, top_logprobs: 5,
        messages: [{ role: "user", content: $("#compare-text").value }],
      }, signal, (piece, entry) => tokens.add(content, piece, entry));
      stats.textContent = tookText(took);
    } catch (err) {
      if (err.name === "AbortError") stats.textContent = "stopped";
      else content.append(failure(err));
    } finally {
      content.classList.remove("busy");
      tokens.ready(content);
    }
  }));
});
