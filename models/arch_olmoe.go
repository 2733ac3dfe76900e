package models

import "github.com/freehold-slm/freehold/kernels"

func init() { architectures["olmoe"] = olmoe }

// olmoe: OLMoE (llama.cpp LLM_ARCH_OLMOE): norms on whole queries and keys; weights are not made to add up to 1.
func olmoe(r *reader, s *Spec) {
	r.rope(s, true)
	s.QKNorm = QKRow
	r.experts(s, s.FFN, kernels.Router{Gating: kernels.GateSoftmax})
}
