package hf

import (
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

// gptFields are what GPT-2 and its kin call the usual fields.
var gptFields = map[string]string{"hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head", "max_position_embeddings": "n_positions",
	"intermediate_size": "n_inner", "hidden_act": "activation_function"}

// gptWhole are GPT-2's tensors outside of layers.
var gptWhole = map[string]string{"token_embd.weight": "transformer.wte.weight", "position_embd.weight": "transformer.wpe.weight",
	"output_norm.weight": "transformer.ln_f.weight", "output_norm.bias": "transformer.ln_f.bias"}

var gptNames = pairs("ln_1.*", "attn_norm.*", "attn.c_attn.*", "attn_qkv.*", "attn.c_proj.*", "attn_output.*", "ln_2.*", "ffn_norm.*",
	"mlp.c_fc.*", "ffn_up.*", "mlp.c_proj.*", "ffn_down.*")

func init() {
	families["GPT2LMHeadModel"] = &family{arch: "gpt2", modelType: "gpt2", fields: gptFields, base: "transformer.", layers: "transformer.h.", whole: gptWhole, names: gptNames,
		layout: map[string]string{"attn.c_attn.weight": "e, g q c + g k c + g v c", "attn.c_proj.weight": "h c, e", "mlp.c_fc.weight": "e, u", "mlp.c_proj.weight": "f, e"},
		tied:   true, layer: true, eps: "layer_norm_epsilon", unmoved: true, sizes: gpt2Sizes, unneeded: []string{".attn.bias", ".attn.masked_bias"}, keys: gpt2Keys, config: gpt2Config}
}

func gpt2Sizes(c *config, d *dims) {
	d.ffn = c.sizeOr("intermediate_size", 4*d.dim, 1<<22)
	d.usual(c)
}

func gpt2Keys(c *config, _ dims, _ *gguf.Writer) {
	c.oneOf("hidden_act", gelu...)
	c.must(true, "scale_attn_weights")
	c.absent("scale_attn_by_inverse_layer_idx", "add_cross_attention")
}

func gpt2Config(_ *gguf.File, _ *models.Spec, c map[string]any) { c["hidden_act"] = "gelu_new" }
