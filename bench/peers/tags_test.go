package peers

import (
	"context"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/tiny"
	"github.com/freehold-slm/freehold/models/token"
)

// The layers of a model that marks tokens are those of llama.cpp without a causal mask: with a head that gives the states as they are, their mean is
// llama.cpp's embedding of the same file.
func TestLlamaTags(t *testing.T) {
	long(t)
	plain, path := filepath.Join("..", "..", "testdata", "models", "llama-gqa.F32.gguf"), filepath.Join(t.TempDir(), "tags.gguf")
	p, err := engine.Open(plain)
	if err != nil {
		t.Fatal(err)
	}
	dim := p.Spec.Dim
	p.Close()
	tags, same := make([]string, dim), make([]float32, dim*dim)
	for i := range dim {
		tags[i], same[i*dim+i] = strconv.Itoa(i), 1
	}
	if err := tiny.Tagged(plain, path, "{}", tags, map[string]any{models.ClassifierWeight: same}); err != nil {
		t.Fatal(err)
	}
	m, err := engine.Open(path, engine.WithNumeric(engine.Reference))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	tok, err := m.LoadTokenizer()
	if err != nil {
		t.Fatal(err)
	}
	l := startLlama(t, path, settings{Threads: 1, Exact: true, Pooling: "MEAN"})
	worst := 0.0
	for _, text := range []string{"the", "the cat sat over there, sitting.", "Zebra crossing? Über 9", strings.Repeat("a long text with the cat ", 12)} {
		s := m.NewSession()
		if err := m.EvalBatch(context.Background(), []engine.Seq{{Session: s, Tokens: tok.Encode(nil, text, token.EncodeOptions{AddSpecial: true}), Want: engine.WantClass}}); err != nil {
			t.Fatal(err)
		}
		mean, length := make([]float64, dim), 0.0
		for i, v := range s.ClassLogits() {
			mean[i%dim] += float64(v)
		}
		for _, v := range mean {
			length += v * v
		}
		want := l.embed(text)
		if len(want) != dim {
			t.Fatalf("%q: %d values, want %d", text, len(want), dim)
		}
		for i := range want {
			worst = math.Max(worst, math.Abs(want[i]-mean[i]/math.Sqrt(length)))
		}
	}
	t.Logf("states differ by at most %.2g (tolerance %g)", worst, exactTolerance)
	if !(worst <= exactTolerance) {
		t.Errorf("states differ from llama.cpp's by up to %g, want at most %g", worst, exactTolerance)
	}
}
