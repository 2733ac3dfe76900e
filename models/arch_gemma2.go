package models

import "math"

func init() { architectures["gemma2"] = gemma2 }

// gemma2: Gemma 2 (llama.cpp LLM_ARCH_GEMMA2): gemma with norms on both sides, a window in every other layer, and capped
// scores and logits.
func gemma2(r *reader, s *Spec) {
	gemma(r, s)
	s.AttnPost, s.FFNPost = "post_attention_norm", "post_ffw_norm"
	s.Window, s.WindowPeriod = 4096, 2
	r.window(s, 2)
	if r.has("rope.freq_base_swa") {
		r.windowRope(s, s.Rope.Base)
		s.WindowRope.Scaling, s.WindowRope.Factor = s.Rope.Scaling, s.Rope.Factor
	}
	s.AttnCap = float32(r.floatOr("attn_logit_softcapping", 50))
	s.LogitCap = float32(r.floatOr("final_logit_softcapping", 30))
	if s.Layers == 46 {
		s.AttnScale = r.wholeScale(s)
	}
}

// wholeScale is the attention scale of the 27B models of Gemma 2 and 3, by the width a head would have if heads were
// the model's width; the files do not state it.
func (r *reader) wholeScale(s *Spec) float32 { return float32(1 / math.Sqrt(float64(s.Dim/s.Heads))) }
