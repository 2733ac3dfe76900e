package hf

import "github.com/freehold-slm/freehold/models/gguf"

func init() {
	families["Exaone4ForCausalLM"] = &family{arch: "exaone4", modelType: "exaone4", names: without([]string{"input_layernorm.weight"},
		"post_attention_layernorm.weight", "post_attention_norm.weight", "post_feedforward_layernorm.weight", "post_ffw_norm.weight",
		"self_attn.q_norm.weight", "attn_q_norm.weight", "self_attn.k_norm.weight", "attn_k_norm.weight"), keys: exaone4Keys}
}

// exaone4Keys: the model of 1.2 billion weights, which has no window.
func exaone4Keys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	c.absent("sliding_window")
	rope(c, "exaone4", d, w)
}
