package models

import "github.com/freehold-slm/freehold/kernels"

func init() { architectures["qwen3moe"] = qwen3moe }

// qwen3moe: Qwen 3 with experts (llama.cpp LLM_ARCH_QWEN3MOE).
func qwen3moe(r *reader, s *Spec) {
	qwen3(r, s)
	r.experts(s, s.FFN/r.used(), kernels.Router{Gating: kernels.GateSoftmax, Norm: true})
}

// used is expert_used_count, by which Qwen's width of the whole block is divided; 1 where it is missing, which is an error
// elsewhere.
func (r *reader) used() int {
	n, _ := r.f.Uint(r.key("expert_used_count"))
	return int(max(1, min(n, maxExperts)))
}
