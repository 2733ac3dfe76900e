"""Measures llama.cpp through the package xllamacpp. First line of standard input: settings; each further line asks for
one measurement. Lines of JSON come back."""
import concurrent.futures
import json
import os
import sys

want = json.loads(sys.stdin.readline())
sys.path.insert(0, want["packages"])
import xllamacpp  # noqa: E402

p = xllamacpp.CommonParams()
p.model.path = want["model"]
p.n_ctx = want["context"] * want["batch"]
p.n_parallel = want["batch"]
p.n_batch = p.n_ubatch = 512
p.cpuparams.n_threads = p.cpuparams_batch.n_threads = want["threads"]
p.n_gpu_layers = 0
p.verbosity = 0
server = xllamacpp.Server(p)
print(json.dumps({"build": "xllamacpp " + xllamacpp.__version__}), flush=True)


def complete(prompt, n):
    out = server.handle_completions({"prompt": prompt, "n_predict": n + 1, "cache_prompt": False, "ignore_eos": True, "temperature": 0,
                                     "samplers": ["temperature"]})
    t = out.get("timings")
    if t is None:
        sys.exit("llama.cpp: %s" % json.dumps(out))
    if n > 0:  # the first token comes with the prompt
        if t["predicted_n"] != n + 1:
            sys.exit("llama.cpp generated %d tokens, want %d" % (t["predicted_n"], n + 1))
        return t["predicted_ms"]
    if t["prompt_n"] != len(prompt):
        sys.exit("llama.cpp computed %d prompt tokens, want %d" % (t["prompt_n"], len(prompt)))
    return t["prompt_ms"]


for line in sys.stdin:
    ask = json.loads(line)
    prompt = [(i * 7919 + 13) % (want["vocab"] - 500) for i in range(max(1, ask["prompt"]))]
    with concurrent.futures.ThreadPoolExecutor(ask["batch"]) as pool:  # sequences generate together, in slots of their own
        ms = max(pool.map(lambda _: complete(prompt, ask["generate"]), range(ask["batch"])))
    print(json.dumps({"seconds": ms / 1000}), flush=True)
os._exit(0)  # nothing to tidy up; the server's own shutdown can take seconds
