package distill

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// lossSpecs says in float64 what each loss computes, written independently of its code; p is the teacher's
// distribution and q the student's, both at the temperature. A loss without an entry fails the test.
var lossSpecs = map[string]func(c lossCase, z, t []float64) float64{
	"ce": func(c lossCase, z, _ []float64) float64 { return -logQ(z, c.p.Temperature)[c.label] },
	"forward_kl": func(c lossCase, z, t []float64) float64 {
		return klLogs(logQ(t, c.p.Temperature), logQ(z, c.p.Temperature))
	},
	"reverse_kl": func(c lossCase, z, t []float64) float64 {
		return klLogs(logQ(z, c.p.Temperature), logQ(t, c.p.Temperature))
	},
	"jsd": func(c lossCase, z, t []float64) float64 {
		lp, lq := logQ(t, c.p.Temperature), logQ(z, c.p.Temperature)
		lm := make([]float64, len(z))
		for i := range lm {
			lm[i] = math.Log(c.p.Beta*math.Exp(lp[i]) + (1-c.p.Beta)*math.Exp(lq[i]))
		}
		return c.p.Beta*klLogs(lp, lm) + (1-c.p.Beta)*klLogs(lq, lm)
	},
	"skew_kl": func(c lossCase, z, t []float64) float64 {
		lp, lq := logQ(t, c.p.Temperature), logQ(z, c.p.Temperature)
		return klLogs(lp, mixLogs(lp, lq, c.p.Skew))
	},
	"skew_reverse_kl": func(c lossCase, z, t []float64) float64 {
		lp, lq := logQ(t, c.p.Temperature), logQ(z, c.p.Temperature)
		return klLogs(lq, mixLogs(lq, lp, c.p.Skew))
	},
	"bce": func(c lossCase, z, t []float64) float64 {
		sum := 0.0
		for i := range z {
			two := func(x float64) []float64 { return logQ([]float64{x, 0}, c.p.Temperature) }
			sum += klLogs(two(t[i]), two(z[i])) / float64(len(z))
		}
		return sum
	},
	"tv": func(c lossCase, z, t []float64) float64 {
		lp, lq := logQ(t, c.p.Temperature), logQ(z, c.p.Temperature)
		sum := 0.0
		for i := range lp {
			sum += math.Abs(math.Exp(lp[i])-math.Exp(lq[i])) / 2
		}
		return sum
	},
	"listwise_kl": func(c lossCase, z, t []float64) float64 {
		return klLogs(logQ(t, c.p.Temperature), logQ(z, c.p.Temperature))
	},
	"mse": func(_ lossCase, z, t []float64) float64 {
		sum := 0.0
		for i := range z {
			sum += (z[i] - t[i]) * (z[i] - t[i]) / float64(len(z))
		}
		return sum
	},
	"cosine":        func(_ lossCase, z, t []float64) float64 { return 1 - cos64(z, t) },
	"similarity_kl": similarityKLOf,
	"mixed_similarity": func(c lossCase, z, t []float64) float64 {
		return c.p.Alpha*similarityKLOf(c, z, t) + (1-c.p.Alpha)*(1-cos64(z, t))
	},
	"topk_rest_kl": func(c lossCase, z, t []float64) float64 {
		lp, lq := logQ(t, c.p.Temperature), logQ(z, c.p.Temperature)
		sum, pr, qr := 0.0, 0.0, 0.0
		for rank, i := range fallingOrder(t) {
			if rank < c.p.K {
				sum += math.Exp(lp[i]) * (lp[i] - lq[i])
			} else {
				pr, qr = pr+math.Exp(lp[i]), qr+math.Exp(lq[i])
			}
		}
		if pr > 0 {
			sum += pr * math.Log(pr/qr)
		}
		return sum
	},
	"topk_uniform_kl": func(c lossCase, z, t []float64) float64 {
		lp, order := logQ(t, c.p.Temperature), fallingOrder(t)
		rest := 0.0
		for _, i := range order[c.p.K:] {
			rest += math.Exp(lp[i])
		}
		for _, i := range order[c.p.K:] {
			lp[i] = math.Log(rest / float64(len(t)-c.p.K))
		}
		return klLogs(lp, logQ(z, c.p.Temperature))
	},
	"mixed": func(c lossCase, z, t []float64) float64 {
		T := c.p.Temperature
		return c.p.Alpha*T*T*klLogs(logQ(t, T), logQ(z, T)) - (1-c.p.Alpha)*logQ(z, 1)[c.label]
	},
	"mixed_topk": func(c lossCase, z, t []float64) float64 {
		T, ids := c.p.Temperature, fallingOrder(t)
		zk, tk := pick64(z, ids[:c.p.K]), pick64(t, ids[:c.p.K])
		return c.p.Alpha*T*T*klLogs(logQ(tk, T), logQ(zk, T)) - (1-c.p.Alpha)*logQ(z, 1)[c.label]
	},
	"topk_forward_kl": func(c lossCase, z, t []float64) float64 {
		ids := fallingOrder(t)
		zk, tk := pick64(z, ids[:c.p.K]), pick64(t, ids[:c.p.K])
		return klLogs(logQ(tk, c.p.Temperature), logQ(zk, c.p.Temperature))
	},
}

