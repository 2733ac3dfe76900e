// Drives a freehold server with OpenAI's client for Node. Arguments: folder of the package, URL, key.
import assert from 'node:assert';
import { createRequire } from 'node:module';
const [folder, url, key] = process.argv.slice(2);
const { OpenAI } = createRequire(folder + '/')('openai');

const client = new OpenAI({ baseURL: url + '/v1', apiKey: key, maxRetries: 0 });
const messages = [{ role: 'user', content: 'Hello.' }];
const ids = [];
for await (const m of client.models.list()) ids.push(m.id);
assert(ids.includes('chat') && ids.includes('encoder'));
console.log('ok models');

const whole = await client.chat.completions.create({ model: 'chat', messages, max_tokens: 8, temperature: 0.8, seed: 2 });
let text = '', usage;
for await (const c of await client.chat.completions.create({ model: 'chat', messages, max_tokens: 8, temperature: 0.8, seed: 2, stream: true, stream_options: { include_usage: true } })) {
  text += c.choices[0]?.delta?.content ?? '';
  usage = c.usage ?? usage;
}
assert.equal(text, whole.choices[0].message.content);
assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
console.log('ok chat');

const tools = [{ type: 'function', function: { name: 'add', parameters: { type: 'object', properties: { a: { type: 'integer', minimum: 0, maximum: 9 } }, required: ['a'], additionalProperties: false } } }];
const called = await client.chat.completions.create({ model: 'chat', messages, tools, tool_choice: 'required', parallel_tool_calls: false, max_tokens: 300 });
assert.deepEqual(Object.keys(JSON.parse(called.choices[0].message.tool_calls[0].function.arguments)), ['a']);
const schema = { type: 'object', properties: { yes: { type: 'boolean' } }, required: ['yes'], additionalProperties: false };
const formed = await client.chat.completions.create({ model: 'chat', messages, response_format: { type: 'json_schema', json_schema: { name: 'x', strict: true, schema } } });
assert.equal(typeof JSON.parse(formed.choices[0].message.content).yes, 'boolean');
console.log('ok tools, schema');

const vectors = await client.embeddings.create({ model: 'encoder', input: ['the cat'] });
assert(Math.abs(vectors.data[0].embedding.reduce((s, x) => s + x * x, 0) - 1) < 1e-5);
console.log('ok embeddings');

const response = await client.responses.create({ model: 'chat', input: 'Hello.', max_output_tokens: 8, temperature: 0 });
let streamed = '';
for await (const e of await client.responses.create({ model: 'chat', input: 'Hello.', max_output_tokens: 8, temperature: 0, stream: true })) if (e.type === 'response.output_text.delta') streamed += e.delta;
assert.equal(streamed, response.output_text);
console.log('ok responses');

await assert.rejects(client.chat.completions.create({ model: 'chat', messages, temperature: 9 }), (e) => e.status === 400 && e.param === 'temperature');
await assert.rejects(client.chat.completions.create({ model: 'gpt-5', messages }), (e) => e.status === 404 && e.code === 'model_not_found');
const stop = new AbortController();
const cut = await client.chat.completions.create({ model: 'chat', messages, max_tokens: 4000, stream: true }, { signal: stop.signal });
for await (const _ of cut) { // what comes after an abort may never settle in Node
  stop.abort();
  break;
}
console.log('ok errors, cancelling');
console.log('done');
