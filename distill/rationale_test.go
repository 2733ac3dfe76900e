package distill

import (
	"context"
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
	"github.com/freehold-slm/freehold/models/gguf"
)

// rationaleKind is a generate job whose teacher also says why, in rationales of which some are cut.
const rationaleKind = "generate, rationales"

const tinyRationale = `, rationale: {prompt: "w: {text} = {answer}?", student_prompt: "why {text}", max_tokens: 7, weight: 0.5}}`

func tinyRationaleJob(t testing.TB, kind string, train, test int) string {
	recipe := tinyAnswerJob(t, kind, train, test)
	text := mustRead(t, recipe)
	at := strings.Index(text, "train: {loss")
	end := at + strings.Index(text[at:], "}\n")
	write(t, recipe, text[:end]+tinyRationale+text[end+1:])
	return recipe
}

func rationaleLines(t *testing.T, dir string) (lines []rationaleLine) {
	t.Helper()
	shards, err := filepath.Glob(filepath.Join(dir, "labels", "rationale-*.jsonl"))
	if err != nil || len(shards) == 0 {
		t.Fatalf("no rationales: %v", err)
	}
	for _, path := range shards {
		for _, line := range strings.Split(strings.TrimSpace(mustRead(t, path)), "\n")[1:] {
			var l rationaleLine
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, l)
		}
	}
	return lines
}

