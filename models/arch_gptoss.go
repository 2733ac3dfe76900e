package models

import "github.com/freehold-slm/freehold/kernels"

func init() { architectures["gpt-oss"] = gptOSS }

// gptOSS: gpt-oss (llama.cpp LLM_ARCH_OPENAI_MOE): experts with biases and a clamped gate, scores without a value (sinks),
// a window in every other layer. Its post_attention_norm stands before the feed-forward block.
func gptOSS(r *reader, s *Spec) {
	r.rope(s, true)
	r.biases(s)
	r.window(s, 2)
	if r.has("rope.freq_base_swa") {
		near := s.Rope
		near.Base = r.float("rope.freq_base_swa")
		s.WindowRope = &near
	}
	s.Sinks = true
	s.FFNNorm = "post_attention_norm"
	s.Act = ClampedGate
	r.experts(s, s.FFN, kernels.Router{Gating: kernels.GateChosen})
}
