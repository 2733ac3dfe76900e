"""Trains the student of a recipe of type classify in PyTorch, and judges it: the first layers of a folder's model, its embedding frozen, mean-pooled states and a linear
head, forward KL against the teacher's label probabilities. A hand-written loop, which does less than transformers' Trainer.

Standard input: one line of JSON with the settings. Standard output: one line of JSON: the build, seconds of training and of judging, the label of each test row.
"""
import json
import os
import random
import resource
import sys
import time

want = json.loads(sys.stdin.readline())
os.environ["OMP_NUM_THREADS"] = str(want["threads"])
os.environ["HF_HUB_OFFLINE"] = "1"  # nothing is loaded from anywhere
out, sys.stdout = sys.stdout, sys.stderr
sys.path.insert(0, want["packages"])

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
import transformers  # noqa: E402

torch.set_num_threads(want["threads"])
torch.manual_seed(want["seed"])
bf16 = want["precision"] == "bf16"
config = transformers.AutoConfig.from_pretrained(want["folder"])
config.num_hidden_layers = want["layers"]
body = transformers.AutoModel.from_pretrained(want["folder"], config=config, dtype=torch.float32, attn_implementation="sdpa")
head = torch.nn.Linear(config.hidden_size, want["labels"])
torch.nn.init.zeros_(head.weight)
torch.nn.init.zeros_(head.bias)
body.embed_tokens.weight.requires_grad_(False)
if want["compile"]:
    for layer in body.layers:
        layer.compile(dynamic=True)

matrices = [p for p in list(body.parameters()) + list(head.parameters()) if p.requires_grad and p.dim() > 1]
rest = [p for p in list(body.parameters()) + list(head.parameters()) if p.requires_grad and p.dim() == 1]
optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": want["weight_decay"]}, {"params": rest, "weight_decay": 0.0}], lr=want["lr"], fused=True)
warmup, steps, batch = want["warmup"], want["steps"], want["batch"]
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: (n + 1) / warmup if n < warmup else 1 - min(1, (n - warmup) / max(1, steps - warmup)))


def logits_of(rows):
    longest = max(len(r) for r in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros(len(rows), longest, dtype=torch.long)
    for i, r in enumerate(rows):
        ids[i, : len(r)] = torch.tensor(r)
        mask[i, : len(r)] = 1
    attention = mask if want["causal"] else mask[:, None, None, :].bool().expand(-1, -1, longest, -1)  # of four dimensions: taken as it is
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        states = body(input_ids=ids, attention_mask=attention, use_cache=False).last_hidden_state
    pooled = (states.float() * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
    return head(pooled)


def step(rows, targets):
    loss = F.kl_div(logits_of(rows).log_softmax(-1), torch.tensor(targets).log_softmax(-1), reduction="batchmean", log_target=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(matrices + rest, want["clip"], foreach=True)
    return loss.item()


train, target, test = want["train"], want["target"], want["test"]
step(train[:batch], target[:batch])  # what is made once (compiled, chosen) is not counted, and changes nothing
optimizer.zero_grad(set_to_none=True)

order, drawn = [], random.Random(want["seed"])
start = time.perf_counter()
for n in range(steps):
    while len(order) < batch:
        fresh = list(range(len(train)))
        drawn.shuffle(fresh)
        order += fresh
    rows, order = order[:batch], order[batch:]
    loss = step([train[i] for i in rows], [target[i] for i in rows])
    optimizer.step()
    schedule.step()
    optimizer.zero_grad(set_to_none=True)
trained = time.perf_counter() - start

body.eval()
start, labels = time.perf_counter(), []
by_length = sorted(range(len(test)), key=lambda i: len(test[i]))  # little padding
answer = [0] * len(test)
with torch.no_grad():
    for i in range(0, len(test), 64):
        rows = by_length[i : i + 64]
        for r, label in zip(rows, logits_of([test[r] for r in rows]).argmax(-1).tolist()):
            answer[r] = label
judged = time.perf_counter() - start
print(json.dumps({"build": "PyTorch %s, transformers %s%s" % (torch.__version__, transformers.__version__, ", layers compiled" if want["compile"] else ""), "train_s": trained, "test_s": judged,
                  "loss": loss, "labels": answer, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}), file=out, flush=True)
