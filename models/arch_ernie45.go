package models

func init() { architectures["ernie4_5"] = ernie45 }

// ernie45: ERNIE 4.5, dense (llama.cpp LLM_ARCH_ERNIE4_5): llama's program.
func ernie45(r *reader, s *Spec) {
	r.rope(s, false)
	r.biases(s)
}
