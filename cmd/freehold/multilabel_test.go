package main

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
)

// classify prints the labels that reach their thresholds, as the engine has them; what is for models that give a text one label is refused.
func TestClassifyMultilabel(t *testing.T) {
	base, err := engine.Open(fixture(t, "models/llama256.Q8_0.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	w := make([]float32, 3*base.Spec.Dim)
	for i := range w {
		w[i] = float32((i*37)%19-9) / 10
	}
	base.Close()
	model := edited(t, "models/llama256.Q8_0.gguf", map[string]any{"llama.pooling_type": uint32(models.PoolMean), "llama.classifier.output_labels": []string{"fan", "music", "timer"},
		models.ClassifierWeight: w, models.ClassifierBias: []float32{0.5, -1, 0}, engine.KeyTaskThresholds: []float32{0.25, 0.5, 0.75}})
	m, err := engine.Open(model)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	k, err := m.NewMultilabel(engine.MultilabelTask{})
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{"the", "a thin one", "x", "another text", "six", "the end of it all"}
	all, err := k.Batch(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	var doc multilabelled
	if err := json.Unmarshal([]byte(freehold(t, append([]string{"--json", "classify", model}, texts...)...).must(t).out), &doc); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(call{stdin: strings.Join(texts, "\n")}.run(t, "classify", model).must(t).out, "\n"), "\n")
	if doc.Schema != "freehold/multilabel/1" || doc.Thresholds["timer"] != 0.75 || len(doc.Rows) != len(texts) || len(lines) != len(texts) {
		t.Fatalf("%+v, %d lines", doc, len(lines))
	}
	for i, marks := range all {
		has, p := []string{}, []string{}
		for _, v := range marks {
			if v.Has {
				has, p = append(has, v.Label), append(p, fmt.Sprintf("%.4f", v.P))
			}
			if got := doc.Rows[i].Probabilities[v.Label]; math.Abs(got-v.P) > 1e-12 {
				t.Errorf("%q: %s has %v, want %v", texts[i], v.Label, got, v.P)
			}
		}
		want := strings.Join(has, ";")
		if len(has) == 0 {
			want = "(none)"
		}
		if want += "\t" + strings.Join(p, ";") + "\t" + texts[i]; lines[i] != want || !slices.Equal(doc.Rows[i].Labels, has) {
			t.Errorf("line %q and row %+v, want %q", lines[i], doc.Rows[i], want)
		}
	}
	for _, args := range [][]string{{"--labels", "a,b"}, {"--prompt", "{text}"}, {"--system", "s"}, {"--raw"}, {"--abstain-below", "0.5"}, {"--escalate", model}, {"--calibrate", model}, {"--explain"}} {
		if r := freehold(t, append([]string{"classify", model, "x"}, args...)...); r.code != exitUsage || !strings.Contains(r.err, args[0]+" is not for such a model") {
			t.Errorf("%v: exit %d, %s", args, r.code, r.err)
		}
	}
}
