package hf

import (
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	const gateUp, down = "ffn_gate_exps.weight ffn_up_exps.weight", "ffn_down_exps.weight"
	families["GptOssForCausalLM"] = &family{arch: "gpt-oss", modelType: "gpt_oss", bias: true, packed: true, names: without(denseFFN, "post_attention_layernorm.weight", "post_attention_norm.weight",
		"self_attn.sinks", "attn_sinks.weight", "mlp.router.*", "ffn_gate_inp.*", "mlp.experts.gate_up_proj_bias", "ffn_gate_exps.bias ffn_up_exps.bias", "mlp.experts.down_proj_bias", "ffn_down_exps.bias"),
		only: map[string]map[string]string{"floats": pairs("mlp.experts.gate_up_proj", gateUp, "mlp.experts.down_proj", down),
			"blocks": pairs("mlp.experts.gate_up_proj_blocks", gateUp, "mlp.experts.down_proj_blocks", down)},
		layout: map[string]string{"mlp.experts.gate_up_proj": "x, e, y (a + b)", "mlp.experts.down_proj": "x, y, e", "mlp.experts.gate_up_proj_bias": "x, y (a + b)",
			"mlp.experts.gate_up_proj_blocks": "x, y (a + b), e", "mlp.experts.down_proj_blocks": "x, e, y"},
		experts: &expertFields{count: "num_local_experts", ffn: "intermediate_size"}, sizes: gptossSizes, keys: gptossKeys, config: gptossConfig}
}

// gptossSizes: the published folders keep experts in MXFP4, folders of floats have them turned.
func gptossSizes(c *config, d *dims) {
	kind := "floats"
	if q, ok := c.object("quantization_config"); ok {
		kind = "blocks"
		if q.oneOf("quant_method", "mxfp4"); c.err == nil {
			c.err = q.err
		}
	}
	d.kinds = alike(d.layers, kind)
	d.usual(c)
}

func gptossKeys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	c.must(true, "attention_bias")
	if c.positiveOr("swiglu_limit", 7) != 7 || c.positiveOr("swiglu_alpha", 1.702) != 1.702 {
		c.fail("swiglu_limit", shown(c.value("swiglu_limit"))+" with swiglu_alpha "+shown(c.value("swiglu_alpha")), "7 with 1.702")
	}
	c.layerTypes(func(i int) string { return gptossLayer(i) })
	expertKeys(c, "gpt-oss", d, true, true, w)
	w.Set("gpt-oss.expert_feed_forward_length", uint32(d.expertFFN))
	w.Set("gpt-oss.attention.sliding_window", uint32(c.size("sliding_window", 1<<31)))
	rope(c, "gpt-oss", d, w)
}

// gptossLayer: every other layer has a window, from the first on.
func gptossLayer(i int) string { return [2]string{"sliding_attention", "full_attention"}[i%2] }

func gptossConfig(_ *gguf.File, s *models.Spec, c map[string]any) {
	kinds := make([]string, s.Layers)
	for i := range kinds {
		kinds[i] = gptossLayer(i)
	}
	if s.Rope.Scaling == "none" { // transformers would scale where config.json says nothing
		c["rope_parameters"] = map[string]any{"rope_type": "default", "rope_theta": c["rope_theta"]}
		delete(c, "rope_theta")
	}
	c["layer_types"], c["sliding_window"], c["attention_bias"], c["swiglu_limit"] = kinds, s.Window, true, 7.0
}
