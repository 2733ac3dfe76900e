package token_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/token"
)

// Each kind of tokenizer against llama.cpp, with the flags that a file may set.
func TestLlamaModels(t *testing.T) {
	l := startLlama(t)
	texts := append(hostileTexts(2, 600), "", " ", strings.Repeat("a", 3000), strings.Repeat("中", 500))

	t.Run("gemma4", func(t *testing.T) {
		w := rawVocabulary()
		w.Set("tokenizer.ggml.model", "gemma4")
		l.compare(t, w, texts)
	})
	t.Run("whitespace", func(t *testing.T) {
		w := rawVocabulary()
		w.Set("tokenizer.ggml.model", "whitespace")
		w.Set("tokenizer.ggml.pre", "whitespace")
		l.compare(t, w, texts)
		w.Set("tokenizer.ggml.normalizer.lowercase", true)
		l.compare(t, w, texts)
		w = pairsVocabulary()
		w.Set("tokenizer.ggml.model", "whitespace")
		w.Set("tokenizer.ggml.pre", "qwen2")
		l.compare(t, w, texts)
	})
	t.Run("rwkv", func(t *testing.T) { l.compare(t, worldVocabulary(), texts) })
	for _, prefix := range []bool{false, true} {
		t.Run(fmt.Sprintf("llama,prefix=%v", prefix), func(t *testing.T) {
			w := wordVocabulary("llama")
			w.Set("tokenizer.ggml.add_space_prefix", prefix)
			l.compare(t, w, texts)
		})
		for _, merged := range []bool{false, true} {
			t.Run(fmt.Sprintf("t5,prefix=%v,merged=%v", prefix, merged), func(t *testing.T) {
				w := wordVocabulary("t5")
				w.Set("tokenizer.ggml.add_space_prefix", prefix)
				w.Set("tokenizer.ggml.remove_extra_whitespaces", merged)
				l.compare(t, w, texts)
				w.Set("tokenizer.ggml.precompiled_charsmap", token.CharMap(token.CharRules))
				l.compare(t, w, texts)
			})
		}
	}
	for _, lower := range []bool{false, true} {
		for _, strip := range []bool{false, true} {
			t.Run(fmt.Sprintf("bert,lower=%v,strip=%v", lower, strip), func(t *testing.T) {
				w := bytesVocabulary()
				w.Set("tokenizer.ggml.normalizer.lowercase", lower)
				w.Set("tokenizer.ggml.normalizer.strip_accents", strip)
				l.compare(t, w, texts)
			})
		}
	}
	// Every character that Unicode has assigned and more: white space, punctuation, lower case, what it is without marks.
	t.Run("bert,characters", func(t *testing.T) {
		var all []string
		for r := rune(1); r < 0x32400; r += 256 {
			var b strings.Builder
			for c := r; c < r+256; c++ {
				if c < 0xD800 || 0xE000 <= c {
					b.WriteString("a" + string(c))
				}
			}
			all = append(all, b.String())
		}
		l.compare(t, bytesVocabulary(), all)
	})
}

