package models

func init() { architectures["olmo2"] = olmo2 }

// olmo2: OLMo 2 and 3 (llama.cpp LLM_ARCH_OLMO2): norms after attention and feed-forward only, and on whole queries and
// keys. OLMo 3 has a window in three of four layers, whose rotary embedding is not scaled.
func olmo2(r *reader, s *Spec) {
	r.rope(s, true)
	s.AttnNorm, s.FFNNorm = "", ""
	s.AttnPost, s.FFNPost = "post_attention_norm", "post_ffw_norm"
	s.QKNorm = QKRow
	r.window(s, 4)
	if s.Window > 0 {
		r.windowRope(s, s.Rope.Base)
	}
}
