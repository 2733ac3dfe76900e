package hf

import "github.com/freehold-slm/freehold/models/gguf"

func init() {
	families["Qwen3ForCausalLM"] = &family{arch: "qwen3", modelType: "qwen3", names: with("post_attention_layernorm.weight", "ffn_norm.weight",
		"self_attn.q_norm.weight", "attn_q_norm.weight", "self_attn.k_norm.weight", "attn_k_norm.weight"), keys: qwen3Keys}
}

func qwen3Keys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	c.absent("use_sliding_window")
	rope(c, "qwen3", d, w)
}