// wordVocabulary holds marks, characters and words made of them at chance, with scores, for SentencePiece's two models.
func wordVocabulary(model string) *gguf.Writer {
	tokens, types := []string{"<pad>", "</s>", "<unk>", "<s>"}, []int32{token.Control, token.Control, token.Unknown, token.Control}
	if model == "llama" {
		tokens, types = []string{"<unk>", "<s>", "</s>"}, []int32{token.Unknown, token.Control, token.Control}
		for c := range 256 {
			tokens, types = append(tokens, fmt.Sprintf("<0x%02X>", c)), append(types, token.Byte)
		}
	}
	r := rand.New(rand.NewPCG(9, 9))
	parts := strings.Split("▁|▁|a|e|h|t|W|o|r|'|s|1|2|.|é|中|文|測|न|😀|\u0301|カ|T|H|E|A|L", "|")
	known := map[string]bool{}
	add := func(text string, typ int32) {
		if !known[text] {
			known[text] = true
			tokens, types = append(tokens, text), append(types, typ)
		}
	}
	for len(tokens) < 3000 {
		var b strings.Builder
		for range 1 + r.IntN(4) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		add(b.String(), token.Normal)
	}
	for _, text := range []string{"<mask>", "the", "1234", "▁WE"} {
		add(text, token.UserDefined)
	}
	add("▁unu", token.Unused)
	scores := make([]float32, len(tokens))
	for i := range scores {
		scores[i] = -float32(r.IntN(4000)) / 256 // some alike
	}
	w := gguf.NewWriter()
	w.Set("general.architecture", "llama")
	w.Set("tokenizer.ggml.model", model)
	w.Set("tokenizer.ggml.tokens", tokens)
	w.Set("tokenizer.ggml.token_type", types)
	w.Set("tokenizer.ggml.scores", scores)
	return w
}

// worldVocabulary holds the 256 bytes and words at chance, spelled as Python writes a literal, for rwkv.
func worldVocabulary() *gguf.Writer {
	tokens, types := []string{"<s>"}, []int32{token.Control}
	known := map[string]bool{}
	add := func(text string) {
		if !known[text] {
			known[text] = true
			tokens, types = append(tokens, text), append(types, token.Normal)
		}
	}
	literal := func(c byte) string {
		switch {
		case c == '\n':
			return `\n`
		case c == '\t':
			return `\t`
		case c == '\r':
			return `\r`
		case c == '\\' || c == '\'':
			return `\` + string(c)
		case c < ' ' || c >= 0x7f:
			return fmt.Sprintf(`\x%02x`, c)
		}
		return string(c)
	}
	for c := range 256 {
		add(literal(byte(c)))
	}
	r := rand.New(rand.NewPCG(3, 1))
	parts := strings.Split(" |a|e|h|t|W|o|r|'|s|1|2|.|é|中|文|\xe4|\xb8\xad|\n|\t|\\|😀|T|H", "|")
	for len(tokens) < 2000 {
		var b strings.Builder
		for range 2 + r.IntN(4) {
			for _, c := range []byte(parts[r.IntN(len(parts))]) {
				b.WriteString(literal(c))
			}
		}
		add(b.String())
	}
	w := gguf.NewWriter()
	w.Set("general.architecture", "llama")
	w.Set("tokenizer.ggml.model", "rwkv")
	w.Set("tokenizer.ggml.tokens", tokens)
	w.Set("tokenizer.ggml.token_type", types)
	w.Set("tokenizer.ggml.bos_token_id", uint32(0))
	w.Set("tokenizer.ggml.eos_token_id", uint32(0))
	return w
}

// bytesVocabulary spells any word by bytes: what a normalisation made of a text shows.
func bytesVocabulary() *gguf.Writer {
	tokens := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
	types := []int32{token.Control, token.Unknown, token.Control, token.Control, token.Control}
	for c := range 256 {
		if c != 0 && c != 'Q' { // a word with Q is unknown; llama.cpp ends a token's text at a zero
			tokens, types = append(tokens, string([]byte{byte(c)})), append(types, token.Normal)
		}
	}
	for _, text := range []string{"▁", "▁the", "th", "he", "ll", "▁中"} {
		tokens, types = append(tokens, text), append(types, token.Normal)
	}
	w := gguf.NewWriter()
	w.Set("general.architecture", "llama")
	w.Set("tokenizer.ggml.model", "bert")
	w.Set("tokenizer.ggml.tokens", tokens)
	w.Set("tokenizer.ggml.token_type", types)
	for i, role := range []string{"padding", "unknown", "cls", "seperator", "mask"} {
		w.Set("tokenizer.ggml."+role+"_token_id", uint32(i))
	}
	w.Set("tokenizer.ggml.bos_token_id", uint32(2))
	return w
}
