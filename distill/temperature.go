package distill

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/distill/stats"
	"github.com/freehold-slm/freehold/engine"
)

// A student of soft labels is as unsure as its teacher was, which is seldom as sure as it is right. After training one temperature is fitted on
// validation rows by log loss and kept in the student's files, where engine applies it.

// leastCalibration is how many validation rows a temperature needs.
const leastCalibration = 100

// calibrationName is the file of the run folder that keeps it for the stages after training.
const calibrationName = "calibration.json"

// fittedTemperature is calibration.json.
type fittedTemperature struct {
	Schema      string             `json:"schema"`
	Calibration engine.Calibration `json:"calibration"`
	Before      float64            `json:"log_loss_before"` // of the validation rows, nats a row
	After       float64            `json:"log_loss_after"`
}

const calibrationSchema = "freehold/calibration/1"

// calibrationRows are the validation rows that the temperature is fitted on, and whose labels count; none = it is not fitted. Rows with gold labels
// alone where there are enough; where the recipe asks for a temperature, else all, and the teacher's answers where gold is missing.
func calibrationRows(r *Recipe, set *data.Set) (rows []Row, labels string) {
	if !slices.Contains(taskTypes[r.Task.Type].keys, "student.calibration") || r.Student.Calibration == "none" {
		return nil, ""
	}
	gold := slices.DeleteFunc(slices.Clone(set.Valid), func(r Row) bool { return r.Gold < 0 })
	switch {
	case len(gold) >= leastCalibration:
		return gold, "gold"
	case r.Student.Calibration == "":
		return nil, ""
	case len(gold) == 0:
		return set.Valid, "the teacher's"
	}
	return set.Valid, fmt.Sprintf("gold of %d rows, the teacher's of %d", len(gold), len(set.Valid)-len(gold))
}

// checkCalibration refuses a temperature that is asked for and has too few rows.
func (j *Job) checkCalibration() error {
	if n := len(j.data.Valid); j.recipe.Student.Calibration == "temperature" && n < leastCalibration {
		return &DataError{File: j.recipe.file, Msg: fmt.Sprintf("student.calibration is temperature, and %d validation rows are left, want %d", n, leastCalibration),
			Fix: "give data.valid, data.split.valid or, of a source, data.valid_rows, or write calibration: none"}
	}
	return nil
}

// calibrates tells whether the student gets a temperature.
func (j *Job) calibrates() bool {
	rows, _ := calibrationRows(j.recipe, j.data)
	return rows != nil
}

// fit fits the student's temperature on the form of it that model.gguf will have, and keeps it for all forms.
func (w *classifyWork) fit(ctx context.Context, b *Base) error {
	j := w.j
	rows, labels := calibrationRows(j.recipe, j.data)
	if rows == nil {
		return nil
	}
	m, err := j.asWritten(b)
	if err != nil {
		return err
	}
	defer m.Close()
	c, err := m.NewClassifier(engine.Task{})
	if err != nil {
		return err
	}
	lp, err := c.LogProbs(ctx, textsOf(rows))
	if err != nil {
		return err
	}
	want := make([][]float64, len(rows))
	for i, r := range rows {
		if r.Gold < 0 {
			want[i] = expAll(calibrated(w.labels[r.ID], w.cal))
			continue
		}
		want[i] = make([]float64, len(j.recipe.Task.Labels))
		want[i][r.Gold] = 1
	}
	_, err = j.keepTemperature(b, len(rows), labels, lp, want)
	return err
}

func (w *classifyWork) refit(b *Base) error { return w.j.restoreCalibration(b) }

// keepTemperature fits a temperature to what the student says of some rows, and puts it into its files.
func (j *Job) keepTemperature(b *Base, rows int, labels string, lp, want [][]float64) (*engine.Calibration, error) {
	cal, err := engine.FitTemperature(lp, want)
	if err != nil {
		return nil, err
	}
	cal.Rows, cal.Labels = rows, labels
	fit := fittedTemperature{calibrationSchema, *cal, logLoss(lp, want, 1), logLoss(lp, want, cal.Temperature)}
	if err := writeJSON(j.opt.FS, filepath.Join(j.dir, calibrationName), fit); err != nil {
		return nil, err
	}
	j.event(Event{Stage: "train", Msg: fmt.Sprintf("calibrated by a temperature of %.3g, fitted on %d validation rows (labels: %s)", cal.Temperature, rows, labels)})
	return cal, b.setCalibration(cal)
}

