package hf

import (
	"fmt"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["Cohere2ForCausalLM"] = &family{arch: "cohere2", modelType: "cohere2", layer: true, eps: "layer_norm_eps", tied: true, names: with(), keys: cohere2Keys,
		config: cohere2Config}
}

// cohere2Keys: three of four layers have a window, and they alone rotate.
func cohere2Keys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	c.absent("use_qk_norm")
	for _, field := range []string{"sliding_window_pattern", "_sliding_window_pattern"} {
		if n := c.sizeOr(field, 4, 4096); n != 4 {
			c.fail(field, fmt.Sprint(n), "4")
		}
	}
	if list, ok := c.fields["layer_types"].([]any); ok {
		for i, kind := range list {
			if want := cohere2Layer(i); kind != want {
				c.fail(fmt.Sprintf("layer_types[%d]", i), shown(kind), want)
			}
		}
	}
	w.Set("cohere2.logit_scale", c.positive("logit_scale"))
	w.Set("cohere2.attention.sliding_window", uint32(c.size("sliding_window", 1<<31)))
	rope(c, "cohere2", d, w)
}

func cohere2Layer(i int) string {
	if i%4 == 3 {
		return "full_attention"
	}
	return "sliding_attention"
}

func cohere2Config(_ *gguf.File, s *models.Spec, c map[string]any) {
	kinds := make([]string, s.Layers)
	for i := range kinds {
		kinds[i] = cohere2Layer(i)
	}
	c["logit_scale"], c["sliding_window"], c["sliding_window_pattern"], c["layer_types"] = s.LogitScale, s.Window, 4, kinds
}