// mixLogs is log(a exp(x) + (1-a) exp(y)).
func mixLogs(x, y []float64, a float64) []float64 {
	out := make([]float64, len(x))
	for i := range out {
		out[i] = math.Log(a*math.Exp(x[i]) + (1-a)*math.Exp(y[i]))
	}
	return out
}

// fallingOrder lists indices by falling value, the lower index first where they are equal.
func fallingOrder(t []float64) []int {
	ids := make([]int, len(t))
	for i := range ids {
		ids[i] = i
	}
	slices.SortStableFunc(ids, func(a, b int) int { return cmp.Compare(t[b], t[a]) })
	return ids
}

type lossCase struct {
	p     LossParams
	label int32
}

func pick64(x []float64, ids []int) []float64 {
	out := make([]float64, len(ids))
	for i, id := range ids {
		out[i] = x[id]
	}
	return out
}

// logQ is log softmax(z/T).
func logQ(z []float64, T float64) []float64 {
	m := slices.Max(z) / T
	sum := 0.0
	for _, v := range z {
		sum += math.Exp(v/T - m)
	}
	out := make([]float64, len(z))
	for i, v := range z {
		out[i] = v/T - m - math.Log(sum)
	}
	return out
}

// klLogs is KL(a || b) of log-probabilities.
func klLogs(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		if p := math.Exp(a[i]); p > 0 {
			sum += p * (a[i] - b[i])
		}
	}
	return sum
}

func to64(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

func testParams(T float64) LossParams {
	return LossParams{Temperature: T, Alpha: 0.3, Beta: 0.7, Skew: 0.1, K: 5}
}

// anchored adds the anchors that losses of embeddings hold vectors of some width against.
func anchored(p LossParams, width int) LossParams {
	r := rand.New(rand.NewPCG(28, uint64(width)))
	for range 9 {
		a := normal(r, width, 1)
		direct(a)
		p.Anchors = append(p.Anchors, a)
	}
	return p
}

func similarityKLOf(c lossCase, z, t []float64) float64 {
	var s, p []float64
	for k, a := range c.p.Anchors {
		if int32(k) != c.label {
			s, p = append(s, cos64(z, to64(a))), append(p, cos64(t, to64(a)))
		}
	}
	return klLogs(logQ(p, c.p.Temperature), logQ(s, c.p.Temperature))
}

func cos64(a, b []float64) float64 {
	ab, aa, bb := 0.0, 0.0, 0.0
	for i := range a {
		ab, aa, bb = ab+a[i]*b[i], aa+a[i]*a[i], bb+b[i]*b[i]
	}
	return ab / math.Sqrt(aa*bb)
}

func normal(r *rand.Rand, n int, scale float64) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(scale * r.NormFloat64())
	}
	return out
}

