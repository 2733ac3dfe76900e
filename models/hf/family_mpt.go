package hf

import (
	"encoding/json"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	mpt := &family{arch: "mpt", modelType: "mpt", fields: map[string]string{"hidden_size": "d_model", "num_hidden_layers": "n_layers", "num_attention_heads": "n_heads", "max_position_embeddings": "max_seq_len"},
		base: "transformer.", layers: "transformer.blocks.", names: pairs("norm_1.weight", "attn_norm.weight", "attn.Wqkv.weight", "attn_qkv.weight", "attn.out_proj.weight", "attn_output.weight",
			"norm_2.weight", "ffn_norm.weight", "ffn.up_proj.weight", "ffn_up.weight", "ffn.down_proj.weight", "ffn_down.weight"),
		whole: map[string]string{"token_embd.weight": "transformer.wte.weight", "output_norm.weight": "transformer.norm_f.weight"},
		tied:  true, layer: true, eps: "layer_norm_epsilon", unmoved: true, sizes: mptSizes, keys: mptKeys, config: mptConfig}
	remote := *mpt // the class of the models' own code
	remote.modelType = ""
	families["MptForCausalLM"], families["MPTForCausalLM"] = mpt, &remote
}

func mptSizes(c *config, d *dims) {
	c.assume("layer_norm_epsilon", json.Number("1e-5"))
	d.ffn = c.sizeOr("expansion_ratio", 4, 64) * d.dim
	d.usual(c)
}

// mptKeys: models with distances for positions, and without biases.
func mptKeys(c *config, _ dims, w *gguf.Writer) {
	c.must(true, "no_bias")
	c.absent("logit_scale")
	c.oneOf("norm_type", "low_precision_layernorm", "layernorm")
	a, ok := c.object("attn_config")
	if !ok {
		c.fail("attn_config", "nothing", "an object")
		return
	}
	a.oneOf("attn_type", "multihead_attention")
	a.absent("qk_ln", "softmax_scale", "prefix_lm")
	if !a.flag("alibi", false) {
		a.fail("alibi", "false", "true")
	}
	w.Set("mpt.attention.max_alibi_bias", a.positiveOr("alibi_bias_max", 8))
	if a.has("clip_qkv") {
		w.Set("mpt.attention.clamp_kqv", a.positive("clip_qkv"))
	}
	if c.err == nil {
		c.err = a.err
	}
}

func mptConfig(_ *gguf.File, s *models.Spec, c map[string]any) {
	a := map[string]any{"alibi": s.MaxALiBi != 0, "alibi_bias_max": int(s.MaxALiBi), "clip_qkv": nil, "attn_type": "multihead_attention"}
	if s.QKVClamp != 0 {
		a["clip_qkv"] = s.QKVClamp
	}
	c["attn_config"], c["expansion_ratio"], c["no_bias"], c["layer_norm_epsilon"] = a, s.FFN/s.Dim, true, s.NormEps
	for _, usual := range []string{"hidden_act", "intermediate_size", "mlp_bias", "attention_bias"} {
		delete(c, usual)
	}
}
