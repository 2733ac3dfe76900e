package distill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
)

// AdaptRecipe says that the teacher learns from a few training rows with gold labels before it labels the rest: a low-rank
// adapter beside all its layers, on the words that it answers with.
type AdaptRecipe struct {
	Rows   int     `yaml:"rows" json:"rows,omitempty"` // that it learns from; 0 = the teacher is asked as it is
	Epochs float64 `yaml:"epochs" json:"epochs,omitempty"`
	Rank   int     `yaml:"rank" json:"rank,omitempty"`
	LR     float64 `yaml:"lr" json:"lr,omitempty"`
}

// fill puts in what a recipe with an adapted teacher does not say.
func (a *AdaptRecipe) fill() {
	if a.Rows == 0 {
		return
	}
	for _, d := range []struct {
		to *float64
		v  float64
	}{{&a.Epochs, 3}, {&a.LR, 2e-4}} {
		if *d.to == 0 {
			*d.to = d.v
		}
	}
	if a.Rank == 0 {
		a.Rank = 16
	}
}

func (r *Recipe) adapts() bool { return r.Teacher.Adapt.Rows > 0 }

// checkAdapt refuses what cannot be learnt or judged.
func checkAdapt(r *Recipe, at func(msg string, path ...string) error) (errs []error) {
	a, d := r.Teacher.Adapt, r.Data
	if a == (AdaptRecipe{}) {
		return nil
	}
	if a.Rows < 1 {
		errs = append(errs, at(fmt.Sprintf("teacher.adapt.rows is %d, want a number of training rows with gold labels, such as 200", a.Rows), "teacher", "adapt", "rows"))
	}
	for _, k := range []struct {
		key   string
		v, hi float64
	}{{"epochs", a.Epochs, 1000}, {"rank", float64(a.Rank), 4096}, {"lr", a.LR, 1e3}} {
		if a.Rows > 0 && !(k.v > 0 && k.v <= k.hi) {
			errs = append(errs, at(fmt.Sprintf("teacher.adapt.%s is %v, want above 0 and at most %g", k.key, k.v, k.hi), "teacher", "adapt", k.key))
		}
	}
	if d.Valid == "" && d.Split.Valid == 0 && d.ValidRows == 0 {
		errs = append(errs, at("teacher.adapt is given, and there are no validation rows to tell what it brought; give data.valid, data.split.valid or, of a source, data.valid_rows", "teacher", "adapt"))
	}
	return errs
}

// What a run keeps of an adapted teacher, in its folder. The results are written last: without them there is no adapter.
const (
	adapterName = "teacher/adapter.gguf"
	adaptedName = "teacher/adapted.json"

	adaptBatch = 8    // rows a step
	adaptMicro = 1024 // tokens a micro-batch: all layers keep their values
)

// Adapted is adapted.json: what learning from gold rows made of the teacher, on validation rows.
type Adapted struct {
	Schema   string       `json:"schema"`
	Key      string       `json:"key"`    // hash of all that determines it
	SHA256   string       `json:"sha256"` // of adapter.gguf
	Rows     int          `json:"rows"`   // gold rows that were learnt from
	Steps    int          `json:"steps"`
	Majority float64      `json:"majority"` // accuracy of always saying the validation rows' most frequent label
	Before   Scores       `json:"before"`   // the teacher as it is, calibrated as the recipe says
	Evened   Scores       `json:"evened"`   // the same with calibration: median
	After    Scores       `json:"after"`    // adapted, calibrated as the recipe says
	Linear   Scores       `json:"linear"`   // a linear model on words and pairs of the same gold rows
	Tests    []Comparison `json:"tests"`    // adapted against majority, before and linear
}

const adaptedSchema = "freehold/adapted/1"

// goldRows are the rows with a gold label.
func goldRows(rows []Row) []Row {
	return slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.Gold < 0 })
}

// adaptRows are the training rows that the teacher learns from, by a hash of their ids.
func (j *Job) adaptRows() []Row {
	rows := slices.SortedFunc(slices.Values(goldRows(j.data.Train)), func(a, b Row) int { return strings.Compare(hashOf("adapt", a.ID), hashOf("adapt", b.ID)) })
	return rows[:min(len(rows), j.recipe.Teacher.Adapt.Rows)]
}

