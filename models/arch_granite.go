package models

func init() { architectures["granite"] = granite }

// granite: Granite 3 and 4, dense (llama.cpp LLM_ARCH_GRANITE): llama with factors on embeddings, residuals, scores and
// logits.
func granite(r *reader, s *Spec) {
	r.rope(s, false)
	rotates, err := r.f.BoolOr(r.key("rope.scaling.finetuned"), true)
	r.note(err)
	if !rotates { // llama.cpp's switch for models without rotary embedding
		s.Rope.Dims = 0
	}
	r.biases(s)
	s.EmbedScale = float32(r.floatOr("embedding_scale", 0))
	s.ResidualScale = float32(r.floatOr("residual_scale", 0))
	s.LogitScale = float32(1 / r.float("logit_scale"))
	r.attnScale(s)
}
