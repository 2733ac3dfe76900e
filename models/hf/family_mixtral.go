package hf

import "github.com/freehold-slm/freehold/models/gguf"

func init() {
	families["MixtralForCausalLM"] = &family{arch: "llama", modelType: "mixtral", rotated: true, names: without(denseFFN, "post_attention_layernorm.weight", "ffn_norm.weight",
		"block_sparse_moe.gate.weight", "ffn_gate_inp.weight", "block_sparse_moe.experts.{x}.w1.weight", "ffn_gate_exps.weight", "block_sparse_moe.experts.{x}.w2.weight", "ffn_down_exps.weight",
		"block_sparse_moe.experts.{x}.w3.weight", "ffn_up_exps.weight"), keys: mixtralKeys, experts: &expertFields{count: "num_local_experts", ffn: "intermediate_size"}}
}

func mixtralKeys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	c.absent("sliding_window")
	expertKeys(c, "llama", d, true, true, w)
	rope(c, "llama", d, w)
}