// adaptable refuses a job whose data has too few gold labels for what its recipe asks.
func (j *Job) checkAdaptable() error {
	if !j.recipe.adapts() {
		return nil
	}
	if n, want := len(j.adaptRows()), j.recipe.Teacher.Adapt.Rows; n < want {
		return &DataError{File: j.recipe.file, Msg: fmt.Sprintf("teacher.adapt.rows is %d, and %d training rows have gold labels", want, n), Fix: "lower it, or label more rows"}
	}
	if len(goldRows(j.data.Valid)) == 0 {
		return &DataError{File: j.recipe.file, Msg: "teacher.adapt needs validation rows with gold labels, and none is left", Fix: "give more of them"}
	}
	return nil
}

func (j *Job) adaptSteps() int {
	a := j.recipe.Teacher.Adapt
	return int(math.Ceil(a.Epochs * float64(a.Rows) / adaptBatch))
}

// adaptKey is the hash of what the adapter and its results depend on. Runs with the same one share them.
func (j *Job) adaptKey() string {
	r := j.recipe
	task, err := json.Marshal([]any{r.Task.Labels, r.Task.Prompt, r.Task.System, r.Task.Words, r.Teacher.Adapt, r.Teacher.Calibration})
	if err != nil {
		panic(fmt.Sprintf("distill: a recipe that is no JSON: %v", err)) // NewJob has written it once
	}
	parts := []string{adaptedSchema, j.teacher.sha256, string(task), r.Numeric, r.Train.Precision, j.unit(), seed(r)}
	for _, part := range [][]Row{j.adaptRows(), goldRows(j.data.Valid)} {
		for _, row := range part {
			parts = append(parts, row.ID, row.Text, strconv.Itoa(row.Gold))
		}
		parts = append(parts, "")
	}
	return hashOf(parts...)
}

// readAdapted finds a whole adapter of this job in a run folder.
func (j *Job) readAdapted(dir string) (*Adapted, error) {
	b, err := os.ReadFile(filepath.Join(dir, adaptedName))
	if err != nil {
		return nil, err
	}
	a := &Adapted{}
	if err := json.Unmarshal(b, a); err != nil {
		return nil, err
	}
	// A worker takes the run's adapter, whichever kind of CPU it was trained on.
	if a.Schema != adaptedSchema || a.Key != j.adaptKey() && !(j.kind == workerKind && dir == j.dir) {
		return nil, errors.New("is of another teacher, task or rows")
	}
	h, err := hashed(filepath.Join(dir, adapterName))
	if err == nil && h.SHA256 != a.SHA256 {
		err = fmt.Errorf("sha256 of adapter.gguf is %s, want %s", h.SHA256, a.SHA256)
	}
	return a, err
}

// loadAdapted takes note of an adapter that this run has already.
func (j *Job) loadAdapted() {
	if j.recipe.adapts() {
		if a, err := j.readAdapted(j.dir); err == nil {
			j.adapted = a
		}
	}
}

// checkAdapted refuses to go on without the adapter.
func (j *Job) checkAdapted() error {
	if j.recipe.adapts() && j.adapted == nil {
		return &DataError{File: filepath.Join(j.dir, adaptedName), Msg: "the teacher's adapter is missing or damaged", Fix: "run the adapt stage first (freehold apply --only adapt)"}
	}
	return nil
}

// teacherID names the teacher that labels: its file, and the adapter where there is one.
func (j *Job) teacherID() string {
	switch {
	case !j.recipe.adapts():
		return j.teacher.sha256
	case j.adapted == nil:
		return j.teacher.sha256 + " not adapted yet"
	}
	return j.teacher.sha256 + " " + j.adapted.SHA256
}

