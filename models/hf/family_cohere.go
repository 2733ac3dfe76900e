package hf

import (
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["CohereForCausalLM"] = &family{arch: "command-r", modelType: "cohere", layer: true, eps: "layer_norm_eps", tied: true, names: with(), keys: cohereKeys,
		config: cohereConfig}
}

// cohereKeys: pairs that rotate are neighbours in transformers too.
func cohereKeys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	c.absent("use_qk_norm")
	w.Set("command-r.logit_scale", c.positive("logit_scale"))
	rope(c, "command-r", d, w)
}

func cohereConfig(_ *gguf.File, s *models.Spec, c map[string]any) { c["logit_scale"] = s.LogitScale }
