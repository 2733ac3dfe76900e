package models

func init() { architectures["gpt2"] = gpt2 }

// gpt2: GPT-2 (llama.cpp LLM_ARCH_GPT2): LayerNorm, learnt positions, GELU without a gate.
func gpt2(r *reader, s *Spec) {
	s.Norm, s.Act, s.Positions = Layer, GELUOnly, true
	r.biases(s)
}
