package models

func init() { architectures["falcon"] = falcon }

// falcon: Falcon 7B and 40B (llama.cpp LLM_ARCH_FALCON, with GELU in its tanh form as there): both halves of a block read
// x, in the 40B through norms of their own.
func falcon(r *reader, s *Spec) {
	s.Norm, s.Act, s.Parallel = Layer, GELUOnly, true
	r.rope(s, true)
	s.FFNNorm = "attn_norm"
	if r.tensor("blk.0.attn_norm_2.weight") {
		s.AttnNorm = "attn_norm_2"
	}
}
