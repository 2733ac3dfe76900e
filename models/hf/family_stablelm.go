package hf

import (
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["StableLmForCausalLM"] = &family{arch: "stablelm", modelType: "stablelm", layer: true, eps: "layer_norm_eps", rotary: 0.25,
		whole: map[string]string{"output_norm.bias": "model.norm.bias"}, names: with("input_layernorm.bias", "attn_norm.bias",
			"post_attention_layernorm.weight", "ffn_norm.weight", "post_attention_layernorm.bias", "ffn_norm.bias"), keys: stablelmKeys, config: stablelmConfig}
}

// stablelmKeys: no norms of queries and keys, and feed-forward after attention, as in the models of 1.6 and 3 billion weights.
func stablelmKeys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	c.absent("qk_layernorm", "use_parallel_residual")
	w.Set("stablelm.use_parallel_residual", false)
	rope(c, "stablelm", d, w)
}

func stablelmConfig(_ *gguf.File, s *models.Spec, c map[string]any) {
	c["use_qkv_bias"], c["qk_layernorm"], c["use_parallel_residual"] = s.QKVBias, s.QKNorm != models.QKNone, s.Parallel
}
