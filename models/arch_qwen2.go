package models

func init() { architectures["qwen2"] = qwen2 }

// qwen2: Qwen 1.5, 2 and 2.5, dense (llama.cpp LLM_ARCH_QWEN2).
func qwen2(r *reader, s *Spec) {
	r.rope(s, true)
	s.QKVBias = true
}
