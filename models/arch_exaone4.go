package models

func init() { architectures["exaone4"] = exaone4 }

// exaone4: EXAONE 4 (llama.cpp LLM_ARCH_EXAONE4): norms after attention and feed-forward only, and on queries and keys. The 32B has
// a window in three of four layers, and the others have no rotary embedding.
func exaone4(r *reader, s *Spec) {
	r.rope(s, true)
	s.AttnNorm, s.FFNNorm = "", ""
	s.AttnPost, s.FFNPost = "post_attention_norm", "post_ffw_norm"
	s.QKNorm = QKHead
	r.window(s, 4)
	s.NearRope = s.Window > 0
}
