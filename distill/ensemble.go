package distill

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/spell"
)

// EnsembleRecipe says that further teachers label beside teacher.model, and that the student learns the mean of what they say: each is asked with a prompt and
// calibrated by itself.
type EnsembleRecipe struct {
	Mean   string            `yaml:"mean" json:"mean,omitempty"`     // of their probabilities: arithmetic or geometric
	Weight float64           `yaml:"weight" json:"weight,omitempty"` // of teacher.model
	With   []EnsembleTeacher `yaml:"with" json:"with,omitempty"`     // the others
}

// EnsembleTeacher is one of the others.
type EnsembleTeacher struct {
	Model       string  `yaml:"model" json:"model"`
	Licence     string  `yaml:"licence" json:"licence,omitempty"`
	Reason      string  `yaml:"licence_reason" json:"licence_reason,omitempty"`
	Prompt      string  `yaml:"prompt" json:"prompt,omitempty"` // "" = task.prompt
	Calibration string  `yaml:"calibration" json:"calibration"`
	Weight      float64 `yaml:"weight" json:"weight"`
}

// means are the values of teacher.ensemble.mean: of probabilities, or of their logarithms.
var means = []string{"arithmetic", "geometric"}

// fill puts in what a recipe with an ensemble does not say.
func (e *EnsembleRecipe) fill(said func(path ...string) bool) {
	if len(e.With) == 0 {
		return
	}
	if e.Mean == "" {
		e.Mean = "arithmetic"
	}
	if !said("teacher", "ensemble", "weight") {
		e.Weight = 1
	}
	for i := range e.With {
		if e.With[i].Calibration == "" {
			e.With[i].Calibration = "median"
		}
		if e.With[i].Weight == 0 {
			e.With[i].Weight = 1
		}
	}
}

// checkEnsemble refuses teachers that cannot be asked, and the same opinion twice.
func checkEnsemble(r *Recipe, at func(msg string, path ...string) error) (errs []error) {
	e := r.Teacher.Ensemble
	bad := func(key, format string, args ...any) {
		path := append([]string{"teacher", "ensemble"}, strings.Fields(key)...)
		errs = append(errs, at(fmt.Sprintf(format, args...), path...))
	}
	if len(e.With) == 0 {
		if e.Mean != "" || e.Weight != 0 || e.With != nil {
			bad("", "teacher.ensemble names no further teacher; give with: [{model: NAME}], or leave it out")
		}
		return errs
	}
	if !slices.Contains(means, e.Mean) {
		bad("mean", "%s", spell.Unknown("value", e.Mean, "teacher.ensemble.mean", means))
	}
	if !(e.Weight > 0 && e.Weight <= 1e6) {
		bad("weight", "teacher.ensemble.weight is %v, want above 0 to 1e+06", e.Weight)
	}
	if r.adapts() {
		bad("", "teacher.ensemble and teacher.adapt are both given; keep one")
	}
	asked := [][2]string{{r.Teacher.Model, r.Task.Prompt}}
	for i, o := range e.With {
		key := fmt.Sprintf("teacher.ensemble.with[%d]", i)
		prompt := o.promptOf(r)
		switch {
		case o.Model == "":
			bad("with", "%s.model is missing: a catalogue name or a path", key)
		case strings.Count(prompt, "{text}") != 1:
			bad("with", "%s.prompt holds {text} %d times, want once", key, strings.Count(prompt, "{text}"))
		case !slices.Contains([]string{"none", "mean", "median"}, o.Calibration):
			bad("with", "%s.calibration is %q, want one of: none, mean, median", key, o.Calibration)
		case !(o.Weight > 0 && o.Weight <= 1e6):
			bad("with", "%s.weight is %v, want above 0 to 1e+06", key, o.Weight)
		case slices.Contains(asked, [2]string{o.Model, prompt}):
			bad("with", "%s is %s, with a prompt that it is asked with already; give it another prompt, or leave it out", key, o.Model)
		}
		asked = append(asked, [2]string{o.Model, prompt})
	}
	return errs
}

func (o EnsembleTeacher) promptOf(r *Recipe) string {
	if o.Prompt == "" {
		return r.Task.Prompt
	}
	return o.Prompt
}

