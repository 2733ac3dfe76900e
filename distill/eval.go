package distill

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/distill/stats"
	"github.com/freehold-slm/freehold/engine"
)

// Summary is summary.json: how the student did against its teacher, the baseline and the gates.
type Summary struct {
	Schema    string             `json:"schema"`
	Name      string             `json:"name"`
	Run       string             `json:"run"`
	Teacher   ModelResult        `json:"teacher"`
	Student   ModelResult        `json:"student"`
	Baseline  Scores             `json:"baseline"`       // linear, words
	Pairs     Scores             `json:"baseline_pairs"` // linear, words and word pairs
	Agreement float64            `json:"agreement"`      // share of test rows where student and teacher agree
	Metrics   map[string]float64 `json:"metrics"`        // what gates may name
	Gate      string             `json:"gate"`           // "passed", "failed" or "none"
	Gates     []Verdict          `json:"gates"`
	Tests     []Comparison       `json:"tests"` // student against baseline and teacher

	Calibration *StudentCalibration `json:"calibration,omitempty"` // of a classifier with a temperature

	Slices     []Slice            `json:"slices"` // of the test rows
	Quantized  []Quantized        `json:"quantized"`
	Ladder     []Rung             `json:"ladder,omitempty"`     // where files were quantised
	Cascade    *Cascade           `json:"cascade,omitempty"`    // of a classifier
	Ensemble   *EnsembleSummary   `json:"ensemble,omitempty"`   // of several teachers
	Adapted    *Adapted           `json:"adapted,omitempty"`    // what learning from gold rows made of the teacher
	Multilabel *MultilabelSummary `json:"multilabel,omitempty"` // of a task with several labels a text; accuracy is then the share of rows with the same labels
	Answers    *AnswerSummary     `json:"answers,omitempty"`    // of a task that is answered with text; accuracy is then the share of exact answers
	Rows       map[string]int     `json:"rows"`
	Ranking    *RankSummary       `json:"ranking,omitempty"` // of a reranker; accuracy is then its main metric

	Embedding *EmbedSummary `json:"embedding,omitempty"` // of a task whose answers are vectors; accuracy is then its main metric

	Remote     *RemoteUsed            `json:"remote,omitempty"`     // teacher, where it is one
	Confidence *data.ConfidenceReport `json:"confidence,omitempty"` // of the teacher, where rows were left out by it
	Made       *data.MadeReport       `json:"made,omitempty"`       // training rows that a model made

	Seconds  map[string]float64 `json:"seconds"` // of this invocation, by stage
	CPULevel string             `json:"cpu_level"`
	Threads  int                `json:"threads"`

	Energy *EnergyUsed `json:"energy"`
	Cost   *CostTable  `json:"cost,omitempty"`
}

// ModelResult is a classifier in numbers. RowsPerS is measured in our engine with batching and prefix reuse, both
// models in turn on the same rows.
type ModelResult struct {
	Name string `json:"name"`
	Scores
	Raw      *Scores `json:"raw,omitempty"` // before calibration
	Bytes    int64   `json:"bytes"`
	RowsPerS float64 `json:"rows_per_s"`

	JoulesPerRow *float64 `json:"joules_per_row"`           // of the machine while RowsPerS was measured; null = unknown, and summary's energy says why
	TokensPerRow float64  `json:"tokens_per_row,omitempty"` // of a classifier's prompts, mean of the test rows
}

// Quantized is a file of the student in a further format.
type Quantized struct {
	Format   string  `json:"format"`
	File     string  `json:"file"`
	Bytes    int64   `json:"bytes"`
	SHA256   string  `json:"sha256"`
	Accuracy float64 `json:"accuracy"` // or the task's main metric
}

const summarySchema = "freehold/summary/1"

// newSummary holds what the summaries of all tasks do.
func (j *Job) newSummary(teacher, student, baseline Scores) (s Summary, err error) {
	s = Summary{Schema: summarySchema, Name: j.recipe.Name, Run: filepath.Base(j.dir),
		Teacher: ModelResult{Name: j.teacherNames(), Scores: teacher}, Student: ModelResult{Name: "model.gguf", Scores: student}, Baseline: baseline,
		Rows:     map[string]int{"train": len(j.learns().Train), "valid": len(j.data.Valid), "test": len(j.data.Test)},
		CPULevel: j.level.Name, Threads: j.opt.Threads}
	for _, t := range j.teachers() {
		s.Teacher.Bytes += t.Bytes
	}
	_, s.Student.Bytes, err = hashFile(j.modelPath(""))
	return s, err
}

// measured takes a task's metrics, and adds those that all have.
func (s *Summary) measured(metrics map[string]float64) {
	metrics["size_ratio"], metrics["speed_ratio"] = float64(s.Teacher.Bytes)/float64(s.Student.Bytes), s.Student.RowsPerS/s.Teacher.RowsPerS
	s.Metrics = metrics
}

func (s *Summary) failed() error {
	var bad []Verdict
	for _, v := range s.Gates {
		if !v.Passed {
			bad = append(bad, v)
		}
	}
	if bad == nil {
		return nil
	}
	return &GateError{bad}
}

