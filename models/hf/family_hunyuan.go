package hf

import (
	"encoding/json"
	"strconv"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["HunYuanDenseV1ForCausalLM"] = &family{arch: "hunyuan-dense", modelType: "hunyuan_v1_dense", names: with("post_attention_layernorm.weight", "ffn_norm.weight",
		"self_attn.query_layernorm.weight", "attn_q_norm.weight", "self_attn.key_layernorm.weight", "attn_k_norm.weight"), keys: hunyuanKeys}
}

// hunyuanKeys: the base grows by a factor that does not depend on the text's length, so it is a plain one in GGUF.
func hunyuanKeys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	for _, field := range []string{"rope_scaling", "rope_parameters"} {
		s, ok := c.object(field)
		if !ok || s.text("rope_type", s.text("type", "default")) != "dynamic" {
			continue
		}
		from := c
		if s.has("rope_theta") {
			from = s
		}
		base := from.number("rope_theta") * kernels.Pow(s.number("alpha"), float64(d.headDim)/float64(d.headDim-2))
		c.fields["rope_theta"] = json.Number(strconv.FormatFloat(base, 'g', -1, 64))
		if delete(c.fields, field); c.err == nil {
			c.err = s.err
		}
	}
	rope(c, "hunyuan-dense", d, w)
}
