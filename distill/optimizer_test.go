package distill

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
)

// optimizerSpecs says in float64 what each optimiser does to one weight, written independently of its code. A kind
// without an entry fails the test.
var optimizerSpecs = map[string]func(o *Optimizer, lr float64, step int, w, g float64, m *[2]float64) float64{
	"adamw": func(o *Optimizer, lr float64, step int, w, g float64, m *[2]float64) float64 {
		m[0] = o.Beta1*m[0] + (1-o.Beta1)*g
		m[1] = o.Beta2*m[1] + (1-o.Beta2)*g*g
		t := float64(step + 1)
		return w - lr*m[0]/(1-math.Pow(o.Beta1, t))/(math.Sqrt(m[1]/(1-math.Pow(o.Beta2, t)))+o.Eps)
	},
	"lion": func(o *Optimizer, lr float64, _ int, w, g float64, m *[2]float64) float64 {
		c := o.Beta1*m[0] + (1-o.Beta1)*g
		m[0] = o.Beta2*m[0] + (1-o.Beta2)*g
		switch {
		case c > 0:
			return w - lr
		case c < 0:
			return w + lr
		}
		return w
	},
	"sgd": func(o *Optimizer, lr float64, _ int, w, g float64, m *[2]float64) float64 {
		m[0] = o.Beta1*m[0] + g
		return w - lr*m[0]
	},
}

// plainStudent has a matrix, a vector and a frozen tensor, without a model around them.
func plainStudent(r *rand.Rand) *Student {
	return &Student{Params: []*Param{
		{Name: "matrix", Shape: []int{100, 83}, W: normal(r, 8300, 1), G: make([]float32, 8300)},
		{Name: "vector", Shape: []int{7}, W: normal(r, 7, 1), G: make([]float32, 7)},
		{Name: "frozen", Shape: []int{5}, W: normal(r, 5, 1)},
	}}
}

// TestOptimizers: every kind does what its formula says, with clipping, decay, schedule and average; gives the same bits
// on every level and with any number of workers; and finds the minimum of a bowl.
func TestOptimizers(t *testing.T) {
	for _, kind := range Optimizers() {
		t.Run(kind, func(t *testing.T) {
			spec := optimizerSpecs[kind]
			if spec == nil {
				t.Fatal("no formula in optimizerSpecs")
			}
			o := Optimizer{Kind: kind, LR: 1e-2, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, WeightDecay: 0.1, Clip: 3, EMA: 0.8,
				Schedule: Schedule{Kind: "linear", Steps: 20}}
			run := func(level *kernels.Level, workers int) []float32 {
				r := rand.New(rand.NewPCG(51, 52))
				s, oo := plainStudent(r), o
				if err := oo.Prepare(s); err != nil {
					t.Fatal(err)
				}
				for step := range 20 {
					for _, p := range s.Params {
						copy(p.G, normal(r, len(p.G), 1))
					}
					oo.Step(s, step, level, goParallel(workers))
				}
				var out []float32
				for _, p := range s.Params {
					out = append(append(out, p.W...), p.Average...)
				}
				return out
			}
			got := run(best(t), 2)
			for _, l := range kernels.Levels() {
				sameBits(t, fmt.Sprintf("%s, 3 workers", l.Name), run(l, 3), got)
			}

			r := rand.New(rand.NewPCG(51, 52))
			s := plainStudent(r)
			var want []float64
			for _, p := range s.Params {
				want = append(append(want, to64(p.W)...), to64(p.W[:len(p.G)])...)
			}
			moments := make([][2]float64, len(want))
			for step := range 20 {
				norm := 0.0
				var grads [][]float32
				for _, p := range s.Params {
					g := normal(r, len(p.G), 1)
					grads = append(grads, g)
					for _, v := range g {
						norm += float64(v) * float64(v)
					}
				}
				scale, lr, at := math.Min(1, 3/math.Sqrt(norm)), o.LR*(1-float64(step)/20), 0
				for i, p := range s.Params {
					n, decay := len(p.W), 1.0
					if len(p.Shape) > 1 {
						decay = 1 - lr*o.WeightDecay
					}
					for k, g := range grads[i] {
						was := want[at+k]
						want[at+k] = spec(&o, lr, step, was, float64(g)*scale, &moments[at+k]) - was + was*decay
						want[at+n+k] = 0.8*want[at+n+k] + 0.2*want[at+k]
					}
					at += n + len(p.G)
				}
			}
			for i, w := range want {
				if d := math.Abs(float64(got[i]) - w); !(d <= 2e-5*math.Max(1, math.Abs(w))) {
					t.Fatalf("value %d is %v after 20 steps, formula %v", i, got[i], w)
				}
			}

			// A bowl: the gradient is the distance from its bottom.
			s, o.WeightDecay, o.Clip, o.EMA = plainStudent(r), 0, 0, 0
			o.LR, o.Schedule = 0.05, Schedule{Kind: "linear", Steps: 400}
			bottom := normal(r, 8300, 1)
			if err := o.Prepare(s); err != nil {
				t.Fatal(err)
			}
			for step := range 400 {
				for _, p := range s.Params {
					for i := range p.G {
						p.G[i] = p.W[i] - bottom[i]
					}
				}
				o.Step(s, step, best(t), goParallel(2))
			}
			for _, p := range s.Params {
				sum := 0.0
				for i := range p.G {
					sum += math.Abs(float64(p.W[i] - bottom[i]))
				}
				if mean := sum / float64(max(1, len(p.G))); mean > 0.05 { // it was above 1
					t.Errorf("%s is %.3g from the bottom on average after 400 steps", p.Name, mean)
				}
			}
		})
	}
}

func TestOptimizerRefuses(t *testing.T) {
	s := plainStudent(rand.New(rand.NewPCG(1, 1)))
	for _, o := range []Optimizer{{Kind: "adam"}, {EMA: 1}, {EMA: -0.1}, {EMA: math.NaN()}, {Schedule: Schedule{Kind: "step"}}} {
		if o.Schedule.Kind == "" {
			o.Schedule.Kind = "constant"
		}
		if err := o.Prepare(s); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

// A job that keeps an average exports it, and later stages find it again in the checkpoint.
func TestJobAverage(t *testing.T) {
	recipe := tinyJob(t)
	edit(t, recipe, "lr: 0.003", "lr: 0.003, optimizer: lion, ema: 0.5")
	o := Options{Threads: 2}
	_, dir := mustApply(t, recipe, o, Stages{})
	model, average := sha(t, dir+"/model.gguf"), weightsOf(t, dir)
	mustApply(t, recipe, o, Stages{From: "eval"})
	if sha(t, dir+"/model.gguf") != model {
		t.Error("the model changed")
	}
	edit(t, recipe, "ema: 0.5", "ema: 0")
	if _, dir := mustApply(t, recipe, o, Stages{}); bytes.Equal(weightsOf(t, dir), average) {
		t.Error("the average makes no difference")
	}
	if !slices.Contains(Optimizers(), "lion") {
		t.Error("lion is missing")
	}
}