// judge holds the metrics against the gates.
func (s *Summary) judge(gates map[string]string) {
	for name, v := range s.Metrics {
		if !finite(v) { // a ratio to nothing is no number; a gate on it fails
			delete(s.Metrics, name)
		}
	}
	s.Gates, s.Gate = judge(gates, s.Metrics), "passed"
	if len(s.Gates) == 0 {
		s.Gate = "none"
	}
	if s.failed() != nil {
		s.Gate = "failed"
	}
}

func readSummary(dir string) (*Summary, error) {
	b, err := os.ReadFile(filepath.Join(dir, "summary.json"))
	if err != nil {
		return nil, err
	}
	s := &Summary{}
	return s, json.Unmarshal(b, s)
}

// speedRows is how many test rows the speeds are measured on, speedRounds how often each.
const (
	speedRows   = 128
	speedRounds = 3
)

// eval measures the written student, reopened, against gold, teacher and baseline, and judges the gates.
func (j *Job) eval(ctx context.Context, sum *Summary, w *classifyWork) error {
	test, labels, cal, first := j.data.Test, w.labels, w.cal, w.apart[0]
	texts, gold := make([]string, len(test)), make([]int, len(test))
	raw, teach, asked := make([][]float64, len(test)), make([][]float64, len(test)), make([][]float64, len(test))
	for i, r := range test {
		texts[i], gold[i] = r.Text, r.Gold
		raw[i], teach[i] = expAll(calibrated(labels[r.ID], nil)), expAll(calibrated(labels[r.ID], cal))
		asked[i] = expAll(calibrated(first.labels[r.ID], first.cal)) // by a student that is not sure
	}
	nl, seed := len(j.recipe.Task.Labels), j.recipe.Train.Seed
	m, err := engine.Open(j.modelPath(""), engine.WithThreads(j.opt.Threads), engine.WithLevel(j.level))
	if err != nil {
		return err
	}
	defer m.Close()
	student, err := m.NewClassifier(engine.Task{})
	if err != nil {
		return err
	}
	said, err := j.classify(ctx, student, texts)
	if err != nil {
		return err
	}
	got, plain := make([][]float64, len(said)), make([][]float64, len(said)) // calibrated, and as it was trained
	for i, lp := range said {
		got[i], plain[i] = student.Probabilities(lp), expAll(logSoftmax(lp))
	}
	j.event(Event{Stage: "eval", Msg: "baseline"})
	train := j.learns().Train
	trainTexts, trainProbs := make([]string, len(train)), make([][]float64, len(train))
	for i, r := range train {
		trainTexts[i], trainProbs[i] = r.Text, expAll(j.learnt(r, labels, cal))
	}
	base := trainBaseline(trainTexts, trainProbs, nl, false, seed).all(texts)
	pairs := trainBaseline(trainTexts, trainProbs, nl, true, seed).all(texts)

	rawScores := score(raw, gold, nl, seed)
	if *sum, err = j.newSummary(score(teach, gold, nl, seed), score(got, gold, nl, seed), score(base, gold, nl, seed)); err != nil {
		return err
	}
	sum.Teacher.Raw, sum.Pairs, sum.Agreement = &rawScores, score(pairs, gold, nl, seed), agreement(got, teach)
	if sum.Ensemble = w.ensemble(); sum.Ensemble != nil {
		sum.Teacher.Raw = nil // each is calibrated by itself
		j.event(Event{Stage: "eval", Msg: sum.Ensemble.Says(sum.Teacher.Scores)})
	}
	if cal := student.Calibration(); cal != nil {
		before := score(plain, gold, nl, seed)
		sum.Student.Raw = &before
		sum.Calibration = judgeCalibration(cal, before, sum.Student.Scores, plain, got, gold, seed)
	}
	if sum.Adapted = j.adapted; j.teacher.remote == nil {
		sum.Cascade = cascade(got, asked, gold)
	}
	mine := rightRows(got, gold)
	sum.Slices = j.slices(mine.right, rightRows(teach, gold).right)
	sum.Tests = []Comparison{
		compare("student", byWords, "accuracy", mine, rightRows(base, gold), seed),
		compare("student", byPairs, "accuracy", mine, rightRows(pairs, gold), seed),
		compare("student", "teacher", "accuracy", mine, rightRows(teach, gold), seed),
	}
	if err := j.speeds(ctx, sum, student, first, texts[:min(len(texts), speedRows)]); err != nil {
		return err
	}
	sum.measured(map[string]float64{
		"accuracy": sum.Student.Accuracy, "macro_f1": sum.Student.MacroF1, "ece": sum.Student.ECE, "agreement": sum.Agreement,
		"retention": sum.Student.Accuracy / sum.Teacher.Accuracy, "over_baseline": sum.Student.Accuracy - sum.Baseline.Accuracy,
		"over_pairs": sum.Student.Accuracy - sum.Pairs.Accuracy,
	})
	j.withoutTeacherFile(sum)
	sum.judge(j.recipe.Eval.Gates)
	var disputed []prediction
	for _, r := range j.data.Train {
		if p := expAll(calibrated(labels[r.ID], cal)); r.Gold >= 0 && argmax(p) != r.Gold {
			disputed = append(disputed, prediction{ID: r.ID, Hash: data.HashText(r.Text), Gold: r.Gold, Teacher: p})
		}
	}
	if err := writeJSONLines(j, disputedName, disputed); err != nil {
		return err
	}
	return j.writePredictions(test, got, teach, base)
}

