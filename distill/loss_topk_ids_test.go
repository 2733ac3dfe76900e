package distill

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// The losses of a few ids give what they give of all logits, of which they count the few.
func TestTopLossIDs(t *testing.T) {
	s := openStudent(t, modelFiles(t)[0])
	g := NewGraph(s, best(t), 1, goParallel(1))
	r := rand.New(rand.NewPCG(71, 72))
	for name, T := range map[string]float64{"topk_forward_kl": 2, "topk_rest_kl": 1, "topk_uniform_kl": 1} {
		loss, err := NewLoss(name, testParams(T))
		if err != nil {
			t.Fatal(err)
		}
		for round := range 24 {
			var tmp []float32
			z, teach := normal(r, 40, 2), normal(r, 40, 2)
			if round >= 20 { // a student that is sure, of what the teacher is not quite sure
				top := largest(teach, 1)[0]
				z[top] += 18 + float32(round-20)
			}
			lp := make([]float32, 40) // log-probabilities, of which a few are what a shard keeps
			for i, v := range logSoftmax(to64(teach)) {
				lp[i] = float32(v)
			}
			all, few := slices.Clone(z), slices.Clone(z)
			want := g.row(loss, all, Target{Label: 3, Teacher: lp, Weight: 0.5}, &tmp)
			var ids []int32
			var kept []float32
			for _, id := range largest(lp, 5) {
				ids, kept = append(ids, int32(id)), append(kept, lp[id])
			}
			if round%2 == 1 { // the order is of no matter
				slices.Reverse(ids)
				slices.Reverse(kept)
			}
			if got := g.row(loss, few, Target{Label: 3, Teacher: kept, IDs: ids, Weight: 0.5}, &tmp); math.Abs(got-want) > 1e-5*(1+want) {
				t.Errorf("%s: loss %v from 5 logits, %v from all", name, got, want)
			}
			if d := maxAbsDiff(few, all); d > 1e-6 {
				t.Errorf("%s: the gradient differs by %v", name, d)
			}
		}
		z := normal(r, 40, 2)
		var tmp []float32
		if got := g.row(loss, z, Target{Teacher: []float32{}, IDs: []int32{}, Weight: 1}, &tmp); name != "topk_uniform_kl" && (math.Abs(got) > 1e-6 || maxAbsDiff(z, make([]float32, 40)) > 1e-6) {
			t.Errorf("%s: of no ids the loss is %v", name, got)
		}
	}
	mixed, err := NewLoss("mixed_topk", testParams(1))
	if err != nil {
		t.Fatal(err)
	}
	z, c := normal(r, 40, 2), lossCase{testParams(1), 3}
	var tmp []float32
	want := (1 - c.p.Alpha) * lossSpecs["ce"](c, to64(z), nil)
	if got := g.row(mixed, z, Target{Label: 3, Teacher: []float32{}, IDs: []int32{}, Weight: 1}, &tmp); !(math.Abs(got-want) <= 1e-5) {
		t.Errorf("mixed_topk: of no ids the loss is %v, want that of the label, %v", got, want)
	}
}
