package hf

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/gguf/hostile"
	"github.com/freehold-slm/freehold/models/token"
)

// vocabFile is a real vocabulary of the reference data.
func vocabFile(t *testing.T, name string) *gguf.File {
	t.Helper()
	path := filepath.Join(hostile.Folder(t), "..", "tokenizers", "ggml-vocab-"+name+".gguf.gz")
	packed, err := os.Open(path)
	if os.IsNotExist(err) {
		t.Skipf("NOT TESTED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close() //nolint:errcheck // read only
	z, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Parse(name, text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// throughJSON writes tokenizer.json of v, lets change edit it, and reads it back.
func throughJSON(t *testing.T, f *gguf.File, v *token.Vocab, change func(object)) (token.Vocab, error) {
	t.Helper()
	tok, err := (&Export{file: f}).tokenizerJSON(v)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(tok)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		var edited object
		if err := json.Unmarshal(text, &edited); err != nil {
			t.Fatal(err)
		}
		change(edited)
		if text, err = json.Marshal(edited); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), text, 0o666); err != nil {
		t.Fatal(err)
	}
	w := gguf.NewWriter()
	tc := object{"bos_token_id": json.Number("1"), "eos_token_id": json.Number("2"), "unk_token_id": json.Number("0")}
	if err := vocabulary(dir, &config{fields: tc}, len(v.Tokens), w); err != nil {
		return token.Vocab{}, err
	}
	var b bytes.Buffer
	if err := w.Encode(&b); err != nil {
		t.Fatal(err)
	}
	back, err := gguf.Parse("back", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	got, err := models.Vocabulary(back)
	if err != nil {
		t.Fatal(err)
	}
	return got, nil
}

// Llama 2's own vocabulary goes to tokenizer.json and comes back with the same tokens and types and its scores in the same order; Phi 3's, which has more
// special tokens (what looks special is one then), so that it reads texts alike.
func TestFixturesSentencePiece(t *testing.T) {
	for _, name := range []string{"llama-spm", "phi-3"} {
		f := vocabFile(t, name)
		want, err := models.Vocabulary(f)
		if err != nil {
			t.Fatal(err)
		}
		got, err := throughJSON(t, f, &want, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Tokens, want.Tokens) || name == "llama-spm" && !slices.Equal(got.Types, want.Types) || got.AddSpacePrefix != want.AddSpacePrefix || got.AddBOS != want.AddBOS {
			t.Errorf("%s: other tokens, types or flags", name)
		}
		var order []int // by falling score; runs of spaces, of -1e9 each, come last there and are left out here
		for id, score := range want.Scores {
			if want.Types[id] == token.Normal && score > -1e8 {
				order = append(order, id)
			}
		}
		slices.SortFunc(order, func(a, b int) int { return cmp.Compare(want.Scores[b], want.Scores[a]) })
		for i, id := range order[1:] {
			if got.Scores[id] >= got.Scores[order[i]] {
				t.Errorf("%s: scores of %q and %q are %v and %v, want %v and %v", name, want.Tokens[order[i]], want.Tokens[id], got.Scores[order[i]], got.Scores[id], want.Scores[order[i]], want.Scores[id])
				break
			}
		}
		a, errA := token.New(want)
		b, errB := token.New(got)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		var cases struct {
			Cases []struct{ Text any }
		}
		text, err := os.ReadFile(filepath.Join(hostile.Folder(t), "..", "tokenizers", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &cases); err != nil || len(cases.Cases) < 20 {
			t.Fatal(err, len(cases.Cases))
		}
		for _, c := range cases.Cases {
			s, ok := c.Text.(string)
			if !ok {
				continue
			}
			if x, y := a.Encode(nil, s, token.EncodeOptions{AddSpecial: true}), b.Encode(nil, s, token.EncodeOptions{AddSpecial: true}); !slices.Equal(x, y) {
				t.Errorf("%s: %q: %v, want %v", name, s, y, x)
			}
		}
	}
}

// Merges that scores cannot state, and steps that change the text otherwise, are refused; without a space in front is known too.
func TestFixturesSentencePieceRefused(t *testing.T) {
	f := vocabFile(t, "llama-spm")
	v, err := models.Vocabulary(f)
	if err != nil {
		t.Fatal(err)
	}
	joined := func(m any) string { return strings.ReplaceAll(m.(string), " ", "") }
	merges := func(o object) []any { return o["model"].(object)["merges"].([]any) }
	for says, change := range map[string]func(object){
		"all ways to split it": func(o object) { o["model"].(object)["merges"] = merges(o)[1:] },
		"those of a token together": func(o object) {
			m := merges(o)
			for i := range m {
				if joined(m[i]) == joined(m[i+1]) {
					m[i], m[len(m)-1] = m[len(m)-1], m[i]
					return
				}
			}
		},
		"normalizer and pre_tokenize": func(o object) { o["normalizer"] = object{"type": "Lowercase"} },
	} {
		if _, err := throughJSON(t, f, &v, change); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %s", err, says)
		}
	}
	replace := object{"type": "Replace", "pattern": object{"String": " "}, "content": "▁"}
	split := object{"type": "Split", "pattern": object{"String": " "}, "behavior": "MergedWithPrevious", "invert": false}
	for _, c := range []struct {
		normalizer, pre any
		prefix          bool
	}{{replace, split, false}, {nil, object{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false}, true},
		{nil, object{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": false}, false}} {
		got, err := throughJSON(t, f, &v, func(o object) { o["normalizer"], o["pre_tokenizer"] = c.normalizer, c.pre })
		if err != nil || got.AddSpacePrefix != c.prefix {
			t.Errorf("%v %v: prefix %v, %v", c.normalizer, c.pre, got.AddSpacePrefix, err)
		}
	}
}
