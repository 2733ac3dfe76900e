package hf

import (
	"strings"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["StableLmForCausalLM"] = &family{arch: "stablelm", modelType: "stablelm", layer: true, eps: "layer_norm_eps", rotary: 0.25,
		whole: map[string]string{"output_norm.bias": "model.norm.bias"}, names: with("input_layernorm.bias", "attn_norm.bias"),
		only: map[string]map[string]string{"after": pairs("post_attention_layernorm.*", "ffn_norm.*"),
			"norms": pairs("self_attn.q_layernorm.norms.{h}.weight", "attn_q_norm.weight", "self_attn.k_layernorm.norms.{g}.weight", "attn_k_norm.weight")},
		layout: eachNorms, sizes: stablelmSizes, keys: stablelmKeys, config: stablelmConfig}
}

// stablelmSizes: the models of 1.6 and 3 billion weights have the feed-forward block after attention; that of 12 has both beside each other, and norms for each
// head's queries and keys.
func stablelmSizes(c *config, d *dims) {
	var kinds []string
	if !c.flag("use_parallel_residual", false) {
		kinds = append(kinds, "after")
	}
	if c.flag("qk_layernorm", false) {
		kinds = append(kinds, "norms")
	}
	d.kinds = alike(d.layers, strings.Join(kinds, " "))
	d.usual(c)
}

func stablelmKeys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	w.Set("stablelm.use_parallel_residual", c.flag("use_parallel_residual", false))
	rope(c, "stablelm", d, w)
}

func stablelmConfig(_ *gguf.File, s *models.Spec, c map[string]any) {
	c["use_qkv_bias"], c["qk_layernorm"], c["use_parallel_residual"] = s.QKVBias, s.QKNorm != models.QKNone, s.Parallel
}
