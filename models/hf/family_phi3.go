package hf

import "github.com/freehold-slm/freehold/models/gguf"

func init() {
	families["Phi3ForCausalLM"] = &family{arch: "phi3", modelType: "phi3", ffn2: true, rotary: 1, names: without(append(fusedQKV, fusedFFN...),
		"self_attn.qkv_proj.weight", "attn_qkv.weight", "mlp.gate_up_proj.weight", "ffn_up.weight", "post_attention_layernorm.weight", "ffn_norm.weight"), keys: phi3Keys}
}

func phi3Keys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	window(c, "phi3", w)
	rope(c, "phi3", d, w)
}
