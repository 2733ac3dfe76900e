package models

import "fmt"

func init() { architectures["hunyuan-dense"] = hunyuanDense }

// hunyuanDense: Hunyuan 0.5B to 7B (llama.cpp LLM_ARCH_HUNYUAN_DENSE): queries and keys are normed head by head, after they rotate.
func hunyuanDense(r *reader, s *Spec) {
	r.rope(s, true)
	r.biases(s)
	s.QKNorm, s.QKLast = QKHead, true
	if r.has("rope.scaling.alpha") {
		r.note(fmt.Errorf("%s: %s is set; a base that grows by it is not supported, want it within %s", r.f.Name, r.key("rope.scaling.alpha"), r.key("rope.freq_base")))
	}
}
