package hf

import "github.com/freehold-slm/freehold/models/gguf"

func init() {
	for _, name := range []string{"LlamaForCausalLM"} {
		families[name] = &family{arch: "llama", rotated: true, names: with("post_attention_layernorm.weight", "ffn_norm.weight"), keys: llamaKeys}
	}
}

func llamaKeys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	rope(c, "llama", d, w)
}