// adapt trains the teacher's adapter, unless it is there or another run of the folder has it, measures it on the validation
// rows and refuses to go on with a teacher that has learnt nothing.
func (j *Job) adapt(ctx context.Context) error {
	dir := filepath.Join(j.dir, filepath.Dir(adapterName))
	if j.adapted == nil {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
		if err := j.takeAdapted(); err != nil {
			return err
		}
	}
	if j.adapted == nil {
		if err := j.trainAdapter(ctx, dir); err != nil {
			return err
		}
		a, err := j.measureAdapter(ctx)
		if err != nil {
			return err
		}
		if err := writeJSON(j.opt.FS, filepath.Join(j.dir, adaptedName), a); err != nil {
			return err
		}
		j.adapted = a
	}
	if err := os.RemoveAll(filepath.Join(dir, "checkpoints")); err != nil {
		return err
	}
	j.event(Event{Stage: "adapt", Msg: j.adapted.Says()})
	return j.adapted.gate()
}

// takeAdapted takes an adapter over from another run of the folder with the same key.
func (j *Job) takeAdapted() error {
	runs, err := os.ReadDir(j.opt.RunsDir)
	if err != nil {
		return err
	}
	for _, run := range runs {
		from := filepath.Join(j.opt.RunsDir, run.Name())
		a, err := j.readAdapted(from)
		if err != nil || run.Name() == filepath.Base(j.dir) {
			continue
		}
		for _, name := range []string{"teacher/metrics.jsonl", adapterName, adaptedName} {
			b, err := os.ReadFile(filepath.Join(from, name))
			if err != nil {
				return err
			}
			if err := writeFile(j.opt.FS, filepath.Join(j.dir, name), b); err != nil {
				return err
			}
		}
		j.adapted = a
		return nil
	}
	return nil
}

// trainAdapter trains the adapter on the gold rows and writes it to dir.
func (j *Job) trainAdapter(ctx context.Context, dir string) error {
	f, err := gguf.Open(j.teacher.path)
	if err != nil {
		return err
	}
	defer f.Close()
	task, r := j.recipe.Task, j.recipe
	m, err := engine.New(f, engine.WithThreads(1), engine.WithLevel(j.level))
	if err != nil {
		return err
	}
	defer m.Close()
	c, err := m.NewClassifier(engine.Task{Labels: task.Labels, Prompt: task.Prompt, System: task.System, Words: task.Words})
	if err != nil {
		return err
	}
	first, err := c.FirstTokens()
	if err != nil {
		return &RecipeError{File: r.file, Msg: "teacher.adapt: " + strings.TrimPrefix(err.Error(), "engine: ") + " (task.words)"}
	}
	var ex []Example
	for _, row := range j.adaptRows() {
		ids, err := c.Tokens(row.Text)
		if err != nil {
			return err
		}
		if n := j.teacher.spec.Context; n > 0 && len(ids) > n {
			return &DataError{File: row.File, Line: row.Line, Msg: fmt.Sprintf("the row has %d tokens with its prompt, and the teacher's context holds %d", len(ids), n)}
		}
		ex = append(ex, Example{ID: row.ID, Tokens: ids, Label: int32(row.Gold)})
	}
	layers := make(Layers, j.teacher.spec.Layers)
	for i := range layers {
		layers[i] = i
	}
	b, err := NewBase(f, Prune{Layers: layers})
	if err != nil {
		return err
	}
	a := r.Teacher.Adapt
	if err := b.Student.Adapt([]string{"blk.*"}, a.Rank, float64(2*a.Rank), r.Train.Seed); err != nil {
		return fmt.Errorf("%s: teacher.adapt: %w", j.teacher.Name, err)
	}
	loss, err := NewLoss("ce", LossParams{Temperature: 1})
	if err != nil {
		return err
	}
	steps, pool := j.adaptSteps(), engine.NewPool(j.opt.Threads)
	defer pool.Close()
	t := &Trainer{Student: b.Student, Loss: loss, Words: first, Data: ex, Steps: steps, BatchRows: adaptBatch, MaxTokens: adaptMicro, Seed: r.Train.Seed,
		Opt: Optimizer{Kind: "adamw", LR: a.LR, Beta1: 0.9, Beta2: rules["adamw"].beta2, Eps: 1e-8, WeightDecay: 0.01, Clip: 1,
			Schedule: Schedule{Kind: "linear", Warmup: min(20, steps/10), Steps: steps}},
		Run: j.adaptKey(), Dir: dir, SaveEvery: r.Train.SaveEvery, BF16: r.Train.Precision == "bf16", Recompute: r.Train.Recompute,
		Level: j.level, Workers: j.opt.Threads, Par: pool.Run, FS: j.opt.FS, Warn: j.warn}
	t.Report = func(p Progress) {
		j.event(Event{Stage: "adapt", Step: p.Step, Total: p.Steps, Loss: p.Loss, Rate: p.TokensPerS, Unit: "tok/s", ETA: eta((p.Steps-p.Step)*p.Tokens, p.TokensPerS)})
	}
	if err := t.Train(ctx); err != nil {
		return err
	}
	return b.Student.writeLoRA(j.opt.FS, filepath.Join(j.dir, adapterName), []Meta{
		{"general.license", j.licences().Distribute.Licence}, {"general.base_model.count", uint32(1)}, // nothing of this run alone: others take the file over
		{"general.base_model.0.name", nameOnly(j.teacher.Name)}, {"general.base_model.0.version", "sha256:" + j.teacher.sha256}})
}

