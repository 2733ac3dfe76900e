package models

func init() { architectures["bloom"] = bloom }

// bloom: BLOOM and BLOOMZ (llama.cpp LLM_ARCH_BLOOM): ALiBi with a largest bias of 8, a norm on the embedding, biases everywhere.
func bloom(r *reader, s *Spec) {
	s.Norm, s.Act, s.EmbNorm = Layer, GELUOnly, "token_embd_norm"
	s.MaxALiBi = 8
	r.biases(s)
}
