import { chat, tookText } from "./api.js";
import { $, node, number, failure, running } from "./dom.js";
import * as tokens from "./tokens.js";

const section = $("#chat"), log = $("#log"), text = $("#chat-text");
let messages = [];

function turn(role) {
  const content = role === "user" ? node("div", { class: "text" }) : tokens.box();
  const e = node("div", { class: "turn " + role }, node("span", { class: "hidden" }, role === "user" ? "You: " : "Model: "), content);
  log.append(e);
  return { e, content };
}

const job = running(section, async (signal) => {
  const field = (name) => $(`[name=${name}]`, section);
  const question = text.value.trim();
  if (!question) return;
  text.value = "";
  turn("user").content.append(question);
  messages.push({ role: "user", content: question });
  const { e, content } = turn("model");
  content.classList.add("busy");
  content.scrollIntoView({ block: "nearest" });
  const system = field("system").value.trim();
  const body = {
    model: field("model").value, temperature: number(field("temperature")), max_tokens: number(field("max_tokens")), seed: number(field("seed")),
    messages: [...(system ? [{ role: "system", content: system }] : []), ...messages],
  };
  if (field("logprobs").checked) Object.assign(body, { logprobs: true, top_logprobs: 5 });
  let answer = "";
  try {
    const took = await chat(body, signal, (piece, entry) => {
      answer += piece;
      const atEnd = innerHeight + scrollY > document.body.scrollHeight - 80;
      tokens.add(content, piece, entry);
      if (atEnd) scrollTo(0, document.body.scrollHeight);
    });
    e.append(node("p", { class: "stats" }, tookText(took)));
    // Read to those who do not see it once it is whole, not piece by piece.
    e.append(node("span", { class: "hidden", role: "status" }, answer));
  } catch (err) {
    e.append(err.name === "AbortError" ? node("p", { class: "stats" }, "stopped") : failure(err));
    if (!answer) { messages.pop(); if (err.name !== "AbortError") text.value = question; }
  } finally {
    content.classList.remove("busy");
    tokens.ready(content);
    if (answer) messages.push({ role: "assistant", content: answer });
    text.focus({ preventScroll: true });
  }
});

text.addEventListener("keydown", (e) => {
  if (e.key === "Enter" && !e.shiftKey && !e.isComposing) { e.preventDefault(); job.submit(); }
});
$("[data-clear]", section).addEventListener("click", () => {
  job.cancel();
  messages = [];
  log.replaceChildren();
  text.focus();
});
