package distill

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/token"
	"github.com/freehold-slm/freehold/quant"
)

// newStudent prunes the base model as the recipe says. With vocab: task only the tokens of the training text stay
// (and what TrimVocab adds).
func (j *Job) newStudent() (*Base, error) {
	f, err := gguf.Open(j.base.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p := Prune{Layers: j.recipe.Student.Layers, Labels: j.recipe.Task.Labels}
	if j.recipe.Student.Vocab == "task" {
		if p.Vocab, err = j.taskVocab(f); err != nil {
			return nil, err
		}
	}
	b, err := NewBase(f, p)
	if err != nil {
		return nil, err
	}
	if err := b.Student.Freeze(j.recipe.Student.Freeze...); err != nil {
		return nil, &RecipeError{File: j.recipe.file, Msg: "student." + err.Error()}
	}
	return b, nil
}

func (j *Job) taskVocab(f *gguf.File) ([]int32, error) {
	v, err := models.Vocabulary(f)
	if err != nil {
		return nil, err
	}
	t, err := token.New(v)
	if err != nil {
		return nil, err
	}
	used := map[int32]bool{}
	for _, r := range j.data.Train {
		for _, id := range engine.EncodeText(t, r.Text) {
			used[id] = true
		}
	}
	return TrimVocab(v, used)
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
	v, err := models.Vocabulary(f)
	if err != nil {
		return nil, err
	}
	return token.New(v)
}

// examples encodes the training rows with the student's tokenizer and attaches the teacher's calibrated answers.
func (j *Job) examples(b *Base, labels Labels, cal *engine.Calibration) ([]Example, error) {
	t, err := b.tokenizer()
	if err != nil {
		return nil, err
	}
	out := make([]Example, len(j.data.Train))
	for i, r := range j.data.Train {
		ids := engine.EncodeText(t, r.Text)
		if len(ids) == 0 || len(ids) > j.recipe.Train.MaxTokens {
			return nil, &DataError{File: j.recipe.file, Msg: fmt.Sprintf("training row %.40q has %d tokens, want 1 to train.max_tokens %d", r.ID, len(ids), j.recipe.Train.MaxTokens),
				Fix: "raise train.max_tokens or shorten the row"}
		}
		lp := calibrated(labels[r.ID], cal)
		target := make([]float32, len(lp))
		for k, v := range lp {
			target[k] = float32(v)
		}
		out[i] = Example{ID: r.ID, Tokens: ids, Target: target, Label: int32(argmax(lp))}
	}
	if err := j.sameTokens(b, t, out); err != nil {
		return nil, err
	}
	return out, nil
}

// sameTokens holds the trimmed tokenizer against the base's on every training text.
func (j *Job) sameTokens(b *Base, t *token.Tokenizer, ex []Example) error {
	var keep []int32
	for _, kv := range b.Meta {
		if kv.Key == "freehold.vocab.source_ids" {
			keep, _ = kv.Value.([]int32)
		}
	}
	if keep == nil {
		return nil
	}
	f, err := gguf.Open(j.base.path)
	if err != nil {
		return err
	}
	defer f.Close()
	v, err := models.Vocabulary(f)
	if err != nil {
		return err
	}
	full, err := token.New(v)
	if err != nil {
		return err
	}
	for i, r := range j.data.Train {
		if !slices.Equal(engine.EncodeText(full, r.Text), pick(keep, ex[i].Tokens)) {
			return fmt.Errorf("internal: row %.40q encodes differently under the trimmed vocabulary", r.ID)
		}
	}
	return nil
}

// steps is the number of optimiser steps.
func (j *Job) steps() int {
	t := &j.recipe.Train
	if t.Steps > 0 {
		return t.Steps
	}
	return int(math.Ceil(t.Epochs * float64(len(j.data.Train)) / float64(t.Batch)))
}

func (j *Job) trainer(b *Base, ex []Example) (*Trainer, func(), error) {
	r := &j.recipe.Train
	loss, err := NewLoss(r.Loss, LossParams{Temperature: r.Temperature, Beta: 0.5})
	if err != nil {
		return nil, nil, err
	}
	pool := engine.NewPool(j.opt.Threads)
	t := &Trainer{Student: b.Student, Loss: loss, Data: ex, Steps: j.steps(), BatchRows: r.Batch, MaxTokens: microTokens, Seed: r.Seed,
		Opt: Optimizer{LR: r.LR, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: r.WeightDecay, Clip: r.Clip,
			Schedule: Schedule{Kind: r.Schedule, Warmup: r.Warmup, Steps: j.steps()}},
		Run: j.key, Dir: j.dir, SaveEvery: r.SaveEvery, Level: j.level, Workers: j.opt.Threads, Par: pool.Run, FS: j.opt.FS, Warn: j.warn}
	return t, pool.Close, nil
}

// microTokens bounds a micro-batch; activations take about 0.35 MB a token for the smallest students.
const microTokens = 2048

// train trains the student and writes model.gguf.
func (j *Job) train(ctx context.Context, b *Base, labels Labels, cal *engine.Calibration) error {
	ex, err := j.examples(b, labels, cal)
	if err != nil {
		return err
	}
	t, done, err := j.trainer(b, ex)
	if err != nil {
		return err
	}
	defer done()
	rate := 0.0
	t.Report = func(p Progress) {
		if rate == 0 {
			rate = p.TokensPerS
		}
		rate = 0.9*rate + 0.1*p.TokensPerS
		left := float64(p.Steps-p.Step) * float64(p.Tokens)
		j.event(Event{Stage: "train", Step: p.Step, Total: p.Steps, Loss: p.Loss, Rate: rate, Unit: "tok/s", ETA: eta(int(left), rate)})
	}
	if err := t.Train(ctx); err != nil {
		return err
	}
	return j.export(b, j.recipe.Student.Format, j.modelPath(""))
}

// restoreFinal puts the trained weights of a finished run into b.
func (j *Job) restoreFinal(b *Base) error {
	if b == nil {
		return nil
	}
	m, found, err := loadCheckpoint(filepath.Join(j.dir, "checkpoints"), j.key, b.Student, j.warn)
	if err == nil && (!found || m.Step < j.steps()) {
		err = &DataError{File: filepath.Join(j.dir, "checkpoints"), Msg: fmt.Sprintf("training is at step %d of %d", m.Step, j.steps()), Fix: "run the train stage first"}
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
	licence := j.base.Licence.ID
	if j.teacher.Licence.ID != licence { // the strictest is for the owner to judge: name both
		licence = j.base.Licence.ID + " AND " + j.teacher.Licence.ID
	}
	return []Meta{
		{"general.name", j.recipe.Name},
		{"general.license", licence},
		{"general.base_model.count", uint32(2)},
		{"general.base_model.0.name", j.base.Name},
		{"general.base_model.0.version", "sha256:" + j.base.sha256},
		{"general.base_model.1.name", j.teacher.Name},
		{"general.base_model.1.version", "sha256:" + j.teacher.sha256},
		{"general.dataset.count", uint32(1)},
		{"general.dataset.0.name", j.datasetName()},
		{"general.dataset.0.version", "sha256:" + j.data.Hash},
		{"freehold.run", j.key},
		{"freehold.task", j.recipe.Task.Type},
	}
}

func (j *Job) datasetName() string {
	if j.recipe.Data.Source != "" {
		return j.recipe.Data.Source
	}
	return filepath.Base(j.recipe.Data.Train)
}
