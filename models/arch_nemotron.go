package models

func init() { architectures["nemotron"] = nemotron }

// nemotron: Nemotron 4 and Minitron (llama.cpp LLM_ARCH_NEMOTRON): LayerNorm, squared ReLU without a gate, rotary embedding on a
// part of each head. The files hold norm weights as 1+w.
func nemotron(r *reader, s *Spec) {
	s.Norm, s.Act = Layer, ReLU2Only
	r.rope(s, true)
	r.biases(s)
}
