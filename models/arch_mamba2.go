package models

func init() { architectures["mamba2"] = mamba2 }

// mamba2: Mamba-2 and Codestral Mamba (llama.cpp LLM_ARCH_MAMBA2): state spaces with heads alone, no attention and no
// feed-forward block.
func mamba2(r *reader, s *Spec) {
	r.stateSpace(s, Mamba2)
	s.unattended()
	s.FFN = 0
}
