package token_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/token"
)

// moduleRoot walks up to go.mod.
func moduleRoot(t testing.TB) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if filepath.Dir(dir) == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}

// fixtures returns a folder of reference data.
func fixtures(t testing.TB, kind string) string {
	root := moduleRoot(t)
	if dir := os.Getenv("FREEHOLD_FIXTURES"); dir != "" {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(root, dir)
		}
		return filepath.Join(dir, kind)
	}
	shared := filepath.Join(root, "..", "shared", "fixtures", kind)
	if _, err := os.Stat(shared); err == nil {
		return shared
	}
	return filepath.Join(root, "testdata", kind)
}

// blob is a JSON string, or {"b64": ...} where the bytes are no UTF-8.
type blob string

func (b *blob) UnmarshalJSON(data []byte) error {
	var raw struct{ B64 string }
	if json.Unmarshal(data, &raw) == nil {
		x, err := base64.StdEncoding.DecodeString(raw.B64)
		*b = blob(x)
		return err
	}
	return json.Unmarshal(data, (*string)(b))
}

type tokenVectors struct {
	Format string
	Meta   struct {
		NVocab int  `json:"n_vocab"`
		BOS    int  `json:"bos"`
		EOS    int  `json:"eos"`
		EOT    int  `json:"eot"`
		NL     int  `json:"nl"`
		PAD    int  `json:"pad"`
		AddBOS bool `json:"add_bos"`
		AddEOS bool `json:"add_eos"`
	}
	Cases []struct {
		Text         blob
		Plain        []int32
		Special      []int32
		Parse        []int32
		SpecialParse []int32 `json:"special_parse"`
		Detok        struct {
			Keep blob `json:"keep_specials"`
			Drop blob `json:"drop_specials"`
		} `json:"detok_special_parse"`
		DetokPlain blob `json:"detok_plain"`
	}
	Pieces map[string][2]blob
}

func readJSON(t testing.TB, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// vocabFile reads a gzipped GGUF vocabulary of the fixtures.
func vocabFile(t testing.TB, name string) *gguf.File {
	t.Helper()
	path := filepath.Join(fixtures(t, "tokenizers"), "ggml-vocab-"+name+".gguf.gz")
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Parse(path, data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func vocabulary(t testing.TB, f *gguf.File) token.Vocab {
	t.Helper()
	v, err := models.Vocabulary(f)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

var built = map[string]*token.Tokenizer{}

// fixtureTokenizer builds a tokenizer of the fixtures once.
func fixtureTokenizer(t testing.TB, name string) *token.Tokenizer {
	t.Helper()
	if built[name] == nil {
		tok, err := token.New(vocabulary(t, vocabFile(t, name)))
		if err != nil {
			t.Fatal(err)
		}
		built[name] = tok
	}
	return built[name]
}

var (
	plain        = token.EncodeOptions{}
	special      = token.EncodeOptions{AddSpecial: true}
	parse        = token.EncodeOptions{ParseSpecial: true}
	specialParse = token.EncodeOptions{AddSpecial: true, ParseSpecial: true}
)

func TestFixturesTokenizers(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(fixtures(t, "tokenizers"), "*.json"))
	if len(files) < 4 {
		t.Fatalf("%d reference files, want 4 at least", len(files))
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		t.Run(name, func(t *testing.T) {
			var ref tokenVectors
			readJSON(t, path, &ref)
			compareVectors(t, fixtureTokenizer(t, name), &ref)
		})
	}
}

func compareVectors(t *testing.T, tok *token.Tokenizer, ref *tokenVectors) {
	m := ref.Meta
	if got, want := fmt.Sprint(tok.Size(), tok.BOS(), tok.EOS(), tok.EOT(), tok.PAD(), tok.AddsBOS(), tok.AddsEOS()),
		fmt.Sprint(m.NVocab, m.BOS, m.EOS, m.EOT, m.PAD, m.AddBOS, m.AddEOS); got != want {
		t.Errorf("size, bos, eos, eot, pad, add_bos, add_eos: %s, want %s", got, want)
	}
	if len(ref.Cases) < 100 {
		t.Fatalf("%d cases, want 100 at least", len(ref.Cases))
	}
	for i, c := range ref.Cases {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			for _, v := range []struct {
				name string
				opt  token.EncodeOptions
				want []int32
			}{
				{"plain", plain, c.Plain}, {"special", special, c.Special},
				{"parse", parse, c.Parse}, {"special_parse", specialParse, c.SpecialParse},
			} {
				if got := tok.Encode(nil, string(c.Text), v.opt); !slices.Equal(got, v.want) {
					t.Errorf("%s of %q: %v, want %v", v.name, c.Text, got, v.want)
				}
			}
			for _, v := range []struct {
				name string
				ids  []int32
				opt  token.DecodeOptions
				want blob
			}{
				{"detok_plain", c.Plain, token.DecodeOptions{}, c.DetokPlain},
				{"keep_specials", c.SpecialParse, token.DecodeOptions{UnparseSpecial: true}, c.Detok.Keep},
				{"drop_specials", c.SpecialParse, token.DecodeOptions{RemoveSpecial: true}, c.Detok.Drop},
			} {
				if got := tok.Decode(nil, v.ids, v.opt); string(got) != string(v.want) {
					t.Errorf("%s of %v: %q, want %q", v.name, v.ids, got, v.want)
				}
			}
		})
	}
	if len(ref.Pieces) < 300 {
		t.Fatalf("%d pieces, want 300 at least", len(ref.Pieces))
	}
	for key, want := range ref.Pieces {
		id, err := strconv.Atoi(key)
		if err != nil {
			t.Fatal(err)
		}
		for i, shown := range []bool{true, false} {
			if got := tok.Piece(int32(id), shown); string(got) != string(want[i]) {
				t.Errorf("piece %d, special %v: %q, want %q", id, shown, got, want[i])
			}
		}
	}
}

// llama.cpp's own test strings, which the vectors above were not made from.
func TestFixturesUpstream(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(fixtures(t, "tokenizers"), "*.inp"))
	for _, path := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "ggml-vocab-"), ".gguf.inp")
		t.Run(name, func(t *testing.T) {
			tok := fixtureTokenizer(t, name)
			in, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			out, err := os.ReadFile(strings.TrimSuffix(path, ".inp") + ".out")
			if err != nil {
				t.Fatal(err)
			}
			texts := strings.Split(string(in), "\n__ggml_vocab_test__\n")
			lines := strings.Split(string(out), "\n")
			if len(texts) < 40 || len(lines) < len(texts) {
				t.Fatalf("%d texts, %d lines of ids", len(texts), len(lines))
			}
			for i, text := range texts {
				want := strings.Fields(lines[i])
				if got := strings.Fields(strings.Trim(fmt.Sprint(tok.Encode(nil, text, plain)), "[]")); !slices.Equal(got, want) {
					t.Errorf("%q: %v, want %v", text, got, want)
				}
			}
		})
	}
}

