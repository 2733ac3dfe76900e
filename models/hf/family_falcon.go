package hf

import (
	"encoding/json"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["FalconForCausalLM"] = &family{arch: "falcon", modelType: "falcon", fields: map[string]string{"num_key_value_heads": "num_kv_heads", "intermediate_size": "ffn_hidden_size", "hidden_act": "activation"},
		base: "transformer.", layers: "transformer.h.", names: pairs("self_attention.query_key_value.weight", "attn_qkv.weight", "self_attention.dense.weight", "attn_output.weight",
			"mlp.dense_h_to_4h.weight", "ffn_up.weight", "mlp.dense_4h_to_h.weight", "ffn_down.weight"),
		only:   map[string]map[string]string{"one": pairs("input_layernorm.*", "attn_norm.*"), "two": pairs("ln_attn.*", "attn_norm_2.*", "ln_mlp.*", "attn_norm.*")},
		layout: map[string]string{"self_attention.query_key_value.weight": byTurns[0]},
		whole:  map[string]string{"token_embd.weight": "transformer.word_embeddings.weight", "output_norm.weight": "transformer.ln_f.weight", "output_norm.bias": "transformer.ln_f.bias"},
		tied:   true, layer: true, eps: "layer_norm_epsilon", sizes: falconSizes, keys: falconKeys, config: falconConfig}
}

// falconSizes: the 7B has one key head and one norm, the 40B groups of heads and two norms, the 11B groups and one.
func falconSizes(c *config, d *dims) {
	kind := "one"
	switch {
	case c.flag("new_decoder_architecture", false):
		if n := c.sizeOr("num_ln_in_parallel_attn", 2, 2); n == 2 {
			kind = "two"
		}
	case c.flag("multi_query", true):
		c.fields[c.name("num_key_value_heads")] = json.Number("1") // whatever it says
	default:
		c.fields[c.name("num_key_value_heads")] = nil
	}
	d.kinds = alike(d.layers, kind)
	d.ffn = c.sizeOr("intermediate_size", 4*d.dim, 1<<22)
	c.assume("max_position_embeddings", json.Number("2048"))
	d.usual(c)
}

// alike says that all layers are of one kind.
func alike(layers int, kind string) []string {
	kinds := make([]string, layers)
	for i := range kinds {
		kinds[i] = kind
	}
	return kinds
}

func falconKeys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", gelu...)
	c.must(true, "parallel_attn")
	c.absent("alibi", "bias")
	c.assume("rope_theta", tenThousand)
	rope(c, "falcon", d, w)
}

func falconConfig(f *gguf.File, s *models.Spec, c map[string]any) {
	delete(c, "head_dim")
	norms := 1
	if s.AttnNorm != s.FFNNorm {
		norms = 2
	}
	groups := norms == 2 || s.KVHeads > 1 && s.KVHeads < s.Heads
	c["hidden_act"], c["parallel_attn"], c["alibi"], c["bias"] = "gelu_pytorch_tanh", true, false, false
	c["new_decoder_architecture"], c["multi_query"] = groups, s.KVHeads == 1
	if groups {
		c["num_ln_in_parallel_attn"] = norms
	}
}

// tenThousand is the base of rotary embeddings where config.json says none.
var tenThousand = json.Number("10000.0")
