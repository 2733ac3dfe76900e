package models

func init() { architectures["cohere2"] = cohere2 }

// cohere2: Command R7B and Command A (llama.cpp LLM_ARCH_COHERE2): command-r with a window in three of four layers; the others have
// no rotary embedding.
func cohere2(r *reader, s *Spec) {
	commandR(r, s)
	r.window(s, 4)
	s.NearRope = true
}
