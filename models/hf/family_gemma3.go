package hf

import (
	"fmt"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["Gemma3ForCausalLM"] = &family{arch: "gemma3", modelType: "gemma3_text", plusOne: true, tied: true, names: with("post_attention_layernorm.weight", "post_attention_norm.weight",
		"pre_feedforward_layernorm.weight", "ffn_norm.weight", "post_feedforward_layernorm.weight", "post_ffw_norm.weight",
		"self_attn.q_norm.weight", "attn_q_norm.weight", "self_attn.k_norm.weight", "attn_k_norm.weight"), keys: gemma3Keys, config: gemma3Config}
}

// gemma3Keys: five of six layers have a window and a rotary embedding of their own, which is never scaled.
func gemma3Keys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_activation", "gelu_pytorch_tanh")
	c.absent("use_bidirectional_attention")
	for _, field := range []string{"sliding_window_pattern", "_sliding_window_pattern"} {
		if n := c.sizeOr(field, 6, 4096); n != 6 {
			c.fail(field, fmt.Sprint(n), "6")
		}
	}
	if list, ok := c.fields["layer_types"].([]any); ok {
		for i, kind := range list {
			want := "sliding_attention"
			if (i+1)%6 == 0 {
				want = "full_attention"
			}
			if kind != want {
				c.fail(fmt.Sprintf("layer_types[%d]", i), shown(kind), want)
			}
		}
	}
	scale := d.headDim
	if d.layers == 62 { // the 27B model
		scale = d.dim / d.heads
	}
	if q := c.sizeOr("query_pre_attn_scalar", 256, 1<<20); q != scale {
		c.fail("query_pre_attn_scalar", fmt.Sprint(q), fmt.Sprint(scale))
	}
	if c.has("final_logit_softcapping") {
		w.Set("gemma3.final_logit_softcapping", c.positive("final_logit_softcapping"))
	}
	w.Set("gemma3.attention.sliding_window", uint32(c.size("sliding_window", 1<<31)))
	c.absent("rope_parameters") // of transformers 5, one for each kind of layer
	w.Set("gemma3.rope.freq_base_swa", c.positiveOr("rope_local_base_freq", 10000))
	rope(c, "gemma3", d, w)
}

func gemma3Config(_ *gguf.File, s *models.Spec, c map[string]any) {
	delete(c, "hidden_act")
	c["hidden_activation"], c["query_pre_attn_scalar"] = "gelu_pytorch_tanh", s.HeadDim
	if s.Layers == 62 {
		c["query_pre_attn_scalar"] = s.Dim / s.Heads
	}
	kinds := make([]string, s.Layers)
	for i := range kinds {
		if kinds[i] = "sliding_attention"; (i+1)%6 == 0 {
			kinds[i] = "full_attention"
		}
	}
	c["layer_types"], c["sliding_window_pattern"], c["sliding_window"] = kinds, 6, s.Window
	if s.WindowRope != nil {
		c["rope_local_base_freq"] = s.WindowRope.Base
	}
	if s.LogitCap != 0 {
		c["final_logit_softcapping"] = s.LogitCap
	}
}
