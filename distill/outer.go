package distill

import (
	"fmt"
	"slices"
)

// OuterRecipe is training by replicas that meet once in many steps (DiLoCo, Douillard et al., arXiv:2311.08105). Each replica learns from a slice of the rows with an optimiser of
// its own; after InnerSteps steps of each (a round) the mean of their changes is a gradient, the outer one, that another optimiser takes: SGD with Nesterov momentum.
type OuterRecipe struct {
	Replicas   int     `yaml:"replicas" json:"replicas"`       // 0 or 1 = training as usual
	InnerSteps int     `yaml:"inner_steps" json:"inner_steps"` // of a replica in a round
	LR         float64 `yaml:"lr" json:"lr"`                   // of the outer optimiser
	Momentum   float64 `yaml:"momentum" json:"momentum"`
}

// fill puts in what a recipe with replicas does not say.
func (o *OuterRecipe) fill(given func(key string) bool) {
	if given("replicas") && (o.Replicas == 0 || o.Replicas == 1) { // said or not, the run is the same
		*o = OuterRecipe{}
		return
	}
	if o.Replicas < 2 {
		return // check says why
	}
	if !given("inner_steps") {
		o.InnerSteps = 50
	}
	if !given("lr") {
		o.LR = 0.7
	}
	if !given("momentum") {
		o.Momentum = 0.9
	}
}

// checkOuter refuses what cannot be, or what does not go with replicas.
func checkOuter(r *Recipe, at func(msg string, path ...string) error) error {
	o, t := r.Train.Outer, r.Train
	if o == (OuterRecipe{}) {
		return nil
	}
	bad := func(key, format string, args ...any) error {
		return at("train.outer."+key+" "+fmt.Sprintf(format, args...), "train", "outer", key)
	}
	switch {
	case o.Replicas == 0:
		return at("train.outer is given without train.outer.replicas, the number of replicas that learn (2 or more; 0 or 1 = none)", "train", "outer")
	case o.Replicas < 2 || o.Replicas > 256:
		return bad("replicas", "is %d, want 2 to 256, or 0 or 1 for training as usual", o.Replicas)
	case o.InnerSteps < 1 || o.InnerSteps > 1e6:
		return bad("inner_steps", "is %d, want 1 to 1000000 steps", o.InnerSteps)
	case !(o.LR > 0 && o.LR <= 10):
		return bad("lr", "is %v, want a number above 0, at most 10", o.LR)
	case !(o.Momentum >= 0 && o.Momentum < 1):
		return bad("momentum", "is %v, want a number from 0 to below 1", o.Momentum)
	case t.EMA > 0:
		return at("train.ema and train.outer are both given; keep one: the average is over the steps of one replica, whose weights are another's at every round", "train", "ema")
	case t.OnPolicy.Share > 0:
		return at("train.on_policy and train.outer are both given; keep one: answers of a student's own would need the teacher beside every replica", "train", "on_policy")
	}
	return nil
}

// on tells whether training has replicas. A job of one replica is for tests: recipes have none.
func (o OuterRecipe) on() bool { return o.Replicas > 0 }

// steps is how many of all optimiser steps a replica takes, rounds how often the replicas meet: the last round may be a short one.
func (o OuterRecipe) steps(all int) int  { return (all + o.Replicas - 1) / o.Replicas }
func (o OuterRecipe) rounds(all int) int { return (o.steps(all) + o.InnerSteps - 1) / o.InnerSteps }

// slice lists the rows of a replica (from 1), of n: a shuffle is dealt out, so that no order of the file (labels in turn, say) decides who gets what; each keeps the file's order.
func (o OuterRecipe) slice(seed uint64, replica, n int) []int {
	const dealt = 1<<32 - 1 // as an epoch, which training does not reach
	var rows []int
	order := shuffled(seed, dealt, n)
	for i := replica - 1; i < n; i += o.Replicas {
		rows = append(rows, order[i])
	}
	slices.Sort(rows)
	return rows
}

// step is the outer optimiser's: with g the weights less the mean of the replicas', the momentum m becomes momentum*m + g, and w loses lr*(g + momentum*m). sum holds the replicas'
// weights, added in their order. In f64 but for what is kept, and without fused products, so the same everywhere.
func (o OuterRecipe) step(w, m []float32, sum []float64, par Parallel) {
	k := float64(o.Replicas)
	par((len(w)+normBlock-1)/normBlock, func(_, block int) {
		for i := block * normBlock; i < min(len(w), (block+1)*normBlock); i++ {
			g := float64(w[i]) - sum[i]/k
			m[i] = float32(float64(o.Momentum*float64(m[i])) + g)
			w[i] = float32(float64(w[i]) - float64(o.LR*(g+float64(o.Momentum*float64(m[i])))))
		}
	})
}

// outerState is what the outer optimiser keeps of the weights that learn: what a round begins with.
type outerState struct {
	round    int // that it comes after; 0 = the student as it was made
	weights  [][]float32
	momentum [][]float32
	manifest outerManifest // of the file; zero after round 0
}

// newOuterState begins at the student's weights.
func newOuterState(learnt []*Param) *outerState {
	s := &outerState{}
	for _, p := range learnt {
		s.weights = append(s.weights, slices.Clone(p.W))
		s.momentum = append(s.momentum, make([]float32, len(p.W)))
	}
	return s
}

// learning lists the tensors that are not frozen.
func (s *Student) learning() []*Param {
	return slices.DeleteFunc(slices.Clone(s.Params), (*Param).Frozen)
}

// meanMetrics are the steps of a round as metrics.jsonl has them: means over the replicas, and the sum of their tokens.
func meanMetrics(replicas [][]metric) []metric {
	mean := slices.Clone(replicas[0])
	for _, steps := range replicas[1:] {
		for i, m := range steps {
			mean[i].Loss += m.Loss
			mean[i].GradNorm += m.GradNorm
			mean[i].Tokens += m.Tokens
		}
	}
	for i := range mean {
		mean[i].Loss /= float64(len(replicas))
		mean[i].GradNorm /= float64(len(replicas))
	}
	return mean
}

// String says it for people; "" = none.
func (o OuterRecipe) String() string {
	if !o.on() {
		return ""
	}
	return fmt.Sprintf("%d replicas, rounds of %d steps, outer rate %g, momentum %g", o.Replicas, o.InnerSteps, o.LR, o.Momentum)
}
