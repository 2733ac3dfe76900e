package models

func init() { architectures["mpt"] = mpt }

// mpt: MPT 7B and 30B, Replit Code (llama.cpp LLM_ARCH_MPT): ALiBi or learnt positions, LayerNorm mostly without bias, fused
// projections that some keep in bounds. Norms on queries and keys
// are refused (llama.cpp stops at them too).
func mpt(r *reader, s *Spec) {
	s.Norm, s.Act = LayerScale, GELUOnly
	if r.tensor("blk.0.attn_norm.bias") {
		s.Norm = Layer
	}
	s.Positions = r.tensor("position_embd.weight")
	s.MaxALiBi = float32(r.floatOr("attention.max_alibi_bias", 0))
	s.QKVClamp = float32(r.floatOr("attention.clamp_kqv", 0))
	r.biases(s)
}
