package models

func init() { architectures["olmo"] = olmo }

// olmo: OLMo 1 (llama.cpp LLM_ARCH_OLMO): llama with norms that have no weights; queries, keys and values are kept in bounds.
func olmo(r *reader, s *Spec) {
	s.Norm = LayerPlain
	r.rope(s, false)
	s.QKVClamp = float32(r.floatOr("attention.clamp_kqv", 0))
}
