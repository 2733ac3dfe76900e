package models

func init() { architectures["phi3"] = phi3 }

// phi3: Phi-3, 3.5 and 4-mini (llama.cpp LLM_ARCH_PHI3): llama with fused projections and longrope. Like there, a window
// that the file states is not applied (ggml-org/llama.cpp pull request 13676).
func phi3(r *reader, s *Spec) {
	r.rope(s, true)
	r.biases(s)
	s.FFNFused = true
}
