package distill

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/engine"
)

// tinyMultilabel is a job with the tiny teacher: each text has words of some of three kinds, and the labels of these.
const tinyMultilabel = `version: 1
name: tiny
task: {type: multilabel, labels: [up, down, round], prompt: "{text}\nIs it {label}?"}
teacher: {model: %q, licence: Apache-2.0}
student: {from: teacher, layers: 1, format: f32, freeze: [token_embd.weight]}
data: {train: train.jsonl, valid: valid.jsonl, test: test.jsonl, duplicates: keep}
train: {gold: 0.5, steps: 9, batch: 16, lr: 0.003, warmup: 2, save_every: 2, seed: 3}
eval: {gates: {size_ratio: ">= 1"}}
quantize: [f16, q8_0]
`

func tinyMultilabelJob(t testing.TB, train, valid, test int) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "freehold.yaml"), fmt.Sprintf(tinyMultilabel, tinyTeacher(t)))
	kinds := [][]string{strings.Fields("rise climb grow soar lift"), strings.Fields("fall sink drop dive lose"), strings.Fields("turn spin roll whirl orbit")}
	names := []string{"up", "down", "round"}
	r := rand.New(rand.NewPCG(71, 72))
	for _, part := range []struct {
		name string
		rows int
	}{{"train", train}, {"valid", valid}, {"test", test}} {
		var b strings.Builder
		for i := range part.rows {
			words, labels := []string{"they"}, []string{}
			for k, list := range kinds {
				if (i>>k)&1 == 1 {
					words, labels = append(words, list[r.IntN(5)]), append(labels, names[k])
				}
			}
			row := map[string]any{"id": fmt.Sprintf("%s-%d", part.name, i), "text": strings.Join(words, " ")}
			if part.name != "train" || i%4 > 0 {
				row["labels"] = labels
			}
			line, err := json.Marshal(row)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(append(line, '\n'))
		}
		write(t, filepath.Join(dir, part.name+".jsonl"), b.String())
	}
	return filepath.Join(dir, "freehold.yaml")
}

// Metrics of three rows and three labels, by hand: gold {0,1} {} {2}, given {0} {2} {2}.
func TestMultilabelScores(t *testing.T) {
	rows := []Row{{Labels: []int{0, 1}}, {Labels: []int{}}, {Labels: []int{2}}}
	m := newMarks([][]float64{{0.9, 0.4, 0.1}, {0.2, 0.3, 0.8}, {0.1, 0.2, 0.5}}, halves(3), rows)
	s := scoreMarks(m, []LabelThreshold{{Label: "a"}, {Label: "b"}, {Label: "c"}}, 7)
	// right 2 (label 0 of row 0, label 2 of row 2), given 3, gold 3; labels: F1 1, 0 and 2·1/(2+1)
	for name, c := range map[string][2]float64{
		"micro F1": {s.MicroF1.Mean, 2 * 2. / (3 + 3)}, "macro F1": {s.MacroF1.Mean, (1 + 0 + 2./3) / 3}, "exact": {s.Exact.Mean, 1. / 3}, "Hamming": {s.Hamming.Mean, 2. / 9},
		"precision of c": {s.Labels[2].Precision, 0.5}, "recall of c": {s.Labels[2].Recall, 1}, "precision of b": {s.Labels[1].Precision, 0}, "same": {m.same(newMarks(m.p, []float64{0.5, 0.4, 0.5}, rows)), 2. / 3},
	} {
		if math.Abs(c[0]-c[1]) > 1e-12 {
			t.Errorf("%s is %v, want %v", name, c[0], c[1])
		}
	}
	if s.MicroF1.CI95[0] > s.MicroF1.Mean || s.MicroF1.CI95[1] < s.MicroF1.Mean || s.Labels[2].Gold != 1 || s.Labels[2].Given != 2 || s.Labels[2].Right != 1 {
		t.Errorf("%+v", s)
	}
	// calibration: bins of 1/15; 0.1 0.1 | 0.2 0.2 (0.2 is bin 3) | 0.3 (bin 4) | 0.4 (bin 6) | 0.5 (bin 7) | 0.8 (bin 12) | 0.9 (bin 13): |mean p - share that has it| by its rows
	want := (2*math.Abs(0.1-0) + 2*math.Abs(0.2-0) + math.Abs(0.3-0) + math.Abs(0.4-1) + math.Abs(0.5-1) + math.Abs(0.8-0) + math.Abs(0.9-1)) / 9
	if math.Abs(s.ECE.Mean-want) > 1e-12 {
		t.Errorf("calibration error %v, want %v", s.ECE.Mean, want)
	}
	// nobody has a label and nobody gets it: no F1, as scikit-learn has it with zero_division=0
	none := scoreMarks(newMarks([][]float64{{0.1, 0.9}}, halves(2), []Row{{Labels: []int{1}}}), []LabelThreshold{{Label: "a"}, {Label: "b"}}, 7)
	if none.MicroF1.Mean != 1 || none.MacroF1.Mean != 0.5 || none.Exact.Mean != 1 || none.Hamming.Mean != 0 {
		t.Errorf("%+v", none)
	}
}

