package distill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/engine"
)

// shardLines reads the lines of a run's shards as they stand there.
func shardLines[L any](t *testing.T, dir string) (lines []L) {
	t.Helper()
	shards, err := filepath.Glob(filepath.Join(dir, "labels", "shard-*.jsonl"))
	if err != nil || len(shards) == 0 {
		t.Fatalf("no shards: %v", err)
	}
	for _, path := range shards {
		for _, line := range strings.Split(strings.TrimSpace(mustRead(t, path)), "\n")[1:] {
			var l L
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, l)
		}
	}
	return lines
}

// middle is a threshold between the confidences with about a third of them under it.
func middle(p []float64) float64 {
	s := slices.Sorted(slices.Values(p))
	k := len(s) / 3
	return math.Round((s[k-1]+s[k])/2*1e6) / 1e6
}

// readReport reads a run's data.json.
func readReport(t *testing.T, dir string) (r data.Report) {
	t.Helper()
	if err := json.Unmarshal([]byte(mustRead(t, filepath.Join(dir, "data.json"))), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// asks counts how often a model is asked while labelling: such events have a rate.
func asks(o *Options) *int {
	n := new(int)
	o.Progress = func(e Event) {
		if e.Stage == "label" && e.Rate > 0 {
			*n++
		}
	}
	return n
}

// Rows that the teacher is not sure of are labelled and counted, and the student is the one that learns from a file without them. Another threshold
// labels nothing again; test rows and what errors are listed from stay whole; the run can be resumed and repeated.
func TestJobConfidence(t *testing.T) {
	recipe := tinyJob(t)
	edit(t, recipe, "licence: Apache-2.0}", "licence: Apache-2.0, calibration: none}") // the median is of all rows
	edit(t, recipe, "steps: 9", "epochs: 1")
	o := Options{Threads: 2}
	_, all := mustApply(t, recipe, o, Stages{})
	p := map[string]float64{}
	for _, l := range shardLines[labelLine](t, all)[:tinyTrain] {
		a, b := math.Exp(l.LP[0]), math.Exp(l.LP[1])
		p[l.ID] = max(a, b) / (a + b)
	}
	least := middle(slices.Collect(maps.Values(p)))
	edit(t, recipe, "train: {epochs", fmt.Sprintf("train: {min_confidence: %g, epochs", least))

	runs, fresh := filepath.Join(filepath.Dir(recipe), "runs"), t.TempDir()
	if err := os.Rename(runs, filepath.Join(fresh, "runs")); err != nil {
		t.Fatal(err)
	}
	plan := planOf(t, recipe)
	if !strings.Contains(plan.Tidied, fmt.Sprintf("rows that the teacher is less sure of than %g", least)) || !strings.Contains(plan.Text(), "known after labelling") || !strings.Contains(plan.Text(), "up to 13 steps") {
		t.Errorf("before labelling the plan says %q\n%s", plan.Tidied, plan.Text())
	}
	if err := os.Rename(filepath.Join(fresh, "runs"), runs); err != nil {
		t.Fatal(err)
	}

	kept, left, file := []string{}, 0, filepath.Join(filepath.Dir(recipe), "train.jsonl")
	for i, line := range strings.Split(strings.TrimSpace(mustRead(t, file)), "\n") {
		if p[fmt.Sprintf("train-%d", i)] >= least {
			kept = append(kept, line)
		} else {
			left++
		}
	}
	if left < tinyTrain/4 || left > tinyTrain/2 {
		t.Fatalf("%d rows under %v; the test wants about a third", left, least)
	}
	says := fmt.Sprintf("%d train rows left out (teacher less sure than %g)", left, least)
	if plan := planOf(t, recipe); !strings.Contains(plan.Tidied, says) || plan.Stages[0].State != "done" || !strings.Contains(plan.Text(), fmt.Sprintf("%d steps", (len(kept)+15)/16)) {
		t.Errorf("with the labels of another run the plan says %q\n%s", plan.Tidied, plan.Text())
	}
	asked := asks(&o)
	sum, dir := mustApply(t, recipe, o, Stages{})
	if *asked > 0 || dir == all || sha(t, shardPath(filepath.Join(dir, "labels"), 1)) != sha(t, shardPath(filepath.Join(all, "labels"), 1)) {
		t.Errorf("a threshold asked the teacher %d times, in %s", *asked, dir)
	}
	report := readReport(t, dir)
	if c := report.Confidence; sum.Rows["train"] != len(kept) || sum.Rows["test"] != tinyTest || !strings.Contains(report.String(), says) || report.Splits[0].Rows != len(kept) || report.Splits[2].Rows != tinyTest ||
		c == nil || c.Rows != tinyTrain || c.Labels[0].LeftOut+c.Labels[1].LeftOut != left || c.Labels[0].Rows+c.Labels[1].Rows != len(kept) || c.Under[6].Rows != tinyTrain || c.Under[0].Rows != 0 {
		t.Errorf("of %d rows %d should be left out: rows %v, report %s, %+v", tinyTrain, left, sum.Rows, &report, c)
	}
	if again, err := readSummary(dir); err != nil || again.Confidence == nil || !strings.HasPrefix(again.Confidence.Says(), fmt.Sprintf("%d training rows are left out, of %d ", left, tinyTrain)) {
		t.Errorf("the summary says %+v of it (%v)", again.Confidence, err)
	}
	checkPage(t, filepath.Join(dir, "report.html"), says, "How sure the teacher is", fmt.Sprintf("%d training rows", len(kept)), fmt.Sprintf("%d training rows teach", tinyTrain))
	for name, want := range map[string]int{"predictions.jsonl": tinyTest, disputedName: strings.Count(mustRead(t, filepath.Join(all, "eval", disputedName)), "\n")} {
		if n := strings.Count(mustRead(t, filepath.Join(dir, "eval", name)), "\n"); n != want || n == 0 {
			t.Errorf("%s has %d rows, want %d", name, n, want)
		}
	}
	r, err := LoadRecipe(recipe)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := Errors(context.Background(), dir, r, "", ""); err != nil || len(list.Rows) == 0 {
		t.Errorf("errors: %v", err)
	}
	for _, s := range planOf(t, recipe).Stages {
		if s.State != "done" {
			t.Errorf("after the run the plan says %s is %s", s.Name, s.State)
		}
	}
	if again, err := Reproduce(context.Background(), dir, "", Options{Threads: 1}); err != nil || len(again.Different()) > 0 || again.Equal() < 15 {
		t.Errorf("repeated: %v %+v", err, again.Different())
	}
	lock, err := readLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := NewNeighbours(context.Background(), dir, "", lock.Key); err != nil || len(n.rows) != len(kept) {
		t.Errorf("training rows that texts are compared with: %v", err)
	}

	// Resumed, and by stages.
	model := sha(t, filepath.Join(dir, "model.gguf"))
	for _, name := range []string{"model.gguf", "manifest.json"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	mustApply(t, recipe, o, Stages{Only: "train"})
	if mustApply(t, recipe, o, Stages{From: "eval"}); sha(t, filepath.Join(dir, "model.gguf")) != model {
		t.Error("by stages the student is another")
	}

	// The same student learns from a file without those rows.
	edit(t, recipe, fmt.Sprintf("min_confidence: %g, ", least), "")
	write(t, file, strings.Join(kept, "\n")+"\n")
	if _, other := mustApply(t, recipe, o, Stages{}); string(weightsOf(t, other)) != string(weightsOf(t, dir)) || string(weightsOf(t, all)) == string(weightsOf(t, dir)) {
		t.Error("the student is not the one that learns from the other rows alone")
	}

	// Of which nothing is left, is said before training.
	edit(t, recipe, "train: {epochs", "train: {min_confidence: 0.999999, epochs")
	var bad *RecipeError
	if _, _, err := apply(context.Background(), recipe, o, Stages{}); !errors.As(err, &bad) || !strings.Contains(err.Error(), fmt.Sprintf("less sure of all %d training rows: of the surest 0.", len(kept))) {
		t.Errorf("nothing to learn from: %v", err)
	}
}

// A person's word counts whatever the teacher thinks; a label of which nothing is left is named.
func TestConfidenceOf(t *testing.T) {
	recipe := &Recipe{Task: TaskRecipe{Type: "classify", Labels: []string{"up", "down"}}, Train: TrainRecipe{MinConfidence: 0.6}}
	var warned []string
	j := &Job{recipe: recipe, opt: Options{Warn: func(s string) { warned = append(warned, s) }}}
	w := &classifyWork{j: j, labels: Labels{}, cal: &engine.Calibration{Bias: []float64{math.Log(3), 0}}}
	j.work = w
	j.data = &data.Set{}
	for i, p := range []float64{0.9, 0.8, 0.6, 0.2} { // of up; less the bias that is 0.75, 0.57, 0.33, 0.08
		id := fmt.Sprint(i)
		w.labels[id] = []float64{math.Log(p), math.Log(1 - p)}
		j.data.Train = append(j.data.Train, Row{ID: id, Gold: i%2 - 1, Text: id})
	}
	want := []float64{0.75, 4.0 / 7, 2.0 / 3, 12.0 / 13}
	for i, label := range []string{"up", "up", "down", "down"} {
		if p, l, asked := w.confidence(j.data.Train[i]); math.Abs(p-want[i]) > 1e-6 || l != label || !asked {
			t.Errorf("row %d: %v %s %v, want %v %s", i, p, l, asked, want[i], label)
		}
	}
	if err := j.leaveOutUnsure(); err != nil || len(j.learns().Train) != 3 || len(j.data.Train) != 4 || j.learns().Report.Out[0].IDs[0] != "1" || warned != nil {
		t.Errorf("%v, %d left of %d, %+v, %v", err, len(j.learns().Train), len(j.data.Train), j.learns().Report, warned)
	}
	recipe.Train.Gold, j.sure = 0.5, nil // rows 1 and 3 have a label
	if err := j.leaveOutUnsure(); err != nil || len(j.learns().Train) != 4 || j.learns().Report.Confidence.Rows != 2 {
		t.Errorf("gold labels count, and %v: %+v", err, j.learns().Report)
	}
	for i := range j.data.Train {
		j.data.Train[i].Gold = 0
	}
	j.sure = nil
	if err := j.leaveOutUnsure(); err != nil || len(j.learns().Train) != 4 || len(warned) != 1 || !strings.Contains(warned[0], "leaves out nothing") {
		t.Errorf("%v, %+v, %q", err, j.learns().Report, warned)
	}
	recipe.Train.Gold, recipe.Train.MinConfidence, j.sure, warned = 0, 0.8, nil, nil
	j.data.Train[1].Corrected = true
	if err := j.leaveOutUnsure(); err != nil || len(j.learns().Train) != 2 || len(warned) != 1 || !strings.Contains(warned[0], `leaves out all 1 training rows that the teacher labels "up"`) {
		t.Errorf("%v, %+v, %q", err, j.learns().Report, warned)
	}
}

// Of answers the tokens' mean probability counts; it is read once from answers that are there, and no answer is asked for again.
func TestAnswerConfidence(t *testing.T) {
	recipe := tinyAnswerJob(t, "extract", 40, 10)
	o := Options{Threads: 2}
	_, plain := mustApply(t, recipe, o, Stages{})
	for _, l := range shardLines[answerLine](t, plain) {
		if l.P != nil {
			t.Fatalf("without a threshold row %s has a confidence", l.ID)
		}
	}
	edit(t, recipe, "train: {", "train: {min_confidence: 1e-9, ")
	_, scored := mustApply(t, recipe, o, Stages{Only: "label"})
	var p []float64
	before := shardLines[answerLine](t, plain)
	for i, l := range shardLines[answerLine](t, scored) {
		if want := strings.HasPrefix(l.ID, "train") && !l.Gold && !l.Cut; (l.P != nil) != want || l.Answer != before[i].Answer {
			t.Errorf("row %s has confidence %v, answer %q, was %q", l.ID, l.P, l.Answer, before[i].Answer)
		}
		if l.P != nil {
			p = append(p, *l.P)
		}
	}
	if len(p) < 6 || sha(t, topPath(filepath.Join(plain, "labels"), 0)) != sha(t, topPath(filepath.Join(scored, "labels"), 0)) {
		t.Fatalf("%d answers have a confidence, or the teacher's probabilities are others", len(p))
	}
	least, left := middle(p), 0
	for _, v := range p {
		if v < least {
			left++
		}
	}
	asked := asks(&o)
	edit(t, recipe, "min_confidence: 1e-9", fmt.Sprintf("min_confidence: %g", least))
	says := fmt.Sprintf("%d train rows left out (teacher less sure than %g)", left, least)
	if plan := planOf(t, recipe); !strings.Contains(plan.Tidied, says) {
		t.Errorf("the plan says %q, want %s", plan.Tidied, says)
	}
	sum, dir := mustApply(t, recipe, o, Stages{})
	report := readReport(t, dir)
	if *asked > 0 || left == 0 || sum.Rows["train"] != 40-left || !strings.Contains(report.String(), says) || report.Confidence.Rows != len(p) || report.Confidence.Labels != nil {
		t.Errorf("asked %d times, rows %v, %s, %+v; want %d left out of %d", *asked, sum.Rows, &report, report.Confidence, left, len(p))
	}
	checkPage(t, filepath.Join(dir, "report.html"), says, "less sure than")
	if again, err := Reproduce(context.Background(), dir, "", Options{Threads: 1}); err != nil || len(again.Different()) > 0 {
		t.Errorf("repeated: %v %+v", err, again.Different())
	}
	edit(t, recipe, fmt.Sprintf("min_confidence: %g, ", least), "")
	if err := os.RemoveAll(plain); err != nil {
		t.Fatal(err)
	}
	if _, dir := mustApply(t, recipe, o, Stages{Only: "label"}); *asked > 0 || len(shardLines[answerLine](t, dir)) != 50 || strings.Contains(mustRead(t, shardPath(filepath.Join(dir, "labels"), 0)), `"p":`) {
		t.Errorf("without a threshold the teacher was asked %d times, or its confidence is kept", *asked)
	}
}
