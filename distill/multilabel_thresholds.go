package distill

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
)

// From which probability on a text has a label is chosen label by label, on validation rows with gold labels, by F1 (Lipton et al., arXiv:1402.1892):
// a rare label is seldom more probable than not, and at 0.5 would never be given.

// leastMarked is how many validation rows have to have a label, and how many not, for a threshold of its own.
const leastMarked = 10

// thresholdsName is the file of the run folder that keeps them for the stages after training.
const thresholdsName = "thresholds.json"

// fittedThresholds is thresholds.json.
type fittedThresholds struct {
	Schema string           `json:"schema"`
	Rows   int              `json:"rows"` // validation rows with gold labels
	Labels []LabelThreshold `json:"labels"`
}

const thresholdsSchema = "freehold/thresholds/1"

// LabelThreshold is the probability from which a text has a label.
type LabelThreshold struct {
	Label     string   `json:"label"`
	Threshold float64  `json:"threshold"`
	Marked    int      `json:"marked"`             // validation rows that have the label
	ValidF1   *float64 `json:"valid_f1,omitempty"` // on the validation rows; nil = too few of them have it or have it not, and the threshold is 0.5
}

// halves are n thresholds of 0.5.
func halves(n int) []float64 { return slices.Repeat([]float64{0.5}, n) }

// decide lists the labels whose probability reaches the threshold.
func decide(p, thresholds []float64) []int {
	has := []int{}
	for l := range p {
		if p[l] >= thresholds[l] {
			has = append(has, l)
		}
	}
	return has
}

// sureOf is how sure a model is of the labels that it gives and does not give: the geometric mean of the probabilities of each.
func sureOf(p []float64, has []int) float64 {
	sum := 0.0
	for l, v := range p {
		if !slices.Contains(has, l) {
			v = 1 - v
		}
		sum += kernels.Log(max(v, 1e-12)) / float64(len(p))
	}
	return kernels.Exp(sum)
}

// bestThreshold is the threshold with the highest F1, in the middle between the probabilities that it parts; of equals the one that is nearest to 0.5.
func bestThreshold(p []float64, gold []bool) (threshold, f1 float64) {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case p[a] > p[b]:
			return -1
		case p[a] < p[b]:
			return 1
		}
		return 0
	})
	marked := 0
	for _, g := range gold {
		if g {
			marked++
		}
	}
	far := func(x float64) float64 { return max(x-0.5, 0.5-x) }
	threshold, right := 0.5, 0
	best := -1.0
	for k, i := range order {
		if gold[i] {
			right++
		}
		below := 0.0
		if k+1 < len(order) {
			if below = p[order[k+1]]; below == p[i] { // no threshold parts these
				continue
			}
		}
		is, at := 2*float64(right)/float64(k+1+marked), float64((p[i]+below)/2)
		if is > best || is == best && far(at) < far(threshold) {
			best, threshold = is, at
		}
	}
	return threshold, max(best, 0)
}

// chosen are the thresholds of some rows' probabilities [rows][labels].
func (w *multilabelWork) chosen(rows []Row, probs [][]float64) []LabelThreshold {
	all := make([]LabelThreshold, len(w.j.recipe.Task.Labels))
	for l, name := range w.j.recipe.Task.Labels {
		p, gold := make([]float64, len(rows)), make([]bool, len(rows))
		t := LabelThreshold{Label: name, Threshold: 0.5}
		for i, r := range rows {
			p[i], gold[i] = probs[i][l], slices.Contains(r.Labels, l)
			if gold[i] {
				t.Marked++
			}
		}
		if t.Marked >= leastMarked && len(rows)-t.Marked >= leastMarked {
			at, f1 := bestThreshold(p, gold)
			t.Threshold, t.ValidF1 = float64(float32(at)), &f1 // as the file holds it
		}
		all[l] = t
	}
	return all
}

// thresholdValues are thresholds without what is said of them.
func thresholdValues(all []LabelThreshold) (values []float64) {
	for _, t := range all {
		values = append(values, t.Threshold)
	}
	return values
}

// judges are the validation rows with gold labels, which choose thresholds.
func (w *multilabelWork) judges() []Row {
	return slices.DeleteFunc(slices.Clone(w.j.data.Valid), func(r Row) bool { return r.Gold < 0 })
}