// The threshold is the one of the highest F1, held against every other, in the middle of a gap; ties of probabilities are not parted.
func TestBestThreshold(t *testing.T) {
	for _, c := range []struct {
		p        []float64
		gold     []bool
		want, f1 float64
	}{
		{[]float64{0.9, 0.1, 0.3, 0.2}, []bool{true, false, true, false}, 0.25, 1},
		{[]float64{0.1, 0.2, 0.3}, []bool{false, false, true}, 0.25, 1},
		{[]float64{0.4, 0.4, 0.2}, []bool{true, false, false}, 0.3, 2. / 3},
		{[]float64{0.4, 0.2, 0.1}, []bool{false, true, false}, 0.15, 2. / 3},
		{[]float64{0.9, 0.7}, []bool{true, true}, 0.35, 1},
	} {
		at, f1 := bestThreshold(c.p, c.gold)
		if math.Abs(at-c.want) > 1e-12 || math.Abs(f1-c.f1) > 1e-12 {
			t.Errorf("%v %v: %v with F1 %v, want %v and %v", c.p, c.gold, at, f1, c.want, c.f1)
		}
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		n := 1 + r.IntN(30)
		p, gold := make([]float64, n), make([]bool, n)
		rows := make([]Row, n)
		var probs [][]float64
		for i := range p {
			p[i], gold[i] = float64(r.IntN(12))/12, r.IntN(3) == 0
			if rows[i].Labels = []int{}; gold[i] {
				rows[i].Labels = []int{0}
			}
			probs = append(probs, []float64{p[i]})
		}
		f1At := func(at float64) float64 { return scoreOne(newMarks(probs, []float64{at}, rows)) }
		at, is := bestThreshold(p, gold)
		if got := f1At(at); slices.Contains(gold, true) && math.Abs(got-is) > 1e-12 {
			t.Errorf("F1 at %v is %v, said %v", at, got, is)
		}
		for k := range 240 {
			if other := float64(k) / 240; f1At(other) > is+1e-12 {
				t.Errorf("%v %v: F1 %v at %v, and %v at %v", p, gold, is, at, f1At(other), other)
				break
			}
		}
	}
}

func scoreOne(m *marks) float64 {
	rows := make([]int, len(m.p))
	for i := range rows {
		rows[i] = i
	}
	return m.microF1(rows)
}

