package hf

import (
	"encoding/json"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["BloomForCausalLM"] = &family{arch: "bloom", modelType: "bloom", fields: map[string]string{"hidden_size": "n_embed", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head",
		"max_position_embeddings": "seq_length"},
		base: "transformer.", layers: "transformer.h.", names: pairs("input_layernorm.*", "attn_norm.*", "self_attention.query_key_value.*", "attn_qkv.*", "self_attention.dense.*", "attn_output.*",
			"post_attention_layernorm.*", "ffn_norm.*", "mlp.dense_h_to_4h.*", "ffn_up.*", "mlp.dense_4h_to_h.*", "ffn_down.*"),
		layout: map[string]string{"self_attention.query_key_value.weight": byTurns[0], "self_attention.query_key_value.bias": byTurns[1]},
		whole: map[string]string{"token_embd.weight": "transformer.word_embeddings.weight", "token_embd_norm.weight": "transformer.word_embeddings_layernorm.weight",
			"token_embd_norm.bias": "transformer.word_embeddings_layernorm.bias", "output_norm.weight": "transformer.ln_f.weight", "output_norm.bias": "transformer.ln_f.bias"},
		tied: true, layer: true, eps: "layer_norm_epsilon", unmoved: true, sizes: bloomSizes, keys: bloomKeys, config: bloomConfig}
}

// bloomSizes: all were trained on texts of 2048 tokens, which not every config.json says.
func bloomSizes(c *config, d *dims) {
	c.assume("max_position_embeddings", json.Number("2048"))
	d.ffn = 4 * d.dim
	d.usual(c)
}

func bloomKeys(c *config, _ dims, _ *gguf.Writer) {
	c.absent("apply_residual_connection_post_layernorm")
}

func bloomConfig(_ *gguf.File, _ *models.Spec, c map[string]any) {
	delete(c, "hidden_act")
	delete(c, "intermediate_size")
}
