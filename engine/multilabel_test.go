package engine

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

// Asked about all labels of many texts together, a model says what it says of one label of one text, bit for bit, wherever {label} stands.
func TestFixturesMultilabelAsked(t *testing.T) {
	ctx := context.Background()
	labels, texts := []string{"on", "a very long label", "at"}, []string{"the", "a thin one", "x", "another text", "the <s> end", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"}
	for _, name := range []string{"llama-gqa.Q8_0", "qwen2.Q8_0"} {
		m := small(t, name)
		for _, prompt := range []string{"So: {text} Is it {label}? ", "Is it {label}? {text} ", "{label}{text}"} {
			k, err := m.NewMultilabel(MultilabelTask{Labels: labels, Prompt: prompt, Raw: true})
			if err != nil {
				t.Fatal(err)
			}
			rows, err := k.LogOdds(ctx, texts)
			if err != nil {
				t.Fatal(err)
			}
			for l, label := range labels {
				c, err := m.NewClassifier(Task{Labels: []string{"yes", "no"}, Prompt: strings.Replace(prompt, "{label}", label, 1), Raw: true})
				if err != nil {
					t.Fatal(err)
				}
				for i, text := range texts {
					lp, err := c.LogProbs(ctx, []string{text})
					if err != nil {
						t.Fatal(err)
					}
					if want := lp[0][0] - lp[0][1]; rows[i][l] != want {
						t.Errorf("%s, %q, %q, label %q: %v, alone %v", name, prompt, text, label, rows[i][l], want)
					}
				}
			}
		}
	}
}

// multilabelHead is a fixture model with a head of two labels, each by itself.
func multilabelHead(t *testing.T, thresholds []float32, calibration string) *Model {
	t.Helper()
	path, _, _ := withHead(t, "llama-gqa.Q8_0", models.PoolMean)
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := gguf.NewWriter()
	for _, kv := range f.KV {
		w.Set(kv.Key, kv.Value)
	}
	w.Set(KeyTaskThresholds, thresholds)
	if calibration != "" {
		w.Set(KeyTaskCalibration, calibration)
	}
	for i := range f.Tensors {
		w.AddTensor(f.Tensors[i].Name, f.Tensors[i].Type, f.Tensors[i].Shape, f.Tensors[i].Data)
	}
	other := path + ".several.gguf"
	if err := w.WriteTo(other); err != nil {
		t.Fatal(err)
	}
	m, err := Open(other)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// A head's logits are log-odds, each label by itself; the file's calibration and thresholds count.
func TestFixturesMultilabelHead(t *testing.T) {
	ctx := context.Background()
	m := multilabelHead(t, []float32{0.25, 0.75}, `{"kind": "temperature", "rows": 9, "temperature": 2}`)
	k, err := m.NewMultilabel(MultilabelTask{})
	if err != nil {
		t.Fatal(err)
	}
	if !m.IsMultilabel() || !slices.Equal(k.Labels(), []string{"good", "bad"}) || !slices.Equal(k.Thresholds(), []float64{0.25, 0.75}) || k.Calibration().Temperature != 2 {
		t.Errorf("labels %q, thresholds %v, calibration %+v", k.Labels(), k.Thresholds(), k.Calibration())
	}
	texts := []string{"the", "a thin one", "another text"}
	rows, err := k.LogOdds(ctx, texts)
	if err != nil {
		t.Fatal(err)
	}
	all, err := k.Batch(ctx, texts)
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		ids, _ := k.Tokens(text)
		s := m.NewSession()
		if err := m.EvalBatch(ctx, []Seq{{s, ids[0], WantClass}}); err != nil {
			t.Fatal(err)
		}
		for l, z := range s.ClassLogits() {
			p := 1 / (1 + math.Exp(-float64(z)/2))
			at := slices.IndexFunc(all[i], func(v Mark) bool { return v.Label == k.Labels()[l] })
			if got := all[i][at]; rows[i][l] != float64(z) || math.Abs(got.P-p) > 1e-12 || got.Threshold != k.Thresholds()[l] || got.Has != (p >= got.Threshold) {
				t.Errorf("%q: logit %v, log-odds %v, %+v, want %v", text, z, rows[i][l], got, p)
			}
		}
		if all[i][0].P < all[i][1].P {
			t.Errorf("%q: %+v is not the most probable first", text, all[i])
		}
	}
	if _, err := m.NewClassifier(Task{}); err == nil || !strings.Contains(err.Error(), "NewMultilabel") {
		t.Errorf("a classifier of one label: %v", err)
	}
}

func TestFixturesMultilabelErrors(t *testing.T) {
	plain, own := small(t, "llama-gqa.Q8_0"), multilabelHead(t, []float32{0.5, 0.5}, "")
	path, _, _ := withHead(t, "llama-gqa.Q8_0", models.PoolMean)
	one, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	ab := []string{"a", "b"}
	for _, c := range []struct {
		m    *Model
		task MultilabelTask
		want string
	}{
		{plain, MultilabelTask{}, "at least 2"},
		{plain, MultilabelTask{Labels: ab, Prompt: "{text}"}, "{label} 0 times"},
		{plain, MultilabelTask{Labels: ab, Prompt: "{label}"}, "{text} 0 times"},
		{plain, MultilabelTask{Labels: []string{"a", "{text}"}, Prompt: "{text}{label}"}, "holds {text}"},
		{plain, MultilabelTask{Labels: ab, Prompt: "{text}{label}", Raw: true, Words: map[string][]string{"oui": {"oui"}}}, "none of the labels"},
		{plain, MultilabelTask{Labels: ab, Prompt: "{text}{label}", Thresholds: []float64{0.5}}, "1 thresholds"},
		{plain, MultilabelTask{Labels: ab, Prompt: "{text}{label}", Thresholds: []float64{0.5, 1.5}}, "1.5"},
		{plain, MultilabelTask{Labels: ab, Prompt: "{text}{label}", Calibration: &Calibration{Bias: []float64{1}}}, "for 1 labels"},
		{own, MultilabelTask{Labels: ab}, "reads the text alone"},
		{own, MultilabelTask{Prompt: "{text}{label}"}, "reads the text alone"},
		{multilabelHead(t, []float32{0.5}, ""), MultilabelTask{}, "1 thresholds"},
		{one, MultilabelTask{}, "NewClassifier"},
	} {
		if _, err := c.m.NewMultilabel(c.task); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %q", c.task, err, c.want)
		}
	}
}