// Every loss is what its formula says, and its gradient is the formula's slope, at several temperatures and widths.
func TestLosses(t *testing.T) {
	level := best(t)
	for _, name := range Losses() {
		spec := lossSpecs[name]
		if spec == nil {
			t.Errorf("loss %q has no formula in lossSpecs", name)
			continue
		}
		r := rand.New(rand.NewPCG(21, 22))
		for _, n := range []int{5, 17, 64, 333} {
			for _, T := range []float64{0.5, 1, 2, 10} {
				c := lossCase{anchored(testParams(T), n), int32(r.IntN(n))}
				loss, err := NewLoss(name, c.p)
				if err != nil {
					t.Fatal(err)
				}
				z, teach := normal(r, n, 2), normal(r, n, 2)
				const weight = 0.25
				dz := slices.Clone(z)
				got := loss.Row(level, dz, teach, c.label, weight, make([]float32, 3*n))
				z64, t64 := to64(z), to64(teach)
				want := spec(c, z64, t64)
				if !(math.Abs(got-want) <= 2e-6*math.Max(1, math.Abs(want))) {
					t.Errorf("%s, %d wide, T %g: loss %.9g, formula %.9g", name, n, T, got, want)
				}
				const h = 1e-4
				worst, size := 0.0, 0.0
				for i := range z64 {
					x := z64[i]
					z64[i] = x + h
					up := spec(c, z64, t64)
					z64[i] = x - h
					slope := weight * (up - spec(c, z64, t64)) / (2 * h)
					z64[i] = x
					worst = math.Max(worst, math.Abs(float64(dz[i])-slope))
					size = math.Max(size, math.Abs(slope))
				}
				if !(worst <= 3e-6*size+1e-8) {
					t.Errorf("%s, %d wide, T %g: gradient off by %.3g, largest %.3g", name, n, T, worst, size)
				}
			}
		}
	}
}

// A student that says what its teacher says has no loss and no gradient.
func TestLossesAtTheTeacher(t *testing.T) {
	level := best(t)
	r := rand.New(rand.NewPCG(23, 24))
	for _, name := range Losses() {
		p := anchored(testParams(2), 100)
		p.Alpha = 1 // mixed: the distillation term alone
		loss, err := NewLoss(name, p)
		if err != nil {
			t.Fatal(err)
		}
		if !loss.NeedsTeacher() {
			continue
		}
		teach := normal(r, 100, 3)
		if name == "topk_uniform_kl" { // what it takes for the teacher has an even tail
			for _, i := range fallingOrder(to64(teach))[p.K:] {
				teach[i] = -4
			}
		}
		z := slices.Clone(teach)
		if got := loss.Row(level, z, teach, 4, 1, make([]float32, 300)); !(math.Abs(got) <= 1e-6) {
			t.Errorf("%s: loss %g at the teacher, want 0", name, got)
		}
		for i, v := range z {
			if !(math.Abs(float64(v)) <= 1e-6) {
				t.Errorf("%s: gradient %d is %g at the teacher, want 0", name, i, v)
				break
			}
		}
	}
}

