package models

func init() { architectures["gemma3"] = gemma3 }

// gemma3: Gemma 3, text (llama.cpp LLM_ARCH_GEMMA3): gemma with norms on both sides and on queries and keys; five of six
// layers have a window and a rotary embedding of their own.
func gemma3(r *reader, s *Spec) {
	gemma(r, s)
	s.AttnPost, s.FFNPost = "post_attention_norm", "post_ffw_norm"
	s.QKNorm = QKHead
	r.window(s, 6)
	if s.Window > 0 {
		r.windowRope(s, 10000)
	}
	s.LogitCap = float32(r.floatOr("final_logit_softcapping", 0))
	if s.Layers == 62 {
		s.AttnScale = r.wholeScale(s)
	}
}
