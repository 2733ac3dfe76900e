"""Computes logits, or an encoder's states, with Hugging Face transformers, from the packages in the folder that is the first argument. Each line of standard input is
{"folder": path, "tokens": [ids]}; each line of output answers with {"logits": [those after every token]} or with {"error": text}."""
import json
import os
import sys

sys.path.insert(0, sys.argv[1])
os.environ["HF_HUB_OFFLINE"] = "1"
out, sys.stdout = sys.stdout, sys.stderr
import torch  # noqa: E402
import transformers  # noqa: E402

torch.set_num_threads(1)
for line in sys.stdin:
    ask = json.loads(line)
    try:
        encoder = json.load(open(os.path.join(ask["folder"], "config.json")))["architectures"][0] == "BertModel"
        auto = transformers.AutoModel if encoder else transformers.AutoModelForCausalLM
        options = {"add_pooling_layer": False} if encoder else {}  # a head for training, which GGUF has not
        model, info = auto.from_pretrained(ask["folder"], **options, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
        wrong = {k: sorted(map(str, v)) for k, v in info.items() if v}
        if wrong:
            raise ValueError("weights that do not fit: %s" % wrong)
        for part in model.modules():
            if isinstance(part, torch.nn.GELU):
                part.approximate = "tanh"  # what GGUF means by GELU; config.json states it where it can
        with torch.no_grad():
            result = model.eval()(torch.tensor([ask["tokens"]]), **({} if encoder else {"use_cache": False}))
            logits = result.last_hidden_state[0] if encoder else result.logits[0]
        answer = {"logits": logits.tolist(), "class": type(model).__name__}
    except Exception as e:  # noqa: BLE001: told to the test
        answer = {"error": "%s: %s" % (type(e).__name__, e)}
    print(json.dumps(answer), file=out, flush=True)
