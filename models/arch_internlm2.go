package models

func init() { architectures["internlm2"] = internlm2 }

// internlm2: InternLM 2 and 2.5 (llama.cpp LLM_ARCH_INTERNLM2): llama's program.
func internlm2(r *reader, s *Spec) {
	r.rope(s, false)
	r.biases(s)
}
