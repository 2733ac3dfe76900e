package distill

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/engine"
)

// Labels are the teacher's log-probabilities over the labels, by row id, before calibration.
type Labels map[string][]float64

// labelChunk tokens go through the teacher together: weights are unpacked once a chunk.
const labelChunk = 2048

// shardRows is how many rows a shard holds: a labeller that dies loses at most one shard's work.
const shardRows = 128

// shardHeader is the first line of a shard. SHA256 is that of the lines after it.
type shardHeader struct {
	Schema string `json:"schema"`
	Key    string `json:"key"` // hash of teacher, prompt, labels and rows: which question this answers
	Rows   int    `json:"rows"`
	SHA256 string `json:"sha256"`
	Top    string `json:"top_sha256,omitempty"` // of the packed shard beside it
}

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

// label asks a teacher, which open makes ready, about every row and keeps the answers in hashed shards. Shards that are whole are not asked
// for again.
func (j *Job) label(ctx context.Context, t labeller, rows []Row, open func() (asker, func(), error)) (Labels, error) {
	dir := t.folder(j.dir)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	if err := j.takeOver(); err != nil {
		return nil, err
	}
	out := Labels{}
	var todo []int
	shards := (len(rows) + shardRows - 1) / shardRows
	part := func(s int) []Row { return rows[s*shardRows : min(len(rows), (s+1)*shardRows)] }
	for s := range shards {
		lines, own, err := j.findShard(t, s, part(s))
		if err == nil && !own {
			err = writeShard(j, shardPath(dir, s), j.labelKey(t, part(s)), lines)
			if err != nil {
				return nil, err
			}
		}
		if err != nil {
			if !os.IsNotExist(err) {
				j.warn(fmt.Sprintf("labelling again: %v", err))
			}
			todo = append(todo, s)
		}
		for _, l := range lines {
			out[l.ID] = l.LP
		}
	}
	if len(todo) == 0 {
		return out, nil
	}
	if j.teacher.remote != nil {
		return out, j.labelRemote(ctx, todo, part, out)
	}
	ask, close, err := open()
	if err != nil {
		return nil, err
	}
	defer close()
	before, total := t.n*len(rows), (1+len(j.others))*len(rows) // each teacher's rows count
	start, fresh := time.Now(), 0
	have := func(s int) error {
		lines, err := readShard(shardPath(dir, s), j.labelKey(t, part(s)), part(s))
		for _, l := range lines {
			out[l.ID] = l.LP
		}
		return err
	}
	do := func(s int) error {
		batch := part(s)
		lp, err := ask(ctx, batch)
		if err != nil {
			if ctx.Err() != nil {
				return ErrInterrupted
			}
			return err
		}
		lines := make([]labelLine, len(batch))
		for i, r := range batch {
			lines[i] = labelLine{r.ID, lp[i]}
			out[r.ID] = lp[i]
		}
		if err := writeShard(j, shardPath(dir, s), j.labelKey(t, batch), lines); err != nil {
			return err
		}
		fresh += len(batch)
		done, rate := len(out), float64(fresh)/time.Since(start).Seconds()
		j.event(Event{Stage: "label", Step: before + done, Total: total, Rate: rate, Unit: "rows/s", ETA: eta(total-before-done, rate)})
		return nil
	}
	return out, j.share(ctx, todo, func(s int) string { return j.labelKey(t, part(s)) }, have, do)
}

// recall is label where every shard is there; it neither asks nor writes.
func (j *Job) recall(t labeller, rows []Row) (Labels, error) {
	out := Labels{}
	for s := 0; s*shardRows < len(rows); s++ {
		lines, _, err := j.findShard(t, s, rows[s*shardRows:min(len(rows), (s+1)*shardRows)])
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			out[l.ID] = l.LP
		}
	}
	return out, nil
}

// findShard reads shard s of this run (own) or, where that is missing or damaged, the same answers from another run of
// the folder: runs that differ in training alone ask the teacher once. The error is about this run's shard.
func (j *Job) findShard(t labeller, s int, rows []Row) (lines []labelLine, own bool, err error) {
	key := j.labelKey(t, rows)
	if lines, err = readShard(shardPath(t.folder(j.dir), s), key, rows); err == nil {
		return lines, true, nil
	}
	for _, run := range j.otherRuns() {
		for _, dir := range labelFolders(run) { // there it may be another of several teachers
			if lines, other := readShard(shardPath(dir, s), key, rows); other == nil {
				return lines, false, nil
			}
		}
	}
	return nil, false, err
}

