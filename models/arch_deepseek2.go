package models

import (
	"fmt"
	"math"

	"github.com/freehold-slm/freehold/kernels"
)

func init() { architectures["deepseek2"] = deepseek2 }

// deepseek2: DeepSeek V2 and V3 and their kin (llama.cpp LLM_ARCH_DEEPSEEK2): attention over a latent state, dense layers
// first, then experts with a shared block. Files made before llama.cpp split attn_kv_b in two are refused, and so are
// experts that are chosen by groups.
func deepseek2(r *reader, s *Spec) {
	r.rope(s, false)
	if !r.has("attention.key_length_mla") || !r.has("attention.value_length_mla") {
		r.note(fmt.Errorf("%s: %s is missing: the file was made by an old converter, which leaves attn_kv_b in one; convert the model anew", r.f.Name, r.key("attention.key_length_mla")))
		return
	}
	if r.has("attention.temperature_scale") {
		r.note(fmt.Errorf("%s: %s is set; scores scaled by position are not supported", r.f.Name, r.key("attention.temperature_scale")))
	}
	key := r.size("attention.key_length_mla", 1<<14)
	s.LatentDim = r.size("attention.value_length_mla", 1<<14)
	s.KVRank = r.size("attention.kv_lora_rank", 1<<14)
	if !r.tensor("blk.0.attn_q.weight") {
		s.QRank = r.size("attention.q_lora_rank", maxWidth)
	}
	s.NopeDim = key - s.Rope.Dims
	switch {
	case r.err != nil:
		return
	case s.NopeDim < 1 || s.Rope.Dims < 1:
		r.note(fmt.Errorf("%s: %s is %d, want more than the %d dimensions that rotate, and those at least 1", r.f.Name, r.key("attention.key_length_mla"), key, s.Rope.Dims))
	case s.HeadDim != s.KVRank+s.Rope.Dims || s.KVHeads != 1:
		r.note(fmt.Errorf("%s: %s is %d with %d key heads, want kv_lora_rank + rope.dimension_count = %d with 1", r.f.Name, r.key("attention.key_length"), s.HeadDim, s.KVHeads, s.KVRank+s.Rope.Dims))
	}
	s.AttnScale = float32(r.latentScale(s) / math.Sqrt(float64(key)))

	gating, scale := r.gating(s), r.floatOr("expert_weights_scale", 0)
	norm, err := r.f.BoolOr(r.key("expert_weights_norm"), false)
	r.note(err)
	if !r.experts(s, s.FFN, kernels.Router{Gating: gating, Norm: norm}) {
		return
	}
	s.Router.Scale = float32(scale)
	if r.has("leading_dense_block_count") {
		n, err := r.f.Uint(r.key("leading_dense_block_count"))
		r.note(err)
		s.DenseLead = int(min(n, uint64(s.Layers)))
	}
	if shared := r.sizeOr("expert_shared_count", 0, maxExperts); shared > 0 {
		s.SharedFFN = shared * s.ExpertFFN
	}
	s.ChoiceBias = r.tensor(fmt.Sprintf("blk.%d.exp_probs_b.bias", s.DenseLead))
}

// gating reads expert_gating_func, which older files of DeepSeek V2 lack.
func (r *reader) gating(s *Spec) kernels.Gating {
	g := kernels.Gating(r.sizeOr("expert_gating_func", int(kernels.GateSoftmax), 255))
	if g != kernels.GateSoftmax && g != kernels.GateSigmoid {
		r.note(fmt.Errorf("%s: %s is %d, want 1 (softmax) or 2 (sigmoid)", r.f.Name, r.key("expert_gating_func"), g))
	}
	return g
}

// latentScale is what yarn does to scores here, in place of the factor on cos and sin, which it takes back: m², m = 1 +
// 0.1 k ln Factor with k the file's yarn_log_multiplier/0.1; without that key m = 1 + 0.1 ln Factor.
func (r *reader) latentScale(s *Spec) float64 {
	p := &s.Rope
	if p.Scaling != "yarn" || !(p.Factor > 0) {
		return 1
	}
	usual := 1 + float64(0.1*kernels.Log(p.Factor))
	m := p.AttnFactor * usual
	if mul := r.floatOr("rope.scaling.yarn_log_multiplier", 0); mul != 0 {
		m = p.AttnFactor * (1 + float64(mul*kernels.Log(p.Factor)))
		p.AttnFactor /= usual
	}
	return m * m
}
