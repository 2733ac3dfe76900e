package models

func init() { architectures["smollm3"] = smollm3 }

// smollm3: SmolLM3 (llama.cpp LLM_ARCH_SMOLLM3): llama without rotary embedding in every fourth layer.
func smollm3(r *reader, s *Spec) {
	llama(r, s)
	s.NoRope = 4
	r.attnScale(s)
}
