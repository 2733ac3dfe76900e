package engine

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
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
