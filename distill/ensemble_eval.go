package distill

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/freehold-slm/freehold/engine"
)

//go:embed report_ensemble.tmpl.html
var ensembleSource string

// EnsembleSummary holds what several teachers say of the test rows, each alone and together, against the gold labels.
type EnsembleSummary struct {
	Mean     string           `json:"mean"`
	Teachers []EnsembleResult `json:"teachers"` // teacher.model first
	LogLoss  float64          `json:"log_loss"` // of all together; the rest is summary's teacher
	Tests    []Comparison     `json:"tests"`    // all together against each
}

// EnsembleResult is one teacher, calibrated as the recipe says.
type EnsembleResult struct {
	Name    string  `json:"name"`
	SHA256  string  `json:"sha256"`
	Prompt  string  `json:"prompt"`
	Weight  float64 `json:"weight"`
	LogLoss float64 `json:"log_loss"` // of the gold labels, nats a row
	Scores
}

// ensemble measures the teachers on the test rows; nil = there is one.
func (w *classifyWork) ensemble() *EnsembleSummary {
	j := w.j
	if len(w.apart) < 2 {
		return nil
	}
	gold, nl, seed := make([]int, len(j.data.Test)), len(j.recipe.Task.Labels), j.recipe.Train.Seed
	for i, r := range j.data.Test {
		gold[i] = r.Gold
	}
	of := func(labels Labels, cal *engine.Calibration) (probs [][]float64, loss float64) {
		for _, r := range j.data.Test {
			lp := calibrated(labels[r.ID], cal)
			probs = append(probs, expAll(lp))
			loss -= max(lp[r.Gold], -100) / float64(len(gold))
		}
		return probs, loss
	}
	e := &EnsembleSummary{Mean: j.recipe.Teacher.Ensemble.Mean}
	together, loss := of(w.labels, w.cal)
	e.LogLoss = loss
	for k, o := range w.apart {
		probs, loss := of(o.labels, o.cal)
		e.Teachers = append(e.Teachers, EnsembleResult{o.Name, o.sha256, o.prompt, o.weight, loss, score(probs, gold, nl, seed)})
		e.Tests = append(e.Tests, compare("the ensemble", fmt.Sprintf("teacher %d, %s", k+1, o.Name), "accuracy", rightRows(together, gold), rightRows(probs, gold), seed))
	}
	return e
}

// Says is what asking several brought, in a line: against the best of them, and those as good as it.
func (e *EnsembleSummary) Says(together Scores) string {
	best := 0
	for k, t := range e.Teachers {
		if t.Accuracy > e.Teachers[best].Accuracy {
			best = k
		}
	}
	t := e.Tests[best]
	return fmt.Sprintf("%d teachers together are right on %.1f %% of %d test rows, the best alone (%s) on %.1f %%; %s (%s points, p %s)",
		len(e.Teachers), 100*together.Accuracy, together.Rows, e.Teachers[best].Name, 100*e.Teachers[best].Accuracy, t.Says(), t.Points(), t.PValue())
}

// String is what the lineage says of an ensemble; "" = there is none.
func (r *Recipe) ensemble() string {
	e := r.Teacher.Ensemble
	if len(e.With) == 0 {
		return ""
	}
	parts := []string{fmt.Sprintf("%s (weight %g)", nameOnly(r.Teacher.Model), e.Weight)}
	for _, o := range e.With {
		parts = append(parts, fmt.Sprintf("%s (weight %g, calibration %s)", nameOnly(o.Model), o.Weight, o.Calibration))
	}
	return e.Mean + " mean of " + strings.Join(parts, ", ")
}

// openOthers opens the further teachers.
func (j *Job) openOthers() (all []*engine.Classifier, close func(), err error) {
	var closers []func()
	close = func() {
		for _, c := range closers {
			c()
		}
	}
	for _, l := range j.labellers()[1:] {
		c, one, err := j.openTeacher(l, "", nil)
		if err != nil {
			close()
			return nil, nil, err
		}
		all, closers = append(all, c), append(closers, one)
	}
	return all, close, nil
}

// askAll asks all teachers about texts, one after the other.
func askAll(ctx context.Context, all []*engine.Classifier, texts []string) error {
	for _, c := range all {
		if _, err := c.LogProbs(ctx, texts); err != nil {
			return err
		}
	}
	return nil
}

// planLabels estimates what labelling takes by each teacher, of tokens a teacher, and the time of asking about one token by all but the first.
func (j *Job) planLabels(tokens, int8Peak float64) (seconds, perToken float64, bytes int64, err error) {
	for _, l := range j.labellers() {
		weights, err := blockWeights(l.path)
		if err != nil {
			return 0, 0, 0, err
		}
		missing, all := j.missingOf(l)
		each := 2 * float64(weights) / (prefillShare * int8Peak)
		seconds += tokens * each * float64(missing) / float64(max(1, all))
		if l.n > 0 {
			perToken, bytes = perToken+each, bytes+l.Bytes
		}
	}
	return seconds, perToken, bytes, nil
}
