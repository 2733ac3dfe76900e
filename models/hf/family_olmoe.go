package hf

import (
	"slices"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["OlmoeForCausalLM"] = &family{arch: "olmoe", modelType: "olmoe", layout: rowNorms, names: without(denseFFN, append(slices.Clone(mlpExperts), "post_attention_layernorm.weight", "ffn_norm.weight",
		"mlp.gate.weight", "ffn_gate_inp.weight", "self_attn.q_norm.weight", "attn_q_norm.weight", "self_attn.k_norm.weight", "attn_k_norm.weight")...), keys: olmoeKeys, config: olmoeConfig, experts: &expertFields{count: "num_experts", ffn: "intermediate_size"}}
}

func olmoeKeys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	c.absent("clip_qkv")
	expertKeys(c, "olmoe", d, false, false, w)
	rope(c, "olmoe", d, w)
}

func olmoeConfig(_ *gguf.File, _ *models.Spec, c map[string]any) { c["norm_topk_prob"] = false }
