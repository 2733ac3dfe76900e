package hf

import (
	"slices"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["Qwen2MoeForCausalLM"] = &family{arch: "qwen2moe", modelType: "qwen2_moe", bias: true, layout: map[string]string{"mlp.shared_expert_gate.weight": "1, e"}, names: without(denseFFN, append(slices.Clone(mlpExperts), "post_attention_layernorm.weight", "ffn_norm.weight",
		"mlp.gate.weight", "ffn_gate_inp.weight", "mlp.shared_expert_gate.weight", "ffn_gate_inp_shexp.weight", "mlp.shared_expert.gate_proj.weight", "ffn_gate_shexp.weight",
		"mlp.shared_expert.up_proj.weight", "ffn_up_shexp.weight", "mlp.shared_expert.down_proj.weight", "ffn_down_shexp.weight")...), keys: qwen2moeKeys, config: qwen2moeConfig,
		experts: &expertFields{count: "num_experts", ffn: "moe_intermediate_size", shared: "shared_expert_intermediate_size"}}
}

func qwen2moeKeys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	c.absent("use_sliding_window")
	expertKeys(c, "qwen2moe", d, false, false, w)
	w.Set("qwen2moe.expert_feed_forward_length", uint32(d.expertFFN))
	w.Set("qwen2moe.expert_shared_feed_forward_length", uint32(d.sharedFFN))
	rope(c, "qwen2moe", d, w)
}

func qwen2moeConfig(_ *gguf.File, _ *models.Spec, c map[string]any) {
	c["norm_topk_prob"], c["decoder_sparse_step"], c["mlp_only_layers"] = false, 1, []int{}
}
