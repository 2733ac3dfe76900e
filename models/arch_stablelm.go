package models

func init() { architectures["stablelm"] = stablelm }

// stablelm: StableLM 1 to 2 (llama.cpp LLM_ARCH_STABLELM): LayerNorm, rotary embedding on a part of each head. Files
// without ffn_norm feed both halves of a block with the same norm. In the 2-12B
// each head's queries and keys are normed by weights of their own.
func stablelm(r *reader, s *Spec) {
	s.Norm = Layer
	r.rope(s, true)
	r.biases(s)
	if !r.tensor("blk.0.ffn_norm.weight") {
		s.Parallel, s.FFNNorm = true, s.AttnNorm
	}
	if r.tensor("blk.0.attn_q_norm.weight") {
		s.QKNorm = QKEach
	}
}
