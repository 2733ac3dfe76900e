"""Drives a freehold server with litellm, by OpenAI's API and by ollama's. Arguments: folder of the package, URL, key."""
import asyncio
import json
import os
import sys
import time
import urllib.request

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would ask the network what models cost
sys.path.insert(0, sys.argv[1])
import litellm

url, key = sys.argv[2], sys.argv[3]
litellm.telemetry = False
litellm.suppress_debug_info = True
hello = [{"role": "user", "content": "Hello."}]
openai = {"api_base": url + "/v1", "api_key": key, "num_retries": 0}
ollama = {"api_base": url, "api_key": key, "num_retries": 0}
ways = {"openai/chat": openai, "hosted_vllm/chat": openai, "ollama_chat/chat": ollama}


def check(f):
    f()
    print("ok", f.__name__, flush=True)


@check
def chat():
    for model, at in ways.items():
        r = litellm.completion(model=model, messages=hello, max_tokens=8, temperature=0, **at)
        text = r.choices[0].message.content
        assert text and r.choices[0].finish_reason == "length" and r.usage.completion_tokens == 8, (model, r)
        parts = list(litellm.completion(model=model, messages=hello, max_tokens=8, temperature=0, stream=True, **at))
        assert "".join(p.choices[0].delta.content or "" for p in parts if p.choices) == text, (model, parts)
        assert litellm.completion(model=model, messages=hello + [r.choices[0].message, hello[0]], max_tokens=2, **at).choices


@check
def asynchronous():
    async def run():
        rs = await asyncio.gather(*[litellm.acompletion(model="openai/chat", messages=hello, max_tokens=6, temperature=0, **openai) for _ in range(8)])
        assert len({r.choices[0].message.content for r in rs}) == 1
    asyncio.run(run())


@check
def logprobs():
    r = litellm.completion(model="openai/chat", messages=hello, max_tokens=4, logprobs=True, top_logprobs=2, **openai)
    assert len(r.choices[0].logprobs.content) == 4 and all(t.logprob <= 0 and len(t.top_logprobs) == 2 for t in r.choices[0].logprobs.content)


digit = {"type": "integer", "minimum": 0, "maximum": 9}
numbers = {"type": "object", "properties": {"a": digit, "b": digit}, "required": ["a", "b"], "additionalProperties": False}


@check
def schema():
    for model, at in ways.items():
        r = litellm.completion(model=model, messages=hello, max_tokens=300, response_format={"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": numbers}}, **at)
        got = json.loads(r.choices[0].message.content)
        assert set(got) == {"a", "b"} and all(0 <= x <= 9 for x in got.values()), (model, got)


@check
def tools():
    tool = {"type": "function", "function": {"name": "add", "description": "adds", "parameters": numbers}}
    for model in ("openai/chat", "hosted_vllm/chat"):
        r = litellm.completion(model=model, messages=hello, max_tokens=300, tools=[tool], tool_choice="required", parallel_tool_calls=False, **openai)
        m = r.choices[0].message
        assert r.choices[0].finish_reason == "tool_calls" and set(json.loads(m.tool_calls[0].function.arguments)) == {"a", "b"}, (model, r)
        back = hello + [m, {"role": "tool", "tool_call_id": m.tool_calls[0].id, "content": "3"}]
        assert litellm.completion(model=model, messages=back, tools=[tool], max_tokens=2, **openai).choices
    assert litellm.completion(model="ollama_chat/chat", messages=hello, max_tokens=8, tools=[tool], **ollama).choices


@check
def texts_and_embeddings():
    assert litellm.text_completion(model="text-completion-openai/chat", prompt="the", max_tokens=3, **openai).choices[0].text
    for model in ("openai/encoder", "hosted_vllm/encoder"):  # with ollama's embeddings it sends no key
        r = litellm.embedding(model=model, input=["the cat", "the cat sat"], **openai)
        assert len(r.data) == 2 and abs(sum(x * x for x in r.data[0]["embedding"]) - 1) < 1e-5, (model, r)


@check
def responses():
    r = litellm.responses(model="openai/chat", input="Hello.", max_output_tokens=16, temperature=0, **openai)
    assert r.output[0].content[0].text and r.usage.output_tokens == 16, r
    text = "".join(e.delta for e in litellm.responses(model="openai/chat", input="Hello.", max_output_tokens=16, temperature=0, stream=True, **openai) if e.type == "response.output_text.delta")
    assert text == r.output[0].content[0].text


@check
def errors():
    def fails(kind, says, **more):
        try:
            litellm.completion(**{"max_tokens": 2, **more})
        except kind as e:
            assert says in str(e), e
            return
        raise AssertionError(f"{more}: no {kind}")
    for model, at in ways.items():
        fails(litellm.NotFoundError if at is openai else Exception, "gpt-5", model=model.replace("/chat", "/gpt-5"), messages=hello, **at)
        fails(Exception, "8192", model=model, messages=[{"role": "user", "content": "word and " * 8000}], **at)
        fails(Exception, "key", model=model, messages=hello, **{**at, "api_key": "wrong"})
    fails(litellm.ContextWindowExceededError, "8192", model="openai/chat", messages=[{"role": "user", "content": "word and " * 8000}], **openai)
    fails(litellm.AuthenticationError, "key", model="openai/chat", messages=hello, **{**openai, "api_key": "wrong"})
    fails(litellm.BadRequestError, "temperature", model="openai/chat", messages=hello, temperature=5, **openai)


def cancelled():
    r = urllib.request.Request(url + "/metrics", headers={"Authorization": "Bearer " + key})
    return next(int(line.split()[1]) for line in urllib.request.urlopen(r).read().decode().splitlines() if line.startswith("freehold_requests_canceled_total "))


def seen(n):
    """Waits until the server has seen n requests given up."""
    for _ in range(200):
        if cancelled() >= n:
            return
        time.sleep(0.1)
    raise AssertionError(f"{cancelled()} requests were seen to be cancelled, want {n}")


@check
def cancel():
    # More answers than there are slots, which go on for thousands of tokens and are given up with their first one.
    endless = {"type": "object", "properties": {"a": {"type": "string", "minLength": 4000, "maxLength": 4000}}, "required": ["a"], "additionalProperties": False}
    before = cancelled()

    async def leave():
        for model, at in ways.items():
            for _ in range(10):
                s = await litellm.acompletion(model=model, messages=hello, stream=True, response_format={"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": endless}}, **at)
                await anext(aiter(s))
                await s.aclose()
    asyncio.run(leave())
    seen(before + 10 * len(ways))
    assert litellm.completion(model="openai/chat", messages=hello, max_tokens=2, timeout=20, **openai).choices


print("done", flush=True)
os._exit(0)  # its own threads may go on
