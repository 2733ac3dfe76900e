package hf

import "github.com/freehold-slm/freehold/models/gguf"

func init() {
	families["InternLM2ForCausalLM"] = &family{arch: "internlm2", modelType: "internlm2", names: pairs("attention_norm.weight", "attn_norm.weight", "attention.wqkv.weight", "attn_q.weight attn_k.weight attn_v.weight",
		"attention.wo.weight", "attn_output.weight", "ffn_norm.weight", "ffn_norm.weight", "feed_forward.w1.weight", "ffn_gate.weight", "feed_forward.w3.weight", "ffn_up.weight",
		"feed_forward.w2.weight", "ffn_down.weight"), layout: map[string]string{"attention.wqkv.weight": "g (q t j + k t j + v c), e"},
		whole: map[string]string{"token_embd.weight": "model.tok_embeddings.weight", "output.weight": "output.weight"}, keys: internlm2Keys}
}

func internlm2Keys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	c.absent("bias")
	rope(c, "internlm2", d, w)
}
