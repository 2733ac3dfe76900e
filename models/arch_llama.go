package models

import "github.com/freehold-slm/freehold/kernels"

func init() { architectures["llama"] = llama }

// llama: Llama 1-3, Mistral, SmolLM2 and their kin (llama.cpp LLM_ARCH_LLAMA), Mixtral too. Biases are optional there.
func llama(r *reader, s *Spec) {
	r.rope(s, false)
	r.biases(s)
	r.experts(s, s.FFN, kernels.Router{Gating: kernels.GateSoftmax, Norm: true})
}
