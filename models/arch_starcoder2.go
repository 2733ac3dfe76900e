package models

func init() { architectures["starcoder2"] = starcoder2 }

// starcoder2: StarCoder 2 (llama.cpp LLM_ARCH_STARCODER2): LayerNorm, GELU without a gate, biases everywhere.
func starcoder2(r *reader, s *Spec) {
	s.Norm, s.Act = Layer, GELUOnly
	r.rope(s, true)
	r.biases(s)
}
