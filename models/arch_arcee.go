package models

func init() { architectures["arcee"] = arcee }

// arcee: AFM 4.5B (llama.cpp LLM_ARCH_ARCEE): llama with squared ReLU and no gate.
func arcee(r *reader, s *Spec) {
	s.Act = ReLU2Only
	r.rope(s, false)
	r.biases(s)
}
