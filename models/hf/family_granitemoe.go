package hf

import (
	"maps"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

var (
	graniteExperts = []string{"block_sparse_moe.router.layer.weight", "ffn_gate_inp.weight", "block_sparse_moe.input_linear.weight", "ffn_gate_exps.weight ffn_up_exps.weight",
		"block_sparse_moe.output_linear.weight", "ffn_down_exps.weight"}
	graniteShared = []string{"shared_mlp.input_linear.weight", "ffn_gate_shexp.weight ffn_up_shexp.weight", "shared_mlp.output_linear.weight", "ffn_down_shexp.weight"}
	graniteLayout = map[string]string{"block_sparse_moe.input_linear.weight": "x, (a + b) y, e", "shared_mlp.input_linear.weight": "(a + b) z, e"}
)

func init() {
	moe := family{arch: "granitemoe", modelType: "granitemoe", rotated: true, layout: graniteLayout, names: without(denseFFN, append([]string{"post_attention_layernorm.weight", "ffn_norm.weight"}, graniteExperts...)...),
		experts: &expertFields{count: "num_local_experts", ffn: "intermediate_size"}, keys: granitemoeKeys, config: graniteConfig}
	families["GraniteMoeForCausalLM"] = &moe
	shared := moe
	shared.modelType, shared.names = "granitemoeshared", maps.Clone(moe.names)
	maps.Copy(shared.names, pairs(graniteShared...))
	shared.experts = &expertFields{count: "num_local_experts", ffn: "intermediate_size", shared: "shared_intermediate_size"}
	families["GraniteMoeSharedForCausalLM"] = &shared

	names := pairs("input_layernorm.weight", "attn_norm.weight", "post_attention_layernorm.weight", "ffn_norm.weight")
	layout := mamba2Layout("mamba.")
	maps.Copy(layout, graniteLayout)
	layout["ffn_gate.weight"], layout["ffn_up.weight"] = "a z, e", "b z, e" // a model without experts has the shared block alone
	layout["ffn_down.weight"] = "e, z"
	families["GraniteMoeHybridForCausalLM"] = &family{arch: "granitehybrid", modelType: "granitemoehybrid", rotated: true, either: true, names: names, layout: layout,
		only: map[string]map[string]string{
			"mamba": pairs("mamba.in_proj.weight", "ssm_in.weight", "mamba.conv1d.*", "ssm_conv1d.*", "mamba.dt_bias", "ssm_dt.bias", "mamba.A_log", "ssm_a", "mamba.D", "ssm_d",
				"mamba.norm.weight", "ssm_norm.weight", "mamba.out_proj.weight", "ssm_out.weight"),
			"attention": pairs("self_attn.q_proj.weight", "attn_q.weight", "self_attn.k_proj.weight", "attn_k.weight", "self_attn.v_proj.weight", "attn_v.weight", "self_attn.o_proj.weight", "attn_output.weight"),
			"sparse":    pairs(slices.Concat(graniteExperts, graniteShared)...),
			"dense":     pairs("shared_mlp.input_linear.weight", "ffn_gate.weight ffn_up.weight", "shared_mlp.output_linear.weight", "ffn_down.weight")},
		sizes: granitehybridSizes, keys: granitehybridKeys, config: granitehybridConfig}
}

func granitemoeKeys(c *config, d dims, w *gguf.Writer) {
	expertKeys(c, "granitemoe", d, true, true, w)
	if d.sharedFFN > 0 {
		w.Set("granitemoe.expert_shared_feed_forward_length", uint32(d.sharedFFN))
	}
	graniteAs(c, "granitemoe", d, w)
}

// granitehybridSizes: layers of a state space, or of attention, each with a block that all tokens share and experts beside it, or that block alone.
func granitehybridSizes(c *config, d *dims) {
	kind := " dense"
	d.sharedFFN = c.size("shared_intermediate_size", 1<<22)
	if d.ffn = d.sharedFFN; c.count("num_local_experts", 1<<12) > 0 {
		kind = " sparse"
		d.experts, d.expertFFN = c.size("num_local_experts", 1<<12), c.size("intermediate_size", 1<<22)
		d.ffn = d.expertFFN
	}
	list, _ := c.value("layer_types").([]any)
	if len(list) != d.layers {
		c.fail("layer_types", shown(c.value("layer_types")), "mamba or attention for each layer")
		return
	}
	for _, k := range list {
		switch k { // transformers 5 has names of its own
		case "mamba", "linear_attention":
			d.kinds = append(d.kinds, "mamba"+kind)
		case "attention", "full_attention":
			d.kinds = append(d.kinds, "attention"+kind)
		default:
			c.fail("layer_types", shown(k), "mamba or attention")
			return
		}
	}
	d.axes["s"], d.axes["w"], d.axes["i"] = c.size("mamba_d_state", 1<<10), c.size("mamba_d_conv", 256), c.size("mamba_expand", 64)*d.dim
	c.must(true, "mamba_conv_bias")
	c.must(false, "mamba_proj_bias", "attention_bias")
	d.stateHeads(c, "mamba_n_heads", "mamba_d_head", "mamba_n_groups")
	d.usual(c)
}

func granitehybridKeys(c *config, d dims, w *gguf.Writer) {
	const arch = "granitehybrid"
	if d.experts > 0 {
		expertKeys(c, arch, d, true, true, w)
		w.Set(arch+".expert_shared_feed_forward_length", uint32(d.sharedFFN))
	}
	stateKeys(arch, d, w)
	w.Set(arch+".ssm.group_count", uint32(d.axes["o"]))
	w.Set(arch+".attention.head_count_kv", headsOf(d, "attention"))
	c.oneOf("position_embedding_type", "nope", "rope")
	w.Set(arch+".rope.scaling.finetuned", c.text("position_embedding_type", "nope") == "rope")
	c.assume("rope_theta", tenThousand)
	graniteAs(c, arch, d, w)
}

func granitehybridConfig(f *gguf.File, s *models.Spec, c map[string]any) {
	graniteConfig(f, s, c)
	if s.KVHeads == 0 { // no layer attends
		delete(c, "num_key_value_heads")
	}
	c["layer_types"], c["position_embedding_type"] = layerKinds(s, "mamba", "attention"), nil
	if s.Rope.Dims > 0 {
		c["position_embedding_type"] = "rope"
	}
	c["num_local_experts"], c["num_experts_per_tok"], c["shared_intermediate_size"] = s.Experts, s.TopExperts, s.FFN
	if s.Experts > 0 {
		c["intermediate_size"], c["shared_intermediate_size"] = s.ExpertFFN, s.SharedFFN
	}
	c["mamba_d_state"], c["mamba_d_conv"], c["mamba_expand"], c["mamba_n_groups"] = s.State, s.Conv, s.Inner/s.Dim, s.Groups
	c["mamba_n_heads"], c["mamba_d_head"], c["mamba_conv_bias"], c["mamba_proj_bias"] = s.StateHeads, s.Inner/s.StateHeads, true, false
}

// hasKind tells whether a layer's kinds have one.
func hasKind(kinds, kind string) bool {
	return kinds == kind || strings.HasPrefix(kinds, kind+" ") || strings.HasSuffix(kinds, " "+kind)
}
