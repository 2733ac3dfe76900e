package engine

import (
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// task is the work of one parallel region: Run is called once for every chunk, by any worker, in any order.
// Workers are numbered from 0 (the caller of pool.run); one worker runs one chunk at a time, so worker-numbered
// scratch is safe.
type task interface{ run(worker, chunk int) }

// spin is how long an idle worker looks for the next region before it parks, and how long the caller looks for the
// last chunks to end before it gives its processor away.
const spin = 40 * time.Microsecond

// maxChunks bounds the chunks of one region, for they are counted in 20 bits.
const maxChunks = 1<<20 - 1

// pool runs parallel regions on a fixed set of goroutines. Chunks are claimed one by one from an atomic counter, so a
// worker whose core is taken away holds up at most the chunk it has claimed; which chunk a claim gives is told by
// keepShares. Idle workers spin briefly, then park.
//
// state is (epoch 24 bits, chunks 20 bits, next 20 bits) in one word: a claim is a compare-and-swap that succeeds only
// on the region it was read from, and a region cannot end before its claimed chunks have, so p.task is always the
// claimed chunk's.
type pool struct {
	state   atomic.Uint64
	done    atomic.Int64 // chunks ended in this region
	task    task
	workers []*worker // without the caller
	shares  []share   // [threads] chunks of each worker that nobody took yet; nil = all chunks are everybody's
	yields  yielder   // the caller's
	closed  atomic.Bool
	left    sync.WaitGroup
	fault   func(recovered any) error // turns a fault of the mapping into an error, nil for other panics
	rest    func(worker int)          // what a worker does while it waits, over and over; nil = nothing

	mu    sync.Mutex
	err   error // first fault of this region
	panik any   // first other panic of this region
	bad   atomic.Bool
}

type worker struct {
	id     int
	yields yielder
	parked atomic.Bool
	wake   chan struct{}
}

// yieldAfter is how long a worker computes, about, before it lets other goroutines run: the scheduler itself takes a
// processor away after 10 ms only, and kernels cannot be interrupted.
const yieldAfter = 2 * time.Millisecond

// yielder is when one worker last let others run. It looks at the clock every so many chunks and regions that the looks are
// some tenths of yieldAfter apart.
type yielder struct {
	yielded, looked time.Time
	every, left     int
}

// tick is called after each chunk and each region.
func (y *yielder) tick() {
	if y.left--; y.left <= 0 {
		y.look()
	}
}

func (y *yielder) look() {
	now := time.Now()
	switch d := now.Sub(y.looked); {
	case d < yieldAfter/8:
		y.every = min(64, 2*y.every+1)
	case d > yieldAfter/3:
		y.every /= 2
	}
	y.looked, y.left = now, y.every
	if now.Sub(y.yielded) > yieldAfter {
		runtime.Gosched()
		y.yielded = now
	}
}

// newPool starts threads-1 workers; the caller of run is the remaining one.
func newPool(threads int, fault func(any) error, rest func(worker int)) *pool {
	p := &pool{fault: fault, rest: rest}
	for i := 1; i < threads; i++ {
		w := &worker{id: i, wake: make(chan struct{}, 1)}
		p.workers = append(p.workers, w)
		p.left.Add(1)
		go p.work(w)
	}
	return p
}

// keepShares gives each worker a share of the chunks, in rising order: a value that one region leaves in a core's caches is
// then mostly read by the same core in the next. Without, chunks are taken in rising order by all.
func (p *pool) keepShares() { p.shares = make([]share, p.threads()) }

// threads is the number of workers, the caller included.
func (p *pool) threads() int { return len(p.workers) + 1 }

// close stops the workers and waits for them. No region may be running.
func (p *pool) close() {
	p.closed.Store(true)
	for _, w := range p.workers {
		w.unpark()
	}
	p.left.Wait()
}

func (w *worker) unpark() bool {
	if w.parked.CompareAndSwap(true, false) {
		w.wake <- struct{}{} // cap 1 and one token per parking: never blocks
		return true
	}
	return false
}

// run runs chunks 0..n-1 of t and returns when all have ended. A memory fault of the model file's mapping comes back
// as an error; other panics go on in the caller. One region at a time.
func (p *pool) run(t task, n int) error {
	if n <= 0 {
		return nil
	}
	if n > maxChunks {
		panic("engine: too many chunks in one region")
	}
	defer p.yields.tick()
	if n == 1 || len(p.workers) == 0 {
		for i := 0; i < n && !p.bad.Load(); i++ {
			p.chunk(t, 0, i)
			p.yields.tick()
		}
		return p.outcome()
	}
	p.task = t
	p.done.Store(0)
	for i := range p.shares {
		p.shares[i].span.Store(uint64(i*n/len(p.shares))<<32 | uint64((i+1)*n/len(p.shares)))
	}
	epoch := p.state.Load()>>40 + 1
	p.state.Store(epoch<<40 | uint64(n)<<20)
	woken := 0
	for _, w := range p.workers {
		if woken == n-1 {
			break
		}
		if w.unpark() {
			woken++
		}
	}
	for p.claim(0) {
		p.yields.tick()
	}
	p.await(int64(n))
	return p.outcome()
}

// outcome reports and clears what went wrong in the region.
func (p *pool) outcome() error {
	if !p.bad.Load() {
		return nil
	}
	err, panik := p.err, p.panik
	p.err, p.panik = nil, nil
	p.bad.Store(false)
	if panik != nil {
		panic(panik)
	}
	return err
}

// await waits until n chunks have ended.
func (p *pool) await(n int64) {
	var start time.Time
	for i := 0; p.done.Load() < n; i++ {
		p.breathe(0)
		if i&63 == 63 {
			if start.IsZero() {
				start = time.Now()
			} else if d := time.Since(start); d > 25*spin {
				time.Sleep(spin)
			} else if d > spin {
				runtime.Gosched() // a core was taken away: leave ours to whoever needs it
			}
		}
	}
}

// claim takes and runs one chunk; false when none is left.
func (p *pool) claim(id int) bool {
	s := p.state.Load()
	for {
		n, next := s>>20&maxChunks, s&maxChunks
		if next >= n {
			return false
		}
		if p.state.CompareAndSwap(s, s+1) {
			if !p.bad.Load() {
				i := int(next)
				if p.shares != nil {
					i = p.pick(id)
				}
				p.chunk(p.task, id, i)
			}
			p.done.Add(1)
			return true
		}
		s = p.state.Load()
	}
}

// share is the chunks from..to of one worker, as from<<32 | to. Its owner takes the first, others the last.
type share struct {
	span atomic.Uint64
	_    [56]byte // a cache line each
}

// pick takes a chunk of worker id's share, or of the next worker's that has one. There is one: who claimed picks once.
func (p *pool) pick(id int) int {
	for i := 0; ; i++ {
		at := id + i
		if at >= len(p.shares) {
			at -= len(p.shares)
		}
		span := &p.shares[at].span
		for {
			s := span.Load()
			from, to := s>>32, s&(1<<32-1)
			if from >= to {
				break
			}
			if i == 0 {
				if span.CompareAndSwap(s, s+1<<32) {
					return int(from)
				}
			} else if span.CompareAndSwap(s, s-1) {
				return int(to - 1)
			}
		}
	}
}

// chunk runs one chunk and keeps what it panics with.
func (p *pool) chunk(t task, id, i int) {
	defer p.catch()
	t.run(id, i)
}

func (p *pool) catch() {
	r := recover()
	if r == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.fault(r); err != nil {
		if p.err == nil {
			p.err = err
		}
	} else if p.panik == nil {
		p.panik = r
	}
	p.bad.Store(true)
}

// work is the life of one worker.
func (p *pool) work(w *worker) {
	defer p.left.Done()
	debug.SetPanicOnFault(true) // reads of a mapping that was cut short panic instead of killing the process
	for !p.closed.Load() {
		for p.claim(w.id) {
			w.yields.tick()
		}
		w.yields.tick()
		if p.spin(w.id) {
			continue
		}
		// Say so before the last look: a run that comes between finds parked set and sends a token.
		w.parked.Store(true)
		if s := p.state.Load(); s&maxChunks < s>>20&maxChunks || p.closed.Load() {
			if w.parked.CompareAndSwap(true, false) {
				continue
			}
		}
		<-w.wake
	}
}

// spin looks for work for a while; false when there was none.
func (p *pool) spin(id int) bool {
	var start time.Time
	for i := 0; ; i++ {
		if s := p.state.Load(); s&maxChunks < s>>20&maxChunks || p.closed.Load() {
			return true
		}
		p.breathe(id)
		if i&63 == 63 {
			if start.IsZero() {
				start = time.Now()
			} else if time.Since(start) > spin {
				return false
			}
		}
	}
}

func (p *pool) breathe(id int) {
	if p.rest != nil {
		p.rest(id)
	}
	breathe()
}

// breathe keeps spin loops off the memory bus and, being a call, gives the scheduler a place to stop them.
//
//go:noinline
func breathe() {
	for i := 0; i < 8; i++ {
		breath.Load()
	}
}

var breath atomic.Uint32