// The teacher says why of each training row with an answer, for its gold answer where there is one; the student learns it beside its answers; plan, summary, report
// and lineage say so with the same numbers; another run repeats it to the bit.
func TestRationales(t *testing.T) {
	for _, kind := range []string{"generate", "extract"} {
		t.Run(kind, func(t *testing.T) {
			recipe := tinyRationaleJob(t, kind, 40, 10)
			before := planOf(t, recipe)
			sum, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{})
			answers := map[string]answerLine{}
			for _, l := range shardLines[answerLine](t, dir) {
				answers[l.ID] = l
			}
			r, err := LoadRecipe(recipe)
			if err != nil {
				t.Fatal(err)
			}
			j, err := NewJob(context.Background(), r, Options{Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			m, err := engine.Open(tinyTeacher(t), engine.WithThreads(1))
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			a, err := m.NewAnswerer(engine.TextTask{Prompt: "{text}", MaxTokens: 7})
			if err != nil {
				t.Fatal(err)
			}
			lines := map[string]rationaleLine{}
			want := &RationaleSummary{Weight: 0.5, Learnt: 0}
			for _, l := range rationaleLines(t, dir) {
				lines[l.ID] = l
			}
			for _, row := range j.data.Train {
				l, ok := lines[row.ID]
				if answer := answers[row.ID]; ok == answer.Cut {
					t.Fatalf("row %s: answer %+v, rationale %+v", row.ID, answer, l)
				} else if !ok {
					continue
				}
				asked := []string{"w: " + row.Text + " = " + answers[row.ID].Answer + "?"}
				if row.Gold >= 0 && answers[row.ID].Answer != row.Answer {
					t.Fatalf("row %s has the answer %q, want the gold one %q", row.ID, answers[row.ID].Answer, row.Answer)
				}
				err := a.Answers(context.Background(), asked, engine.Gen{}, func(_ int, got engine.Answer) error {
					cut := got.Reason == engine.ReasonLength
					if text := strings.TrimRight(strings.TrimSpace(got.Text), "\ufffd"); cut && l.Rationale != text || !cut && l.Rationale != strings.TrimSpace(got.Text) || l.Tokens != len(got.Tokens) || l.Cut != cut {
						t.Errorf("row %s: %+v, the teacher says %+v", row.ID, l, got)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				want.Rows, want.Tokens = want.Rows+1, want.Tokens+l.Tokens
				switch {
				case l.empty():
					want.Empty++
				case l.Cut:
					want.Cut++
				}
			}
			for id := range lines {
				if strings.HasPrefix(id, "test-") {
					t.Errorf("test row %s has a rationale", id)
				}
			}
			if want.Learnt = want.Rows - want.Empty; want.Rows < 30 || want.Cut == 0 {
				t.Fatalf("the tiny teacher gives too little to test with: %+v", want)
			}
			steps, err := readMetrics(filepath.Join(dir, "metrics.jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range steps {
				if s.Rationale == nil || s.Rationale.Tokens <= 0 || s.Rationale.Tokens >= s.Tokens || !(s.Rationale.Loss > 0) {
					t.Fatalf("step %+v with rationales %+v", s, s.Rationale)
				}
				want.TrainTokens, want.AllTokens = want.TrainTokens+s.Rationale.Tokens, want.AllTokens+s.Tokens
			}
			if got := sum.Answers.Rationales; *got != *want {
				t.Errorf("the summary says %+v, want %+v", got, want)
			}
			after := planOf(t, recipe)
			if b := before.Rationales; b.Rows != 40 || b.Missing != 40 || b.Tokens != 40*(7/2) || !(b.LabelSeconds > 0) || !(b.TrainFLOPs > 0) || before.Seconds <= b.LabelSeconds+b.TrainSeconds {
				t.Errorf("the plan before: %+v", b)
			}
			if b := after.Rationales; b.Rows != want.Rows || b.Tokens != want.Tokens || b.Missing != 0 || b.LabelSeconds != 0 || b.TrainFLOPs != 0 {
				t.Errorf("the plan after: %+v, want %+v", b, want)
			}
			if text := before.Text(); !strings.Contains(text, "rationales of 40 training rows (40 missing, 120 tokens)") || !strings.Contains(text, "rationales beside answers at weight 0.5") {
				t.Errorf("the plan does not say it:\n%s", text)
			}
			checkPage(t, filepath.Join(dir, "report.html"), "<h2>Rationales</h2>", want.Says(), "dashed: of the rationales", "why, in the teacher", "(gold)")
			checkSums(t, dir, "labels/rationale-00000.jsonl")
			if chain := mustRead(t, filepath.Join(dir, "lineage.jsonl")); !strings.Contains(chain, `"rationale_prompt":"w: {text} = {answer}?"`) || !strings.Contains(chain, `"rationales":"weight 0.5, up to 7 tokens"`) {
				t.Errorf("the lineage does not say it: %s", chain)
			}
			if again, err := Reproduce(context.Background(), dir, "", Options{Threads: 1}); err != nil || len(again.Different()) > 0 {
				t.Errorf("repeated: %v %+v", err, again.Different())
			} else if !slices.ContainsFunc(again.Files, func(f FileCheck) bool { return f.Name == "labels/rationale-00000.jsonl" && f.State == "equal" }) {
				t.Error("repeated, the rationales were not compared")
			}
			// The student's file asks for answers alone.
			s, err := engine.Open(filepath.Join(dir, "model.gguf"))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if own, err := s.NewAnswerer(engine.TextTask{}); err != nil || own.Task().Prompt != "{text}" || strings.Contains(own.Task().Prompt, "why") {
				t.Errorf("the student's task: %+v, %v", own, err)
			}
		})
	}
}

// What is there is not asked for again: rationales by another run, answers where only the rationales are others; a damaged shard is made again with the same bytes.
func TestRationaleShards(t *testing.T) {
	recipe := tinyRationaleJob(t, "generate", 40, 10)
	label := func(want ...string) (dir string) {
		t.Helper()
		asked := []string{}
		o := Options{Threads: 2, Warn: func(s string) { asked = append(asked, s) }, Progress: func(e Event) {
			if e.Rate > 0 {
				asked = append(asked, "asked")
			}
		}}
		_, dir = mustApply(t, recipe, o, Stages{Only: "label"})
		if len(want) == 0 && len(asked) > 0 {
			t.Errorf("it says %q, want nothing", asked)
		}
		for _, w := range want {
			if !slices.ContainsFunc(asked, func(s string) bool { return strings.Contains(s, w) }) {
				t.Errorf("it says %q, want %q", asked, w)
			}
		}
		return dir
	}
	dir := label("asked")
	path := func(dir string) string { return rationalePath(filepath.Join(dir, "labels"), 0) }
	whole, answers := sha(t, path(dir)), sha(t, shardPath(filepath.Join(dir, "labels"), 0))
	edit(t, recipe, "lr: 0.003", "lr: 0.002")
	edit(t, recipe, "weight: 0.5", "weight: 0.25")
	other := label()
	if other == dir || sha(t, path(other)) != whole {
		t.Error("a run that differs in training alone has other rationales")
	}
	edit(t, recipe, "max_tokens: 7", "max_tokens: 5")
	third := label("asked")
	if third == other || sha(t, path(third)) == whole || sha(t, shardPath(filepath.Join(third, "labels"), 0)) != answers {
		t.Error("shorter rationales: they are the same, or the answers are others")
	}
	for _, d := range []string{other, dir} {
		if err := os.RemoveAll(d); err != nil {
			t.Fatal(err)
		}
	}
	short := sha(t, path(third))
	b := []byte(mustRead(t, path(third)))
	b[len(b)-20] ^= 1
	write(t, path(third), string(b))
	if label("asking for rationales again", "asked"); sha(t, path(third)) != short {
		t.Error("a damaged shard is not made again as it was")
	}
	// Another gold answer has another reason.
	rows := filepath.Join(filepath.Dir(recipe), "train.jsonl")
	edit(t, rows, `"up 2"`, `"up 9"`)
	if fourth := label("asked"); sha(t, path(fourth)) == short {
		t.Error("the rationales of another answer are the same")
	}
}

// Answers that are there are taken as they are where their rationales alone are missing: an answer that the teacher would not give tells.
func TestRationaleKeepsAnswers(t *testing.T) {
	recipe := tinyRationaleJob(t, "generate", 8, 4)
	_, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{Only: "label"})
	w := newJobOf(t, recipe).work.(*answerWork)
	rows := w.shards()[0]
	got, _, err := w.find(0, rows)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(got.lines, func(l answerLine) bool { return !l.Gold })
	got.lines[at].Answer = "said before"
	if err := w.writeShard(0, rows, got); err != nil {
		t.Fatal(err)
	}
	path := rationalePath(filepath.Join(dir, labelsDir), 0)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	mustApply(t, recipe, Options{Threads: 2}, Stages{Only: "label"})
	if l := shardLines[answerLine](t, dir)[at]; l.Answer != "said before" || !fileExists(path) {
		t.Errorf("row %s was asked again and has the answer %q, or the rationales are not there", l.ID, l.Answer)
	}
}

// At weight 0 the student is, to the bit, the one without rationales; at another weight it is another.
func TestRationaleWeightZero(t *testing.T) {
	recipe := tinyRationaleJob(t, "generate", 40, 10)
	edit(t, recipe, "weight: 0.5", "weight: 0")
	o := Options{Threads: 2}
	zero, dir := mustApply(t, recipe, o, Stages{})
	if s := zero.Answers.Rationales; s.Rows == 0 || s.Learnt != 0 || !strings.Contains(s.Says(), "at weight 0 nothing was learnt") {
		t.Errorf("at weight 0: %+v", s)
	}
	weights := func(dir string) (string, string) {
		return sha(t, filepath.Join(dir, "checkpoints", "step-00000009.gguf")), mustRead(t, filepath.Join(dir, "metrics.jsonl"))
	}
	w0, m0 := weights(dir)
	edit(t, recipe, "weight: 0}", "weight: 0.001}")
	mustApply(t, recipe, o, Stages{Only: "label"})
	if _, some := mustApply(t, recipe, o, Stages{Only: "train"}); sha(t, filepath.Join(some, "checkpoints", "step-00000009.gguf")) == w0 {
		t.Error("at weight 0.001 the weights are those at 0")
	}
	edit(t, recipe, `, rationale: {prompt: "w: {text} = {answer}?", student_prompt: "why {text}", max_tokens: 7, weight: 0.001}`, "")
	mustApply(t, recipe, o, Stages{Only: "label"})
	_, without := mustApply(t, recipe, o, Stages{Only: "train"})
	if w, m := weights(without); w != w0 || m != m0 {
		t.Error("at weight 0 weights or metrics are not those of a run without rationales")
	}
}

// A step's gradient is that of the answers alone plus weight times that of the rationales alone, whatever they are packed with.
func TestRationaleGradient(t *testing.T) {
	f, err := gguf.Open(tinyTeacher(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := NewBase(f, Prune{Layers: []int{0}})
	if err != nil {
		t.Fatal(err)
	}
	s, level := b.Student, best(t)
	r := rand.New(rand.NewPCG(17, 8))
	example := func() *Example {
		all, n := randomTokens(r, 12+r.IntN(9), s.Spec.Vocab), 2+r.IntN(5)
		return &Example{Tokens: all[:len(all)-1], Answer: &AnswerTargets{Labels: all[len(all)-n:]}}
	}
	var both, answers, reasons []Example
	for i := range 5 {
		a := example()
		answers = append(answers, *a)
		if i != 2 { // a row without one
			a.Rationale = example()
			reasons = append(reasons, *a.Rationale)
		}
		both = append(both, *a)
	}
	loss, err := NewLoss("ce", LossParams{})
	if err != nil {
		t.Fatal(err)
	}
	step := func(most int, weight float64, ex []Example) (float64, *rationaleStep, []float32) {
		tr := &Trainer{Student: s, Loss: loss, Rationales: &Rationales{loss, weight}, Data: ex, MaxTokens: most, BatchRows: len(ex), Level: level}
		g := NewGraph(s, level, 1, goParallel(1))
		tr.head = NewHead(g)
		got, _, _, why, err := tr.step(context.Background(), g, 0)
		if err != nil {
			t.Fatal(err)
		}
		var grad []float32
		for _, p := range s.Params {
			grad = append(grad, p.G...)
		}
		return got, why, grad
	}
	near := func(a, b float64) bool { return math.Abs(a-b) < 1e-5 }
	wantA, none, gradA := step(1000, 1, answers)
	wantR, _, gradR := step(1000, 1, reasons)
	if none != nil {
		t.Errorf("rows without rationales have some: %+v", none)
	}
	for _, weight := range []float64{0, 1, 0.25, 3} {
		for _, most := range []int{1000, 1} {
			got, why, grad := step(most, weight, both)
			if weight == 0 {
				if why != nil || !slices.Equal(grad, second(step(most, 1, answers))) {
					t.Error("at weight 0 the gradient is not that of the answers")
				}
				continue
			}
			if !near(got, wantA) || !near(why.Loss, wantR) {
				t.Errorf("at weight %v the losses are %v and %v, want %v and %v", weight, got, why.Loss, wantA, wantR)
			}
			for i, v := range grad {
				if want := float64(gradA[i]) + weight*float64(gradR[i]); !near(float64(v), want) {
					t.Fatalf("at weight %v gradient %d is %v, want %v", weight, i, v, want)
				}
			}
		}
	}
}

func second(_ float64, _ *rationaleStep, grad []float32) []float32 { return grad }

// A cut rationale is learnt without an end, an empty one not at all; one that is longer in the student's tokens than train.max_tokens leaves room for is cut there. A text that spells
// {answer} is no place for it.
func TestRationaleReading(t *testing.T) {
	recipe := tinyRationaleJob(t, "generate", 8, 4)
	edit(t, recipe, "seed: 3", "seed: 3, max_tokens: 60")
	r, err := LoadRecipe(recipe)
	if err != nil {
		t.Fatal(err)
	}
	j, err := NewJob(context.Background(), r, Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	w := j.work.(*answerWork)
	w.rationales = map[string]rationaleLine{"train-0": {Rationale: "so so"}, "train-1": {Rationale: "so so", Cut: true}, "train-2": {Rationale: " \n"}, "train-3": {Rationale: strings.Repeat("so ", 99)}}
	f, err := gguf.Open(j.base.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	read, err := j.newReading(f)
	if err != nil {
		t.Fatal(err)
	}
	of := func(id string) *Example {
		return read.rationaleExample(j.data.Train[slices.IndexFunc(j.data.Train, func(r Row) bool { return r.ID == id })])
	}
	ended, cut, long := of("train-0"), of("train-1"), of("train-3")
	if ended == nil || cut == nil || long == nil {
		t.Fatalf("examples are missing: %v %v %v", ended, cut, long)
	}
	if a, b := ended.Answer.Labels, cut.Answer.Labels; len(a) != len(b)+1 || !slices.Equal(a[:len(b)], b) {
		t.Errorf("ended %v, cut %v", a, b)
	}
	if len(long.whole()) != 60 {
		t.Errorf("the long one has %d tokens, want 60", len(long.whole()))
	}
	for _, id := range []string{"train-2", "train-4"} { // an empty one, and none
		if ex := of(id); ex != nil {
			t.Errorf("%s: %+v", id, ex)
		}
	}
	q := RationaleRecipe{Prompt: "Q: {text} A: {answer}. Why?"}
	if task := q.asks("s"); task.Prompt != "Q: {text}. Why?" || task.System != "s" || q.fill("{answer} or {text}", "b") != "{answer} or {text} A: b" {
		t.Errorf("%+v, %q", task, q.fill("{answer} or {text}", "b"))
	}
	q.Prompt = "{answer} is right. {text} Why?"
	if task := q.asks(""); task.Prompt != "{text} Why?" || q.fill("a", "b") != "b is right. a" {
		t.Errorf("%+v, %q", task, q.fill("a", "b"))
	}
}

func TestRationaleRefused(t *testing.T) {
	for _, c := range [][3]string{
		{`prompt: "w: {text} = {answer}?", `, "", `train.rationale.prompt is missing: what the teacher is asked, such as "{text}`},
		{`"w: {text} = {answer}?"`, `"why {answer}?"`, "train.rationale.prompt holds {text} 0 times, want once"},
		{`"w: {text} = {answer}?"`, `"{text} {answer} {answer}?"`, "train.rationale.prompt holds {answer} 2 times"},
		{`"why {text}"`, `"why"`, "train.rationale.student_prompt holds {text} 0 times"},
		{`"why {text}"`, `"{text}"`, "train.rationale.student_prompt is also the prompt for answers"},
		{"max_tokens: 7, weight", "max_tokens: 0, weight", "train.rationale.max_tokens is 0, want 1 to"},
		{"weight: 0.5", "weight: -1", "train.rationale.weight is -1, want 0"},
		{"weight: 0.5", "waight: 0.5", `unknown key "waight" in train.rationale`},
		{"max_tokens: 7", "max_tokens: 110", "a rationale up to 110 (train.rationale.max_tokens), its context is 128"},
		{"max_tokens: 7", "max_tokens: 60", "the student's prompt for the rationale has"},
		{"model:", "openai: https://api.example.com/v1, egress_ok: true, model:", "train.rationale asks a model of this machine"},
	} {
		recipe := tinyRationaleJob(t, "generate", 8, 4)
		edit(t, recipe, c[0], c[1])
		switch {
		case strings.Contains(c[1], "openai"):
			edit(t, recipe, "student: {from: teacher", "student: {from: smollm2-135m-instruct")
			edit(t, recipe, "loss: topk_rest_kl, top_logits: 8", "loss: ce")
			edit(t, recipe, `size_ratio: ">= 1"`, `exact: ">= 0"`)
		case c[1] == "max_tokens: 60":
			edit(t, recipe, "seed: 3", "seed: 3, max_tokens: 80")
		}
		if _, _, err := apply(context.Background(), recipe, Options{Threads: 1}, Stages{}); err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%s -> %s: %v\nwant %s", c[0], c[1], err, c[2])
		}
	}
	recipe := tinyJob(t)
	edit(t, recipe, "train: {", `train: {rationale: {prompt: "{text}"}, `)
	if _, err := LoadRecipe(recipe); err == nil || !strings.Contains(err.Error(), "train.rationale is for task type extract and generate") {
		t.Errorf("of a classifier: %v", err)
	}
}

// Without more than a prompt a recipe has the rest from the student's prompt.
func TestRationaleDefaults(t *testing.T) {
	for _, prompt := range []string{"", "S {text}"} {
		recipe := tinyRationaleJob(t, "generate", 8, 4)
		edit(t, recipe, `, student_prompt: "why {text}", max_tokens: 7, weight: 0.5`, "")
		want := "Explain: {text}"
		if prompt != "" {
			edit(t, recipe, "layers: 1", "layers: 1, prompt: "+fmt.Sprintf("%q", prompt))
			want = "Explain: S {text}"
		}
		r, err := LoadRecipe(recipe)
		if err != nil {
			t.Fatal(err)
		}
		if q := r.Train.Rationale; q != (RationaleRecipe{"w: {text} = {answer}?", want, 128, 1}) {
			t.Errorf("defaults are %+v", q)
		}
	}
}
