package tiny

// Encoders are models that give embeddings and no logits, with a WordPiece vocabulary.
var Encoders = []Model{
	{Name: "bert", Arch: "bert", Keys: encoder(1), Meta: wordPieceKeys, Tokens: wordPiece, Sizes: keysOfAll,
		Tensors: embeddings + "position_embd.weight D C", Block: sums + qkv + qkvBias + "attn_output.bias D, " + plain + plainBias},
	{Name: "bert-cls", Arch: "bert", Keys: encoder(2), Meta: wordPieceKeys, Tokens: wordPiece, Sizes: keysOfAll,
		Tensors: embeddings + "position_embd.weight D C", Block: sums + qkv + qkvBias + "attn_output.bias D, " + plain + plainBias},
	{Name: "nomic-bert", Arch: "nomic-bert", Keys: with(encoder(1), "rope.freq_base", float32(1000)), Meta: wordPieceKeys, Tokens: wordPiece, Sizes: keysOfAll,
		Tensors: embeddings, Block: sums + fused + gated},
}

const (
	embeddings = "token_embd.weight D V, token_types.weight D 2, token_embd_norm.weight D, token_embd_norm.bias D, "
	sums       = "attn_output_norm.weight D, attn_output_norm.bias D, layer_output_norm.weight D, layer_output_norm.bias D, "
)

var keysOfAll = map[string]int{"M": 4}

func encoder(pooling uint32) map[string]any {
	return layer(keys{"attention.causal": false, "pooling_type": pooling})
}

// wordPiece is letters, at the beginning of a word and within, and some words.
var wordPiece = func() []string {
	tokens := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
	for c := 'a'; c <= 'z'; c++ {
		tokens = append(tokens, "▁"+string(c), string(c))
	}
	return append(tokens, "▁the", "▁cat", "▁sat", "ing", "▁over", "er", "▁.", "▁,", "▁?")
}()

var wordPieceKeys = func() map[string]any {
	types := make([]int32, len(wordPiece))
	for i := range types {
		types[i] = 1 // normal
	}
	for i := range 5 {
		types[i] = 3 // control
	}
	types[1] = 2 // unknown
	return map[string]any{"tokenizer.ggml.model": "bert", "tokenizer.ggml.pre": "default", "tokenizer.ggml.token_type": types, "tokenizer.ggml.token_type_count": uint32(2),
		"tokenizer.ggml.padding_token_id": uint32(0), "tokenizer.ggml.unknown_token_id": uint32(1), "tokenizer.ggml.cls_token_id": uint32(2),
		"tokenizer.ggml.bos_token_id": uint32(2), "tokenizer.ggml.seperator_token_id": uint32(3), "tokenizer.ggml.eos_token_id": uint32(3), "tokenizer.ggml.mask_token_id": uint32(4)}
}()