// realModels are the catalogue names whose tokens real/ holds.
var realModels = []struct{ ref, name string }{
	{"smollm2-135m-instruct-q4_1.json", "smollm2-135m-instruct"},
	{"qwen2.5-coder-0.5b-instruct-q4_k_m.json", "qwen2.5-coder-0.5b-instruct"},
}

// realFile opens a model that `freehold pull` has put into the cache. Without it the test is skipped, except in CI's
// long run, where it must be there.
func realFile(t testing.TB, name string) *gguf.File {
	t.Helper()
	path, _, err := models.Resolve(name)
	if err == nil {
		f, err := gguf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	if os.Getenv("CI") == "true" && os.Getenv("FREEHOLD_LONG") == "1" {
		t.Fatalf("%s is needed here: %v", name, err)
	}
	t.Skipf("NOT TESTED against the real vocabulary: %v", err)
	return nil
}

func TestFixturesReal(t *testing.T) {
	for _, m := range realModels {
		t.Run(m.name, func(t *testing.T) {
			f := realFile(t, m.name)
			defer f.Close()
			tok, err := token.New(vocabulary(t, f))
			if err != nil {
				t.Fatal(err)
			}
			compareReal(t, tok, filepath.Join(fixtures(t, "real"), m.ref))
		})
	}
}

func compareReal(t *testing.T, tok *token.Tokenizer, path string) {
	var ref struct {
		NVocab   int `json:"n_vocab"`
		BOS      int
		EOS      int
		AddBOS   int `json:"add_bos"`
		Tokenize []struct {
			Hex          string
			Plain        []int32
			Parse        []int32 `json:"parse_special"`
			SpecialParse []int32 `json:"add_special_parse_special"`
			PiecesHex    string  `json:"pieces_hex"`
			DetokHex     string  `json:"detok_hex"`
		}
		Prompts []struct {
			PromptHex string `json:"prompt_hex"`
			Tokens    []int32
			Greedy    []int32
			TextHex   string `json:"text_hex"`
			EOG       bool
		}
	}
	readJSON(t, path, &ref)
	if tok.Size() != ref.NVocab || tok.BOS() != ref.BOS || tok.EOS() != ref.EOS || tok.AddsBOS() != (ref.AddBOS == 1) {
		t.Errorf("size %d, bos %d, eos %d, adds bos %v; want %d, %d, %d, %d", tok.Size(), tok.BOS(), tok.EOS(), tok.AddsBOS(), ref.NVocab, ref.BOS, ref.EOS, ref.AddBOS)
	}
	if len(ref.Tokenize) != 52 {
		t.Fatalf("%d texts, want 52", len(ref.Tokenize))
	}
	for i, c := range ref.Tokenize {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			text := unhex(t, c.Hex)
			for _, v := range []struct {
				name string
				opt  token.EncodeOptions
				want []int32
			}{{"plain", plain, c.Plain}, {"parse_special", parse, c.Parse}, {"add_special_parse_special", specialParse, c.SpecialParse}} {
				if got := tok.Encode(nil, text, v.opt); !slices.Equal(got, v.want) {
					t.Errorf("%s of %q: %v, want %v", v.name, text, got, v.want)
				}
			}
			var pieces []byte
			for _, id := range c.SpecialParse {
				pieces = append(pieces, tok.Piece(id, true)...)
			}
			if want := unhex(t, c.PiecesHex); string(pieces) != want {
				t.Errorf("pieces of %q: %q, want %q", text, pieces, want)
			}
			if got, want := tok.Decode(nil, c.SpecialParse, token.DecodeOptions{UnparseSpecial: true}), unhex(t, c.DetokHex); string(got) != want {
				t.Errorf("text of %q: %q, want %q", text, got, want)
			}
		})
	}
	for i, p := range ref.Prompts {
		text := unhex(t, p.PromptHex)
		if got := tok.Encode(nil, text, specialParse); !slices.Equal(got, p.Tokens) {
			t.Errorf("prompt %d: %v, want %v", i, got, p.Tokens)
		}
		s := tok.NewStreamer(true)
		var out bytes.Buffer
		for _, id := range p.Greedy {
			out.Write(s.Push(id))
		}
		out.Write(s.Flush())
		if want := unhex(t, p.TextHex); out.String() != want {
			t.Errorf("answer %d streamed: %q, want %q", i, out.String(), want)
		}
	}
}

func unhex(t *testing.T, s string) string {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
