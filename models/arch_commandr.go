package models

func init() { architectures["command-r"] = commandR }

// commandR: Command R and R+, Aya 23 (llama.cpp LLM_ARCH_COMMAND_R): one LayerNorm without bias feeds both halves of a block; in R+
// each head's queries and keys are normed by weights of their own.
func commandR(r *reader, s *Spec) {
	s.Norm = LayerScale
	s.Parallel, s.FFNNorm = true, s.AttnNorm
	r.rope(s, false)
	r.biases(s)
	s.LogitScale = float32(r.float("logit_scale"))
	if r.tensor("blk.0.attn_q_norm.weight") {
		s.QKNorm = QKEach
	}
}
