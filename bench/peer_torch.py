"""Trains a Llama of random weights in PyTorch, one optimiser step a request, until standard input ends.

Standard input: one line of JSON with the settings below, then {} for each step. Standard output: one line of JSON with
what the build says of itself, then the seconds of each step.
"""
import json
import os
import resource
import sys
import time

want = json.loads(sys.stdin.readline())
os.environ["OMP_NUM_THREADS"] = str(want["threads"])
os.environ["HF_HUB_OFFLINE"] = "1"  # nothing is loaded from anywhere
sys.path.insert(0, want["packages"])

import torch
import torch.nn.functional as F
import transformers

torch.set_num_threads(want["threads"])
torch.manual_seed(7)
shape, bf16 = want["shape"], want["precision"] == "bf16"
rows, length, vocab = shape["rows"], shape["tokens"], shape["vocab"]


class LoRA(torch.nn.Module):
    """y = base(x) + scale (x A') B', the base frozen."""

    def __init__(self, base, rank):
        super().__init__()
        self.base, self.scale = base, 2.0
        base.weight.requires_grad_(False)
        self.a = torch.nn.Parameter(torch.randn(rank, base.in_features) * 0.02)
        self.b = torch.nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x):
        return self.base(x) + self.scale * F.linear(F.linear(x, self.a), self.b)


def adapt(module, rank):
    for name, child in module.named_children():
        if isinstance(child, torch.nn.Linear):
            setattr(module, name, LoRA(child, rank))
        else:
            adapt(child, rank)


model = transformers.LlamaForCausalLM(transformers.LlamaConfig(
    vocab_size=vocab, hidden_size=shape["dim"], intermediate_size=shape["ffn"], num_hidden_layers=shape["layers"],
    num_attention_heads=shape["heads"], num_key_value_heads=shape["kv_heads"], max_position_embeddings=2048,
    tie_word_embeddings=True, attn_implementation="sdpa", use_cache=False)).train()
if want["rank"]:
    model.requires_grad_(False)
    adapt(model.model, want["rank"])
learns = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(learns, lr=1e-4, fused=True)

ids = torch.randint(0, vocab, (rows, length + 1))
inputs, labels = ids[:, :-1], ids[:, 1:].reshape(-1)
teacher = top = None
if want["loss"] == "forward_kl":
    teacher = torch.randn(rows * length, vocab, dtype=torch.bfloat16 if bf16 else torch.float32)
elif want["loss"] == "mixed_topk":
    top = torch.rand(rows * length, vocab).topk(want["k"]).indices
    teacher = torch.randn(rows * length, want["k"]).softmax(-1)
elif want["loss"] != "ce":
    sys.exit("unknown loss " + want["loss"])


def loss_of(logits):
    logits = logits.reshape(-1, vocab).float()
    if want["loss"] == "ce":
        return F.cross_entropy(logits, labels)
    if top is None:
        return F.kl_div(logits.log_softmax(-1), teacher.float().log_softmax(-1), reduction="batchmean", log_target=True)
    kept = logits.gather(1, top).log_softmax(-1)
    return 0.5 * F.cross_entropy(logits, labels) + 0.5 * F.kl_div(kept, teacher, reduction="batchmean")


def forward():
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        logits = model(input_ids=inputs, use_cache=False).logits
    return loss_of(logits)


# Compiling the whole of a deep model takes tens of minutes; its layers share one compiled body (PyTorch's "regional compilation").
build = "PyTorch %s, transformers %s" % (torch.__version__, transformers.__version__)
if want["compile"] and shape["layers"] > 12:
    for layer in model.model.layers:
        layer.compile()
    loss_of = torch.compile(loss_of)
    build += ", layers and loss compiled"
elif want["compile"]:
    forward = torch.compile(forward)
    build += ", compiled whole"


def step():
    loss = forward()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(learns, 1.0, foreach=True)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.item()


print(json.dumps({"build": build}), flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    loss = step()
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "loss": loss, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}), flush=True)
