package hf

import (
	"slices"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["Qwen3MoeForCausalLM"] = &family{arch: "qwen3moe", modelType: "qwen3_moe", names: without(denseFFN, append(slices.Clone(mlpExperts), "post_attention_layernorm.weight", "ffn_norm.weight",
		"mlp.gate.weight", "ffn_gate_inp.weight", "self_attn.q_norm.weight", "attn_q_norm.weight", "self_attn.k_norm.weight", "attn_k_norm.weight")...), keys: qwen3moeKeys, config: qwen3moeConfig, experts: &expertFields{count: "num_experts", ffn: "moe_intermediate_size"}}
}

func qwen3moeKeys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	c.absent("use_sliding_window")
	expertKeys(c, "qwen3moe", d, true, false, w)
	w.Set("qwen3moe.expert_feed_forward_length", uint32(d.expertFFN))
	rope(c, "qwen3moe", d, w)
}

func qwen3moeConfig(_ *gguf.File, _ *models.Spec, c map[string]any) {
	c["norm_topk_prob"], c["decoder_sparse_step"], c["mlp_only_layers"] = true, 1, []int{}
}
