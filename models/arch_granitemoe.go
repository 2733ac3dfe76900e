package models

import "github.com/freehold-slm/freehold/kernels"

func init() { architectures["granitemoe"] = granitemoe }

// granitemoe: Granite 3 with experts (llama.cpp LLM_ARCH_GRANITE_MOE), with or without a shared block.
func granitemoe(r *reader, s *Spec) {
	granite(r, s)
	if r.experts(s, s.FFN, kernels.Router{Gating: kernels.GateSoftmax, Norm: true}) && r.has("expert_shared_feed_forward_length") {
		s.SharedFFN = r.size("expert_shared_feed_forward_length", 1<<22)
	}
}
