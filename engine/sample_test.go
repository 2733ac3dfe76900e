package engine

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
)

// chances is the specification of sampler.pick: the probability of every token, in plain float64.
func chances(logits []float32, g *Gen, text []int32, prompt int) []float64 {
	x := make([]float64, len(logits))
	for i, l := range logits {
		x[i] = float64(l) + float64(g.Bias[int32(i)])
		recent := text
		if g.Window == 0 {
			recent = text[max(0, len(text)-64):]
		} else if g.Window > 0 {
			recent = text[max(0, len(text)-g.Window):]
		}
		if slices.Contains(recent, int32(i)) && g.Repeat > 0 {
			if x[i] > 0 {
				x[i] /= g.Repeat
			} else {
				x[i] *= g.Repeat
			}
		}
		n := 0.0
		for _, id := range text[prompt:] {
			if id == int32(i) {
				n++
			}
		}
		if n > 0 {
			x[i] -= g.Presence + n*g.Frequency
		}
	}
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(a, b int) bool { return x[order[a]] > x[order[b]] })
	if g.Temperature == 0 {
		one := make([]float64, len(x))
		one[order[0]] = 1
		return one
	}
	if g.TopK > 0 && g.TopK < len(order) {
		order = order[:g.TopK]
	}
	p, total := make([]float64, len(x)), 0.0
	for _, i := range order {
		p[i] = math.Exp((x[i] - x[order[0]]) / g.Temperature)
		total += p[i]
	}
	kept, acc := 0.0, 0.0
	for _, i := range order {
		if g.TopP > 0 && acc >= g.TopP*total || p[i] < g.MinP {
			acc += p[i]
			p[i] = 0
			continue
		}
		acc += p[i]
		kept += p[i]
	}
	for i := range p {
		p[i] /= kept
	}
	return p
}

// Whatever is asked for, tokens come as often as the specification says, and those it leaves out never.
func TestSamplerChances(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 1))
	logits := make([]float32, 40)
	for i := range logits {
		logits[i] = float32(r.NormFloat64() * 2)
	}
	logits[7] = logits[9] // equals
	text := make([]int32, 300)
	for i := range text {
		text[i] = int32(r.IntN(len(logits)))
	}
	never := float32(math.Inf(-1))
	for name, g := range map[string]Gen{
		"plain":           {Temperature: 1},
		"top p":           {Temperature: 1, TopP: 0.7},
		"top p, nearly 0": {Temperature: 1, TopP: 1e-9},
		"top p, nearly 1": {Temperature: 1.5, TopP: 0.9999},
		"min p":           {Temperature: 1.3, MinP: 0.1},
		"min p 1":         {Temperature: 1, MinP: 1},
		"all":             {Temperature: 0.8, TopK: 12, TopP: 0.9, MinP: 0.05},
		"repeat":          {Temperature: 1, Penalties: Penalties{Repeat: 1.5, Window: 10}},
		"repeat, usual":   {Temperature: 1, Penalties: Penalties{Repeat: 1.2}},
		"repeat, whole":   {Temperature: 1, Penalties: Penalties{Repeat: 1.2, Window: -1}},
		"presence":        {Temperature: 1, Penalties: Penalties{Presence: 1.5}},
		"frequency":       {Temperature: 1, Penalties: Penalties{Frequency: 0.3}},
		"greedy":          {Penalties: Penalties{Repeat: 2, Presence: 0.5, Frequency: 0.2}},
		"bias":            {Temperature: 1, Bias: map[int32]float32{3: 4, 9: never, 11: -1}},
		"greedy, bias":    {Bias: map[int32]float32{3: 100}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := g.check(); err != nil {
				t.Fatal(err)
			}
			s := sampler{l: kernels.Levels()[0]}
			const n, prompt = 20000, 250
			before := slices.Clone(logits)
			want, count := chances(logits, &g, text, prompt), make([]float64, len(logits))
			for seed := range uint64(n) {
				g.Seed = seed
				id, err := s.pick(logits, &g, text, prompt)
				if err != nil {
					t.Fatal(err)
				}
				count[id]++
			}
			if !slices.Equal(before, logits) {
				t.Fatal("the logits were changed")
			}
			for i, p := range want {
				got := count[i] / n
				if p == 0 && got > 0 || math.Abs(got-p) > 4.5*math.Sqrt(p*(1-p)/n)+1e-9 {
					t.Errorf("token %d drawn %.4f of the time, want %.4f", i, got, p)
				}
			}
			if allocs := testing.AllocsPerRun(50, func() { s.pick(logits, &g, text, prompt) }); allocs > 0 {
				t.Errorf("%v allocations a draw", allocs)
			}
		})
	}
}

func TestGenMistakes(t *testing.T) {
	nan := math.NaN()
	for _, g := range []Gen{{TopP: 1.1}, {TopP: -0.1}, {TopP: nan}, {MinP: 2}, {MinP: nan}, {Penalties: Penalties{Repeat: -1}}, {Penalties: Penalties{Repeat: nan}},
		{Penalties: Penalties{Presence: 200}}, {Penalties: Penalties{Frequency: nan}}, {Bias: map[int32]float32{-1: 0}}, {Bias: map[int32]float32{1: float32(math.Inf(1))}},
		{Bias: map[int32]float32{1: float32(nan)}}} {
		if g.check() == nil {
			t.Errorf("%+v passes", g)
		}
	}
}
