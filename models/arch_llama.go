package models

func init() { architectures["llama"] = llama }

// llama: Llama 1-3, Mistral, SmolLM2 and their kin (llama.cpp LLM_ARCH_LLAMA, dense). Biases are optional there.
func llama(r *reader, s *Spec) {
	r.rope(s, false)
	r.biases(s)
}
