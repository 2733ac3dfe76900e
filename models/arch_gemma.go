package models

import "math"

func init() { architectures["gemma"] = gemma }

// gemma: Gemma 1 (llama.cpp LLM_ARCH_GEMMA): embeddings times sqrt(Dim), GELU gates. The files hold norm weights as 1+w.
func gemma(r *reader, s *Spec) {
	r.rope(s, true)
	s.EmbedScale = gemmaScale(s.Dim)
	s.Act = GELUGate
}

// gemmaScale is the factor of embeddings.
func gemmaScale(dim int) float32 { return float32(math.Sqrt(float64(dim))) }
