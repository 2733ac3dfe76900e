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

// A product that reads 16 runs of rows is told how far apart the next ones lie, and its chunks are cut so that their runs do not meet in
// the same sets of a cache.
func TestRunsOfChunks(t *testing.T) {
	w := matrix{rows: 4096, rowBytes: 1260, data: make([]byte, 4096*1260), runs: true, ints: kernels.IntFormats[kernels.Q6_K],
		gemv: func([]float32, []byte, *kernels.Acts, int, *kernels.Scratch) {}}
	s := step{mats: []matrix{w}}
	if got := s.chunkRows(&w, 1, chunkBytes); got != 192 { // 208 are 16 runs 16380 bytes apart
		t.Errorf("chunks of %d rows, want 192", got)
	}
	if next := w.at(192, 384); next.At != &w.data[192*1260] || next.Step != 12*1260 {
		t.Errorf("the second chunk's runs are %d bytes apart, want %d", next.Step, 12*1260)
	}
	w.runs = false
	if got := s.chunkRows(&w, 1, chunkBytes); got != 208 {
		t.Errorf("chunks of %d rows in order, want 208", got)
	}
	if next := w.at(192, 384); next.Step != 0 {
		t.Errorf("rows in order are told as runs %d bytes apart", next.Step)
	}
}