// otherRuns are the folders of the other runs beside this one, by name.
func (j *Job) otherRuns() (dirs []string) {
	runs, _ := os.ReadDir(j.opt.RunsDir) // what cannot be read has nothing to take over
	for _, run := range runs {
		if run.IsDir() && run.Name() != filepath.Base(j.dir) {
			dirs = append(dirs, filepath.Join(j.opt.RunsDir, run.Name()))
		}
	}
	return dirs
}

// missingOf counts the shards of a teacher that are not there yet, and all.
func (j *Job) missingOf(t labeller) (missing, all int) {
	rows := j.labelled()
	for s := 0; s*shardRows < len(rows); s++ {
		if _, _, err := j.findShard(t, s, rows[s*shardRows:min(len(rows), (s+1)*shardRows)]); err != nil {
			missing++
		}
		all++
	}
	return missing, all
}

func shardPath(dir string, s int) string {
	return filepath.Join(dir, fmt.Sprintf("shard-%05d.jsonl", s))
}

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

func writeShard[L any](j *Job, path, key string, lines []L) error {
	return writeLines(j, path, shardHeader{Schema: shardSchema, Key: key}, lines)
}

// writeLines writes a shard of a line a row; Rows and SHA256 of the header are set here.
func writeLines[L any](j *Job, path string, h shardHeader, lines []L) error {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	for _, l := range lines {
		if err := enc.Encode(l); err != nil {
			return err
		}
	}
	sum := sha256.Sum256(body.Bytes())
	h.Rows, h.SHA256 = len(lines), hex.EncodeToString(sum[:])
	head, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return j.writeShared(path, append(append(head, '\n'), body.Bytes()...))
}

// readShard returns a shard's lines, or an error when it is missing, damaged or answers another question.
func readShard(path, key string, rows []Row) ([]labelLine, error) {
	_, lines, err := readLines[labelLine](path, shardSchema, key, len(rows))
	return lines, err
}

// readLines is readShard for lines of any kind.
func readLines[L any](path, schema, key string, rows int) (h shardHeader, lines []L, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return h, nil, err
	}
	head, body, _ := bytes.Cut(b, []byte("\n"))
	if err := json.Unmarshal(head, &h); err != nil || h.Schema != schema {
		return h, nil, fmt.Errorf("%s: the first line is not a %s header", path, schema)
	}
	if again, err := json.Marshal(h); err != nil || !bytes.Equal(again, head) || h.Rows != rows {
		return h, nil, fmt.Errorf("%s: the header is damaged, or is not for %d rows", path, rows)
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != h.SHA256 {
		return h, nil, fmt.Errorf("%s: sha256 of the rows is %x, the header says %s", path, sum, h.SHA256)
	}
	if h.Key != key {
		return h, nil, fmt.Errorf("%s: answers another question (key %.12s, want %.12s)", path, h.Key, key)
	}
	for _, text := range bytes.Split(bytes.TrimSuffix(body, []byte("\n")), []byte("\n")) {
		var l L
		if err := json.Unmarshal(text, &l); err != nil {
			return h, nil, fmt.Errorf("%s: line %d: %v", path, len(lines)+2, err)
		}
		lines = append(lines, l)
	}
	if len(lines) != rows {
		return h, nil, fmt.Errorf("%s: holds %d rows, want %d", path, len(lines), rows)
	}
	return h, lines, nil
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
	numeric := engine.Normal
	if j.recipe.Numeric == "reference" {
		numeric = engine.Reference
	}
	opts := []engine.Option{engine.WithThreads(j.opt.Threads), engine.WithLevel(j.level), engine.WithNumeric(numeric), engine.WithChunk(labelChunk)}
	if adapter != "" {
		opts = append(opts, engine.WithLoRA(adapter, 1))
	}
	return engine.Open(path, opts...)
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
