package distill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill/lineage"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models/licence"
)

// ensembleKind is a classify job with three teachers.
const ensembleKind = "classify, ensemble"

const otherPrompt = "Say up or down: {text}"

// otherTeacher is a tiny model with another vocabulary.
func otherTeacher(t testing.TB) string {
	return filepath.Join(filepath.Dir(tinyTeacher(t)), "base_spm.gguf")
}

// tinyEnsembleJob has two models for teachers, the first with two prompts.
func tinyEnsembleJob(t testing.TB, train, test int) string {
	t.Helper()
	recipe := tinyJobOf(t, train, test)
	edit(t, recipe, "licence: Apache-2.0}", fmt.Sprintf("licence: Apache-2.0, ensemble: {weight: 2, with: [{model: %q, licence: MIT, calibration: mean}, {model: %q, prompt: %q, weight: 0.5, calibration: none}]}}",
		otherTeacher(t), tinyTeacher(t), otherPrompt))
	return recipe
}

// Both pools are what their formulas say, keep their order of labels, and stay finite where probabilities vanish.
func TestPooled(t *testing.T) {
	lp := [][]float64{logSoftmax([]float64{1, -2, 0.5}), logSoftmax([]float64{-1, 3, 0})}
	weights := []float64{3, 1}
	want := map[string][]float64{"arithmetic": make([]float64, 3), "geometric": make([]float64, 3)}
	for l := range 3 {
		want["arithmetic"][l] = 0.75*math.Exp(lp[0][l]) + 0.25*math.Exp(lp[1][l])
		want["geometric"][l] = math.Pow(math.Exp(lp[0][l]), 0.75) * math.Pow(math.Exp(lp[1][l]), 0.25)
	}
	for _, mean := range means {
		sum := 0.0
		for _, p := range want[mean] {
			sum += p
		}
		got := pooled(mean, weights, lp)
		for l, p := range want[mean] {
			if d := math.Exp(got[l]) - p/sum; math.Abs(d) > 1e-12 {
				t.Errorf("%s mean: label %d has %v, want %v", mean, l, math.Exp(got[l]), p/sum)
			}
		}
		if same := pooled(mean, []float64{0.1, 7}, [][]float64{lp[0], lp[0]}); math.Abs(same[1]-lp[0][1]) > 1e-12 {
			t.Errorf("%s mean: two of one opinion have another, %v", mean, same)
		}
		for _, v := range pooled(mean, weights, [][]float64{{0, -2000}, {0, -3000}}) {
			if math.IsInf(v, 0) || math.IsNaN(v) {
				t.Errorf("%s mean of vanishing probabilities is %v", mean, v)
			}
		}
	}
}

