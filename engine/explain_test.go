package engine

import (
	"context"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

// wordModel writes a model that looks at single tokens alone: its blocks add nothing, each token's embedding is one of three axes, and the
// head reads the second axis for "good" and the third for "bad". speaks gives tokens their axis; all others have the first.
func wordModel(t *testing.T, speaks map[string]int) *Model {
	t.Helper()
	f, err := gguf.Open(fixture(t, "llama-gqa.Q8_0.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	spec, err := models.NewSpec(f)
	if err != nil {
		t.Fatal(err)
	}
	plain := small(t, "llama-gqa.Q8_0")
	tok, err := plain.LoadTokenizer()
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]float32, spec.Vocab*spec.Dim)
	axis := make([]int, spec.Vocab)
	for word, a := range speaks {
		for _, id := range EncodeText(tok, word) {
			axis[id] = a
		}
	}
	for id, a := range axis {
		rows[id*spec.Dim+a] = 1
	}
	head := make([]float32, 2*spec.Dim)
	head[1], head[spec.Dim+2] = 1, 1
	out := gguf.NewWriter()
	for _, kv := range f.KV {
		out.Set(kv.Key, kv.Value)
	}
	out.Set(spec.Arch+".pooling_type", uint32(models.PoolMean))
	out.Set(spec.Arch+".classifier.output_labels", []string{"good", "bad"})
	out.Set(models.ClassifierWeight, head)
	out.Set(models.ClassifierBias, []float32{0.5, 0})
	for _, x := range f.Tensors {
		n := 1
		for _, s := range x.Shape {
			n *= s
		}
		values := make([]float32, n)
		switch {
		case x.Name == "token_embd.weight":
			values = rows
		case strings.HasSuffix(x.Name, "norm.weight"):
			for i := range values {
				values[i] = 1
			}
		}
		out.AddTensor(x.Name, kernels.F32, x.Shape, floatBytes(values))
	}
	path := filepath.Join(t.TempDir(), "words.gguf")
	if err := out.WriteTo(path); err != nil {
		t.Fatal(err)
	}
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// Of a model that looks at two words alone an explanation names those two, with their signs, and the sizes are differences of what the
// model says of the texts themselves.
func TestFixturesExplain(t *testing.T) {
	ctx := context.Background()
	m := wordModel(t, map[string]int{"z": 1, "q": 2})
	c, err := m.NewClassifier(Task{})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"a z b c q d", "z a b", "q", "c c c q c c c", "d z. q!"} {
		e, err := c.Explain(ctx, text)
		if err != nil {
			t.Fatal(err)
		}
		if e.Passes != 1+len(e.Words) || e.Tokens == 0 {
			t.Errorf("%q: %d passes for %d words, %d tokens", text, e.Passes, len(e.Words), e.Tokens)
		}
		decisive := 0
		for _, w := range e.Words {
			if w.Text != text[w.Start:w.End] {
				t.Fatalf("%q: %+v", text, w)
			}
			switch want := map[string]string{"z": "good", "q": "bad"}[w.Text]; {
			case want == "":
			case (w.Change > 0) != (want == e.Choices[0].Label):
				t.Errorf("%q: %q changes the log-odds of %q by %v", text, w.Text, e.Choices[0].Label, w.Change)
			default:
				decisive++
			}
		}
		for i, w := range e.Strongest() {
			if says := w.Text == "z" || w.Text == "q"; says != (i < decisive) {
				t.Errorf("%q: %q is number %d of %d words that decide: %+v", text, w.Text, i+1, decisive, e.Strongest())
			}
		}
		if want := strings.Count(text, "z") + strings.Count(text, "q"); decisive != want {
			t.Errorf("%q: %d words decide, want %d", text, decisive, want)
		}
		of := func(text string) float64 {
			lp, err := c.LogProbs(ctx, []string{text})
			if err != nil {
				t.Fatal(err)
			}
			return logOdds(c.Calibrated(lp[0]), slices.Index(c.Labels(), e.Choices[0].Label))
		}
		if got := of(text); got != e.LogOdds || math.Abs(got-math.Log(e.Choices[0].P/(1-e.Choices[0].P))) > 1e-9 {
			t.Errorf("%q: log-odds %v, of the text alone %v, p %v", text, e.LogOdds, got, e.Choices[0].P)
		}
		for _, w := range e.Words {
			if without := of(leaveOut(text, span{w.Start, w.End})); e.LogOdds-without != w.Change {
				t.Errorf("%q without %q: change %v, want %v", text, w.Text, w.Change, e.LogOdds-without)
			}
		}
	}
	if _, err := c.Explain(ctx, strings.Repeat("z ", 3000)); err == nil || !strings.Contains(err.Error(), "context") {
		t.Errorf("a text that is too long: %v", err)
	}
}

// What is left out at a time: whole words with what belongs to them, and never more pieces than asked for.
func TestTextPieces(t *testing.T) {
	for text, want := range map[string]string{
		"A warm, funny film.":    "A|warm|,|funny|film|.",
		"don't re-use 3.5 ...ok": "don't|re-use|3.5|...|ok",
		"  \t\n":                 "",
		"naïve café":             "naïve|café",
		"好きだ！":                   "好|き|だ|！",
		"go👍🏽 now":               "go|👍🏽|now",
		"a\xffb":                 "a|\xff|b",
		"x- y":                   "x|-|y",
	} {
		var got []string
		for _, s := range textPieces(text, 100) {
			got = append(got, text[s.start:s.end])
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%q: %q, want %s", text, got, want)
		}
	}
	long := strings.Repeat("one two ", 500)
	all := textPieces(long, 256)
	if len(all) > 256 || len(all) < 200 || all[0].start != 0 || all[len(all)-1].end != len(long)-1 {
		t.Errorf("%d pieces, from %d to %d", len(all), all[0].start, all[len(all)-1].end)
	}
	for _, c := range []struct{ text, out, want string }{
		{"a good film", "good", "a film"}, {"good film", "good", "film"}, {"film good", "good", "film"}, {"so good.", "good", "so ."}, {"good", "good", "."},
	} {
		at := strings.Index(c.text, c.out)
		if got := leaveOut(c.text, span{at, at + len(c.out)}); got != c.want {
			t.Errorf("%q without %q: %q, want %q", c.text, c.out, got, c.want)
		}
	}
}

// A real model that praise and blame were put to: the one decisive word of a text is the first that is named.
func TestRealExplain(t *testing.T) {
	if os.Getenv("FREEHOLD_LONG") != "1" {
		t.Skip("long test: set FREEHOLD_LONG=1")
	}
	ctx := context.Background()
	m := openReal(t, "smollm2-135m-instruct")
	task := Task{Labels: []string{"negative", "positive"}, Prompt: "Is the sentiment of this movie review snippet positive or negative? Answer with one word.\n\nReview: {text}"}
	texts := map[string]string{"this film is wonderful and i saw it on a monday": "wonderful", "we went to see it with my brother and it was terrible": "terrible",
		"the film has two hours and a brilliant cast of ten people": "brilliant", "the second half of this film is boring": "boring"}
	c, err := m.NewClassifier(task)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := c.LogProbs(ctx, slices.Collect(maps.Keys(texts)))
	if err != nil {
		t.Fatal(err)
	}
	if task.Calibration, err = Calibrate("median", rows); err != nil { // as a run does it: without its habit of saying one label
		t.Fatal(err)
	}
	if c, err = m.NewClassifier(task); err != nil {
		t.Fatal(err)
	}
	for text, word := range texts {
		e, err := c.Explain(ctx, text)
		if err != nil {
			t.Fatal(err)
		}
		if first := e.Strongest()[0]; first.Text != word || first.Change <= 0 {
			t.Errorf("%q: %s by %+v, want %q first", text, e.Choices[0].Label, e.Strongest()[:3], word)
		}
	}
}
