package models

import "github.com/freehold-slm/freehold/kernels"

func init() { architectures["qwen2moe"] = qwen2moe }

// qwen2moe: Qwen 1.5 and 2 with experts (llama.cpp LLM_ARCH_QWEN2MOE): weights are not made to add up to 1; a gated block
// is shared.
func qwen2moe(r *reader, s *Spec) {
	qwen2(r, s)
	if r.experts(s, s.FFN/r.used(), kernels.Router{Gating: kernels.GateSoftmax}) {
		s.SharedFFN, s.SharedGate = r.sizeOr("expert_shared_feed_forward_length", s.FFN, 1<<22), true
	}
}
