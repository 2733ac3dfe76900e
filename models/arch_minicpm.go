package models

func init() { architectures["minicpm"] = miniCPM }

// miniCPM: MiniCPM 1 and 2 (llama.cpp LLM_ARCH_MINICPM): granite's program. Files from before the factors were written
// into them are refused: they are to be converted anew.
func miniCPM(r *reader, s *Spec) {
	r.rope(s, false)
	r.biases(s)
	s.EmbedScale = float32(r.float("embedding_scale"))
	s.ResidualScale = float32(r.float("residual_scale"))
	s.LogitScale = float32(1 / r.float("logit_scale"))
}
