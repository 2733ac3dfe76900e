package hf

import (
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["ExaoneForCausalLM"] = &family{arch: "exaone", modelType: "exaone", fields: map[string]string{"num_hidden_layers": "num_layers", "hidden_act": "activation_function"},
		base: "transformer.", layers: "transformer.h.", eps: "layer_norm_epsilon", whole: map[string]string{"token_embd.weight": "transformer.wte.weight", "output_norm.weight": "transformer.ln_f.weight"},
		names: pairs("ln_1.weight", "attn_norm.weight", "attn.attention.q_proj.weight", "attn_q.weight", "attn.attention.k_proj.weight", "attn_k.weight", "attn.attention.v_proj.weight", "attn_v.weight",
			"attn.attention.out_proj.weight", "attn_output.weight", "ln_2.weight", "ffn_norm.weight", "mlp.c_fc_0.weight", "ffn_gate.weight", "mlp.c_fc_1.weight", "ffn_up.weight", "mlp.c_proj.weight", "ffn_down.weight"),
		unneeded: []string{".rotary.inv_freq"}, keys: exaoneKeys, config: exaoneConfig}
}

func exaoneKeys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	rope(c, "exaone", d, w)
}

func exaoneConfig(_ *gguf.File, _ *models.Spec, c map[string]any) { delete(c, "attention_bias") }
