package hf

import "github.com/freehold-slm/freehold/models/gguf"

func init() {
	families["Qwen2ForCausalLM"] = &family{arch: "qwen2", modelType: "qwen2", bias: true, names: with("post_attention_layernorm.weight", "ffn_norm.weight"), keys: qwen2Keys}
}

func qwen2Keys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	c.absent("use_sliding_window")
	rope(c, "qwen2", d, w)
}
