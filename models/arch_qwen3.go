package models

func init() { architectures["qwen3"] = qwen3 }

// qwen3: Qwen 3, dense (llama.cpp LLM_ARCH_QWEN3): queries and keys are normed head by head.
func qwen3(r *reader, s *Spec) {
	r.rope(s, true)
	r.biases(s)
	s.QKNorm = QKHead
}
