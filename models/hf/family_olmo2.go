package hf

import "github.com/freehold-slm/freehold/models/gguf"

func init() {
	names := with("post_attention_layernorm.weight", "post_attention_norm.weight", "post_feedforward_layernorm.weight", "post_ffw_norm.weight",
		"self_attn.q_norm.weight", "attn_q_norm.weight", "self_attn.k_norm.weight", "attn_k_norm.weight")
	delete(names, "input_layernorm.weight")
	families["Olmo2ForCausalLM"] = &family{arch: "olmo2", modelType: "olmo2", layout: rowNorms, names: names, keys: olmo2Keys}
}

func olmo2Keys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	c.absent("sliding_window")
	rope(c, "olmo2", d, w)
}
