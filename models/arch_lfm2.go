package models

import "fmt"

func init() { architectures["lfm2"] = lfm2 }

// lfm2: Liquid's LFM2, dense (llama.cpp LLM_ARCH_LFM2): gated short convolutions, and attention with normed heads in the
// layers that have key heads.
func lfm2(r *reader, s *Spec) {
	r.rope(s, true)
	s.Mixer, s.QKNorm = ShortConv, QKHead
	s.Conv = r.size("shortconv.l_cache", maxConv)
	if r.tensor("token_embd_norm.weight") { // so the converter names the last norm
		s.OutputNorm = "token_embd_norm"
	}
	if n, err := r.f.UintOr(r.key("attention.sliding_window"), 0); err != nil || n > 0 {
		r.note(fmt.Errorf("%s: %s is %d; windows are not supported for lfm2", r.f.Name, r.key("attention.sliding_window"), n))
	}
	r.feedForward(s)
}
