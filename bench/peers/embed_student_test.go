package peers

import (
	"encoding/json"
	"math"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/quant"
)

// llama.cpp takes from the file of a student of embeddings how it is pooled, and gives its vectors. One with a projection it refuses: it would give others.
func TestLlamaEmbeddingStudent(t *testing.T) {
	long(t)
	texts := []string{"the", "a cat sat over here, sitting.", strings.Repeat("a long word ", 7)} // without the one merge of this vocabulary, whose result it lacks
	student := func(p distill.Prune) string {
		f, err := gguf.Open(filepath.Join("..", "..", "testdata", "hostile", "base", "base_bpe256.gguf"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		p.Layers = []int{0}
		b, err := distill.NewBase(f, p)
		if err != nil {
			t.Fatal(err)
		}
		mix, err := quant.MixByName("f32")
		if err != nil {
			t.Fatal(err)
		}
		w, _, err := b.Export(mix, nil)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "student.gguf")
		if err := w.WriteTo(path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, pooling := range []models.Pooling{models.PoolMean, models.PoolLast} {
		path := student(distill.Prune{Pooling: pooling})
		m, err := engine.Open(path, engine.WithNumeric(engine.Reference))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		got, err := m.Embed(t.Context(), texts, engine.EmbedOptions{})
		if err != nil {
			t.Fatal(err)
		}
		l := startLlama(t, path, settings{Threads: 1, Exact: true, Pooling: "UNSPECIFIED"})
		worst := 0.0
		for i, text := range texts {
			want := l.embed(text)
			if len(want) != len(got[i]) {
				t.Fatalf("%v, %q: %d values, llama.cpp has %d", pooling, text, len(got[i]), len(want))
			}
			for j := range want {
				worst = math.Max(worst, math.Abs(want[j]-float64(got[i][j])))
			}
		}
		t.Logf("%v: embeddings differ by at most %.2g", pooling, worst)
		if !(worst <= exactTolerance) {
			t.Errorf("%v: embeddings differ from llama.cpp's by up to %g, want at most %g", pooling, worst, exactTolerance)
		}
	}
	python, dir := packages(t)
	want, err := json.Marshal(struct {
		settings
		Model    string `json:"model"`
		Packages string `json:"packages"`
	}{settings{Threads: 1, Exact: true, Pooling: "UNSPECIFIED", Parallel: 1, Context: 256}, student(distill.Prune{Pooling: models.PoolMean, Dense: 24}), dir})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", llamaScript)
	cmd.Stdin = strings.NewReader(string(want) + "\n")
	if out, err := cmd.CombinedOutput(); err == nil || strings.Contains(string(out), `{"address"`) {
		t.Errorf("llama.cpp takes a file with a projection: %s", out)
	} else {
		t.Logf("with a projection: %v: %.300s", err, out[max(0, len(out)-300):])
	}
}
