"""Drives a freehold server with OpenAI's own client. Arguments: folder of the package, URL, key. Each check prints a line;
an assertion that fails ends the program."""
import asyncio
import json
import sys

sys.path.insert(0, sys.argv[1])
import openai
from pydantic import BaseModel

url, key = sys.argv[2], sys.argv[3]
client = openai.OpenAI(base_url=url + "/v1", api_key=key, max_retries=0)
hello = [{"role": "user", "content": "Hello."}]


def check(f):
    f()
    print("ok", f.__name__, flush=True)


@check
def models():
    names = [m.id for m in client.models.list()]
    assert "chat" in names and "encoder" in names, names
    assert client.models.retrieve("chat").id == "chat"


@check
def chat():
    r = client.chat.completions.create(model="chat", messages=hello, max_tokens=8, temperature=0, seed=1)
    assert r.choices[0].message.role == "assistant" and r.choices[0].message.content
    assert r.usage.total_tokens == r.usage.prompt_tokens + r.usage.completion_tokens
    again = client.chat.completions.create(model="chat", messages=hello, max_completion_tokens=8, temperature=0, top_p=1, n=2, stop=["\x01"], user="u",
                                           presence_penalty=0, frequency_penalty=0, logit_bias={"5": -1}, store=False, metadata={"a": "b"})
    assert len(again.choices) == 2
    back = hello + [r.choices[0].message, {"role": "user", "content": "And?"}]
    assert client.chat.completions.create(model="chat", messages=back, max_tokens=2).choices


@check
def stream():
    whole = client.chat.completions.create(model="chat", messages=hello, max_tokens=12, temperature=0.8, seed=3).choices[0].message.content
    text, usage, roles = "", None, 0
    for chunk in client.chat.completions.create(model="chat", messages=hello, max_tokens=12, temperature=0.8, seed=3, stream=True, stream_options={"include_usage": True}):
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
            roles += chunk.choices[0].delta.role == "assistant"
        else:
            usage = chunk.usage
    assert text == whole and usage.completion_tokens > 0 and roles == 1, (text, whole, usage, roles)


@check
def stream_helper():
    # It takes an answer that is cut for an error, so this one comes to its end.
    with client.chat.completions.stream(model="chat", messages=hello, extra_body={"grammar": 'root ::= "yes" | "no"'}) as s:
        for _ in s:
            pass
        assert s.get_final_completion().choices[0].message.content in ("yes", "no")


@check
def asynchronous():
    async def run():
        async with openai.AsyncOpenAI(base_url=url + "/v1", api_key=key) as c:
            rs = await asyncio.gather(*[c.chat.completions.create(model="chat", messages=hello, max_tokens=6, temperature=0) for _ in range(8)])
            assert len({r.choices[0].message.content for r in rs}) == 1
            n = 0
            async for _ in await c.chat.completions.create(model="chat", messages=hello, max_tokens=6, stream=True):
                n += 1
            assert n > 1
    asyncio.run(run())


@check
def logprobs():
    r = client.chat.completions.create(model="chat", messages=hello, max_tokens=4, temperature=0, logprobs=True, top_logprobs=3)
    for t in r.choices[0].logprobs.content:
        assert t.logprob <= 0 and len(t.top_logprobs) == 3 and t.top_logprobs[0].logprob == t.logprob and t.bytes is not None


class Address(BaseModel):
    street: str
    number: int


@check
def schema():
    # A tiny model of random weights: the numbers of a seed that comes to an end are not known beforehand.
    for seed in range(8):
        r = client.chat.completions.create(model="chat", messages=hello, max_tokens=600, temperature=0.7, seed=seed, response_format={"type": "json_schema", "json_schema": {
            "name": "a", "strict": True, "schema": {"type": "object", "properties": {"street": {"type": "string", "maxLength": 8}, "number": {"type": "integer", "minimum": 0, "maximum": 9}},
                                                    "required": ["street", "number"], "additionalProperties": False}}})
        assert r.choices[0].finish_reason == "stop", r
        Address.model_validate_json(r.choices[0].message.content)
    try:
        r = client.chat.completions.parse(model="chat", messages=hello, max_tokens=600, temperature=0, logit_bias={}, response_format=Address)
        assert isinstance(r.choices[0].message.parsed, Address)
    except openai.LengthFinishReasonError:
        pass  # a string without a bound may go on to the limit


tools = [{"type": "function", "function": {"name": "add", "strict": True, "description": "adds", "parameters": {"type": "object", "properties": {
    "a": {"type": "integer", "minimum": 0, "maximum": 9}, "b": {"type": "integer", "minimum": 0, "maximum": 9}}, "required": ["a", "b"], "additionalProperties": False}}}]


