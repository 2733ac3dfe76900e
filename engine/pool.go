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

// maxChunks bounds the chunks of one region, for they are told in 20 bits.
const maxChunks = 1<<20 - 1

// pool runs parallel regions on a fixed set of goroutines. Chunks are claimed one by one, so a worker whose core is taken away
// holds up at most the chunk it has claimed. Idle workers spin briefly, then park.
//
// The chunks of a region that nobody has claimed yet are in shares, each (epoch 24 bits, from 20 bits, to 20 bits) in one word:
// a claim is a compare-and-swap that succeeds only in the region it was read in. What a worker has run it reports once, when
// there is nothing left to claim; until all chunks are reported the region does not end, so p.task is that of every claimed chunk.
type pool struct {
	epoch   atomic.Uint64 // of the region whose shares are given out
	done    atomic.Int64  // chunks of it that were reported as run
	task    task
	shares  []share   // one a worker, or one for all
	workers []*worker // without the caller
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

// sharer is a task whose chunks differ, so that it says itself which are whose.
type sharer interface {
	task
	shares() []int // [workers+1] where each worker's share begins, and the number of chunks; nil = about equally many each
}

// share is a run of chunks that nobody has claimed, as epoch<<40 | from<<20 | to. Its owner claims the first, others the last.
type share struct {
	span atomic.Uint64
	_    [56]byte // a cache line each
}

const epochMask = 1<<24 - 1

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
	p := &pool{fault: fault, rest: rest, shares: make([]share, 1)}
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
	epoch := (p.epoch.Load() + 1) & epochMask
	var from []int
	if s, ok := t.(sharer); ok && len(p.shares) > 1 {
		from = s.shares()
	}
	for i := range p.shares {
		first, end := i*n/len(p.shares), (i+1)*n/len(p.shares)
		if from != nil {
			first, end = from[i], from[i+1]
		}
		p.shares[i].span.Store(epoch<<40 | uint64(first)<<20 | uint64(end))
	}
	p.epoch.Store(epoch)
	woken := 0
	for _, w := range p.workers {
		if woken == n-1 {
			break
		}
		if w.unpark() {
			woken++
		}
	}
	p.drain(0, epoch, &p.yields)
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

// drain runs chunks of a region until there is none left to claim.
func (p *pool) drain(id int, epoch uint64, y *yielder) {
	ran := 0
	for {
		i := p.claim(id, epoch)
		if i < 0 {
			break
		}
		if !p.bad.Load() {
			p.chunk(p.task, id, i)
		}
		ran++
		y.tick()
	}
	if ran > 0 {
		p.done.Add(int64(ran))
	}
}

// claim takes a chunk of worker id's share, or of the next worker's that has one; -1 = none is left in the region.
func (p *pool) claim(id int, epoch uint64) int {
	for i := range p.shares {
		at := id + i
		for at >= len(p.shares) {
			at -= len(p.shares)
		}
		span := &p.shares[at].span
		for {
			s := span.Load()
			from, to := s>>20&maxChunks, s&maxChunks
			if s>>40 != epoch {
				return -1
			}
			if from >= to {
				break
			}
			if i == 0 {
				if span.CompareAndSwap(s, s+1<<20) {
					return int(from)
				}
			} else if span.CompareAndSwap(s, s-1) {
				return int(to - 1)
			}
		}
	}
	return -1
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
	seen := uint64(0)
	for !p.closed.Load() {
		if e := p.epoch.Load(); e != seen {
			p.drain(w.id, e, &w.yields)
			seen = e
		}
		w.yields.tick()
		if p.spin(w.id, seen) {
			continue
		}
		// Say so before the last look: a run that comes between finds parked set and sends a token.
		w.parked.Store(true)
		if p.epoch.Load() != seen || p.closed.Load() {
			if w.parked.CompareAndSwap(true, false) {
				continue
			}
		}
		<-w.wake
	}
}

// spin looks for another region than the one seen last for a while; false when there was none.
func (p *pool) spin(id int, seen uint64) bool {
	var start time.Time
	for i := 0; ; i++ {
		if p.epoch.Load() != seen || p.closed.Load() {
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
