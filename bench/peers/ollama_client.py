"""Drives a freehold server with ollama's own client for Python. Arguments: folder of the package, URL, key."""
import json
import sys
import time
import urllib.request

sys.path.insert(0, sys.argv[1])
import ollama

url, key = sys.argv[2], sys.argv[3]
client = ollama.Client(host=url, headers={"Authorization": "Bearer " + key})
hello = [{"role": "user", "content": "Hello."}]
few = {"num_predict": 8, "seed": 3}


def check(f):
    f()
    print("ok", f.__name__, flush=True)


def fails(status, says, f, *args, **more):
    try:
        r = f(*args, **more)
        if not isinstance(r, dict) and hasattr(r, "__next__"):
            list(r)
    except ollama.ResponseError as e:
        assert e.status_code == status and says in e.error, (e.status_code, e.error)
        return
    raise AssertionError(f"{args} {more}: no error")


@check
def models():
    names = [m.model for m in client.list().models]
    assert "chat" in names and "encoder" in names, names
    for m in client.list().models:
        assert m.size > 0 and len(m.digest) == 64 and m.details.family and m.details.quantization_level and m.modified_at
    running = client.ps().models
    assert {m.model for m in running} == set(names) and all(m.expires_at and m.size_vram == 0 for m in running)


@check
def show():
    s = client.show("chat")
    family = s.modelinfo["general.architecture"]
    assert s.capabilities == ["completion", "tools"] and s.details.family == family and s.template and s.modified_at, s
    assert s.modelinfo[family + ".context_length"] == 8192 and s.modelinfo["general.parameter_count"] > 0 and s.modelinfo["tokenizer.ggml.tokens"] is None
    assert dict(line.split() for line in s.parameters.splitlines())["num_ctx"] == "8192"
    assert client.show("chat:latest").details == s.details
    assert client.show("encoder").capabilities == ["embedding"]
    fails(404, "llama3", client.show, "llama3")


@check
def chat():
    r = client.chat("chat", hello, options=few)
    assert r.message.role == "assistant" and r.message.content and r.done and r.done_reason == "length" and r.eval_count == 8 and r.prompt_eval_count > 0
    parts = list(client.chat("chat", hello, options=few, stream=True))
    assert "".join(p.message.content for p in parts) == r.message.content and parts[-1].done and parts[-1].eval_count == 8
    assert client.chat("chat", hello + [r.message, hello[0]], options=few, keep_alive="5m").message.content
    assert client.chat("chat:latest", hello, options=ollama.Options(num_predict=1, temperature=0)).eval_count == 1


@check
def generate():
    r = client.generate("chat", "Hello.", options=few)
    assert r.response == client.chat("chat", hello, options=few).message.content
    assert "".join(p.response for p in client.generate("chat", "Hello.", options=few, stream=True)) == r.response
    assert client.generate("chat", "the", raw=True, options=few).response
    assert client.generate("chat").done_reason == "load"


@check
def logprobs():
    for r in (client.chat("chat", hello, options=few, logprobs=True, top_logprobs=2), client.generate("chat", "Hello.", options=few, logprobs=True, top_logprobs=2)):
        assert len(r.logprobs) == 8 and all(t.logprob <= 0 and len(t.top_logprobs) == 2 for t in r.logprobs), r
    parts = list(client.chat("chat", hello, options=few, logprobs=True, stream=True))
    assert [t.logprob for p in parts for t in p.logprobs or []] == [t.logprob for t in client.chat("chat", hello, options=few, logprobs=True).logprobs]


@check
def schema():
    form = {"type": "object", "properties": {"yes": {"type": "boolean"}, "n": {"type": "integer", "minimum": 0, "maximum": 9}}, "required": ["yes", "n"], "additionalProperties": False}
    for r in (client.chat("chat", hello, format=form).message.content, client.generate("chat", "Hello.", format=form).response,
              "".join(p.message.content for p in client.chat("chat", hello, format=form, stream=True))):
        got = json.loads(r)
        assert set(got) == {"yes", "n"} and isinstance(got["yes"], bool) and 0 <= got["n"] <= 9, got


def add(a: int, b: int) -> int:
    """Adds two numbers.

    Args:
      a: the first
      b: the second
    """
    return a + b


@check
def tools():
    # ollama has no tool_choice: the model calls or does not. The client describes the function, and a conversation with a call goes on.
    assert client.chat("chat", hello, tools=[add], options=few).message.role == "assistant"
    call = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "add", "arguments": {"a": 1, "b": 2}}}]}
    r = client.chat("chat", hello + [call, {"role": "tool", "content": "3", "tool_name": "add"}], tools=[add], options=few)
    assert r.message.content is not None and r.prompt_eval_count > client.chat("chat", hello, tools=[add], options=few).prompt_eval_count


@check
def embeddings():
    r = client.embed("encoder", ["the cat", "the cat sat"])
    assert len(r.embeddings) == 2 and abs(sum(x * x for x in r.embeddings[0]) - 1) < 1e-5 and r.prompt_eval_count > 0
    assert client.embed("encoder", "the cat").embeddings[0] == r.embeddings[0] and list(client.embeddings("encoder", "the cat").embedding) == list(r.embeddings[0])
    long = "the cat " * 4000
    fails(400, "context", client.embed, "encoder", long)
    assert len(client.embed("encoder", long, truncate=True).embeddings[0]) == len(r.embeddings[0])
    fails(400, "pooling", client.embed, "chat", "the cat")


@check
def errors():
    fails(404, "llama3", client.chat, "llama3", hello)
    fails(400, "8192", client.chat, "chat", [{"role": "user", "content": "word and " * 8000}])
    fails(400, "8192", client.chat, "chat", [{"role": "user", "content": "word and " * 8000}], stream=True)
    fails(400, "mirostat", client.chat, "chat", hello, options={"mirostat": 1})
    fails(401, "key", ollama.Client(host=url, headers={"Authorization": "Bearer wrong"}).list)
    for f in (lambda: client.pull("llama3"), lambda: client.push("chat"), lambda: client.create("new", from_="chat"), lambda: client.copy("chat", "new"), lambda: client.delete("chat"),
              lambda: client.pull("llama3", stream=True)):
        fails(403, "started with", f)


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
    for _ in range(16):
        s = client.chat("chat", hello, stream=True, format=endless)
        next(s)
        s.close()
    seen(before + 16)
    assert client.chat("chat", hello, options=few).done


print("done")