// classify gives a student's log-probabilities of the labels, not yet calibrated, with progress.
func (j *Job) classify(ctx context.Context, c *engine.Classifier, texts []string) ([][]float64, error) {
	var out [][]float64
	const batch = 256
	for i := 0; i < len(texts); i += batch {
		lp, err := c.LogProbs(ctx, texts[i:min(len(texts), i+batch)])
		if err != nil {
			return nil, err
		}
		out = append(out, lp...)
		j.event(Event{Stage: "eval", Step: len(out), Total: len(texts)})
	}
	return out, nil
}

// speeds times student and teacher, or all teachers, in turn on the same rows and keeps the medians.
func (j *Job) speeds(ctx context.Context, sum *Summary, student *engine.Classifier, first opinion, texts []string) error {
	if j.teacher.remote != nil { // it is asked for labels alone
		return j.inTurn(sum, len(texts), func() error { _, err := student.LogProbs(ctx, texts); return err }, nil)
	}
	teacher, close, err := j.teacherClassifier(first.labeller, first.cal)
	if err != nil {
		return err
	}
	defer close()
	others, closeOthers, err := j.openOthers()
	if err != nil {
		return err
	}
	defer closeOthers()
	if err := j.costs(sum, student, teacher, others); err != nil {
		return err
	}
	j.event(Event{Stage: "eval", Msg: "speed of teacher and student"})
	ask := func(all ...*engine.Classifier) func() error {
		return func() error { return askAll(ctx, all, texts) }
	}
	return j.inTurn(sum, len(texts), ask(student), ask(append(others, teacher)...))
}

// withoutTeacherFile takes out what compares with the teacher's file where there is none here; where there is one, the student's cost is held against it, too.
func (j *Job) withoutTeacherFile(sum *Summary) {
	if j.teacher.remote != nil {
		delete(sum.Metrics, "size_ratio")
		delete(sum.Metrics, "speed_ratio")
	} else if sum.Cascade != nil {
		sum.Metrics["flops_ratio"] = sum.Cascade.teachers / sum.Cascade.StudentFLOPs
	}
}

// inTurn times student and teacher (nil = it is a remote one) on the same rows in turn, and keeps the median speeds, and what a row used.
func (j *Job) inTurn(sum *Summary, rows int, student, teacher func() error) error {
	models := []*ModelResult{&sum.Student, &sum.Teacher}
	var rates [2][]float64
	var joules [2]float64
	for range speedRounds {
		for i, ask := range []func() error{student, teacher} {
			if ask == nil {
				continue
			}
			start := time.Now()
			used, err := j.meter.Of(ask)
			if err != nil {
				return err
			}
			rates[i] = append(rates[i], float64(rows)/time.Since(start).Seconds())
			if used != nil {
				joules[i] += *used
			}
		}
	}
	for i, m := range models {
		if rates[i] == nil {
			continue
		}
		m.RowsPerS = stats.Median(rates[i])
		if _, err := j.meter.Joules(); err == nil && joules[i] > 0 {
			each := joules[i] / float64(speedRounds*rows)
			m.JoulesPerRow = &each
		}
	}
	return nil
}

// prediction is one line of eval/predictions.jsonl, and, without teacher and baseline, of eval/predictions.FORMAT.jsonl.
type prediction struct {
	ID       string    `json:"id"`
	Hash     string    `json:"hash,omitempty"` // data.HashText of the text
	Gold     int       `json:"gold"`
	Student  []float64 `json:"student,omitempty"`
	Teacher  []float64 `json:"teacher,omitempty"`
	Baseline []float64 `json:"baseline,omitempty"`
}

// disputedName is the file of eval/ with the training rows whose gold label is not what the teacher says.
const disputedName = "disputed.jsonl"

func (j *Job) writePredictions(rows []Row, student, teacher, base [][]float64) error {
	var lines []prediction
	for i, r := range rows {
		lines = append(lines, prediction{r.ID, data.HashText(r.Text), r.Gold, student[i], teacher[i], base[i]})
	}
	return writeJSONLines(j, "predictions.jsonl", lines)
}

// writeJSONLines writes a file of eval/, a line a row.
func writeJSONLines[L any](j *Job, name string, lines []L) error {
	var b []byte
	for _, l := range lines {
		line, err := json.Marshal(l)
		if err != nil {
			return err
		}
		b = append(append(b, line...), '\n')
	}
	return writeFile(j.opt.FS, filepath.Join(j.dir, "eval", name), b)
}
