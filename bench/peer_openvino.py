"""Measures OpenVINO GenAI, which reads GGUF files itself. First line of standard input: settings; each further line
asks for one measurement. Lines of JSON come back."""
import json
import os
import sys

want = json.loads(sys.stdin.readline())
sys.path.insert(0, want["packages"])
import numpy  # noqa: E402
import openvino  # noqa: E402
import openvino_genai  # noqa: E402

pipe = openvino_genai.LLMPipeline(want["model"], "CPU", {"INFERENCE_NUM_THREADS": want["threads"]})
print(json.dumps({"build": "openvino-genai " + openvino_genai.__version__}), flush=True)
for line in sys.stdin:
    ask = json.loads(line)
    n = ask["generate"]
    ids = numpy.array([[(i * 7919 + 13) % (want["vocab"] - 500) for i in range(max(1, ask["prompt"]))]], dtype=numpy.int64)
    inputs = openvino_genai.TokenizedInputs(openvino.Tensor(ids), openvino.Tensor(numpy.ones_like(ids)))
    config = openvino_genai.GenerationConfig(max_new_tokens=n + 1, ignore_eos=True, do_sample=False, apply_chat_template=False)
    m = pipe.generate(inputs, config).perf_metrics
    if m.get_num_generated_tokens() != n + 1:
        sys.exit("OpenVINO generated %d tokens, want %d" % (m.get_num_generated_tokens(), n + 1))
    ms = m.get_tpot().mean * n if n > 0 else m.get_ttft().mean
    print(json.dumps({"seconds": ms / 1000}), flush=True)
os._exit(0)
