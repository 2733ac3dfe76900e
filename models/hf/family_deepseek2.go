package hf

import (
	"fmt"
	"strconv"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

// Axes of its layouts: n columns of a head that do not rotate and r that do, o columns of a head's values, p ranks of keys and values, l ranks of queries.
func init() {
	families["DeepseekV2ForCausalLM"] = &family{arch: "deepseek2", modelType: "deepseek_v2", names: without(append(fusedQKV, denseFFN...), "post_attention_layernorm.weight", "ffn_norm.weight",
		"self_attn.kv_a_proj_with_mqa.weight", "attn_kv_a_mqa.weight", "self_attn.kv_a_layernorm.weight", "attn_kv_a_norm.weight", "self_attn.kv_b_proj.weight", "attn_k_b.weight attn_v_b.weight"),
		only: map[string]map[string]string{
			"straight": pairs("self_attn.q_proj.weight", "attn_q.weight"),
			"ranked":   pairs("self_attn.q_a_proj.weight", "attn_q_a.weight", "self_attn.q_a_layernorm.weight", "attn_q_a_norm.weight", "self_attn.q_b_proj.weight", "attn_q_b.weight"),
			"dense":    pairs("mlp.gate_proj.weight", "ffn_gate.weight", "mlp.up_proj.weight", "ffn_up.weight", "mlp.down_proj.weight", "ffn_down.weight"),
			"sparse": pairs(append([]string{"mlp.gate.weight", "ffn_gate_inp.weight", "mlp.shared_experts.gate_proj.weight", "ffn_gate_shexp.weight", "mlp.shared_experts.up_proj.weight", "ffn_up_shexp.weight",
				"mlp.shared_experts.down_proj.weight", "ffn_down_shexp.weight"}, mlpExperts...)...)},
		layout: map[string]string{"attn_q.weight": "h (n + r), e", "attn_q_a.weight": "l, e", "attn_q_a_norm.weight": "l", "attn_q_b.weight": "h (n + r), l",
			"attn_kv_a_mqa.weight": "p + r, e", "attn_kv_a_norm.weight": "p", "attn_k_b.weight": "h, p, n", "attn_v_b.weight": "h, o, p", "attn_output.weight": "e, h o",
			"self_attn.kv_b_proj.weight": "h (n + o), p"},
		either: true, sizes: deepseek2Sizes, keys: deepseek2Keys, config: deepseek2Config}
}

// deepseek2Sizes: GGUF's attention has one key head, of the state that keys and values are computed from.
func deepseek2Sizes(c *config, d *dims) {
	d.context, d.heads, d.kvHeads = c.size("max_position_embeddings", 1<<31), c.size("num_attention_heads", 1<<12), 1
	d.ffn = c.size("intermediate_size", 1<<22)
	nope, rotary, rank := c.size("qk_nope_head_dim", 1<<13), c.size("qk_rope_head_dim", 1<<13), c.size("kv_lora_rank", 1<<13)
	if rotary%2 != 0 {
		c.fail("qk_rope_head_dim", fmt.Sprint(rotary), "an even number")
	}
	d.rotary, d.headDim = rotary, rank+rotary
	d.axes["n"], d.axes["r"], d.axes["p"], d.axes["o"] = nope, rotary, rank, c.size("v_head_dim", 1<<13)
	query := "straight"
	if c.has("q_lora_rank") {
		query, d.axes["l"] = "ranked", c.size("q_lora_rank", 1<<20)
	}
	d.experts, d.expertFFN = c.size("n_routed_experts", 1<<10), c.size("moe_intermediate_size", 1<<22)
	d.sharedFFN = c.size("n_shared_experts", 64) * d.expertFFN
	d.kinds = alike(d.layers, query+" sparse")
	for l := range min(d.layers, c.count("first_k_dense_replace", 4096)) {
		d.kinds[l] = query + " dense"
	}
}

func deepseek2Keys(c *config, d dims, w *gguf.Writer) {
	set := func(key string, v any) { w.Set("deepseek2."+key, v) }
	c.oneOf("hidden_act", "silu")
	c.absent("attention_bias", "mlp_bias")
	c.oneOf("topk_method", "greedy")
	c.oneOf("scoring_func", "softmax")
	for _, one := range []string{"n_group", "topk_group", "moe_layer_freq"} {
		if n := c.sizeOr(one, 1, 4096); n != 1 {
			c.fail(one, fmt.Sprint(n), "1")
		}
	}
	for _, k := range []struct {
		key   string
		value int
	}{
		{"attention.value_length", d.axes["p"]}, {"attention.key_length_mla", d.axes["n"] + d.axes["r"]}, {"attention.value_length_mla", d.axes["o"]}, {"attention.kv_lora_rank", d.axes["p"]},
		{"expert_count", d.experts}, {"expert_used_count", c.size("num_experts_per_tok", int64(d.experts))}, {"expert_feed_forward_length", d.expertFFN},
		{"expert_shared_count", c.size("n_shared_experts", 64)}, {"leading_dense_block_count", c.count("first_k_dense_replace", 4096)}, {"expert_gating_func", 1},
	} {
		set(k.key, uint32(k.value))
	}
	if rank := d.axes["l"]; rank > 0 {
		set("attention.q_lora_rank", uint32(rank))
	}
	set("expert_weights_scale", c.positiveOr("routed_scaling_factor", 1))
	set("expert_weights_norm", c.flag("norm_topk_prob", false))
	for _, field := range []string{"rope_scaling", "rope_parameters"} {
		s, ok := c.object(field)
		if ok && s.text("rope_type", s.text("type", "default")) == "yarn" {
			// The factor on cos and sin must cancel out; what is left is one on scores, which GGUF has as a key.
			m := s.number("mscale_all_dim")
			if other := s.number("mscale"); other != m {
				s.fail("mscale", fmt.Sprint(other), fmt.Sprintf("mscale_all_dim %v", m))
			}
			set("rope.scaling.yarn_log_multiplier", float32(0.1*m))
			delete(s.fields, "mscale")
			delete(s.fields, "mscale_all_dim")
		}
		if ok && c.err == nil {
			c.err = s.err
		}
	}
	rope(c, "deepseek2", d, w)
}

func deepseek2Config(f *gguf.File, s *models.Spec, c map[string]any) {
	delete(c, "head_dim")
	c["num_key_value_heads"], c["mlp_bias"], c["attention_bias"] = s.Heads, false, false
	c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["kv_lora_rank"], c["v_head_dim"], c["q_lora_rank"] = s.NopeDim, s.Rope.Dims, s.KVRank, s.LatentDim, nil
	if s.QRank > 0 {
		c["q_lora_rank"] = s.QRank
	}
	c["n_routed_experts"], c["moe_intermediate_size"], c["num_experts_per_tok"], c["first_k_dense_replace"] = s.Experts, s.ExpertFFN, s.TopExperts, s.DenseLead
	if s.ExpertFFN > 0 {
		c["n_shared_experts"] = s.SharedFFN / s.ExpertFFN
	}
	c["topk_method"], c["scoring_func"], c["norm_topk_prob"], c["routed_scaling_factor"], c["moe_layer_freq"] = "greedy", "softmax", s.Router.Norm, 1.0, 1
	if s.Router.Scale != 0 {
		c["routed_scaling_factor"] = s.Router.Scale
	}
	if scaling, ok := c["rope_scaling"].(map[string]any); ok {
		if m, err := f.Float("deepseek2.rope.scaling.yarn_log_multiplier"); err == nil {
			short, _ := strconv.ParseFloat(strconv.FormatFloat(m, 'g', -1, 32), 64) //nolint:errcheck // as written
			scaling["mscale"], scaling["mscale_all_dim"] = 10*short, 10*short
		}
	}
}
