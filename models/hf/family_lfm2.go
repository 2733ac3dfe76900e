package hf

import (
	"encoding/json"
	"fmt"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["Lfm2ForCausalLM"] = &family{arch: "lfm2", modelType: "lfm2", fields: map[string]string{"intermediate_size": "block_ff_dim", "tie_word_embeddings": "tie_embedding"}, tied: true, eps: "norm_eps",
		whole: map[string]string{"token_embd_norm.weight": "model.embedding_norm.weight", "output_norm.weight": ""}, // llama.cpp's name of it
		names: pairs("operator_norm.weight", "attn_norm.weight", "ffn_norm.weight", "ffn_norm.weight", "feed_forward.w1.weight", "ffn_gate.weight", "feed_forward.w3.weight", "ffn_up.weight",
			"feed_forward.w2.weight", "ffn_down.weight"),
		only: map[string]map[string]string{
			"conv": pairs("conv.in_proj.weight", "shortconv.in_proj.weight", "conv.conv.weight", "shortconv.conv.weight", "conv.out_proj.weight", "shortconv.out_proj.weight"),
			"full_attention": pairs("self_attn.q_proj.weight", "attn_q.weight", "self_attn.k_proj.weight", "attn_k.weight", "self_attn.v_proj.weight", "attn_v.weight", "self_attn.out_proj.weight", "attn_output.weight",
				"self_attn.q_layernorm.weight", "attn_q_norm.weight", "self_attn.k_layernorm.weight", "attn_k_norm.weight")},
		layout: map[string]string{"conv.conv.weight": "e, 1, w"}, sizes: lfm2Sizes, keys: lfm2Keys, config: lfm2Config}
}

func lfm2Sizes(c *config, d *dims) {
	d.axes["w"] = c.size("conv_L_cache", 256)
	d.kinds = alike(d.layers, "conv")
	kinds, given := c.value("layer_types").([]any)
	attention, _ := c.value("full_attn_idxs").([]any)
	if given && len(kinds) != d.layers || !given && !c.has("full_attn_idxs") {
		c.fail("layer_types", shown(c.value("layer_types")), fmt.Sprintf("one of %d layers each", d.layers))
		return
	}
	for i, k := range kinds {
		if d.kinds[i], _ = k.(string); d.kinds[i] != "conv" && d.kinds[i] != "full_attention" {
			c.fail(fmt.Sprintf("layer_types[%d]", i), shown(k), "conv or full_attention")
			return
		}
	}
	for i := range attention {
		n, ok := idOf(attention[i : i+1])
		if !ok || n >= d.layers || given && d.kinds[n] != "full_attention" {
			c.fail(fmt.Sprintf("full_attn_idxs[%d]", i), shown(attention[i]), "the number of a layer with attention")
			return
		}
		d.kinds[n] = "full_attention"
	}
	d.ffn = c.size("intermediate_size", 1<<22)
	if c.flag("block_auto_adjust_ff_dim", true) {
		multiple := c.sizeOr("block_multiple_of", 256, 1<<16)
		n := int(c.positiveOr("block_ffn_dim_multiplier", 1) * float32(2*d.ffn/3))
		d.ffn = min((n+multiple-1)/multiple*multiple, 1<<22)
	}
	d.usual(c)
}

func lfm2Keys(c *config, d dims, w *gguf.Writer) {
	c.absent("conv_bias")
	w.Set("lfm2.shortconv.l_cache", uint32(d.axes["w"]))
	w.Set("lfm2.attention.head_count_kv", headsOf(d, "full_attention"))
	c.assume("rope_theta", json.Number("1000000.0"))
	rope(c, "lfm2", d, w)
}

// headsOf lists the key heads of each layer: none where it is not of the kind that attends.
func headsOf(d dims, kind string) []int32 {
	list := make([]int32, d.layers)
	for i := range list {
		if hasKind(d.kinds[i], kind) {
			list[i] = int32(d.kvHeads)
		}
	}
	return list
}

func lfm2Config(_ *gguf.File, s *models.Spec, c map[string]any) {
	delete(c, "hidden_act")
	c["conv_L_cache"], c["block_auto_adjust_ff_dim"], c["conv_bias"], c["layer_types"] = s.Conv, false, false, layerKinds(s, "conv", "full_attention")
}

// layerKinds names the kind of each layer.
func layerKinds(s *models.Spec, mixer, attention string) []string {
	kinds := alike(s.Layers, mixer)
	for i := range kinds {
		if s.Attends(i) {
			kinds[i] = attention
		}
	}
	return kinds
}
