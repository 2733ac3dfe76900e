package hf

import (
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["CohereForCausalLM"] = &family{arch: "command-r", modelType: "cohere", layer: true, eps: "layer_norm_eps", tied: true, names: with(), layout: eachNorms,
		only: map[string]map[string]string{"norms": pairs("self_attn.q_norm.weight", "attn_q_norm.weight", "self_attn.k_norm.weight", "attn_k_norm.weight")}, sizes: cohereSizes, keys: cohereKeys,
		config: cohereConfig}
}

// cohereSizes: Command R+ has norms for each head's queries and keys.
func cohereSizes(c *config, d *dims) {
	if c.flag("use_qk_norm", false) {
		d.kinds = alike(d.layers, "norms")
	}
	d.usual(c)
}

// cohereKeys: pairs that rotate are neighbours in transformers too.
func cohereKeys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	w.Set("command-r.logit_scale", c.positive("logit_scale"))
	rope(c, "command-r", d, w)
}

func cohereConfig(_ *gguf.File, s *models.Spec, c map[string]any) {
	c["logit_scale"], c["use_qk_norm"] = s.LogitScale, s.QKNorm != models.QKNone
}
