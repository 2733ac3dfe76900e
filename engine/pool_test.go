package engine

import (
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// countTask counts how often each chunk runs and that no two chunks run on one worker at once.
type countTask struct {
	ran   []atomic.Int32
	inUse [64]atomic.Bool
	bad   atomic.Int32
	at    func(chunk int)
}

func (c *countTask) run(worker, chunk int) {
	if !c.inUse[worker].CompareAndSwap(false, true) {
		c.bad.Add(1)
	}
	if c.at != nil {
		c.at(chunk)
	}
	c.ran[chunk].Add(1)
	c.inUse[worker].Store(false)
}

// Every chunk of every region runs exactly once, with more workers than processors, after pauses long enough to park
// the workers, and with regions so short that workers of one meet the next.
func TestPool(t *testing.T) {
	for i, threads := range []int{1, 2, 2, 3, 3, 8, 8, 64, 64} {
		p := newPool(threads, func(any) error { return nil }, nil)
		if i%2 == 0 {
			p.keepShares()
		}
		deadline := time.Now().Add(300 * time.Millisecond)
		regions := 0
		for time.Now().Before(deadline) {
			n := 1 + regions*7%97
			c := &countTask{ran: make([]atomic.Int32, n)}
			if err := p.run(c, n); err != nil {
				t.Fatal(err)
			}
			for i := range c.ran {
				if got := c.ran[i].Load(); got != 1 {
					t.Fatalf("%d threads, region %d: chunk %d of %d ran %d times", threads, regions, i, n, got)
				}
			}
			if c.bad.Load() > 0 {
				t.Fatalf("%d threads: two chunks at once on one worker", threads)
			}
			if regions%50 == 0 {
				time.Sleep(3 * spin) // let the workers park
			}
			regions++
		}
		p.close()
		t.Logf("%d threads: %d regions", threads, regions)
	}
}

// A worker takes its own share from the front and, when that is empty, others' from the back.
func TestPoolShares(t *testing.T) {
	p := newPool(3, func(any) error { return nil }, nil)
	p.close() // nobody else picks
	p.keepShares()
	const epoch = 7
	for i, n := range []uint64{0, 3, 6} {
		p.shares[i].span.Store(epoch<<40 | n<<20 | n + 3)
	}
	if got := p.claim(1, epoch-1); got != -1 {
		t.Errorf("chunk %d is claimed for a region that has ended", got)
	}
	var got []int
	for range 10 {
		got = append(got, p.claim(1, epoch))
	}
	if want := []int{3, 4, 5, 8, 7, 6, 2, 1, 0, -1}; !slices.Equal(got, want) {
		t.Errorf("worker 1 of 3 takes %v, want %v", got, want)
	}
}

// Closing stops every worker, parked or spinning.
func TestPoolClose(t *testing.T) {
	before := runtime.NumGoroutine()
	for i := range 20 {
		p := newPool(8, func(any) error { return nil }, nil)
		if i%2 == 0 {
			time.Sleep(3 * spin)
		}
		p.close()
	}
	for i := 0; runtime.NumGoroutine() > before; i++ {
		if i > 100 {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		time.Sleep(time.Millisecond)
	}
}

// A panic in a worker comes out in the caller; one that the fault function knows comes out as its error. The pool
// works on afterwards.
func TestPoolPanic(t *testing.T) {
	known := errors.New("known")
	p := newPool(4, func(r any) error {
		if r == "fault" {
			return known
		}
		return nil
	}, nil)
	defer p.close()
	for _, at := range []int{0, 37, 99} {
		c := &countTask{ran: make([]atomic.Int32, 100), at: func(i int) {
			if i == at {
				panic("fault")
			}
		}}
		if err := p.run(c, 100); err != known {
			t.Fatalf("got %v", err)
		}
		func() {
			defer func() {
				if r := recover(); r != "other" {
					t.Errorf("recovered %v", r)
				}
			}()
			p.run(&countTask{ran: make([]atomic.Int32, 100), at: func(i int) {
				if i == at {
					panic("other")
				}
			}}, 100)
			t.Error("no panic")
		}()
		c = &countTask{ran: make([]atomic.Int32, 100)}
		if err := p.run(c, 100); err != nil {
			t.Fatal(err)
		}
	}
}