// fit finds the student's temperature, then its thresholds, on the form of it that model.gguf will have, and keeps both for all forms.
func (w *multilabelWork) fit(ctx context.Context, b *Base) error {
	j := w.j
	fit := fittedThresholds{Schema: thresholdsSchema, Labels: w.chosen(nil, nil)}
	if rows := j.data.Valid; len(rows) > 0 {
		m, err := j.asWritten(b)
		if err != nil {
			return err
		}
		defer m.Close()
		k, err := m.NewMultilabel(engine.MultilabelTask{})
		if err != nil {
			return err
		}
		said, err := k.LogOdds(ctx, textsOf(rows))
		if err != nil {
			return err
		}
		odds := map[string][]float64{}
		for i, r := range rows {
			odds[r.ID] = said[i]
		}
		temperature, err := w.fitTemperature(b, odds)
		if err != nil {
			return err
		}
		judges := w.judges()
		probs := make([][]float64, len(judges))
		for i, r := range judges {
			for _, z := range odds[r.ID] {
				probs[i] = append(probs[i], kernels.Sigmoid(z/temperature))
			}
		}
		fit.Rows, fit.Labels = len(judges), w.chosen(judges, probs)
	}
	if n := len(fit.own()); n < len(fit.Labels) {
		j.warn(fmt.Sprintf("%d of %d labels have a threshold of 0.5, for fewer than %d validation rows with gold labels have them, or have them not; give more such rows (data.valid, data.split.valid)",
			len(fit.Labels)-n, len(fit.Labels), leastMarked))
	}
	if err := writeJSON(j.opt.FS, filepath.Join(j.dir, thresholdsName), fit); err != nil {
		return err
	}
	b.setThresholds(thresholdValues(fit.Labels))
	return nil
}

// own are the labels with a threshold of their own.
func (f *fittedThresholds) own() []LabelThreshold {
	return slices.DeleteFunc(slices.Clone(f.Labels), func(t LabelThreshold) bool { return t.ValidF1 == nil })
}

// fitTemperature finds the temperature of the student's log-odds of the validation rows, each label of a row being a row of two labels; 1 = the recipe wants none.
func (w *multilabelWork) fitTemperature(b *Base, odds map[string][]float64) (float64, error) {
	rows, labels := calibrationRows(w.j.recipe, w.j.data)
	if rows == nil {
		return 1, nil
	}
	var lp, want [][]float64
	for _, r := range rows {
		teacher := []float64(nil)
		if r.Gold < 0 {
			teacher = sigmoids(w.teacher(r))
		}
		for l, z := range odds[r.ID] {
			p := 0.0
			if teacher != nil {
				p = teacher[l]
			} else if slices.Contains(r.Labels, l) {
				p = 1
			}
			lp, want = append(lp, []float64{z, 0}), append(want, []float64{p, 1 - p})
		}
	}
	cal, err := w.j.keepTemperature(b, len(rows), labels, lp, want)
	if err != nil {
		return 0, err
	}
	return cal.Temperature, nil
}

// fitted reads the thresholds of a run that has been trained.
func (w *multilabelWork) fitted() (fit fittedThresholds, err error) {
	path := filepath.Join(w.j.dir, thresholdsName)
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &fit)
	}
	if err == nil && len(fit.Labels) != len(w.j.recipe.Task.Labels) {
		err = fmt.Errorf("has thresholds of %d labels, want %d", len(fit.Labels), len(w.j.recipe.Task.Labels))
	}
	if err != nil {
		return fit, &DataError{File: path, Msg: errText(err), Fix: "run the train stage first"}
	}
	return fit, nil
}

// refit puts what a run that was trained before has found into its student.
func (w *multilabelWork) refit(b *Base) error {
	fit, err := w.fitted()
	if err != nil {
		return err
	}
	b.setThresholds(thresholdValues(fit.Labels))
	return w.j.restoreCalibration(b)
}

func (b *Base) setThresholds(values []float64) {
	small := make([]float32, len(values))
	for l, v := range values {
		small[l] = float32(v)
	}
	meta := metaList(b.Meta)
	meta.Set(engine.KeyTaskThresholds, small)
	b.Meta = meta
}
