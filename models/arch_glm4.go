package models

import "fmt"

func init() { architectures["glm4"] = glm4 }

// glm4: GLM-4 0414, dense (llama.cpp LLM_ARCH_GLM4): norms on both sides, gate and up in one tensor, rotary embedding on a
// part of each head. Files whose positions have several dimensions (GLM-4V) are refused.
func glm4(r *reader, s *Spec) {
	r.rope(s, false)
	r.biases(s)
	if r.has("rope.dimension_sections") {
		r.note(fmt.Errorf("%s: %s is set; positions of several dimensions are not supported", r.f.Name, r.key("rope.dimension_sections")))
	}
	s.AttnPost, s.FFNPost = "post_attention_norm", "post_ffw_norm"
	s.FFNFused = true
}
