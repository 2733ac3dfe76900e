package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models"
	tinymodels "github.com/freehold-slm/freehold/models/tiny"
)

// A model without its causal mask gives labels and vectors; asked for text it names the command that it is for. One with mask and head writes, with a word of warning.
func TestRunWithoutText(t *testing.T) {
	model := filepath.Join(t.TempDir(), "both.gguf")
	if err := tinymodels.Labelled(fixture(t, "hostile/base/base_bpe256.gguf"), model, []string{"a", "b"}, nil); err != nil {
		t.Fatal(err)
	}
	if out := freehold(t, "classify", model, "Max lives in Bern").must(t).out; !strings.HasPrefix(out, "a\t") && !strings.HasPrefix(out, "b\t") {
		t.Errorf("the label is %q", out)
	}
	if out := freehold(t, "embed", model, "Max lives in Bern").must(t).out; len(strings.Fields(out)) < 32 {
		t.Errorf("the vector is %.80q", out)
	}
	if out := freehold(t, "inspect", model).must(t).out; !strings.Contains(out, "bidirectional") {
		t.Errorf("inspect: %s", out)
	}
	if r := freehold(t, "run", model, "Max"); r.code != 2 || !strings.Contains(r.err, "writes no text; ask it with: freehold classify") {
		t.Errorf("run: exit %d, %s", r.code, r.err)
	}
	if r := freehold(t, "bench", model); r.code != 2 || !strings.Contains(r.err, "bench times models that do") {
		t.Errorf("bench: exit %d, %s", r.code, r.err)
	}
	causal := edited(t, "models/llama256.Q8_0.gguf", map[string]any{"llama.pooling_type": uint32(models.PoolMean), "llama.classifier.output_labels": []string{"a", "b"},
		models.ClassifierWeight: make([]float32, 512), models.ClassifierBias: []float32{0, 1}})
	if r := freehold(t, "run", causal, "--raw", "-n", "2", "the").must(t); !strings.Contains(r.err, "what it writes means nothing") {
		t.Errorf("a causal classifier: %s", r.err)
	}
}