// writeLoRA writes the adapters alone, as llama.cpp and models.ReadLoRA have them.
func (s *Student) writeLoRA(fsys gguf.FS, path string, meta []Meta) error {
	w := gguf.NewWriter()
	w.Set("general.architecture", s.Spec.Arch)
	w.Set("general.type", "adapter")
	w.Set("adapter.type", "lora")
	for _, kv := range meta {
		w.Set(kv.Key, kv.Value)
	}
	for _, p := range s.Params {
		a := s.adapters[p.Name]
		if a == nil {
			continue
		}
		w.Set("adapter.lora.alpha", float32(a.Scale*float32(a.Rank)))
		for _, half := range []*Param{a.A, a.B} {
			w.AddTensorFunc(half.Name, kernels.F32, half.Shape, packer(mustFormat(kernels.F32), half.W, half.Shape[0]))
		}
	}
	return w.WriteToFS(fsys, path)
}

// measureAdapter asks the teacher with and without its adapter about the validation rows.
func (j *Job) measureAdapter(ctx context.Context) (*Adapted, error) {
	rows, valid, nl, seed := j.adaptRows(), goldRows(j.data.Valid), len(j.recipe.Task.Labels), j.recipe.Train.Seed
	gold, count := make([]int, len(valid)), make([]int, nl)
	for i, r := range valid {
		gold[i] = r.Gold
		count[r.Gold]++
	}
	ask := func(adapter, what string) ([][]float64, error) {
		c, close, err := j.openTeacher(j.labellers()[0], adapter, nil)
		if err != nil {
			return nil, err
		}
		defer close()
		j.event(Event{Stage: "adapt", Msg: fmt.Sprintf("%s on %d validation rows", what, len(valid))})
		return c.LogProbs(ctx, textsOf(valid))
	}
	probs := func(lp [][]float64, kind string) ([][]float64, error) {
		var cal *engine.Calibration
		var err error
		if kind != "none" { // from the texts alone, as the label stage has it
			if cal, err = engine.Calibrate(kind, lp); err != nil {
				return nil, err
			}
		}
		out := make([][]float64, len(lp))
		for i := range lp {
			out[i] = expAll(calibrated(lp[i], cal))
		}
		return out, nil
	}
	was, err := ask("", "the teacher as it is")
	if err != nil {
		return nil, err
	}
	is, err := ask(filepath.Join(j.dir, adapterName), "the adapted teacher")
	if err != nil {
		return nil, err
	}
	h, err := hashed(filepath.Join(j.dir, adapterName))
	if err != nil {
		return nil, err
	}
	a := &Adapted{Schema: adaptedSchema, Key: j.adaptKey(), SHA256: h.SHA256, Rows: len(rows), Steps: j.adaptSteps(), Majority: float64(slices.Max(count)) / float64(len(valid))}
	cal := j.recipe.Teacher.Calibration
	var all [3][][]float64
	for i, p := range []struct {
		to   *Scores
		lp   [][]float64
		kind string
	}{{&a.Before, was, cal}, {&a.Evened, was, "median"}, {&a.After, is, cal}} {
		if all[i], err = probs(p.lp, p.kind); err != nil {
			return nil, err
		}
		*p.to = score(all[i], gold, nl, seed)
	}
	target := make([][]float64, len(rows))
	for i, r := range rows {
		target[i] = make([]float64, nl)
		target[i][r.Gold] = 1
	}
	linear := trainBaseline(textsOf(rows), target, nl, true, seed).all(textsOf(valid))
	a.Linear = score(linear, gold, nl, seed)
	before := all[0]
	if a.Evened.Accuracy > a.Before.Accuracy { // held against the teacher at its best
		before = all[1]
	}
	always := make([][]float64, len(valid))
	for i := range always {
		always[i] = make([]float64, nl)
		always[i][slices.Index(count, slices.Max(count))] = 1
	}
	const name = "the adapted teacher"
	mine := rightRows(all[2], gold)
	a.Tests = []Comparison{compare(name, "the most frequent label", "accuracy", mine, rightRows(always, gold), seed),
		compare(name, "the teacher as it is", "accuracy", mine, rightRows(before, gold), seed),
		compare(name, "a linear model on the same gold rows", "accuracy", mine, rightRows(linear, gold), seed)}
	return a, nil
}

