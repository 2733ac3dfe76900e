package distill

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// outerPlan is what a plan says of replicas.
type outerPlan struct {
	done      int // steps of all replicas
	what      string
	ram, disk int64
}

// planOuter estimates what replicas exchange and keep.
func (j *Job) planOuter() (p outerPlan, err error) {
	o := j.recipe.Train.Outer
	if !o.on() {
		return p, nil
	}
	learnt, err := j.learntWeights()
	if err != nil {
		return p, err
	}
	round, _ := (&outerFiles{dir: filepath.Join(j.dir, outerDir)}).newest() // none yet
	p.done = min(round*o.InnerSteps*o.Replicas, j.steps())
	weights := 4 * learnt
	moments := weights * int64(len(rules[j.recipe.Train.Optimizer].moments))
	end := 2 * weights // of a round: weights and momentum
	if j.recipe.keepsBest() {
		end += weights
	}
	p.disk = 3*int64(o.Replicas)*(weights+moments) + 3*end // two rounds, and one that is being done
	p.ram = 6 * weights                                    // state and momentum, and the replicas' sum in f64 beside a file that is read
	p.what = fmt.Sprintf("; %d replicas meet %d times, each leaves %.3g MB of weights and %.3g MB of its optimiser's", o.Replicas, o.rounds(j.steps()), float64(weights)/1e6, float64(moments)/1e6)
	return p, nil
}

// machines says how long training takes with a machine for each replica.
func (j *Job) machines(alone float64) string {
	o := j.recipe.Train.Outer
	if !o.on() || alone == 0 {
		return ""
	}
	return fmt.Sprintf("; on %d machines like this %v, on one", o.Replicas, time.Duration(alone/float64(o.Replicas))*time.Second)
}

// learntWeights counts the student's weights that learn, with a vocabulary that is not trimmed: what is frozen of it never counts.
func (j *Job) learntWeights() (total int64, err error) {
	spec, err := j.base.spec.Keep(j.recipe.Student.Layers)
	if err != nil {
		return 0, err
	}
	w := j.recipe.Student.Width.fill(spec)
	program := spec.Narrow(w.Dim, w.FFN, w.Heads, w.KVHeads).Program()
	l := j.recipe.Student.LoRA
	var names []string
	for _, t := range program.Tensors() {
		names = append(names, t.Name)
	}
	frozen, _ := matching(names, j.recipe.Student.Freeze) // what matches nothing is refused by checkStudent
	adapted, _ := matching(adaptable(program), l.Targets)
	for _, t := range program.Tensors() {
		switch {
		case l.Rank == 0 && !slices.Contains(frozen, t.Name):
			total += int64(elements(t.Shape))
		case l.Rank > 0 && slices.Contains(adapted, t.Name) && len(t.Shape) > 1:
			total += int64(l.Rank * (t.Shape[0] + elements(t.Shape)/t.Shape[0]))
		}
	}
	return total, nil
}
