package engine

import (
	"context"
	"encoding/hex"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/freehold-slm/freehold/models/token"
)

// pulled finds a pulled model, or gives "" and the folders where it would be.
func pulled(name string) (path string, dirs []string) {
	if d := os.Getenv("FREEHOLD_HOME"); d != "" {
		dirs = append(dirs, filepath.Join(d, "models"), d)
	}
	if d, err := os.UserCacheDir(); err == nil {
		dirs = append(dirs, filepath.Join(d, "freehold", "models"))
	}
	for _, d := range dirs {
		p := filepath.Join(d, name+".gguf")
		if _, err := os.Stat(p); err == nil {
			return p, dirs
		}
	}
	return "", dirs
}

// realPath is a pulled model; a test that needs it is skipped where it is absent, loudly, and fails in the long CI run,
// which has pulled it.
func realPath(t testing.TB, name string) string {
	t.Helper()
	path, dirs := pulled(name)
	if path == "" && os.Getenv("CI") == "true" && os.Getenv("FREEHOLD_LONG") == "1" {
		t.Fatalf("%s.gguf is not in %v; run: freehold pull %s", name, dirs, name)
	}
	if path == "" {
		t.Skipf("NOT TESTED: %s.gguf is not in %v; run: freehold pull %s", name, dirs, name)
	}
	return path
}

// realref is what llama.cpp answers for a real model.
type realref struct {
	Prompts []struct {
		PromptHex string `json:"prompt_hex"`
		Tokens    []int32
		Top20     [][2]float64
		LogSumExp float64
		Greedy    []int32
		Margins   []float64
	}
}

// Real models: tokens equal llama.cpp's, the top 20 logits after each prompt are near them, and the most likely token
// is the same at every greedy step where llama.cpp's margin is above 1.
func TestFixturesReal(t *testing.T) {
	for _, c := range []struct{ ref, model string }{
		{"smollm2-135m-instruct-q4_1", "smollm2-135m-instruct"},
		{"qwen2.5-coder-0.5b-instruct-q4_k_m", "qwen2.5-coder-0.5b-instruct"},
	} {
		t.Run(c.model, func(t *testing.T) {
			m, err := Open(realPath(t, c.model))
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			var ref realref
			readJSON(t, filepath.Join(fixtures(t), "real", c.ref+".json"), &ref)
			if len(ref.Prompts) == 0 {
				t.Fatal("no prompts")
			}
			tok, err := m.LoadTokenizer()
			if err != nil {
				t.Fatal(err)
			}
			var sq, worst float64
			n, steps, compared := 0, 0, 0
			for i, p := range ref.Prompts {
				text, err := hex.DecodeString(p.PromptHex)
				if err != nil {
					t.Fatal(err)
				}
				if got := tok.Encode(nil, string(text), token.EncodeOptions{AddSpecial: true, ParseSpecial: true}); !slices.Equal(got, p.Tokens) {
					t.Errorf("prompt %d: tokens %v, want %v", i, got, p.Tokens)
				}
				s := m.NewSession()
				l, err := s.Eval(context.Background(), p.Tokens)
				if err != nil {
					t.Fatal(err)
				}
				for _, top := range p.Top20 {
					e := math.Abs(float64(l[int(top[0])]) - top[1])
					sq += e * e
					worst = max(worst, e)
					n++
				}
				// The greedy tokens, fed at once: the logits of each step.
				if err := m.EvalBatch(context.Background(), []Seq{{s, p.Greedy[:len(p.Greedy)-1], WantAll}}); err != nil {
					t.Fatal(err)
				}
				all, vocab := s.LogitsAll(), m.Spec.Vocab
				first, _ := m.NewSession().Eval(context.Background(), p.Tokens)
				for j, want := range p.Greedy {
					steps++
					if p.Margins[j] <= 1 {
						continue
					}
					row := first
					if j > 0 {
						row = all[(j-1)*vocab : j*vocab]
					}
					compared++
					if got := argmax(row); got != want {
						t.Errorf("prompt %d step %d: token %d, want %d (margin %g)", i, j, got, want, p.Margins[j])
					}
				}
				s.Close()
			}
			rms := math.Sqrt(sq / float64(n))
			t.Logf("top-20 logits: rms %.3f (at most 0.25), worst %.3f (at most 0.8); %d of %d greedy steps compared", rms, worst, compared, steps)
			if !(rms <= 0.25) || !(worst <= 0.8) {
				t.Errorf("top-20 logits: rms %g, worst %g", rms, worst)
			}
		})
	}
}
