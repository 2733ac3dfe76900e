package models_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/gguf/hostile"
	"github.com/freehold-slm/freehold/models/token"
)

// Tokenizers out of malformed and odd files: refused in words or working, never a panic or a hang.
func TestFixturesHostileTokenizer(t *testing.T) {
	for _, base := range hostile.Bases {
		t.Run(base, func(t *testing.T) {
			ran := 0
			for _, c := range hostile.Make(t, base) {
				if c.Area != "tokenizer" || c.Stage != "tokenizer" {
					continue
				}
				ran++
				t.Run(c.Name, func(t *testing.T) {
					err := hostile.Run(t, c, func(path string) error {
						f, err := gguf.Open(path)
						if err != nil {
							return err
						}
						defer f.Close()
						v, err := models.Vocabulary(f)
						if err != nil {
							return err
						}
						tok, err := token.New(v)
						if err != nil {
							return err
						}
						for _, text := range []string{"the quick  brown\nfox", strings.Repeat("a", 1<<14), "\xff\x00é"} {
							ids := tok.Encode(nil, text, token.EncodeOptions{AddSpecial: true, ParseSpecial: true})
							tok.Decode(nil, ids, token.DecodeOptions{UnparseSpecial: true})
						}
						return nil
					})
					hostile.Judge(t, c, err, true)
				})
			}
			if ran < 30 {
				t.Errorf("%d tokenizer cases ran, want 30 at least", ran)
			}
		})
	}
}

// bpeFile writes a small vocabulary, edits it and reads it back.
func bpeFile(t *testing.T, edit func(w *gguf.Writer)) *gguf.File {
	t.Helper()
	w := gguf.NewWriter()
	w.Set("tokenizer.ggml.model", "gpt2")
	w.Set("tokenizer.ggml.pre", "qwen2")
	w.Set("tokenizer.ggml.tokens", []string{"a", "b", "ab", "<|endoftext|>", "<|im_end|>"})
	w.Set("tokenizer.ggml.token_type", []int32{1, 1, 1, 3, 1})
	w.Set("tokenizer.ggml.merges", []string{"a b"})
	w.Set("tokenizer.ggml.eos_token_id", uint32(3))
	edit(w)
	var out bytes.Buffer
	if err := w.Encode(&out); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Parse("small.gguf", out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestVocabularyDefaults(t *testing.T) {
	v, err := models.Vocabulary(bpeFile(t, func(*gguf.Writer) {}))
	if err != nil {
		t.Fatal(err)
	}
	// BOS's default, 11, is outside; EOT and a second end are found by their text, whose token becomes control.
	if v.BOS != token.None || v.EOS != 3 || v.EOT != 4 || !slices.Equal(v.EOG, []int{3, 4}) || v.Types[4] != token.Control || v.AddBOS {
		t.Errorf("bos %d, eos %d, eot %d, eog %v, types %v, add bos %v", v.BOS, v.EOS, v.EOT, v.EOG, v.Types, v.AddBOS)
	}
	v, err = models.Vocabulary(bpeFile(t, func(w *gguf.Writer) {
		w.Set("tokenizer.ggml.bos_token_id", uint32(3))
		w.Set("tokenizer.ggml.eot_token_id", uint32(3))
		w.Set("tokenizer.ggml.add_bos_token", true)
		w.Set("general.name", "Phi-3 mini")
	}))
	if err != nil {
		t.Fatal(err)
	}
	if v.BOS != 3 || v.EOT != 3 || !v.AddBOS || !slices.Equal(v.RStrip, []int32{4}) {
		t.Errorf("bos %d, eot %d, add bos %v, rstrip %v", v.BOS, v.EOT, v.AddBOS, v.RStrip)
	}
}

func TestVocabularyRefusals(t *testing.T) {
	for _, c := range []struct {
		key   string
		value any
		want  string
	}{
		{"tokenizer.ggml.model", "plamo2", `key "tokenizer.ggml.model": got "plamo2", want one of gpt2, whitespace, gemma4, llama, t5, bert, rwkv`},
		{"tokenizer.ggml.pre", "new-pre", `key "tokenizer.ggml.pre": got "new-pre", want one of a.x-4.0, `},
		{"tokenizer.ggml.tokens", []string{}, `key "tokenizer.ggml.tokens": got an empty array`},
		{"tokenizer.ggml.scores", []float32{1}, `key "tokenizer.ggml.scores": got 1 elements, want 5`},
		{"tokenizer.ggml.token_type", []int32{1}, `key "tokenizer.ggml.token_type": got 1 elements, want 5`},
		{"tokenizer.ggml.token_type", []uint8{1, 1, 1, 1, 1}, `got array of u8, want an array of i32`},
		{"tokenizer.ggml.merges", "a b", `key "tokenizer.ggml.merges"`},
		{"tokenizer.ggml.eos_token_id", uint32(5), `key "tokenizer.ggml.eos_token_id": got 5, want an id from 0 to 4`},
		{"tokenizer.ggml.add_bos_token", uint32(1), `key "tokenizer.ggml.add_bos_token"`},
	} {
		_, err := models.Vocabulary(bpeFile(t, func(w *gguf.Writer) { w.Set(c.key, c.value) }))
		var bad *gguf.Error
		if !errors.As(err, &bad) || bad.File != "small.gguf" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s = %v: error %v, want one with %q", c.key, c.value, err, c.want)
		}
	}
}
