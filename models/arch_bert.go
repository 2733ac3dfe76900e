package models

import "fmt"

func init() {
	architectures["bert"] = bert
	architectures["nomic-bert"] = nomicBERT
}

// bert: BERT and its kin for embeddings, MiniLM, BGE, E5 (llama.cpp LLM_ARCH_BERT): every token sees every other, norms on the sums,
// learnt positions, all tokens of the first kind. GELU has its tanh form, as there.
func bert(r *reader, s *Spec) {
	r.encoder(s)
	s.Act, s.Positions = GELUOnly, true
}

// nomicBERT: Nomic Embed v1 and v1.5 (llama.cpp LLM_ARCH_NOMIC_BERT): bert with rotary embedding and gates.
func nomicBERT(r *reader, s *Spec) {
	r.encoder(s)
	r.rope(s, true)
}

func (r *reader) encoder(s *Spec) {
	s.Encoder, s.Norm = true, Layer
	s.AttnNorm, s.FFNNorm, s.OutputNorm, s.EmbNorm = "", "", "", "token_embd_norm"
	s.AttnSum, s.FFNSum = "attn_output_norm", "layer_output_norm"
	r.biases(s)
	if causal, err := r.f.Bool(r.key("attention.causal")); err != nil {
		r.note(err)
	} else if causal {
		r.note(fmt.Errorf("%s: %s is true, want false", r.f.Name, r.key("attention.causal")))
	}
	if t, ok := r.f.Tensor("token_types.weight"); ok {
		s.Types = t.Rows()
	}
}