// logLoss is what labels cost under log-probabilities at a temperature, in nats a row.
func logLoss(lp, want [][]float64, temperature float64) (sum float64) {
	for i, row := range lp {
		x := make([]float64, len(row))
		for l, v := range row {
			x[l] = v / temperature
		}
		for l, v := range logSoftmax(x) {
			sum -= float64(want[i][l] * v)
		}
	}
	return sum / float64(max(1, len(lp)))
}

// restoreCalibration puts the temperature of a run that was trained before into its student.
func (j *Job) restoreCalibration(b *Base) error {
	if !j.calibrates() {
		return nil
	}
	path := filepath.Join(j.dir, calibrationName)
	text, err := os.ReadFile(path)
	var fit fittedTemperature
	if err == nil {
		err = json.Unmarshal(text, &fit)
	}
	if err != nil {
		return &DataError{File: path, Msg: errText(err), Fix: "run the train stage first"}
	}
	return b.setCalibration(&fit.Calibration)
}

func (b *Base) setCalibration(c *engine.Calibration) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	meta := metaList(b.Meta)
	meta.Set(engine.KeyTaskCalibration, string(text))
	b.Meta = meta
	return nil
}

// StudentCalibration says what a temperature did on the test rows.
type StudentCalibration struct {
	engine.Calibration
	Before     float64    `json:"ece_before"`
	BeforeCI95 [2]float64 `json:"ece_before_ci95"`
	After      float64    `json:"ece_after"`
	AfterCI95  [2]float64 `json:"ece_after_ci95"`
	Gain       Gain       `json:"gain"`
}

// Gain is by how much calibration lowered the error, by paired bootstrap over test rows.
type Gain struct {
	ECE  float64    `json:"ece"`
	CI95 [2]float64 `json:"ci95"`
	P    float64    `json:"p"`
}

// judgeCalibration compares a student's probabilities of the test rows before and after.
func judgeCalibration(cal *engine.Calibration, before, after Scores, was, is [][]float64, gold []int, seed uint64) *StudentCalibration {
	less := func(probs [][]float64) func(rows []int) float64 {
		tops, hits := topsOf(probs, gold)
		return func(rows []int) float64 { ece, _ := calibration(tops, hits, rows); return -ece }
	}
	t := stats.Bootstrap(len(gold), seed, less(is), less(was))
	return &StudentCalibration{*cal, before.ECE, before.ECECI95, after.ECE, after.ECECI95, Gain{t.Difference, t.CI95, t.P}}
}

// Says is what it did, as a sentence.
func (c *StudentCalibration) Says() string {
	verdict := "it is not shown to be better calibrated"
	switch {
	case c.Gain.P < stats.Alpha && c.Gain.ECE > 0:
		verdict = "it is better calibrated"
	case c.Gain.P < stats.Alpha:
		verdict = "it is worse calibrated"
	}
	p := Comparison{Paired: stats.Paired{P: c.Gain.P}}
	return fmt.Sprintf("temperature %.3g, fitted on %d validation rows (labels: %s): calibration error %.3f (%.3f to %.3f) before, %.3f (%.3f to %.3f) after; %s (p %s)",
		c.Temperature, c.Rows, c.Labels, c.Before, c.BeforeCI95[0], c.BeforeCI95[1], c.After, c.AfterCI95[0], c.AfterCI95[1], verdict, p.PValue())
}

// topsOf are the probabilities of the predicted labels, and which of these are right.
func topsOf(probs [][]float64, gold []int) (tops []float64, hits []bool) {
	for i, p := range probs {
		k := argmax(p)
		tops, hits = append(tops, p[k]), append(hits, k == gold[i])
	}
	return tops, hits
}
