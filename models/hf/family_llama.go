package hf

import "github.com/freehold-slm/freehold/models/gguf"

func init() {
	for _, name := range []string{"LlamaForCausalLM", "MistralForCausalLM"} {
		families[name] = &family{arch: "llama", modelType: "llama", rotated: true, names: with("post_attention_layernorm.weight", "ffn_norm.weight"), keys: llamaKeys}
	}
}

func llamaKeys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	c.absent("sliding_window")
	rope(c, "llama", d, w)
}
