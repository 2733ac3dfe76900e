package hf

import (
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["PhiForCausalLM"] = &family{arch: "phi2", modelType: "phi", layer: true, eps: "layer_norm_eps", rotary: 0.5, bias: true,
		whole: map[string]string{"output_norm.weight": "model.final_layernorm.weight", "output_norm.bias": "model.final_layernorm.bias", "output.bias": "lm_head.bias"},
		names: without(append(denseFFN, "self_attn.o_proj.weight"), "input_layernorm.bias", "attn_norm.bias", "self_attn.dense.weight", "attn_output.weight",
			"self_attn.dense.bias", "attn_output.bias", "mlp.fc1.weight", "ffn_up.weight", "mlp.fc2.weight", "ffn_down.weight", "mlp.fc1.bias", "ffn_up.bias", "mlp.fc2.bias", "ffn_down.bias"),
		keys: phiKeys, config: phiConfig}
}

func phiKeys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "gelu_new")
	c.absent("qk_layernorm")
	rope(c, "phi2", d, w)
}

func phiConfig(_ *gguf.File, _ *models.Spec, c map[string]any) { c["hidden_act"] = "gelu_new" }