// The job as it stands in files: shards of log-odds, thresholds in every form of the student, predictions, disagreements and corrections.
func TestMultilabelJob(t *testing.T) {
	recipe := tinyMultilabelJob(t, 64, 120, 40)
	sum, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{})
	m := sum.Multilabel
	if m == nil || m.Judges != 120 || len(m.Student.Labels) != 3 || sum.Calibration == nil || sum.Calibration.Rows != 120 || len(sum.Slices) == 0 || len(sum.Tests) != 3 || sum.Tests[0].Metric != "micro_f1" {
		t.Fatalf("summary %+v", sum)
	}
	checkSums(t, dir, thresholdsName, calibrationName, "eval/predictions.jsonl", "eval/disputed.jsonl", "eval/predictions.q8_0.jsonl")
	for _, l := range m.Student.Labels {
		if l.ValidF1 == nil || l.Marked != 60 || l.Gold != 20 {
			t.Errorf("label %+v", l)
		}
	}

	// every form holds the thresholds, and says of the test rows what the predictions say
	r, err := LoadRecipe(recipe)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := RunRows(dir, r)
	if err != nil {
		t.Fatal(err)
	}
	if err := FillTexts(t.Context(), r, rows); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"model.gguf", "model.f16.gguf", "model.q8_0.gguf"} {
		s, err := engine.Open(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		k, err := s.NewMultilabel(engine.MultilabelTask{})
		if err != nil {
			t.Fatal(err)
		}
		for l, at := range k.Thresholds() {
			if at != m.Student.Labels[l].Threshold {
				t.Errorf("%s: threshold %v of %s, want %v", file, at, k.Labels()[l], m.Student.Labels[l].Threshold)
			}
		}
		if file == "model.gguf" {
			for _, row := range rows {
				odds, err := k.LogOdds(t.Context(), []string{row.Text})
				if err != nil {
					t.Fatal(err)
				}
				if p := k.Probabilities(odds[0]); !slices.Equal(p, row.Student.Labels) {
					t.Errorf("%s: %v, eval kept %v", row.ID, p, row.Student.Labels)
				}
			}
		}
		s.Close()
	}

	// the error loop
	list, err := Errors(t.Context(), dir, r, "", "")
	if err != nil || len(list.Rows) == 0 {
		t.Fatalf("%d rows (%v)", len(list.Rows), err)
	}
	for _, d := range list.Rows {
		if d.Split == "test" && (d.Student == d.Gold) == slices.Contains(d.Kinds, StudentGold) || d.Confidence <= 0 || d.Confidence > 1 || d.Text == "" {
			t.Errorf("%+v", d)
		}
	}
	corrections := filepath.Join(filepath.Dir(recipe), "corrections.jsonl")
	if n, err := list.Record(corrections, r, "me", []Judgement{{"train-1", " round; up"}, {"test-2", "(none)"}, {"test-7", ""}}); err != nil || n != 3 {
		t.Fatalf("%d corrections (%v)", n, err)
	}
	if _, err := list.Record(corrections, r, "me", []Judgement{{"train-1", "upp"}}); err == nil || !strings.Contains(err.Error(), `"up"`) {
		t.Errorf("an unknown label: %v", err)
	}
	text, err := os.ReadFile(corrections)
	if err != nil || !strings.Contains(string(text), `"label":"up;round"`) || !strings.Contains(string(text), `"label":"(none)"`) || !strings.Contains(string(text), `"label":"up;down;round"`) {
		t.Errorf("corrections %s (%v)", text, err)
	}
	edit(t, recipe, "duplicates: keep", "duplicates: keep, corrections: corrections.jsonl")
	if r, err = LoadRecipe(recipe); err != nil {
		t.Fatal(err)
	}
	j, err := NewJob(t.Context(), r, Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	w := j.work.(*multilabelWork)
	if err := w.label(t.Context()); err != nil {
		t.Fatal(err)
	}
	// what is learnt: the teacher's alone, half of it gold, or gold alone where a person has corrected
	for _, row := range j.data.Train[:3] {
		teacher, learnt := sigmoids(w.teacher(row)), sigmoids(w.learnt(row))
		for l := range teacher {
			gold := 0.0
			if slices.Contains(row.Labels, l) {
				gold = 1
			}
			want := map[string]float64{"train-0": teacher[l], "train-1": gold, "train-2": teacher[l]/2 + gold/2}[row.ID]
			if math.Abs(learnt[l]-want) > 2e-6 {
				t.Errorf("%s, label %d: learnt %v, want %v (teacher %v, gold %v)", row.ID, l, learnt[l], want, teacher[l], gold)
			}
		}
	}
	// the typical row of a label has it with the share of labels a text
	for l := range 3 {
		var p []float64
		for _, row := range j.own.Train {
			p = append(p, sigmoids(w.teacher(row))[l])
		}
		slices.Sort(p)
		if p[31] > 1./3+1e-9 || p[32] < 1./3-1e-9 {
			t.Errorf("label %d: the middle probabilities of the training rows are %v and %v, want 1/3 between them", l, p[31], p[32])
		}
	}
}

// A student learns what the labels are: they are plain words here.
func TestMultilabelLearns(t *testing.T) {
	recipe := tinyMultilabelJob(t, 160, 40, 40)
	edit(t, recipe, "gold: 0.5, steps: 9", "gold: 1, steps: 60")
	edit(t, recipe, "quantize: [f16, q8_0]", "quantize: []")
	sum, _ := mustApply(t, recipe, Options{Threads: 2}, Stages{})
	if s := sum.Multilabel.Student; s.MicroF1.Mean < 0.8 || s.Exact.Mean < 0.4 { // all labels to every text would be 0.67 and 0.125
		t.Errorf("micro F1 %v, exact %v", s.MicroF1, s.Exact)
	}
}

func TestMultilabelRefused(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"[up, down, round]", "[up]", "classify"},
		{"[up, down, round]", "[up, down, up]", "given twice"},
		{"[up, down, round]", `[up, "a;b"]`, "stands between labels"},
		{"[up, down, round]", `[up, "(none)"]`, "(none)"},
		{"Is it {label}?", "Is it?", "{label} 0 times"},
		{"type: multilabel,", "type: multilabel, words: {oui: [oui]},", `"oui"`},
		{"type: multilabel,", "type: multilabel, labels_per_text: 3,", "below the number of labels"},
		{"type: multilabel,", "type: multilabel, abstain_below: 0.5,", "task.abstain_below is for task type classify"},
		{"licence: Apache-2.0}", "licence: Apache-2.0, calibration: mode}", "mean, median"},
		{"licence: Apache-2.0}", "licence: Apache-2.0, adapt: {rows: 9}}", "teacher.adapt is for task type classify"},
		{"duplicates: keep", "duplicates: keep, augment: {paraphrases: 1}", "data.augment is not there yet"},
		{"freeze:", "head: words, freeze:", "student.head is for task type classify"},
		{"gold: 0.5", "loss: ce", "want one of: bce"},
		{"gold: 0.5", "min_confidence: 0.5", "leaves out nothing"},
		{"size_ratio:", "accuracy:", "accuracy"},
	} {
		recipe := tinyMultilabelJob(t, 8, 4, 4)
		edit(t, recipe, c.old, c.new)
		if _, err := LoadRecipe(recipe); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.new, err, c.want)
		}
	}
	recipe := tinyMultilabelJob(t, 8, 4, 4)
	edit(t, recipe, `prompt: "{text}`, `words: {yes: [ja], no: [nein]}, prompt: "{text}`)
	if r, err := LoadRecipe(recipe); err != nil || r.Task.LabelsPerText != 1 || r.Train.Loss != "bce" || !slices.Equal(r.Task.Words["yes"], []string{"ja"}) {
		t.Errorf("%v, %+v", err, r)
	}
}
