// The server's API: one place that sends requests, adds the key, reads streams and words errors.

let key = sessionStorage.getItem("freehold.key") ?? "";
let onDenied = () => {};

export function setKey(value) { key = value; sessionStorage.setItem("freehold.key", value); }
export function whenDenied(f) { onDenied = f; }

async function request(path, options = {}) {
  const headers = { ...options.headers };
  if (key) headers.Authorization = "Bearer " + key;
  if (options.body) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { ...options, headers, redirect: "error" });
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw new Error("the server does not answer: is it still running?");
  }
  if (answer.ok) return answer;
  if (answer.status === 401) onDenied();
  let text = await answer.text();
  try { text = JSON.parse(text).error.message; } catch { /* not our form of an error: shown as it is */ }
  throw new Error(`${text.trim() || answer.statusText} (${answer.status})`);
}

export const get = async (path) => (await request(path)).json();
export const getText = async (path) => (await request(path)).text();
export const post = async (path, body, signal) => (await request(path, { method: "POST", body: JSON.stringify(body), signal })).json();

// stream yields the JSON documents of a server-sent event stream until [DONE].
export async function* stream(path, body, signal) {
  const answer = await request(path, { method: "POST", body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }), signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", finished = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      rest += value;
      for (let end; (end = rest.search(/\r?\n\r?\n/)) >= 0;) {
        const event = rest.slice(0, end);
        rest = rest.slice(end).replace(/^\r?\n\r?\n/, "");
        const data = event.split(/\r?\n/).filter((l) => l.startsWith("data:")).map((l) => l.slice(5).trimStart()).join("\n");
        if (data === "") continue; // a comment that keeps the connection
        if (data === "[DONE]") { finished = true; return; }
        const document = JSON.parse(data);
        if (document.error) throw new Error(document.error.message);
        yield document;
      }
    }
  } finally { reader.cancel().catch(() => {}); }
  if (!finished) throw new Error("the answer was cut off: the connection ended early");
}

// chat streams a chat completion: onToken(text, logprobs entry or undefined) for each piece; resolves to what it took.
export async function chat(body, signal, onToken) {
  const began = performance.now();
  let first = 0, usage = null, reason = "";
  for await (const part of stream("v1/chat/completions", body, signal)) {
    if (part.usage) usage = part.usage;
    const choice = part.choices[0];
    if (!choice) continue;
    const entries = choice.logprobs?.content ?? [];
    if ((choice.delta.content || entries.length) && !first) first = performance.now();
    if (entries.length && entries.map((e) => e.token).join("") === choice.delta.content) for (const e of entries) onToken(e.token, e);
    else if (choice.delta.content) onToken(choice.delta.content, entries[0]);
    if (choice.finish_reason) reason = choice.finish_reason;
  }
  const n = usage?.completion_tokens ?? 0, after = (performance.now() - first) / 1000;
  return { reason, tokens: n, wait: first - began, rate: n > 1 && after > 0 ? (n - 1) / after : 0 };
}

export function tookText(t) {
  const parts = [`${t.tokens} tokens`];
  if (t.rate) parts.push(`${t.rate.toFixed(1)} tokens/s`);
  if (t.wait > 0) parts.push(`first after ${Math.round(t.wait)} ms`);
  if (t.reason === "length") parts.push("cut at its limit");
  return parts.join(" · ");
}
