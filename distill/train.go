package distill

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"path/filepath"
	"runtime"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/token"
	"github.com/freehold-slm/freehold/quant"
)

// tokenizer turns text into tokens.
type tokenizer = token.Tokenizer

// newStudent prunes the base model as the recipe says. With vocab: task only the tokens of the training text stay
// (and what TrimVocab adds).
func (j *Job) newStudent() (*Base, error) {
	f, err := gguf.Open(j.base.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := j.newReading(f)
	if err != nil {
		return nil, err
	}
	p := Prune{Layers: j.recipe.Student.Layers, Vocab: r.keep}
	j.shape(&p)
	b, err := NewBase(f, p)
	if err != nil {
		return nil, err
	}
	if err := j.work.write(b); err != nil {
		return nil, err
	}
	if err := j.narrow(b, r); err != nil {
		return nil, err
	}
	if j.recipe.Student.Init == "random" {
		b.Student.Randomize(j.recipe.Train.Seed)
	}
	if err := b.Student.Freeze(j.recipe.Student.Freeze...); err != nil {
		return nil, &RecipeError{File: j.recipe.file, Msg: "student." + err.Error()}
	}
	if l := j.recipe.Student.LoRA; l.Rank > 0 {
		if err := b.Student.Adapt(l.Targets, l.Rank, l.Alpha, j.recipe.Train.Seed); err != nil {
			return nil, &RecipeError{File: j.recipe.file, Msg: "student.lora: " + err.Error()}
		}
		if l.Kind == "dora" {
			b.Student.Decompose(j.level)
		}
		if l.Init == "pissa" {
			pool := engine.NewPool(j.opt.Threads)
			defer pool.Close()
			if err := b.Student.startFromSVD(j.level, pool.Run, j.recipe.Train.Seed); err != nil {
				return nil, fmt.Errorf("%s: %w", j.base.path, err)
			}
		}
	}
	return b, nil
}

// shape is what the recipe and its task make of the student's form.
func (j *Job) shape(p *Prune) {
	j.work.shape(p)
	p.Bidirectional = j.recipe.bidirectional()
}

// narrowRows training texts at most decide which columns stay.
const narrowRows = 256

// narrow cuts the student to the recipe's widths by what the first training texts make of its columns.
func (j *Job) narrow(b *Base, r *reading) error {
	w := j.recipe.Student.Width
	if w == (Widths{}) {
		return nil
	}
	var texts [][]int32
	rows := j.learns().Train
	for _, row := range rows[:min(len(rows), narrowRows)] {
		texts = append(texts, r.small(r.encode(r.base, row)))
	}
	pool := engine.NewPool(j.opt.Threads)
	defer pool.Close()
	scores, err := ScoreColumns(b.Student, j.level, j.opt.Threads, pool.Run, texts, microTokens)
	if err != nil {
		return err
	}
	return b.Narrow(w, scores)
}

// checkStudent refuses, before anything is labelled, what newStudent and examples would refuse after it.
func (j *Job) checkStudent() error {
	f, err := gguf.Open(j.base.path)
	if err != nil {
		return err
	}
	defer f.Close()
	read, err := j.newReading(f)
	if err != nil {
		return err
	}
	spec, err := models.NewSpec(f)
	if err != nil {
		return err
	}
	small, p := *spec, Prune{}
	small.Layers = len(j.recipe.Student.Layers)
	j.shape(&p)
	if err := p.heads(&small); err != nil {
		key, value := "attention", "bidirectional"
		if p.Tags != nil {
			key, value = "head", headTags
		}
		return &RecipeError{File: j.recipe.file, Msg: fmt.Sprintf("student.%s is %s, and %s: %v; take another model for student.from, or leave student.%s out", key, value, j.base.Name, err, key)}
	}
	var names []string
	for _, t := range small.Program().Tensors() {
		names = append(names, t.Name)
	}
	if _, err := matching(names, j.recipe.Student.Freeze); err != nil {
		return &RecipeError{File: j.recipe.file, Msg: "student." + err.Error()}
	}
	if l := j.recipe.Student.LoRA; l.Rank > 0 {
		if _, err := matching(adaptable(small.Program()), l.Targets); err != nil {
			return &RecipeError{File: j.recipe.file, Msg: "student.lora: " + err.Error()}
		}
	}
	for _, part := range []struct {
		rows  []Row
		limit int
		what  string
	}{{j.data.Train, j.recipe.Train.MaxTokens, "train.max_tokens; raise it or shorten the row"}, {j.data.Train, spec.Context, "the student's context"}, {j.data.Test, spec.Context, "the student's context"}, {j.validRows(), spec.Context, "the student's context"}} {
		for _, r := range part.rows {
			if n := len(read.encode(read.base, r)); n == 0 || part.limit > 0 && n > part.limit {
				return &DataError{File: r.File, Line: r.Line, Msg: fmt.Sprintf("the row has %d tokens, want 1 to %d, %s", n, part.limit, part.what)}
			}
		}
	}
	return j.work.check(read)
}

// tokenizer builds the tokenizer that the student's file will hold.
func (b *Base) tokenizer() (*token.Tokenizer, error) {
	w := gguf.NewWriter()
	for _, kv := range b.Meta {
		w.Set(kv.Key, kv.Value)
	}
	var buf bytes.Buffer
	if err := w.Encode(&buf); err != nil {
		return nil, err
	}
	f, err := gguf.Parse("student", buf.Bytes())
	if err != nil {
		return nil, err
	}
	return models.Tokenizer(f)
}

// steps is the number of optimiser steps.
func (j *Job) steps() int {
	t := &j.recipe.Train
	if t.Steps > 0 {
		return t.Steps
	}
	return int(math.Ceil(t.Epochs * float64(j.learntUnits()) / float64(t.Batch)))
}

// learntUnits is how many rows, or queries with all their documents, an epoch has.
func (j *Job) learntUnits() int {
	if j.recipe.pairs() {
		return len(rankings(j.learns().Train))
	}
	return len(j.learns().Train)
}

func (j *Job) trainer(b *Base, ex []Example, first [][]int32) (*Trainer, func(), error) {
	r := &j.recipe.Train
	p := LossParams{Temperature: r.Temperature, Alpha: r.Alpha, Beta: 0.5, Skew: 0.1}
	if w, ok := j.work.(tuner); ok {
		w.tune(&p)
	}
	loss, err := NewLoss(r.Loss, p)
	if err != nil {
		return nil, nil, err
	}
	var mix *quant.Mix
	if r.Quantize != "" {
		if mix, err = quant.MixByName(r.Quantize); err != nil {
			return nil, nil, err
		}
	}
	pool := engine.NewPool(j.opt.Threads)
	t := &Trainer{Student: b.Student, Loss: loss, Words: first, Data: ex, Steps: j.steps(), BatchRows: r.Batch, MaxTokens: microTokens, Seed: r.Seed,
		Opt: Optimizer{Kind: r.Optimizer, EMA: r.EMA, LR: r.LR, Beta1: 0.9, Beta2: rules[r.Optimizer].beta2, Eps: 1e-8, WeightDecay: r.WeightDecay, Clip: r.Clip,
			Schedule: Schedule{Kind: r.Schedule, Warmup: r.Warmup, Steps: j.steps()}},
		Run: j.trainKey(), Dir: j.dir, SaveEvery: r.SaveEvery, Quantize: mix, QuantizeFrom: int(math.Ceil(r.After * float64(j.steps()))), BF16: r.Precision == "bf16", Recompute: r.Recompute, Level: j.level, Workers: j.opt.Threads, Par: pool.Run, FS: j.opt.FS, Warn: j.warn}
	return t, pool.Close, nil
}

// unit names the bf16 instructions that training uses, whose bits are their own; "" for f32, which is the same on every
// CPU.
func (j *Job) unit() string {
	if j.recipe.Train.Precision == "bf16" {
		return j.level.BF16Unit
	}
	return ""
}

// precision says what training computes in here.
func (j *Job) precision() string {
	text := "f32"
	if u := j.unit(); u != "" {
		text = "bf16 (" + u + ")"
	}
	if a := j.svd(); a != "" {
		text += ", adapters from an SVD (" + a + ")"
	}
	if w, ok := j.work.(*embedWork); ok && w.narrows() {
		text += ", principal axes (" + runtime.GOARCH + ")"
	}
	return text
}

// svd names the architecture where the student starts from gonum's SVD, whose bits are each architecture's own; else "".
func (j *Job) svd() string {
	if j.recipe.Student.LoRA.Init == "pissa" {
		return runtime.GOARCH
	}
	return ""
}

// microTokens bounds a micro-batch; activations take about 0.35 MB a token for the smallest students.
const microTokens = 2048

// train trains the student and writes model.gguf.
func (j *Job) train(ctx context.Context, b *Base) error {
	ex, valid, first, err := j.examples(b)
	if err != nil {
		return err
	}
	t, done, err := j.trainer(b, ex, first)
	if err != nil {
		return err
	}
	defer done()
	t.Valid = valid
	if w, ok := j.work.(*answerWork); ok && w.onPolicy() {
		own, done, err := w.newOnPolicy(b, ex)
		if err != nil {
			return err
		}
		defer done()
		t.OnPolicy = own
	}
	if q := j.recipe.Train.Rationale; q.Weight > 0 {
		ce, err := NewLoss("ce", LossParams{Temperature: j.recipe.Train.Temperature})
		if err != nil {
			return err
		}
		t.Rationales = &Rationales{ce, q.Weight}
	}
	if t.BF16 && j.unit() == "" {
		j.warn(fmt.Sprintf("train.precision is bf16, which CPU level %s does not have: training in f32, which is slower", j.level.Name))
	}
	rate, loss, own := 0.0, 0.0, 0.0
	t.Report = func(p Progress) {
		if p.OnPolicy {
			own = p.Loss
		} else {
			loss = p.Loss
		}
		if rate == 0 {
			rate = p.TokensPerS
		}
		rate = 0.9*rate + 0.1*p.TokensPerS
		left := float64(p.Steps-p.Step) * float64(p.Tokens)
		j.event(Event{Stage: "train", Step: p.Step, Total: p.Steps, Loss: loss, OwnLoss: own, Rate: rate, Unit: "tok/s", ETA: eta(int(left), rate)})
	}
	if t.Match, err = j.newMatching(b); err != nil {
		return err
	}
	if j.kind == workerKind { // the rest is apply's
		return j.trainOuter(ctx, t)
	}
	if err := j.adopt(); err != nil {
		return err
	}
	train := t.Train
	if j.recipe.Train.Outer.on() {
		train = func(ctx context.Context) error { return j.trainOuter(ctx, t) }
	}
	if err := train(ctx); err != nil {
		return err
	}
	if t.BestStep > 0 {
		j.event(Event{Stage: "train", Msg: fmt.Sprintf("kept the weights after step %d of %d, validation loss %.4g", t.BestStep, t.Steps, t.Best)})
	}
	if t.Match != nil {
		t.Match.Release(b.Student)
	}
	if err := j.writeAdapters(b); err != nil {
		return err
	}
	b.Student.Merge(j.level)
	if w, ok := j.work.(fitter); ok {
		if err := w.fit(ctx, b); err != nil {
			return err
		}
	}
	if err := j.export(b, j.recipe.Student.Format, j.modelPath("")); err != nil {
		return err
	}
	return j.endRounds()
}

// restoreFinal puts the trained weights of a finished run into b.
func (j *Job) restoreFinal(b *Base) error {
	if b == nil {
		return nil
	}
	if j.recipe.Train.EMA > 0 {
		b.Student.KeepAverage()
	}
	if j.recipe.keepsBest() {
		b.Student.keepBest()
	}
	m, found, err := loadCheckpoint(filepath.Join(j.dir, "checkpoints"), j.trainKey(), b.Student, j.warn)
	if err == nil && (!found || m.Step < j.steps()) {
		err = &DataError{File: filepath.Join(j.dir, "checkpoints"), Msg: fmt.Sprintf("training is at step %d of %d", m.Step, j.steps()), Fix: "run the train stage first"}
	}
	b.Student.UseAverage()
	if m.BestStep > 0 {
		b.Student.useBest()
	}
	b.Student.Merge(j.level)
	if w, ok := j.work.(fitter); ok && err == nil {
		return w.refit(b)
	}
	return err
}

// modelPath is model.gguf, or model.FORMAT.gguf.
func (j *Job) modelPath(format string) string {
	if format == "" {
		return filepath.Join(j.dir, "model.gguf")
	}
	return filepath.Join(j.dir, "model."+format+".gguf")
}

// export writes the student in a format, with its lineage.
func (j *Job) export(b *Base, format, path string) error {
	mix, err := quant.MixByName(format)
	if err != nil {
		return err
	}
	w, notes, err := b.Export(mix, j.lineage())
	if err != nil {
		return err
	}
	for _, n := range notes {
		j.warn(n)
	}
	return w.WriteToFS(j.opt.FS, path)
}

// lineage is what the file says of its origin, in GGUF's general.* keys.
func (j *Job) lineage() []Meta {
	return append(append(j.licences().meta(j.recipe.Name), j.origin()...), []Meta{
		{"freehold.run", j.key},
		{"freehold.task", j.recipe.Task.Type},
	}...)
}

func (j *Job) datasetName() string {
	if j.recipe.Data.Source != "" {
		return j.recipe.Data.Source
	}
	return filepath.Base(j.recipe.Data.Train)
}
