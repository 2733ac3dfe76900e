#!/usr/bin/env python3
"""render.py TEMPLATES OUT: renders every .jinja file of a folder by Jinja2, set up as Hugging Face transformers sets it up,
with some conversations, and writes OUT/chat/NAME.jinja and NAME.json (chatvec/1), which TestFixtures reads:
    FREEHOLD_FIXTURES=OUT go test ./models/chat -run 'TestFixtures$'
Needs the package jinja2."""
import datetime, glob, json, os, sys
import jinja2, jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = datetime.datetime(2024, 7, 26, 12, 30)


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.Scope(body).set_lineno(line)


def refuse(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
env.filters["tojson"] = tojson
env.globals["raise_exception"] = refuse
env.globals["strftime_now"] = NOW.strftime

tool = {"type": "function", "function": {"name": "look_up", "description": "Looks a word up.", "parameters": {
    "type": "object", "properties": {"word": {"type": "string", "description": "The word."}, "deep": {"type": "boolean"},
    "langs": {"type": "array", "items": {"type": "string"}}, "n": {"type": "integer", "enum": [1, 2]}}, "required": ["word"]}}}
call = lambda i, **arguments: {"id": f"abcdef00{i}", "type": "function", "function": {"name": "look_up", "arguments": arguments}}
system = {"role": "system", "content": "Be brief."}
user = {"role": "user", "content": "What is a \"bee\"?\n"}
answer = {"role": "assistant", "content": "An insect."}
thought = {"role": "assistant", "content": "An insect.", "reasoning_content": "Bees fly."}
think = {"role": "assistant", "content": "<think>\nBees fly.\n</think>\n\nAn insect."}
calls = {"role": "assistant", "content": "", "tool_calls": [call(1, word="bee", deep=True)]}
both = {"role": "assistant", "content": "", "tool_calls": [call(1, word="bee", n=1.5), call(2, word="ant", langs=["de", None])]}
result = lambda i: {"role": "tool", "name": "look_up", "tool_call_id": f"abcdef00{i}", "content": "{\"found\": true}"}
parts = {"role": "user", "content": [{"type": "text", "text": "What is"}, {"type": "text", "text": " this?"}]}
conversations = {
    "user": [user], "system": [system, user], "turns": [system, user, answer, user], "end": [user, answer], "parts": [parts], "empty": [],
    "thought": [user, thought, user, thought], "think": [user, think, user], "calls": [system, user, calls, result(1)],
    "calls answered": [user, calls, result(1), answer, user], "two calls": [user, both, result(1), result(2), answer],
    "odd role": [{"role": "critic", "content": "x"}], "two users": [user, user],
}

os.makedirs(os.path.join(sys.argv[2], "chat"), exist_ok=True)
for path in sorted(glob.glob(os.path.join(sys.argv[1], "*.jinja"))):
    name = os.path.basename(path)
    source = open(path, encoding="utf-8", newline="").read()
    try:
        template, problem = env.from_string(source), None
    except Exception as e:
        template, problem = None, e
    cases = []
    for title, messages in conversations.items():
        for tools in (None, [tool]):
            for more in ({"add_generation_prompt": True}, {"add_generation_prompt": False, "enable_thinking": True}, {"add_generation_prompt": True, "enable_thinking": False}):
                case = {"name": f"{title}, {'tools' if tools else 'none'}, {more}", "messages": messages, "bos_token": "<s>", "eos_token": "</s>", **more}
                if tools:
                    case["tools"] = tools
                try:
                    if problem:
                        raise problem
                    case["expected"] = template.render(messages=messages, tools=tools, documents=None, bos_token="<s>", eos_token="</s>", **more)
                except Exception as e:
                    case["error"] = f"{type(e).__name__}: {e}"
                cases.append(case)
    with open(os.path.join(sys.argv[2], "chat", name), "w", encoding="utf-8", newline="") as f:
        f.write(source)
    with open(os.path.join(sys.argv[2], "chat", name[:-6] + ".json"), "w", encoding="utf-8") as f:
        json.dump({"format": "chatvec/1", "template": name, "now": NOW.isoformat(), "cases": cases}, f, ensure_ascii=False)
    print(name, sum("expected" in c for c in cases), "rendered,", sum("error" in c for c in cases), "refused")
