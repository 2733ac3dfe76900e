"""Loads an adapter with PEFT beside a tiny llama in transformers, whose weights are those of a GGUF file in F32, and
prints the logits of some tokens. The request comes on standard input (TestPEFTLoads)."""

import json
import sys

import numpy as np
import torch
from peft import PeftModel
from transformers import LlamaConfig, LlamaForCausalLM

ask = json.load(sys.stdin)
config = LlamaConfig(
    vocab_size=ask["vocab"], hidden_size=ask["dim"], intermediate_size=ask["ffn"], num_hidden_layers=ask["layers"],
    num_attention_heads=ask["heads"], num_key_value_heads=ask["kv_heads"], head_dim=ask["head_dim"],
    rms_norm_eps=ask["eps"], rope_theta=ask["theta"], tie_word_embeddings="output.weight" not in ask["tensors"],
    rope_parameters={"rope_type": "default", "rope_theta": ask["theta"]},
)
model = LlamaForCausalLM(config).eval()
data = open(ask["gguf"], "rb").read()


def tensor(name):
    at, n = ask["tensors"][name]
    return torch.from_numpy(np.frombuffer(data, dtype="<f4", count=n, offset=at).copy())


def halves(w, heads):
    """Rows of pairs, as GGUF has them for rotary embedding, back in two halves."""
    return w.reshape(heads, -1, 2, w.shape[-1]).swapaxes(1, 2).reshape(w.shape)


names = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}
with torch.no_grad():
    for key, to in model.state_dict().items():
        if key.startswith("model.layers."):
            _, _, layer, rest = key.split(".", 3)
            gguf = f"blk.{layer}.{names[rest.removesuffix('.weight')]}.weight"
        else:
            gguf = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
                    "lm_head.weight": "output.weight"}[key]
            if gguf not in ask["tensors"]:
                gguf = "token_embd.weight"
        w = tensor(gguf).reshape(to.shape)
        if gguf.endswith("attn_q.weight"):
            w = halves(w, ask["heads"])
        if gguf.endswith("attn_k.weight"):
            w = halves(w, ask["kv_heads"])
        to.copy_(w)
model = PeftModel.from_pretrained(model, ask["adapter"])
loaded = sum(1 for name, _ in model.named_modules() if name.endswith("lora_A"))
assert loaded == ask["modules"], f"{loaded} modules have an adapter, want {ask['modules']}"
with torch.no_grad():
    logits = model(torch.tensor([ask["tokens"]])).logits[0]
json.dump([float(x) for x in logits.flatten()], sys.stdout)
