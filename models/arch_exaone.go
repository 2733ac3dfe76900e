package models

func init() { architectures["exaone"] = exaone }

// exaone: EXAONE 3 and 3.5 (llama.cpp LLM_ARCH_EXAONE): llama's program, with the other pairs in rotary embedding.
func exaone(r *reader, s *Spec) {
	r.rope(s, true)
	r.biases(s)
}
