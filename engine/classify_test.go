package engine

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

// Label log-probabilities in a batch are those of each text alone, bit for bit, and of whole words where first tokens
// collide.
func TestFixturesClassify(t *testing.T) {
	for _, name := range []string{"llama-gqa.Q8_0", "qwen2.Q8_0"} {
		t.Run(name, func(t *testing.T) { classifyFixture(t, small(t, name)) })
	}
}

func classifyFixture(t *testing.T, m *Model) {
	ctx := context.Background()
	texts := []string{"the", "a thin one", "x", "another text", "the <s> end"}
	for _, labels := range [][]string{{"on", "at"}, {"the", "then", "at"}} {
		c, err := m.NewClassifier(Task{Labels: labels, Prompt: "Is it: {text} ", Raw: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("labels %q by first token: %v", labels, c.first != nil)
		rows, err := c.LogProbs(ctx, texts)
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range texts {
			one, err := c.LogProbs(ctx, []string{text})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(one[0], rows[i]) {
				t.Errorf("labels %q, %q: %v in a batch, %v alone", labels, text, rows[i], one[0])
			}
			prompt, _ := c.Tokens(text)
			for l := range labels {
				conts := c.words[l]
				if c.first != nil {
					conts = nil
					for _, id := range c.first[l] {
						conts = append(conts, []int32{id})
					}
				}
				scores, err := m.Score(ctx, prompt, conts)
				if err != nil {
					t.Fatal(err)
				}
				sum := 0.0
				for _, s := range scores {
					sum += math.Exp(s)
				}
				if want := math.Log(sum); math.Abs(want-rows[i][l]) > 1e-6 {
					t.Errorf("%q, label %q: %v, want %v", text, labels[l], rows[i][l], want)
				}
			}
		}
		choices, err := c.Classify(ctx, texts[0])
		if err != nil {
			t.Fatal(err)
		}
		total := 0.0
		for i, ch := range choices {
			total += ch.P
			if i > 0 && ch.P > choices[i-1].P {
				t.Error("choices are not best first")
			}
		}
		if len(choices) != len(labels) || math.Abs(total-1) > 1e-9 {
			t.Errorf("choices %v", choices)
		}
	}
}

func TestFixturesTaskErrors(t *testing.T) {
	m := small(t, "llama-gqa.Q8_0")
	for _, c := range []struct {
		task Task
		want string
	}{
		{Task{Labels: []string{"one"}}, "at least 2"},
		{Task{Labels: []string{"a", "a"}}, "twice"},
		{Task{Labels: []string{"a", "b"}, Prompt: "no text"}, "{text} 0 times"},
		{Task{Labels: []string{"a", "b"}, Words: map[string][]string{"c": {"x"}}}, "none of the labels"},
		{Task{Labels: []string{"a", "b"}, Calibration: &Calibration{Bias: []float64{1}}}, "for 1 labels"},
		{Task{Labels: []string{"a", "b"}, Raw: true, System: "s", Prompt: "{text}"}, "no system turn"},
	} {
		if _, err := m.NewClassifier(c.task); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %q", c.task, err, c.want)
		}
	}
}

// Calibration takes a constant preference out: rows that lean to label 0 by a shift come out even.
func TestCalibrate(t *testing.T) {
	rows := [][]float64{{-1, -3}, {-2, -4}, {-1.5, -3.5}, {-0.5, -2.5}}
	for _, kind := range []string{"mean", "median"} {
		cal, err := Calibrate(kind, rows)
		if err != nil {
			t.Fatal(err)
		}
		c := &Classifier{task: Task{Labels: []string{"a", "b"}, Calibration: cal}}
		for _, r := range rows {
			if p := c.Probabilities(r); math.Abs(p[0]-0.5) > 1e-9 {
				t.Errorf("%s: %v gives %v, want even", kind, r, p)
			}
		}
	}
	if _, err := Calibrate("mode", rows); err == nil {
		t.Error("an unknown kind was accepted")
	}
	if _, err := Calibrate("mean", nil); err == nil {
		t.Error("no rows were accepted")
	}
}

// A real teacher knows praise from blame.
func TestRealClassify(t *testing.T) {
	m := openReal(t, "smollm2-135m-instruct")
	task := Task{Labels: []string{"positive", "negative"},
		Prompt: "Is the sentiment of this movie review snippet positive or negative? Answer with one word.\n\nReview: {text}"}
	c, err := m.NewClassifier(task)
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{"A wonderful, moving film with superb acting.", "Dull, lifeless and far too long.",
		"One of the best comedies of the year.", "A complete waste of time and talent.", "An absolute delight.", "Terrible in every way."}
	rows, err := c.LogProbs(context.Background(), texts)
	if err != nil {
		t.Fatal(err)
	}
	if task.Calibration, err = Calibrate("median", rows); err != nil {
		t.Fatal(err)
	}
	if c, err = m.NewClassifier(task); err != nil {
		t.Fatal(err)
	}
	for i, r := range rows {
		p := c.Probabilities(r)
		if want := 1 - i%2; (p[0] > 0.5) != (want == 1) {
			t.Errorf("%q: %s", texts[i], fmt.Sprint(p))
		}
	}
}

// A temperature is found that rows were drawn with, changes no answer, and does not run away where all rows are right.
func TestFitTemperature(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for _, want := range []float64{0.4, 1, 3} {
		var rows, labels [][]float64
		for range 4000 {
			z := []float64{2 * r.NormFloat64(), 2 * r.NormFloat64(), 2 * r.NormFloat64()}
			at := make([]float64, 3)
			for l := range z {
				at[l] = z[l] / want
			}
			norm, u := logSum(at), r.Float64()
			label := []float64{0, 0, 0}
			for l := range at {
				if u -= math.Exp(at[l] - norm); u < 0 || l == 2 {
					label[l] = 1
					break
				}
			}
			rows, labels = append(rows, z), append(labels, label)
		}
		cal, err := FitTemperature(rows, labels)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(cal.Temperature/want-1) > 0.08 || cal.Rows != 4000 {
			t.Errorf("temperature %v, want %v", cal.Temperature, want)
		}
		c := &Classifier{task: Task{Labels: []string{"a", "b", "c"}, Calibration: cal}}
		plain := &Classifier{task: Task{Labels: []string{"a", "b", "c"}}}
		for _, row := range rows {
			if c.Choices(row)[0].Label != plain.Choices(row)[0].Label {
				t.Fatalf("%v: another answer", row)
			}
			if lp := c.Calibrated(row); math.Abs(lp[0]-lp[1]-(row[0]-row[1])/cal.Temperature) > 1e-9 {
				t.Fatalf("%v: calibrated %v at temperature %v", row, lp, cal.Temperature)
			}
		}
	}
	cal, err := FitTemperature([][]float64{{-0.1, -2}, {-2, -0.1}, {-0.3, -1}}, [][]float64{{1, 0}, {0, 1}, {1, 0}})
	if err != nil || cal.Temperature < 0.3 || cal.Temperature > 3 {
		t.Errorf("three rows that are right: %+v %v", cal, err)
	}
	for _, bad := range [][2][][]float64{{nil, nil}, {{{-1, -1}}, nil}, {{{-1, -1}}, {{1}}}, {{{math.Inf(-1), math.Inf(-1)}}, {{1, 0}}}} {
		if _, err := FitTemperature(bad[0], bad[1]); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

// A calibration in the model's file counts where labels and prompt are the file's own, and one that cannot be is refused with its key.
func TestFixturesOwnCalibration(t *testing.T) {
	path, _, _ := withHead(t, "llama-gqa.Q8_0", models.PoolMean)
	with := func(value string) *Model {
		f, err := gguf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		out := gguf.NewWriter()
		for _, kv := range f.KV {
			out.Set(kv.Key, kv.Value)
		}
		out.Set(KeyTaskCalibration, value)
		for _, x := range f.Tensors {
			out.AddTensor(x.Name, x.Type, x.Shape, x.Data)
		}
		at := filepath.Join(t.TempDir(), "calibrated.gguf")
		if err := out.WriteTo(at); err != nil {
			t.Fatal(err)
		}
		m, err := Open(at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		return m
	}
	m := with(`{"kind":"temperature","rows":100,"temperature":0.5}`)
	for _, c := range []struct {
		task Task
		want float64
	}{{Task{}, 0.5}, {Task{Labels: []string{"good", "bad"}}, 0.5}, {Task{Prompt: "Text: {text}"}, 0}, {Task{Calibration: &Calibration{Temperature: 2}}, 2}} {
		k, err := m.NewClassifier(c.task)
		if err != nil {
			t.Fatal(err)
		}
		if cal := k.Calibration(); (cal == nil) != (c.want == 0) || cal != nil && cal.Temperature != c.want {
			t.Errorf("%+v: %+v, want temperature %v", c.task, cal, c.want)
		}
	}
	for _, bad := range []string{`{`, `{}`, `{"temperature":-1}`, `{"temperature":1e9}`, `{"bias":[1]}`, `{"bias":[1,2,3],"temperature":1}`, `{"temperature":"x"}`} {
		if _, err := with(bad).NewClassifier(Task{}); err == nil || !strings.Contains(err.Error(), KeyTaskCalibration) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
