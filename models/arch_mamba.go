package models

func init() { architectures["mamba"] = mamba }

// mamba: Mamba (llama.cpp LLM_ARCH_MAMBA): selective state spaces alone, no attention and no feed-forward block. Falcon
// Mamba's norms of time steps, B and C are refused.
func mamba(r *reader, s *Spec) {
	r.stateSpace(s, Mamba)
	s.unattended()
	s.FFN = 0
}
