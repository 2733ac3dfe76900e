package engine

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/freehold-slm/freehold/kernels"
)

// memory is the account of the pages and states that sessions and prefix caches hold. A shared one counts once.
type memory struct {
	mu     sync.Mutex
	used   int64
	most   int64 // 0 = no bound
	caches []*PrefixCache
	freed  atomic.Uint64 // how often something was given back
}

// WithKVMemory bounds the bytes of keys, values and recurrent states that all sessions and prefix caches of the model hold together;
// without it there is no bound. Where an evaluation would need more, prefix caches give up what they hold, least recently used
// first. If that is not enough it waits for sessions to be closed; when for a second nothing could be computed and none was, the
// evaluation that came last fails with a MemoryError. Sessions have to be closed then: what an abandoned one holds stays counted.
func WithKVMemory(bytes int64) Option {
	return func(c *config) error {
		if bytes < 1 {
			return fmt.Errorf("engine: KV memory is %d bytes, want at least 1", bytes)
		}
		c.kvMemory = bytes
		return nil
	}
}

// MemoryError says that an evaluation found no room for its keys and values (WithKVMemory). Its sessions hold what they held.
type MemoryError struct {
	Need, Held, Most int64 // bytes
}

func (e *MemoryError) Error() string {
	return fmt.Sprintf("engine: %d bytes of keys and values are wanted beside %d held, and %d are allowed; close sessions, wait, or allow more (WithKVMemory)", e.Need, e.Held, e.Most)
}

// pageBytes is the size of a page, stateBytes that of a state.
func (m *Model) pageBytes() int64 {
	n := int64(m.offset(m.Spec.Layers, 0))
	if m.cfg.kv == KVF32 {
		return 4 * n
	}
	return 2 * n
}

func (m *Model) stateBytes() int64 { return 4 * int64(m.plan.state) }

// reserve takes bytes into account, at the cost of prefix caches; false where they are not to be had.
func (m *Model) reserve(bytes int64) bool {
	for !m.memory.take(bytes) {
		if !m.evict() {
			return false
		}
	}
	return true
}

func (a *memory) take(bytes int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.most > 0 && a.used+bytes > a.most {
		return false
	}
	a.used += bytes
	return true
}

// give takes bytes out of account, and wakes who waits for them.
func (m *Model) give(bytes int64) {
	a := &m.memory
	a.mu.Lock()
	a.used -= bytes
	a.mu.Unlock()
	a.freed.Add(1)
	if q := &m.queue; q.hungry.Load() {
		q.mu.Lock()
		q.hungry.Store(false)
		q.elect(nil)
		q.mu.Unlock()
	}
}

func (a *memory) held() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.used
}

// forget empties the caches of a model that is closed.
func (a *memory) forget() {
	a.mu.Lock()
	caches := a.caches
	a.caches = nil
	a.mu.Unlock()
	for _, c := range caches {
		c.Clear()
	}
}

// evict makes a cache give something up that nobody else holds; false where none has any.
func (m *Model) evict() bool {
	m.memory.mu.Lock()
	caches := slices.Clone(m.memory.caches)
	m.memory.mu.Unlock()
	return slices.ContainsFunc(caches, (*PrefixCache).yield)
}

// growth is what a session has to take to grow.
type growth struct {
	copies bool // of the page that it goes on in, which others hold too
	pages  int
	state  bool
}

// growth tells what the session needs to hold n tokens.
func (s *Session) growth(n int) growth {
	have := len(s.tokens)
	return growth{
		copies: have%kernels.PageKeys != 0 && s.pages[have/kernels.PageKeys].refs.Load() > 1,
		pages:  max(0, pagesFor(n)-len(s.pages)),
		state:  s.m.plan.state > 0 && !s.ownsState(),
	}
}

func (g growth) bytes(m *Model) int64 {
	bytes := int64(g.pages) * m.pageBytes()
	if g.copies {
		bytes += m.pageBytes()
	}
	if g.state {
		bytes += m.stateBytes()
	}
	return bytes
}

// hunger is that nothing can be computed for want of memory. Whoever closes a session ends it, or who comes or leaves.
type hunger struct {
	hungry atomic.Bool // set with the queue's mu held
	count  int         // of hungers, for the timer
	over   bool        // it was long enough
}

// hungerTime is how long evaluations wait for memory that nobody gives back.
const hungerTime = time.Second

// starve is called where no call could be given a row, and freed is memory.freed before that was tried. The calls wait; where they did
// for long, the one that came last fails, so that the others may go on.
func (m *Model) starve(freed uint64) {
	q := &m.queue
	at := len(q.active) - 1
	for at >= 0 && q.active[at].over() {
		at--
	}
	if at < 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.over {
		q.hungry.Store(true)
		if m.memory.freed.Load() != freed {
			q.hungry.Store(false)
			return
		}
		q.count++
		n := q.count
		time.AfterFunc(hungerTime, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			if q.count == n && q.hungry.Swap(false) {
				q.over = true
				q.elect(nil)
			}
		})
		return
	}
	q.over = false
	last, need := q.active[at], int64(0)
	for i := range last.lines {
		if l := &last.lines[i]; l.left() > 0 {
			need += l.session.growth(len(l.session.tokens) + l.left()).bytes(m)
		}
	}
	last.fail(&MemoryError{need, m.memory.held(), m.memory.most})
}
