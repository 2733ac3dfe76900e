package grammar

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/token"
)

// realVocab is that of Qwen2.5: 152 000 tokens, some of more than 100 bytes.
func realVocab(t testing.TB) (v *Vocab, n int, text func(id int32) []byte) {
	t.Helper()
	const name = "qwen2.5-coder-0.5b-instruct"
	dir := os.Getenv("FREEHOLD_HOME")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(cache, "freehold")
	}
	f, err := gguf.Open(filepath.Join(dir, "models", name+".gguf"))
	if err != nil && os.Getenv("CI") != "true" {
		t.Skipf("NOT TESTED: %v; run: freehold pull %s", err, name)
	} else if err != nil {
		t.Fatalf("%v; run: freehold pull %s", err, name)
	}
	t.Cleanup(func() { f.Close() })
	words, err := models.Vocabulary(f)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := token.New(words)
	if err != nil {
		t.Fatal(err)
	}
	n = len(words.Tokens)
	text = func(id int32) []byte { return tok.Piece(id, false) }
	return NewVocab(n, text, []int32{int32(tok.EOS())}), n, text
}

// With a real vocabulary a mask holds a token if and only if the matcher takes its bytes: all tokens, at random places of random schemas.
func TestRealMasks(t *testing.T) {
	if os.Getenv("FREEHOLD_LONG") != "1" && os.Getenv("FREEHOLD_SOAK") == "" {
		t.Skip("reads a real vocabulary: make test-long")
	}
	v, n, text := realVocab(t)
	schemas, places := 30, 4
	if os.Getenv("FREEHOLD_SOAK") != "" {
		schemas, places = 1000, 4
	}
	masks, allowed := 0, 0
	for seed := 0; seed < schemas; seed++ {
		m := &maker{r: rand.New(rand.NewPCG(uint64(seed), 23))}
		schema := m.document()
		g, err := Schema([]byte(schema))
		if err != nil {
			continue
		}
		w := newWalker(g, bytesVocab)
		for range places {
			said, err := w.walk(m.r, m.r.IntN(200))
			if err != nil {
				t.Fatalf("%s\nafter %q: %v", schema, said, err)
			}
			at := g.NewMatcher()
			if said = said[:m.r.IntN(len(said)+1)]; !at.Accept(said) {
				t.Fatalf("%s: %q is no beginning", schema, said)
			}
			mask := append(Mask(nil), at.Mask(v)...)
			masks++
			for id := range int32(n) {
				b := text(id)
				if want := len(b) > 0 && at.Allows(b); mask.Has(id) != want && !(id == v.ends[0] && at.Complete()) {
					t.Fatalf("%s\nafter %q token %d %q: in the mask %v, taken %v", schema, said, id, b, mask.Has(id), want)
				} else if want {
					allowed++
				}
			}
		}
	}
	if t.Logf("%d masks of %d tokens, %d allowed", masks, n, allowed); allowed < n {
		t.Error("hardly any token is allowed; the test shows nothing")
	}
}

// BenchmarkFirstMask makes the first masks of a new grammar's places with the plain tokens together, and by walking all tokens, in turns. What counts is the
// fastest of each: on a busy machine most others were interrupted.
func BenchmarkFirstMask(b *testing.B) {
	v, n, text := realVocab(b)
	all := NewVocab(n, text, nil)
	all.others = 0 // plain tokens are walked besides
	plain := 0
	for id := range int32(n) {
		if v.plain[mostPlain].Has(id) {
			plain++
		}
	}
	b.Logf("%d of %d tokens are plain, %d of %d nodes are walked", plain, n, len(v.nodes)-int(v.others), len(v.nodes))
	for _, c := range []struct{ name, schema, said string }{
		{"string", `{"type": "string"}`, `"`}, {"counted", `{"type": "string", "minLength": 1, "maxLength": 40}`, `"`}, {"full", `{"type": "string", "maxLength": 40}`, `"twenty-seven characters are`},
		{"pattern", `{"type": "string", "pattern": "^[a-z ]{1,40}$"}`, `"`}, {"name", `{"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}`, `{"`},
	} {
		b.Run(c.name, func(b *testing.B) {
			first := func(v *Vocab) float64 {
				g, err := Schema([]byte(c.schema))
				if err != nil {
					b.Fatal(err)
				}
				m := g.NewMatcher()
				if !m.Accept([]byte(c.said)) {
					b.Fatalf("%q is no beginning", c.said)
				}
				start := time.Now()
				m.Mask(v)
				return time.Since(start).Seconds()
			}
			together, walked := math.Inf(1), math.Inf(1)
			for b.Loop() {
				together, walked = min(together, first(v)), min(walked, first(all))
			}
			b.ReportMetric(1e3*together, "ms")
			b.ReportMetric(1e3*walked, "walked-ms")
			b.ReportMetric(together/walked, "ratio")
		})
	}
}
