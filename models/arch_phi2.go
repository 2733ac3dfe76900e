package models

func init() { architectures["phi2"] = phi2 }

// phi2: Phi-1, 1.5 and 2 (llama.cpp LLM_ARCH_PHI2): one LayerNorm feeds both halves of a block, biases everywhere.
func phi2(r *reader, s *Spec) {
	s.Norm, s.Act = Layer, GELUOnly
	s.Parallel, s.FFNNorm = true, s.AttnNorm
	r.rope(s, true)
	r.biases(s)
}
