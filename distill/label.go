package distill

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/engine"
)

// Labels are the teacher's log-probabilities over the labels, by row id, before calibration.
type Labels map[string][]float64

// labelChunk tokens go through the teacher together: weights are unpacked once a chunk.
const labelChunk = 2048

const shardSchema = "freehold/labels/2"

// labelLine is one row of a shard.
type labelLine struct {
	ID string    `json:"id"`
	LP []float64 `json:"lp"`
}

// asker gives what a teacher says of rows, [rows][labels]: log-probabilities of one label a text or of a pair's yes and no, log-odds of several labels.
type asker func(ctx context.Context, rows []Row) ([][]float64, error)

// byText asks about the texts of rows.
func byText(ask func(ctx context.Context, texts []string) ([][]float64, error)) asker {
	return func(ctx context.Context, rows []Row) ([][]float64, error) {
		return ask(ctx, textsOf(rows))
	}
}

// labelShards are the shards of what a teacher says, which go into labels.
func (j *Job) labelShards(t labeller, labels Labels) *shardSet[Row, labelLine] {
	return &shardSet[Row, labelLine]{
		j: j, root: labelsDir, folder: t.folder(j.dir), schema: shardSchema,
		parts: slices.Collect(slices.Chunk(j.labelled(), shardRows)),
		key:   func(rows []Row) string { return j.labelKey(t, rows) },
		keep: func(_ int, lines []labelLine) {
			for _, l := range lines {
				labels[l.ID] = l.LP
			}
		},
	}
}

// label asks a teacher, which open makes ready, about every row whose answer is not there.
func (j *Job) label(ctx context.Context, t labeller, open func() (asker, func(), error)) (Labels, error) {
	if err := j.takeOver(); err != nil {
		return nil, err
	}
	labels := Labels{}
	f := j.labelShards(t, labels)
	todo, err := f.collect("labelling")
	if err != nil || len(todo) == 0 {
		return labels, err
	}
	if j.teacher.remote != nil {
		return labels, j.labelRemote(ctx, todo, func(s int, asks *remoteAsks) error {
			lines, err := j.remoteLabels(asks, f.parts[s])
			if err != nil {
				return err
			}
			return f.put(s, lines)
		})
	}
	ask, close, err := open()
	if err != nil {
		return nil, err
	}
	defer close()
	return labels, f.fill(ctx, todo, t.n, func(ctx context.Context, rows []Row) ([]labelLine, error) {
		lp, err := ask(ctx, rows)
		lines := make([]labelLine, len(lp))
		for i := range lp {
			lines[i] = labelLine{rows[i].ID, lp[i]}
		}
		return lines, err
	})
}

// recall is label where every shard is there; it neither asks nor writes.
func (j *Job) recall(t labeller) (Labels, error) {
	labels := Labels{}
	return labels, j.labelShards(t, labels).recall()
}

// missingOf counts the shards of a teacher that are not there yet, and all.
func (j *Job) missingOf(t labeller) (missing, all int) { return j.labelShards(t, nil).missing() }

// labelKey identifies the question that a shard answers: teacher, prompt, labels, numeric mode and rows.
func (j *Job) labelKey(by labeller, rows []Row) string {
	t := j.recipe.Task
	words, _ := json.Marshal(t.Words)
	parts := []string{by.id, by.prompt, t.System, strings.Join(t.Labels, "\x00"), string(words), j.recipe.Numeric}
	if j.recipe.several() {
		parts = append(parts, t.Type)
	}
	for _, r := range rows {
		if parts = append(parts, r.ID, r.Text); r.Query != "" {
			parts = append(parts, r.Query)
		}
	}
	return hashOf(parts...)
}

// teacherClassifier opens a teacher that labels for the recipe's task.
func (j *Job) teacherClassifier(t labeller, cal *engine.Calibration) (*engine.Classifier, func(), error) {
	if t.n > 0 || !j.recipe.adapts() {
		return j.openTeacher(t, "", cal)
	}
	if err := j.checkAdapted(); err != nil {
		return nil, nil, err
	}
	return j.openTeacher(t, filepath.Join(j.dir, adapterName), cal)
}

// openTeacher opens a teacher with an adapter beside it; "" = none.
func (j *Job) openTeacher(by labeller, adapter string, cal *engine.Calibration) (*engine.Classifier, func(), error) {
	m, err := j.openTeacherModel(by.path, adapter)
	if err != nil {
		return nil, nil, err
	}
	t := j.recipe.Task
	c, err := m.NewClassifier(engine.Task{Labels: t.Labels, Prompt: by.prompt, System: t.System, Words: t.Words, Calibration: cal})
	if err != nil {
		m.Close()
		return nil, nil, err
	}
	return c, func() { m.Close() }, nil
}

// openTeacherModel opens the file of a teacher of labels with an adapter beside it; "" = none.
func (j *Job) openTeacherModel(path, adapter string) (*engine.Model, error) {
	opts := []engine.Option{engine.WithChunk(labelChunk)}
	if adapter != "" {
		opts = append(opts, engine.WithLoRA(adapter, 1))
	}
	return j.openModel(path, opts...)
}

// openAnswerer opens a model that answers with text.
func (j *Job) openAnswerer(path string, task engine.TextTask) (*engine.Model, *engine.Answerer, error) {
	m, err := j.openModel(path)
	if err != nil {
		return nil, nil, err
	}
	a, err := m.NewAnswerer(task)
	if err != nil {
		m.Close()
		return nil, nil, err
	}
	return m, a, nil
}

// openModel opens a model in the recipe's numeric mode.
func (j *Job) openModel(path string, more ...engine.Option) (*engine.Model, error) {
	numeric := engine.Normal
	if j.recipe.Numeric == "reference" {
		numeric = engine.Reference
	}
	return engine.Open(path, append(more, engine.WithThreads(j.opt.Threads), engine.WithLevel(j.level), engine.WithNumeric(numeric))...)
}

// calibrationOf estimates a teacher's label bias from the training rows, unlabelled.
func calibrationOf(kind string, rows []Row, labels Labels) (*engine.Calibration, error) {
	if kind == "none" {
		return nil, nil
	}
	lp := make([][]float64, len(rows))
	for i, r := range rows {
		lp[i] = labels[r.ID]
	}
	return engine.Calibrate(kind, lp)
}

// calibrated subtracts the calibration and normalises to log-probabilities.
func calibrated(lp []float64, cal *engine.Calibration) []float64 {
	out := append([]float64(nil), lp...)
	if cal != nil {
		for i := range out {
			out[i] -= cal.Bias[i]
		}
	}
	return logSoftmax(out)
}

// labelled lists the rows that the teacher labels; those that were made last, so that runs with and without them share the others' shards.
func (j *Job) labelled() []Row {
	return slices.Concat(j.own.Train, j.data.Test, j.validRows(), j.made())
}

// validRows are the validation rows, where the recipe needs the teacher's answers to them: to choose the best weights, to fit a temperature without
// gold labels, or to choose the teacher's thresholds as the student's are chosen.
func (j *Job) validRows() []Row {
	if w, ok := j.work.(*multilabelWork); ok && len(w.judges()) > 0 {
		return j.data.Valid
	}
	if _, labels := calibrationRows(j.recipe, j.data); j.recipe.keepsBest() || labels != "" && labels != "gold" {
		return j.data.Valid
	}
	return nil
}