@check
def call_tools():
    for choice in ("required", {"type": "function", "function": {"name": "add"}}):
        r = client.chat.completions.create(model="chat", messages=hello, tools=tools, tool_choice=choice, max_tokens=300, parallel_tool_calls=False)
        m = r.choices[0].message
        assert r.choices[0].finish_reason == "tool_calls" and m.content is None and set(json.loads(m.tool_calls[0].function.arguments)) == {"a", "b"}
        back = hello + [m, {"role": "tool", "tool_call_id": m.tool_calls[0].id, "content": "3"}]
        assert client.chat.completions.create(model="chat", messages=back, tools=tools, max_tokens=2).choices
    with client.chat.completions.stream(model="chat", messages=hello, tools=tools, tool_choice="required", parallel_tool_calls=False, max_tokens=300) as s:
        done = [e for e in s if e.type == "tool_calls.function.arguments.done"]
        assert len(done) == 1 and set(json.loads(done[0].arguments)) == {"a", "b"}
    assert not client.chat.completions.create(model="chat", messages=hello, tools=tools, tool_choice="none", max_tokens=2).choices[0].message.tool_calls


@check
def completions():
    r = client.completions.create(model="chat", prompt=["a", "b"], max_tokens=3, temperature=0, echo=True, logprobs=2)
    assert [c.index for c in r.choices] == [0, 1] and r.choices[0].text.startswith("a") and r.choices[0].logprobs.token_logprobs[0] is None
    assert "".join(c.choices[0].text for c in client.completions.create(model="chat", prompt="a", max_tokens=3, temperature=0, stream=True))


@check
def embeddings():
    r = client.embeddings.create(model="encoder", input=["the cat", "the cat sat"])  # the client asks for base64
    f = client.embeddings.create(model="encoder", input="the cat", encoding_format="float")
    assert len(r.data) == 2 and max(abs(a - b) for a, b in zip(r.data[0].embedding, f.data[0].embedding)) < 1e-7  # decimals stand for 32 bits
    assert abs(sum(x * x for x in f.data[0].embedding) - 1) < 1e-5


@check
def responses():
    r = client.responses.create(model="chat", input="Hello.", max_output_tokens=8, temperature=0)
    assert r.output_text and r.usage.output_tokens and r.status in ("completed", "incomplete")
    text = ""
    for e in client.responses.create(model="chat", input="Hello.", max_output_tokens=8, temperature=0, stream=True):
        text += e.delta if e.type == "response.output_text.delta" else ""
        last = e
    assert text == r.output_text and last.type in ("response.completed", "response.incomplete"), (text, r.output_text, last)
    with client.responses.stream(model="chat", input=[{"role": "user", "content": "Hello."}], instructions="Be brief.", max_output_tokens=8) as s:
        for _ in s:
            pass
    tool = {"type": "function", "name": "add", **{k: v for k, v in tools[0]["function"].items() if k not in ("name",)}}
    r = client.responses.create(model="chat", input="Hello.", tools=[tool], tool_choice="required", parallel_tool_calls=False, max_output_tokens=300)
    call = r.output[0]
    assert call.type == "function_call" and set(json.loads(call.arguments)) == {"a", "b"}
    back = [{"role": "user", "content": "Hello."}, call, {"type": "function_call_output", "call_id": call.call_id, "output": "3"}]
    assert client.responses.create(model="chat", input=back, tools=[tool], max_output_tokens=2).output


@check
def errors():
    def fails(kind, code, f, **more):
        try:
            f(**more)
        except kind as e:
            assert e.code == code, (e.code, code)
            return e
        raise AssertionError(f"{more}: no {kind}")
    ask = client.chat.completions.create
    fails(openai.NotFoundError, "model_not_found", ask, model="gpt-5", messages=hello)
    fails(openai.BadRequestError, "unknown_parameter", ask, model="chat", messages=hello, extra_body={"tempratur": 1})
    fails(openai.BadRequestError, "context_length_exceeded", ask, model="chat", messages=[{"role": "user", "content": "word and " * 8000}])
    e = fails(openai.BadRequestError, "invalid_value", ask, model="chat", messages=hello, temperature=5)
    assert e.param == "temperature" and e.request_id
    fails(openai.AuthenticationError, "invalid_api_key", openai.OpenAI(base_url=url + "/v1", api_key="wrong", max_retries=0).models.list)


@check
def cancel():
    # Eight answers that nobody reads to their end, on eight slots: the ninth has its turn all the same.
    for _ in range(16):
        s = client.chat.completions.create(model="chat", messages=hello, max_tokens=4000, stream=True)
        next(iter(s))
        s.close()
    assert client.chat.completions.create(model="chat", messages=hello, max_tokens=2, timeout=20).choices


print("done")
