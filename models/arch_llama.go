package models

func init() { architectures["llama"] = llama }

// llama: Llama 1-3, Mistral, SmolLM2 and their kin (llama.cpp LLM_ARCH_LLAMA, dense). Biases are optional there.
func llama(r *reader, s *Spec) {
	r.rope(s, false)
	_, s.QKVBias = r.f.Tensor("blk.0.attn_q.bias")
	_, s.FFNBias = r.f.Tensor("blk.0.ffn_gate.bias")
	_, s.OutBias = r.f.Tensor("blk.0.attn_output.bias")
}
