package hf

import (
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	bert := &family{arch: "bert", modelType: "bert", base: "bert.", layers: "encoder.layer.", tied: true, bias: true, layer: true, eps: "layer_norm_eps", unmoved: true, sizes: bertSizes, keys: bertKeys, config: bertConfig,
		names: pairs("attention.self.query.*", "attn_q.*", "attention.self.key.*", "attn_k.*", "attention.self.value.*", "attn_v.*", "attention.output.dense.*", "attn_output.*",
			"attention.output.LayerNorm.*", "attn_output_norm.*", "intermediate.dense.*", "ffn_up.*", "output.dense.*", "ffn_down.*", "output.LayerNorm.*", "layer_output_norm.*"),
		whole: map[string]string{"token_embd.weight": "embeddings.word_embeddings.weight", "position_embd.weight": "embeddings.position_embeddings.weight", "token_types.weight": "embeddings.token_type_embeddings.weight",
			"token_embd_norm.weight": "embeddings.LayerNorm.weight", "token_embd_norm.bias": "embeddings.LayerNorm.bias", "output_norm.weight": ""},
		unneeded: []string{"embeddings.position_ids", "pooler.", "cls."}} // heads for training
	families["BertModel"] = bert
	for _, class := range []string{"BertForMaskedLM", "BertForPreTraining"} { // published with the head that they learnt by
		trained := *bert
		trained.modelType = ""
		families[class] = &trained
	}
}

func bertSizes(c *config, d *dims) {
	d.axes["T"] = c.size("type_vocab_size", 1<<10)
	d.usual(c)
}

func bertKeys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", gelu...)
	c.oneOf("position_embedding_type", "absolute")
	c.absent("is_decoder", "add_cross_attention")
	w.Set("bert.attention.causal", false)
	w.Set("tokenizer.ggml.token_type_count", uint32(d.axes["T"]))
}

func bertConfig(_ *gguf.File, s *models.Spec, c map[string]any) {
	c["hidden_act"], c["type_vocab_size"], c["tie_word_embeddings"] = "gelu_pytorch_tanh", s.Types, true
}
