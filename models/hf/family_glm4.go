package hf

import "github.com/freehold-slm/freehold/models/gguf"

func init() {
	families["Glm4ForCausalLM"] = &family{arch: "glm4", modelType: "glm4", ffn2: true, rotary: 0.5, names: without(fusedFFN, "mlp.gate_up_proj.weight", "ffn_up.weight",
		"post_attention_layernorm.weight", "ffn_norm.weight", "post_self_attn_layernorm.weight", "post_attention_norm.weight", "post_mlp_layernorm.weight", "post_ffw_norm.weight"),
		keys: glm4Keys}
}

// glm4Keys: pairs that rotate are neighbours in transformers too.
func glm4Keys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	rope(c, "glm4", d, w)
}