// What is typical of a label becomes the share of texts that are expected to have it, and what lies above it keeps its distance.
func TestCalibrateOdds(t *testing.T) {
	rows := [][]float64{{3, -1}, {5, -2}, {4, 6}}
	logit := func(p float64) float64 { return math.Log(p / (1 - p)) }
	for kind, centre := range map[string][]float64{"median": {4, -1}, "mean": {4, 1}} {
		cal, err := CalibrateOdds(kind, rows, 0.25)
		if err != nil {
			t.Fatal(err)
		}
		k := &Multilabel{task: MultilabelTask{Calibration: cal}}
		for _, r := range rows {
			for l, p := range k.Probabilities(r) {
				if want := r[l] - centre[l] + logit(0.25); math.Abs(logit(p)-want) > 1e-9 {
					t.Errorf("%s: %v gives label %d log-odds %v, want %v", kind, r, l, logit(p), want)
				}
			}
		}
	}
	for _, bad := range []struct {
		kind  string
		rows  [][]float64
		share float64
	}{{"mode", rows, 0.25}, {"mean", nil, 0.25}, {"mean", rows, 0}, {"mean", rows, 1}, {"median", [][]float64{{1, 2}, {1}}, 0.25}, {"median", [][]float64{{math.NaN()}}, 0.25}} {
		if _, err := CalibrateOdds(bad.kind, bad.rows, bad.share); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}
