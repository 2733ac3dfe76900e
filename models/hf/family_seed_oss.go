package hf

import (
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["SeedOssForCausalLM"] = &family{arch: "seed_oss", modelType: "seed_oss", bias: true, names: with("post_attention_layernorm.weight", "post_attention_norm.weight"),
		keys: seedOssKeys, config: seedOssConfig}
}

func seedOssKeys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	rope(c, "seed_oss", d, w)
}

func seedOssConfig(_ *gguf.File, s *models.Spec, c map[string]any) {
	c["attention_out_bias"] = s.OutBias
}
