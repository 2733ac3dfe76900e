package distill

import (
	"fmt"
	"math"
	"testing"
)

// What bench times is training: its loss falls, and it has the same bits for any number of workers and when recomputing.
func TestWorkload(t *testing.T) {
	before := Workloads
	t.Cleanup(func() { Workloads = before })
	Workloads = append(before[:len(before):len(before)], WorkloadShape{"tiny", 3, 32, 2, 1, 48, 300, 2, 19})
	level := best(t)
	for _, w := range []Workload{{Loss: "ce"}, {Loss: "mixed_topk"}, {Loss: "forward_kl"}, {Loss: "ce", Rank: 4}, {Loss: "ce", BF16: true}} {
		t.Run(fmt.Sprintf("%s rank %d bf16 %v", w.Loss, w.Rank, w.BF16), func(t *testing.T) {
			if w.BF16 && level.GemmBF16 == nil {
				t.Skip("NOT TESTED: no bf16 unit")
			}
			w.Shape, w.Level = "tiny", level
			run := func(threads int, recompute bool) (losses []float64) {
				w.Threads, w.Recompute = threads, recompute
				b, err := w.Prepare()
				if err != nil {
					t.Fatal(err)
				}
				defer b.Close()
				if b.Tokens != 38 || !(b.Flops > 0) {
					t.Errorf("%d tokens, %g operations a step", b.Tokens, b.Flops)
				}
				b.opt.LR = 0.01
				for range 6 {
					losses = append(losses, b.Step())
				}
				return losses
			}
			want := run(1, false)
			if last := want[len(want)-1]; !(last < want[0]) {
				t.Errorf("losses %v do not fall", want)
			}
			for _, recompute := range []bool{false, true} {
				for i, v := range run(3, recompute) {
					if math.Float64bits(v) != math.Float64bits(want[i]) {
						t.Errorf("3 threads, recompute %v: loss %d is %v, want %v", recompute, i, v, want[i])
					}
				}
			}
		})
	}
	for _, w := range []Workload{{Shape: "none", Loss: "ce"}, {Shape: "tiny", Loss: "tv"}, {Shape: "tiny"}} {
		w.Level = level
		if _, err := w.Prepare(); err == nil {
			t.Errorf("shape %q with loss %q is taken", w.Shape, w.Loss)
		}
	}
}