// Extreme logits give finite losses and gradients.
func TestLossesExtreme(t *testing.T) {
	level := best(t)
	fill := func(n int, v func(i int) float32) []float32 {
		out := make([]float32, n)
		for i := range out {
			out[i] = v(i)
		}
		return out
	}
	shapes := map[string][]float32{
		"one high":      fill(20, func(i int) float32 { return []float32{-1e4, 1e4}[b2i(i == 3)] }),
		"another high":  fill(20, func(i int) float32 { return []float32{-1e4, 1e4}[b2i(i == 7)] }),
		"one low":       fill(20, func(i int) float32 { return []float32{1e4, -1e4}[b2i(i == 3)] }),
		"flat high":     fill(20, func(int) float32 { return 1e4 }),
		"flat":          fill(20, func(int) float32 { return 0 }),
		"ramp":          fill(20, func(i int) float32 { return float32(i-10) * 1e3 }),
		"barely apart":  fill(20, func(i int) float32 { return 1e4 + float32(i)/512 }),
		"all but equal": fill(20, func(i int) float32 { return float32(i) * 1e-30 }),
	}
	for _, name := range Losses() {
		for _, T := range []float64{0.05, 1, 20} {
			loss, err := NewLoss(name, anchored(testParams(T), 20))
			if err != nil {
				t.Fatal(err)
			}
			for zn, z := range shapes {
				for tn, teach := range shapes {
					dz := slices.Clone(z)
					got := loss.Row(level, dz, teach, 3, 1, make([]float32, 60))
					if !finite(got) || got < -1e-3 {
						t.Errorf("%s, T %g, student %s, teacher %s: loss %v", name, T, zn, tn, got)
					}
					for i, v := range dz {
						if !finite(float64(v)) {
							t.Errorf("%s, T %g, student %s, teacher %s: gradient %d is %v", name, T, zn, tn, i, v)
							break
						}
					}
				}
			}
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Weight 0 leaves a row out, and a row without a label has no cross-entropy.
func TestLossesWithoutWeightOrLabel(t *testing.T) {
	s := openStudent(t, modelFiles(t)[0])
	g := NewGraph(s, best(t), 1, goParallel(1))
	r := rand.New(rand.NewPCG(25, 26))
	var tmp []float32
	for _, name := range Losses() {
		loss, err := NewLoss(name, anchored(testParams(2), 9))
		if err != nil {
			t.Fatal(err)
		}
		z, teach := normal(r, 9, 2), normal(r, 9, 2)
		if got := g.row(loss, z, Target{Label: 2, Teacher: teach}, &tmp); got != 0 || slices.ContainsFunc(z, func(v float32) bool { return v != 0 }) {
			t.Errorf("%s: weight 0 gives loss %v, gradient %v", name, got, z)
		}
		z = normal(r, 9, 2)
		dz := slices.Clone(z)
		got := g.row(loss, dz, Target{Label: -1, Teacher: teach, Weight: 1}, &tmp)
		want := 0.0
		switch name {
		case "ce":
		case "mixed":
			want = 0.3 * 4 * klLogs(logQ(to64(teach), 2), logQ(to64(z), 2))
		case "mixed_topk":
			want = 0.3 * 4 * lossSpecs["topk_forward_kl"](lossCase{anchored(testParams(2), 9), -1}, to64(z), to64(teach))
		default:
			want = lossSpecs[name](lossCase{anchored(testParams(2), 9), -1}, to64(z), to64(teach))
		}
		if !(math.Abs(got-want) <= 1e-5) {
			t.Errorf("%s without a label: loss %v, want %v", name, got, want)
		}
		if name == "ce" && slices.ContainsFunc(dz, func(v float32) bool { return v != 0 }) {
			t.Errorf("%s without a label: gradient %v", name, dz)
		}
	}
}

// The teacher's logits of a few ids give what all of them give where only the few count.
func TestTopLoss(t *testing.T) {
	s := openStudent(t, modelFiles(t)[0])
	g := NewGraph(s, best(t), 1, goParallel(1))
	r := rand.New(rand.NewPCG(27, 28))
	loss, err := NewLoss("mixed_topk", testParams(2))
	if err != nil {
		t.Fatal(err)
	}
	var tmp []float32
	z, teach := normal(r, 40, 2), normal(r, 40, 2)
	all, few := slices.Clone(z), slices.Clone(z)
	want := g.row(loss, all, Target{Label: 3, Teacher: teach, Weight: 0.5}, &tmp)
	var ids []int32
	var kept []float32
	for _, id := range largest(teach, 5) {
		ids, kept = append(ids, int32(id)), append(kept, teach[id])
	}
	if got := g.row(loss, few, Target{Label: 3, Teacher: kept, IDs: ids, Weight: 0.5}, &tmp); got != want {
		t.Errorf("loss %v from 5 logits, %v from all", got, want)
	}
	sameBits(t, "gradient", few, all)
}

func TestNewLossRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		p    LossParams
	}{
		{"kl", LossParams{}}, {"", LossParams{}}, {"ce", LossParams{Temperature: -1}}, {"ce", LossParams{Temperature: math.NaN()}},
		{"skew_kl", LossParams{}}, {"skew_reverse_kl", LossParams{Skew: 1}}, {"jsd", LossParams{}}, {"jsd", LossParams{Beta: 1}}, {"mixed", LossParams{Alpha: 1.5}}, {"mixed", LossParams{Alpha: math.NaN()}},
		{"similarity_kl", LossParams{}}, {"mixed_similarity", LossParams{Anchors: [][]float32{{1}, {1}}, Alpha: 2}}, {"mixed_similarity", LossParams{Alpha: 0.5}},
	} {
		if _, err := NewLoss(c.name, c.p); err == nil {
			t.Errorf("loss %q with %+v is accepted", c.name, c.p)
		}
	}
}
