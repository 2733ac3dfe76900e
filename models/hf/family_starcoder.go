package hf

import (
	"encoding/json"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["GPTBigCodeForCausalLM"] = &family{arch: "starcoder", modelType: "gpt_bigcode", fields: gptFields, base: "transformer.", layers: "transformer.h.", whole: gptWhole, names: gptNames,
		tied: true, layer: true, eps: "layer_norm_epsilon", unmoved: true, sizes: starcoderSizes, unneeded: []string{".attn.bias"}, keys: starcoderKeys, config: starcoderConfig}
}

// starcoderSizes: one key head for all queries.
func starcoderSizes(c *config, d *dims) {
	c.must(true, "multi_query")
	c.assume("num_key_value_heads", json.Number("1"))
	gpt2Sizes(c, d)
}

func starcoderKeys(c *config, _ dims, _ *gguf.Writer) {
	c.oneOf("hidden_act", gelu...)
	c.must(true, "scale_attn_weights")
	c.absent("add_cross_attention")
}

func starcoderConfig(_ *gguf.File, s *models.Spec, c map[string]any) {
	c["hidden_act"], c["multi_query"] = "gelu_pytorch_tanh", s.KVHeads == 1
}