// Says is what adapting brought, in a line.
func (a *Adapted) Says() string {
	return fmt.Sprintf("adapted on %d gold rows: %.1f %% -> %.1f %% of %d validation rows (most frequent label %.1f %%, linear on the same gold rows %.1f %%); %s (p %s)",
		a.Rows, 100*max(a.Before.Accuracy, a.Evened.Accuracy), 100*a.After.Accuracy, a.After.Rows, 100*a.Majority, 100*a.Linear.Accuracy, a.Tests[2].Says(), a.Tests[2].PValue())
}

// gate refuses a teacher that is not shown to be better than saying the most frequent label always, which no guess beats.
func (a *Adapted) gate() error {
	const metric = "teacher_over_majority"
	if least := a.Tests[0].CI95[0]; !(least > 0) {
		return fmt.Errorf("the adapted teacher is right on %.1f %% of %d validation rows, and saying the most frequent label always on %.1f %%; nothing was labelled: try other words or another prompt, more gold rows, or another teacher: %w",
			100*a.After.Accuracy, a.After.Rows, 100*a.Majority, &GateError{[]Verdict{{Metric: metric, Want: "> 0", Got: least}}})
	}
	return nil
}

// planAdapt estimates the adapt stage: training takes a pass forward and one back, without the gradients of the weights; the
// validation rows are asked about twice. Weights are in memory in f32, with the values of a micro-batch and the adapters' moments.
func (j *Job) planAdapt(int8Peak, f32Peak, weights float64) (s PlanStage, ram int64) {
	a := j.recipe.Teacher.Adapt
	tokens := func(rows []Row) (n float64) {
		for _, r := range rows {
			n += float64(len(j.recipe.Task.Prompt)+len(j.recipe.Task.System)+len(r.Text))/4 + templateTokens
		}
		return n
	}
	valid := goldRows(j.data.Valid)
	judged := 6 * len(valid) // what follows the text; what stands before it is read once
	for _, r := range valid {
		judged += len(r.Text) / 4
	}
	s = PlanStage{Name: "adapt", What: fmt.Sprintf("%s learns from %d gold rows: LoRA of rank %d, %d steps in %s; %d valid rows before and after", j.teacher.Name, a.Rows, a.Rank, j.adaptSteps(), j.precision(), len(valid))}
	s.Seconds = a.Epochs*tokens(j.adaptRows())*4*weights/(trainShare*f32Peak) + float64(j.adaptSteps())*weights*frozenBytes/answerReads + 2*float64(judged)*2*weights/(prefillShare*int8Peak)
	program := j.teacher.spec.Program()
	all, low, values := 0, 0, 0
	for _, t := range program.Tensors() {
		all += elements(t.Shape)
		if len(t.Shape) == 2 && strings.HasPrefix(t.Name, "blk.") {
			low += a.Rank * (t.Shape[0] + t.Shape[1])
		}
	}
	for _, w := range program.Width {
		values += w
	}
	return s, j.teacher.Bytes + int64(4*all+16*low) + int64(adaptMicro)*int64(4*values) + 256<<20
}
