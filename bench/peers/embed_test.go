package peers

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/tiny"
)

// Encoders, and a model that generates, give llama.cpp's embeddings: its tokens, its attention both ways, its pooling.
func TestLlamaEmbeddings(t *testing.T) {
	long(t)
	for _, c := range []struct {
		name, theirs string
		pooling      models.Pooling
		more         map[string]any // the architecture's keys, beside the table's
	}{
		{"bert", "UNSPECIFIED", models.PoolNone, nil}, {"bert-cls", "UNSPECIFIED", models.PoolNone, nil}, {"bert", "LAST", models.PoolLast, nil},
		{"nomic-bert", "UNSPECIFIED", models.PoolNone, nil}, {"internlm2", "MEAN", models.PoolMean, nil}, {"internlm2", "LAST", models.PoolLast, nil},
		{"internlm2", "UNSPECIFIED", models.PoolNone, map[string]any{"attention.causal": false, "pooling_type": uint32(models.PoolMean)}},
		{"internlm2", "UNSPECIFIED", models.PoolNone, map[string]any{"attention.causal": false, "pooling_type": uint32(models.PoolLast)}},
	} {
		t.Run(fmt.Sprint(c.name, " ", c.theirs, " ", c.more), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "model.gguf")
			w := tiny.ByName(c.name).Writer()
			for key, v := range c.more {
				w.Set(tiny.ByName(c.name).Arch+"."+key, v)
			}
			if err := w.WriteTo(path); err != nil {
				t.Fatal(err)
			}
			l := startLlama(t, path, settings{Threads: 1, Exact: true, Pooling: c.theirs})
			m, err := engine.Open(path, engine.WithNumeric(engine.Reference))
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			texts := []string{"the", "the cat sat over there, sitting.", "Zebra crossing? Über 9", strings.Repeat("a long text with the cat ", 12)}
			got, err := m.Embed(context.Background(), texts, engine.EmbedOptions{Pooling: c.pooling})
			if err != nil {
				t.Fatal(err)
			}
			tolerance, worst := exactTolerance, 0.0
			if m.Spec.Act == models.GELUOnly {
				tolerance = 1e-3 // llama.cpp reads GELU from a table of f16 values
			}
			for i, text := range texts {
				want := l.embed(text)
				if len(want) != len(got[i]) {
					t.Fatalf("%q: %d values, want %d", text, len(got[i]), len(want))
				}
				for j := range want {
					worst = math.Max(worst, math.Abs(want[j]-float64(got[i][j])))
				}
			}
			t.Logf("embeddings differ by at most %.2g (tolerance %g)", worst, tolerance)
			if !(worst <= tolerance) {
				t.Errorf("embeddings differ from llama.cpp's by up to %g, want at most %g", worst, tolerance)
			}
		})
	}
}
