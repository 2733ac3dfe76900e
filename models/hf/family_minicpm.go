package hf

import (
	"math"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["MiniCPMForCausalLM"] = &family{arch: "minicpm", modelType: "minicpm", rotated: true, tied: true, names: with("post_attention_layernorm.weight", "ffn_norm.weight"), keys: minicpmKeys, config: minicpmConfig}
}

func minicpmKeys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	w.Set("minicpm.embedding_scale", c.positive("scale_emb"))
	w.Set("minicpm.residual_scale", float32(c.number("scale_depth")/math.Sqrt(float64(d.layers))))
	w.Set("minicpm.logit_scale", float32(float64(d.dim)/c.number("dim_model_base")))
	rope(c, "minicpm", d, w)
}

func minicpmConfig(_ *gguf.File, s *models.Spec, c map[string]any) {
	c["scale_emb"], c["scale_depth"], c["dim_model_base"] = s.EmbedScale, float64(s.ResidualScale)*math.Sqrt(float64(s.Layers)), float64(s.Dim)*float64(s.LogitScale)
}
