package engine

import (
	"context"
	"testing"
	"unsafe"

	"github.com/freehold-slm/freehold/kernels"
)

// While one token is decoded, every product is told what its worker reads next: the weights of the next product where one
// worker does all, the beginning of another chunk where there are more; before attention a head of the cache.
func TestFixturesAhead(t *testing.T) {
	for _, threads := range []int{1, 3} {
		m := small(t, "llama256.Q4_1", WithThreads(threads))
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
		tokens := make([]int32, fewKeys+2)
		if _, err := s.Eval(context.Background(), tokens[:len(tokens)-1]); err != nil {
			t.Fatal(err)
		}
		calls = calls[:0]
		if _, err := s.Eval(context.Background(), tokens); err != nil {
			t.Fatal(err)
		}
		starts := map[*byte]bool{}
		for _, c := range calls {
			starts[c.data] = true
		}
		heads := map[*byte]bool{}
		for layer := range m.Spec.Layers {
			for h := range m.Spec.KVHeads {
				heads[(*byte)(unsafe.Pointer(&s.pages[0].f16[m.offset(layer, h)]))] = true
			}
		}
		told := 0
		if len(calls) < 9 {
			t.Fatalf("%d products in a token", len(calls))
		}
		for i, c := range calls {
			if heads[c.next] {
				told++
				continue
			}
			if threads == 1 && c.next != calls[(i+1)%len(calls)].data {
				t.Errorf("product %d of %d is followed by another than it was told", i, len(calls))
			}
			if !starts[c.next] {
				t.Errorf("%d threads: product %d was told of weights that nobody reads", threads, i)
			}
		}
		if threads == 1 && told != m.Spec.Layers-1 { // the first layer's attention has no groups yet
			t.Errorf("%d products were told of heads in %d layers", told, m.Spec.Layers)
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

// For one token a region of such products is cut into few chunks, each short enough, that give all workers about the same to read.
func TestRunsOfRegions(t *testing.T) {
	type mats [][2]int // rows, bytes of a row
	for name, region := range map[string]struct {
		mats mats
		join bool
		most int // chunks of two workers
	}{
		"wo":      {mats{{576, 360}}, false, 2},
		"wq":      {mats{{576, 360}, {192, 360}, {192, 360}}, false, 9},
		"gate":    {mats{{1536, 360}, {1536, 360}}, true, 4},
		"down":    {mats{{576, 960}}, false, 4},
		"head":    {mats{{49152, 612}}, false, 62},
		"aliased": {mats{{4096, 1260}}, false, 12},
		"short":   {mats{{8, 360}}, false, 1},
	} {
		s := step{join: region.join}
		for _, m := range region.mats {
			s.mats = append(s.mats, matrix{rows: m[0], rowBytes: m[1], data: make([]byte, m[0]*m[1]), runs: true, ints: kernels.IntFormats[kernels.Q4_1],
				gemv: func([]float32, []byte, *kernels.Acts, int, *kernels.Scratch) {}})
		}
		for _, threads := range []int{1, 2, 3, 8} {
			s.cutOne(threads)
			c, total, worst := &s.one.cut, 0, 0
			seen := make([]int, len(s.mats))
			for worker := range threads {
				share := 0
				for chunk := s.one.from[worker]; chunk < s.one.from[worker+1]; chunk++ {
					i, row0, row1 := s.chunk(c, chunk)
					bytes := (row1 - row0) * s.mats[i].rowBytes
					if row0 != seen[i] || row1 <= row0 || bytes > runsBytes || row1 < s.mats[i].rows && aliased(bytes/16) {
						t.Errorf("%s, %d threads: chunk %d is rows %d to %d of %d bytes each", name, threads, chunk, row0, row1, s.mats[i].rowBytes)
					}
					seen[i] = row1
					share += bytes
				}
				total, worst = total+share, max(worst, share)
			}
			for i := range s.mats {
				if seen[i] != s.mats[i].rows && !(region.join && i > 0) {
					t.Errorf("%s, %d threads: %d of %d rows are in chunks", name, threads, seen[i], s.mats[i].rows)
				}
			}
			if threads == 2 && (c.each > region.most || c.each > 1 && float64(worst) > 0.61*float64(total)) {
				t.Errorf("%s: two workers have %d chunks, want %d at most, and one of them %d of %d bytes", name, c.each, region.most, worst, total)
			}
		}
	}
}

// Deep in a context each worker has pages of about as many keys, and a chunk of it asks for what the worker reads next: another of its
// chunks, the products after its last; of the last page, which has few keys here, each head was asked for before.
func TestFixturesShares(t *testing.T) {
	for _, kv := range []KV{KVF16, KVQ8_0} {
		for _, threads := range []int{1, 2, 3} {
			m := small(t, "llama256.Q4_1", WithThreads(threads), WithKV(kv), WithContext(2*kernels.PageKeys))
			s := m.NewSession()
			tokens := make([]int32, kernels.PageKeys+9)
			for _, n := range []int{len(tokens) - 1, len(tokens)} {
				if _, err := s.Eval(context.Background(), tokens[:n]); err != nil {
					t.Fatal(err)
				}
			}
			a := &m.runner.attT
			if !a.split || len(a.owner) != 2*m.Spec.KVHeads {
				t.Fatalf("%d threads: split is %v, %d chunks, want %d", threads, a.split, len(a.owner), 2*m.Spec.KVHeads)
			}
			total := 0
			for c := range a.owner {
				total += a.keys(a.place(c))
			}
			if want := len(tokens) * m.Spec.KVHeads; total != want {
				t.Errorf("chunks have %d keys, want %d", total, want)
			}
			var ws workerScratch // the workers' own are in use
			for w := range threads {
				sum := 0
				for c := a.from[w]; c < a.from[w+1]; c++ {
					sum += a.keys(a.place(c))
					next := a.after(&ws, w, c)
					follows := c + 1
					for follows < a.from[w+1] && a.keys(a.place(follows)) <= fewKeys {
						follows++
					}
					switch {
					case a.keys(a.place(c)) <= fewKeys:
						if next != nil {
							t.Errorf("%d threads: chunk %d of few keys asks for more", threads, c)
						}
					case follows < a.from[w+1]:
						if &next[0] != &a.ahead(a.s.layer, follows)[0] {
							t.Errorf("%d threads: chunk %d does not ask for chunk %d", threads, c, follows)
						}
					case unsafe.Pointer(&next[0]) != unsafe.Pointer(a.s.then.one.at[w].At):
						t.Errorf("%d threads: chunk %d, the last of worker %d, does not ask for the products that follow", threads, c, w)
					}
				}
				if d := sum - total/threads; d < -160 || d > 160 { // equally many chunks would be 247 apart
					t.Errorf("%d threads: worker %d has %d of %d keys", threads, w, sum, total)
				}
			}
			if a.from[0] != 0 || a.from[threads] != len(a.owner) {
				t.Errorf("shares are %v of %d chunks", a.from, len(a.owner))
			}
		}
	}
}
