package engine

import (
	"context"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
)

// While one token is decoded, every product is told what its worker reads next: the weights of the next product where one
// worker does all, the beginning of another chunk where there are more.
func TestFixturesAhead(t *testing.T) {
	for _, threads := range []int{1, 3} {
		m := small(t, "llama-gqa.Q8_0", WithThreads(threads))
		type call struct{ data, next *byte }
		var calls []call
		watch := func(s *step) {
			for i := range s.mats {
				w := &s.mats[i]
				gemv := w.gemv
				w.gemv = func(dst []float32, data []byte, a *kernels.Acts, tok int, s *kernels.Scratch) {
					m.runner.mu.Lock()
					calls = append(calls, call{&data[0], s.Next.At})
					m.runner.mu.Unlock()
					gemv(dst, data, a, tok, s)
				}
			}
		}
		watch(&m.plan.head)
		for i := range m.plan.steps {
			watch(&m.plan.steps[i])
		}
		s := m.NewSession()
		if _, err := s.Eval(context.Background(), []int32{1, 2, 3}); err != nil {
			t.Fatal(err)
		}
		calls = calls[:0]
		if _, err := s.Eval(context.Background(), []int32{1, 2, 3, 4}); err != nil {
			t.Fatal(err)
		}
		starts := map[*byte]bool{}
		for _, c := range calls {
			starts[c.data] = true
		}
		if len(calls) < 10 {
			t.Fatalf("%d products in a token", len(calls))
		}
		for i, c := range calls {
			if threads == 1 && c.next != calls[(i+1)%len(calls)].data {
				t.Errorf("product %d of %d is followed by another than it was told", i, len(calls))
			}
			if !starts[c.next] {
				t.Errorf("%d threads: product %d was told of weights that nobody reads", threads, i)
			}
		}
	}
}
