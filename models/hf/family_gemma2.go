package hf

import (
	"fmt"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["Gemma2ForCausalLM"] = &family{arch: "gemma2", modelType: "gemma2", plusOne: true, tied: true, capped: true, names: with("post_attention_layernorm.weight", "post_attention_norm.weight",
		"pre_feedforward_layernorm.weight", "ffn_norm.weight", "post_feedforward_layernorm.weight", "post_ffw_norm.weight"), keys: gemma2Keys, config: gemma2Config}
}

// gemma2Keys: every other layer has a window, from the first on.
func gemma2Keys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_activation", "gelu_pytorch_tanh")
	scale := d.headDim
	if d.layers == 46 { // the 27B model
		scale = d.dim / d.heads
	}
	if q := c.size("query_pre_attn_scalar", 1<<20); q != scale {
		c.fail("query_pre_attn_scalar", fmt.Sprint(q), fmt.Sprint(scale))
	}
	if list, ok := c.fields["layer_types"].([]any); ok {
		for i, kind := range list {
			if want := []string{"sliding_attention", "full_attention"}[i%2]; kind != want {
				c.fail(fmt.Sprintf("layer_types[%d]", i), shown(kind), want)
			}
		}
	}
	w.Set("gemma2.attn_logit_softcapping", c.positive("attn_logit_softcapping"))
	w.Set("gemma2.final_logit_softcapping", c.positive("final_logit_softcapping"))
	w.Set("gemma2.attention.sliding_window", uint32(c.size("sliding_window", 1<<31)))
	rope(c, "gemma2", d, w)
}

func gemma2Config(_ *gguf.File, s *models.Spec, c map[string]any) {
	delete(c, "hidden_act")
	c["hidden_activation"], c["query_pre_attn_scalar"] = "gelu_pytorch_tanh", s.HeadDim
	if s.Layers == 46 {
		c["query_pre_attn_scalar"] = s.Dim / s.Heads
	}
	c["attn_logit_softcapping"], c["final_logit_softcapping"], c["sliding_window"] = s.AttnCap, s.LogitCap, s.Window
}