// The teachers together say what asking each by hand and pooling gives; summary, report, plan, lock, manifest, lineage and the student's file name them all.
func TestEnsembleJob(t *testing.T) {
	recipe := tinyEnsembleJob(t, 150, 40)
	o := Options{Threads: 2}
	asked := asks(&o)
	plan := planOf(t, recipe)
	if len(plan.Models) != 4 || plan.Models[2].Role != "teacher 2" || plan.Models[3].Role != "teacher 3" || plan.Models[2].SHA256 != sha(t, otherTeacher(t)) {
		t.Errorf("the plan's models: %+v", plan.Models)
	}
	if s := plan.Stages[0]; !strings.Contains(s.What, "base_bpe256.gguf + ") || !strings.Contains(s.What, "6 of 6 shards missing") {
		t.Errorf("the plan's label stage: %q", s.What)
	}
	if alone := planOf(t, tinyJobOf(t, 150, 40)); alone.RAMBytes >= plan.RAMBytes {
		t.Errorf("three teachers need %d bytes, one %d", plan.RAMBytes, alone.RAMBytes)
	}
	sum, dir := mustApply(t, recipe, o, Stages{})
	j, err := newTinyJob(t, recipe)
	if err != nil {
		t.Fatal(err)
	}
	rows, got, err := j.TestRows(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var probs [3][][]float64
	flops := 0.0 // of all test rows
	for k, by := range []struct{ path, prompt, kind string }{{tinyTeacher(t), "Up or down? {text}", "median"}, {otherTeacher(t), "Up or down? {text}", "mean"}, {tinyTeacher(t), otherPrompt, "none"}} {
		m, err := engine.Open(by.path, engine.WithThreads(1))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		c, err := m.NewClassifier(engine.Task{Labels: []string{"up", "down"}, Prompt: by.prompt})
		if err != nil {
			t.Fatal(err)
		}
		lp, err := c.LogProbs(context.Background(), textsOf(j.data.Train))
		var cal *engine.Calibration
		if err == nil && by.kind != "none" {
			cal, err = engine.Calibrate(by.kind, lp)
		}
		if err == nil {
			lp, err = c.LogProbs(context.Background(), textsOf(rows))
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range lp {
			probs[k] = append(probs[k], expAll(calibrated(row, cal)))
		}
		weights, err := blockWeights(by.path)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			ids, err := c.Tokens(r.Text)
			if err != nil {
				t.Fatal(err)
			}
			flops += 2 * float64(weights) * float64(len(ids))
		}
	}
	if want := flops / 40 / sum.Cascade.StudentFLOPs; math.Abs(sum.Metrics["flops_ratio"]/want-1) > 1e-9 {
		t.Errorf("flops_ratio %v, want that of all three teachers, %v", sum.Metrics["flops_ratio"], want)
	}
	right := [4]int{}
	for i, p := range got {
		want := (2*probs[0][i][0] + probs[1][i][0] + 0.5*probs[2][i][0]) / 3.5
		if math.Abs(p[0]-want) > 1e-9 {
			t.Fatalf("row %d: together %v, want %v", i, p[0], want)
		}
		for k, p := range [][]float64{probs[0][i], probs[1][i], probs[2][i], {want, 1 - want}} {
			if argmax(p) == rows[i].Gold {
				right[k]++
			}
		}
	}
	e := sum.Ensemble
	if e == nil || e.Mean != "arithmetic" || len(e.Teachers) != 3 || len(e.Tests) != 3 {
		t.Fatalf("summary: %+v", e)
	}
	for k, r := range append(e.Teachers, EnsembleResult{Scores: sum.Teacher.Scores}) {
		if math.Abs(r.Accuracy-float64(right[k])/40) > 1e-12 {
			t.Errorf("teacher %d is right on %v, want %d of 40", k, r.Accuracy, right[k])
		}
	}
	if d := e.Tests[1].Difference - float64(right[3]-right[1])/40; math.Abs(d) > 1e-12 || e.Teachers[0].Weight != 2 || !(e.LogLoss > 0) {
		t.Errorf("tests %+v of %+v, right %v", e.Tests, e.Teachers, right)
	}
	if want := fileSize(t, tinyTeacher(t)) + fileSize(t, otherTeacher(t)); sum.Teacher.Bytes != want || sum.Teacher.Raw != nil {
		t.Errorf("the teachers have %d bytes, want %d; raw %v", sum.Teacher.Bytes, want, sum.Teacher.Raw)
	}
	checkSums(t, dir, "labels/shard-00000.jsonl", "labels/2/shard-00001.jsonl", "labels/3/shard-00000.jsonl")
	checkPage(t, filepath.Join(dir, "report.html"), "Each teacher alone, and together", "base_spm.gguf", "<td>together</td>", "arithmetic mean", "base_bpe256.gguf asked <q>"+otherPrompt)
	chain, err := lineage.Read(filepath.Join(dir, "lineage.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, stage := range []string{inputsStage, "label", "eval"} {
		found := false
		for _, it := range lineage.Last(chain, stage).In {
			found = found || it.SHA256 == sha(t, otherTeacher(t)) && it.Licence == "MIT"
		}
		if !found {
			t.Errorf("the lineage of %s does not name the second teacher", stage)
		}
	}
	for name, want := range map[string]string{"lock.json": `"ensemble_sha256"`, "manifest.json": `"ensemble": [`, "MODEL_CARD.md": "Teacher 2", "mlbom.cdx.json": `"teacher-2"`, "NOTICE": "MIT"} {
		if text := mustRead(t, filepath.Join(dir, name)); !strings.Contains(text, want) || name != "NOTICE" && !strings.Contains(text, sha(t, otherTeacher(t))) {
			t.Errorf("%s does not name the second teacher", name)
		}
	}
	meta := map[string]any{}
	for _, m := range j.lineage() {
		meta[m.Key] = m.Value
	}
	if meta["general.base_model.count"] != uint32(2) || meta["general.base_model.1.version"] != "sha256:"+sha(t, otherTeacher(t)) {
		t.Errorf("the student's file says %v, %v", meta["general.base_model.count"], meta["general.base_model.1.version"])
	}
	if v, err := Verify(dir); err != nil || len(v.Bad()) > 0 {
		t.Errorf("verify: %+v %v", v, err)
	}
	if again, err := Reproduce(context.Background(), dir, "", Options{Threads: 1}); err != nil || len(again.Different()) > 0 {
		t.Errorf("repeated: %v %+v", err, again.Different())
	}
	var tar bytes.Buffer
	if b, err := WriteBundle(context.Background(), &tar, dir, BundleOptions{Teacher: true}); err != nil || !strings.Contains(fmt.Sprint(b.Inputs), "teacher 2") {
		t.Errorf("the bundle holds %v (%v)", b, err)
	}

	// A student that is not sure asks the first, calibrated as that one was.
	m, err := engine.Open(filepath.Join(dir, "model.gguf"), engine.WithThreads(1))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c, err := m.NewClassifier(engine.Task{})
	if err != nil {
		t.Fatal(err)
	}
	if task, found, err := c.TeacherTask(); err != nil || !found || task.Prompt != "Up or down? {text}" || task.Calibration == nil || task.Calibration.Kind != "median" {
		t.Errorf("the student asks %+v (%v)", task, err)
	}
	hits := 0
	for i, p := range probs[0] {
		if argmax(p) == rows[i].Gold {
			hits++
		}
	}
	if last := sum.Cascade.Points[len(sum.Cascade.Points)-1]; last.Accuracy != float64(hits)/40 {
		t.Errorf("with all rows escalated %v are right, the first teacher has %d of 40", last.Accuracy, hits)
	}

	// Another training and another mean ask nothing; a damaged shard of one teacher is asked for again and comes out the same; the second teacher's labels
	// serve a run in which it is the only one.
	*asked = 0
	want := sha(t, filepath.Join(dir, "labels", "2", "shard-00001.jsonl"))
	edit(t, recipe, "weight: 2,", "weight: 2, mean: geometric,")
	third := sha(t, filepath.Join(dir, "labels", "3", "shard-00000.jsonl"))
	_, geometric := mustApply(t, recipe, o, Stages{Only: "label"})
	if sha(t, filepath.Join(geometric, "labels", "3", "shard-00000.jsonl")) != third {
		t.Error("the labels of another prompt are taken")
	}
	if *asked > 0 || geometric == dir || sha(t, filepath.Join(geometric, "labels", "2", "shard-00001.jsonl")) != want {
		t.Errorf("the other mean asked %d times", *asked)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(geometric, "labels", "2", "shard-00001.jsonl"), "damaged")
	o.Warn = func(string) {}
	if mustApply(t, recipe, o, Stages{Only: "label"}); *asked != 1 || sha(t, filepath.Join(geometric, "labels", "2", "shard-00001.jsonl")) != want {
		t.Errorf("a damaged shard: asked %d times", *asked)
	}
	*asked = 0
	text := mustRead(t, recipe)
	at := strings.Index(text, "teacher: {")
	alone := text[:at] + fmt.Sprintf("teacher: {model: %q, licence: MIT}", otherTeacher(t)) + text[at+strings.Index(text[at:], "\n"):]
	write(t, recipe, alone)
	if mustApply(t, recipe, o, Stages{Only: "label"}); *asked > 0 {
		t.Errorf("labels that were there were asked for %d times", *asked)
	}
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

// The licence of every teacher counts, and so does its file: another one under the same name is drift, and is not repeated.
func TestEnsembleInputs(t *testing.T) {
	recipe := tinyEnsembleJob(t, 40, 10)
	edit(t, recipe, "licence: MIT", "licence: CC-BY-ND-4.0")
	var refused *licence.Error
	if _, err := newTinyJob(t, recipe); !errors.As(err, &refused) || !strings.Contains(err.Error(), "no derivatives") {
		t.Errorf("a licence that forbids derivatives: %v", err)
	}
	edit(t, recipe, "licence: CC-BY-ND-4.0", "licence: LicenseRef-Llama-3.2")
	j, err := newTinyJob(t, recipe)
	if err != nil {
		t.Fatal(err)
	}
	if l := j.licences().Distribute; l.Name("tiny") != "Llama-tiny" {
		t.Errorf("a name that a teacher's licence asks for: %s", l.Name("tiny"))
	}
	edit(t, recipe, ", licence: LicenseRef-Llama-3.2", "")
	if _, err := newTinyJob(t, recipe); err == nil || !strings.Contains(err.Error(), "teacher.ensemble.with[0]") || !strings.Contains(err.Error(), "licence") {
		t.Errorf("no licence: %v", err)
	}
	copied := filepath.Join(filepath.Dir(recipe), "second.gguf")
	write(t, copied, mustRead(t, otherTeacher(t)))
	edit(t, recipe, fmt.Sprintf("%q", otherTeacher(t)), "second.gguf, licence: MIT")
	edit(t, recipe, "quantize: [f16, q8_0]", "quantize: []")
	_, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{})
	write(t, copied, mustRead(t, tinyTeacher(t)))
	if r, err := Reproduce(context.Background(), dir, "", Options{Threads: 2}); err != nil || len(r.Files) != 1 || !strings.Contains(r.Files[0].Note, "the other teachers' files") {
		t.Errorf("another second teacher: %+v (%v)", r, err)
	}
	p := planOf(t, recipe)
	if !p.ToDo || filepath.Base(p.Run) == filepath.Base(dir) || !strings.Contains(fmt.Sprint(p.Drift.Changes), "teacher 2") {
		t.Errorf("drift: %+v", p.Drift)
	}
}

func TestEnsembleRefused(t *testing.T) {
	for _, c := range [][2]string{
		{"ensemble: {weight: 2}", "teacher.ensemble names no further teacher"},
		{"ensemble: {with: []}", "teacher.ensemble names no further teacher"},
		{"ensemble: {with: [{licence: MIT}]}", "teacher.ensemble.with[0].model is missing"},
		{"ensemble: {mean: harmonic, with: [{model: b}]}", `unknown value "harmonic" in teacher.ensemble.mean`},
		{"ensemble: {weight: 0, with: [{model: b}]}", "teacher.ensemble.weight is 0"},
		{"ensemble: {with: [{model: b, weight: -1}]}", "teacher.ensemble.with[0].weight is -1"},
		{"ensemble: {with: [{model: b, prompt: none}]}", "teacher.ensemble.with[0].prompt holds {text} 0 times"},
		{"ensemble: {with: [{model: b, calibration: mode}]}", `teacher.ensemble.with[0].calibration is "mode"`},
		{"ensemble: {with: [{model: b}, {model: b}]}", "teacher.ensemble.with[1] is b, with a prompt that it is asked with already"},
		{"ensemble: {with: [{model: b, temperature: 1}]}", `unknown key "temperature" in teacher.ensemble.with[0]`},
		{"ensemble: {with: b}", "teacher.ensemble.with is"},
		{"adapt: {rows: 8}, ensemble: {with: [{model: b}]}", "teacher.ensemble and teacher.adapt are both given"},
	} {
		recipe := tinyJob(t)
		edit(t, recipe, "licence: Apache-2.0", "licence: Apache-2.0, "+c[0])
		edit(t, recipe, "train: train.jsonl", "train: train.jsonl, valid: test.jsonl")
		if _, err := LoadRecipe(recipe); err == nil || !strings.Contains(err.Error(), c[1]) || !strings.Contains(err.Error(), "freehold.yaml:4:") {
			t.Errorf("%s: %v\nwant %s", c[0], err, c[1])
		}
	}
	recipe := tinyAnswerJob(t, "generate", 8, 4)
	edit(t, recipe, "licence: Apache-2.0", "licence: Apache-2.0, ensemble: {with: [{model: b}]}")
	if _, err := LoadRecipe(recipe); err == nil || !strings.Contains(err.Error(), "teacher.ensemble is for task type classify") {
		t.Errorf("of answers: %v", err)
	}
}