// openEnsemble finds the further teachers.
func (j *Job) openEnsemble() error {
	for i, o := range j.recipe.Teacher.Ensemble.With {
		if o.Model == j.recipe.Teacher.Model && o.Licence == "" { // the same with another prompt
			j.others = append(j.others, j.teacher)
			continue
		}
		s, err := openSource(j.recipe, o.Model, o.Licence, o.Reason)
		if err != nil {
			return sourceError(fmt.Sprintf("teacher.ensemble.with[%d]", i), err)
		}
		if err := checkTemplate(fmt.Sprintf("teacher.ensemble.with[%d]", i), s); err != nil {
			return err
		}
		j.others = append(j.others, s)
	}
	return nil
}

// ensembleHashes are those of the further teachers' files; nil = there are none.
func (j *Job) ensembleHashes() (sums []string) {
	for _, s := range j.others {
		sums = append(sums, s.sha256)
	}
	return sums
}

// teachers are the files of all teachers, each once.
func (j *Job) teachers() []source {
	all := []source{j.teacher}
	for _, s := range j.others {
		if !slices.ContainsFunc(all, func(have source) bool { return have.sha256 == s.sha256 }) {
			all = append(all, s)
		}
	}
	return all
}

// teacherNames names them for people.
func (j *Job) teacherNames() string {
	var names []string
	for _, l := range j.labellers() {
		names = append(names, l.Name)
	}
	return strings.Join(names, " + ")
}

// labeller is a teacher of labels with the question that it is asked.
type labeller struct {
	source
	n           int // 0 = teacher.model
	id          string
	prompt      string
	calibration string
	weight      float64
}

// labellers are the teachers that are asked about every row, teacher.model first.
func (j *Job) labellers() []labeller {
	t := j.recipe.Teacher
	all := []labeller{{source: j.teacher, id: j.teacherID(), prompt: j.recipe.Task.Prompt, calibration: t.Calibration, weight: t.Ensemble.Weight}}
	for i, s := range j.others {
		o := t.Ensemble.With[i]
		all = append(all, labeller{source: s, n: i + 1, id: s.sha256, prompt: o.promptOf(j.recipe), calibration: o.Calibration, weight: o.Weight})
	}
	return all
}

// folder is where a run has a teacher's shards: labels, or labels/2 of the second.
func (l labeller) folder(run string) string {
	if l.n == 0 {
		return filepath.Join(run, labelsDir)
	}
	return filepath.Join(run, labelsDir, strconv.Itoa(l.n+1))
}

// opinion is what one teacher said of the rows.
type opinion struct {
	labeller
	labels Labels
	cal    *engine.Calibration
}

// pool calibrates what each teacher said by its own answers to the training rows, and makes one opinion of them: w.labels and w.cal, and w.apart each.
func (w *classifyWork) pool(all []Labels) error {
	j := w.j
	w.apart = nil
	for k, l := range j.labellers() {
		cal, err := calibrationOf(l.calibration, j.own.Train, all[k]) // of what came with the data: made rows are drawn by label
		if err != nil {
			return err
		}
		w.apart = append(w.apart, opinion{l, all[k], cal})
	}
	w.labels, w.cal = all[0], w.apart[0].cal
	if len(all) == 1 {
		return nil
	}
	w.labels, w.cal = Labels{}, nil // calibrated already
	weights := make([]float64, len(all))
	for k, o := range w.apart {
		weights[k] = o.weight
	}
	for id := range all[0] {
		lp := make([][]float64, len(all))
		for k, o := range w.apart {
			lp[k] = calibrated(o.labels[id], o.cal)
		}
		w.labels[id] = pooled(j.recipe.Teacher.Ensemble.Mean, weights, lp)
	}
	return nil
}

// pooled is the weighted mean of probabilities (arithmetic: the linear opinion pool) or of their logarithms, normalised again (geometric: the logarithmic
// one), as log-probabilities. lp is [teacher][label].
func pooled(mean string, weights []float64, lp [][]float64) []float64 {
	total, out := 0.0, make([]float64, len(lp[0]))
	for _, w := range weights {
		total += w
	}
	for l := range out {
		if mean == "geometric" {
			for k, w := range weights {
				out[l] += float64(w / total * lp[k][l])
			}
			continue
		}
		top, sum := lp[0][l], 0.0 // of the exponents, lest all of them vanish
		for k := range lp {
			top = max(top, lp[k][l])
		}
		for k, w := range weights {
			sum += float64(w / total * kernels.Exp(lp[k][l]-top))
		}
		out[l] = top + kernels.Log(sum)
	}
	return logSoftmax(out)
}
