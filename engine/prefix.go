package engine

import (
	"container/list"
	"sync"
)

// PrefixCache keeps what was computed for texts, so that a generation that begins like an earlier one reads only the rest. It shares
// pages of keys and values with the sessions that computed them and copies nothing. What is kept under one key is never used under
// another. Results are the same with and without, bit for bit; of a text's beginning only the time tells, and that only to its own key.
// It may be used by several goroutines.
type PrefixCache struct {
	m    *Model
	most int64

	mu     sync.Mutex
	keys   map[string][]*prefix
	order  list.List      // of *prefix, least recently used first
	pages  map[*page]int  // how many prefixes hold each
	states map[*state]int // likewise
	stats  CacheStats
}

// CacheStats counts what a cache holds and did.
type CacheStats struct {
	Prefixes  int    // texts held
	Bytes     int64  // held: pages and states once each, and tokens
	MaxBytes  int64  // never exceeded
	Lookups   uint64 // generations that asked
	Hits      uint64 // of these, with some beginning known
	Tokens    uint64 // of the prompts that asked
	Reused    uint64 // of these, not computed
	Evictions uint64 // texts given up for room
}

// CacheKey is the part of a cache that belongs to one key: Gen.Cache. The zero value is none.
type CacheKey struct {
	cache *PrefixCache
	key   string
}

// prefix is what a session held.
type prefix struct {
	key    string
	tokens []int32
	pages  []*page
	rec    recurrence
	at     *list.Element
}

// NewPrefixCache makes an empty cache of at most so many bytes. Bytes in it count for WithKVMemory too, and are given up for sessions.
func (m *Model) NewPrefixCache(maxBytes int64) *PrefixCache {
	c := &PrefixCache{m: m, most: maxBytes, keys: map[string][]*prefix{}, pages: map[*page]int{}, states: map[*state]int{}}
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	m.memory.caches = append(m.memory.caches, c)
	return c
}

// For is the part of the cache for a key: a user, a tenant, an API key.
func (c *PrefixCache) For(key string) CacheKey { return CacheKey{c, key} }

// Stats tells what the cache holds and did.
func (c *PrefixCache) Stats() CacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Prefixes, s.MaxBytes = c.order.Len(), c.most
	return s
}

// Clear gives up everything, of all keys.
func (c *PrefixCache) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.order.Front(); e != nil; e = c.order.Front() {
		c.remove(e.Value.(*prefix))
	}
}

// usable is how many of the first n tokens a session that takes the prefix over need not compute.
func (p *prefix) usable(n int, recurrent bool) int {
	if !recurrent {
		return n
	}
	if at := len(p.tokens) - p.rec.lag; at <= n {
		return at
	}
	best := 0
	for _, m := range p.rec.marks {
		if m.at <= n {
			best = m.at
		}
	}
	return best
}

// common is how many tokens a and b begin with alike.
func common(a, b []int32) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// Reuse makes s hold the longest beginning of tokens that is known under the key, where that is more than it holds, and returns how
// many of tokens need not be computed. The last always is, for its logits.
func (k CacheKey) Reuse(s *Session, tokens []int32) int {
	c := k.cache
	recurrent := c.m.plan.state > 0
	own := prefix{tokens: s.tokens, rec: s.rec}
	have := own.usable(min(common(s.tokens, tokens), len(tokens)-1), recurrent)
	c.mu.Lock()
	defer c.mu.Unlock()
	var best *prefix
	most, length := 0, 0
	for _, p := range c.keys[k.key] {
		n := min(common(p.tokens, tokens), len(tokens)-1)
		if u := p.usable(n, recurrent); u > most {
			best, most, length = p, u, n
		}
	}
	c.stats.Lookups++
	c.stats.Tokens += uint64(len(tokens))
	if best != nil {
		c.stats.Hits++
		c.order.MoveToBack(best.at)
	}
	if most > have {
		s.assignTo(best.tokens, best.pages, &best.rec)
		s.Truncate(length)
		have = most
	}
	c.stats.Reused += uint64(max(0, have))
	return have
}

// Keep remembers what s holds. A text that another begins with is not kept beside it.
func (k CacheKey) Keep(s *Session) {
	c := k.cache
	n := len(s.tokens)
	if n == 0 {
		return
	}
	p := &prefix{key: k.key, tokens: append([]int32(nil), s.tokens...), pages: s.pages[:min(len(s.pages), pagesFor(n))]}
	recurrent := c.m.plan.state > 0
	if p.bytes(c.m) > c.most {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p.rec = recurrence{state: s.rec.state, lag: s.rec.lag, marks: s.rec.marks}
	var covered []*prefix
	for _, o := range c.keys[k.key] {
		switch at := common(o.tokens, p.tokens); {
		case at == n && o.usable(n, recurrent) >= p.usable(n, recurrent):
			c.order.MoveToBack(o.at)
			return
		case at == len(o.tokens) && p.usable(at, recurrent) >= o.usable(at, recurrent):
			covered = append(covered, o)
		}
	}
	for _, o := range covered {
		c.remove(o)
	}
	c.add(p)
	for c.stats.Bytes > c.most {
		c.stats.Evictions++
		c.remove(c.order.Front().Value.(*prefix))
	}
}

// bytes is what the prefix would take alone.
func (p *prefix) bytes(m *Model) int64 {
	states := int64(len(p.rec.marks))
	if p.rec.state != nil {
		states++
	}
	return 4*int64(len(p.tokens)) + int64(len(p.pages))*m.pageBytes() + states*m.stateBytes()
}

// add enters a prefix, with references of its own.
func (c *PrefixCache) add(p *prefix) {
	p.pages = append([]*page(nil), p.pages...)
	p.rec.marks = append([]mark(nil), p.rec.marks...)
	for _, x := range p.pages {
		x.refs.Add(1)
		if c.pages[x]++; c.pages[x] == 1 {
			c.stats.Bytes += c.m.pageBytes()
		}
	}
	p.rec.eachState(func(x *state) {
		x.refs.Add(1)
		if c.states[x]++; c.states[x] == 1 {
			c.stats.Bytes += c.m.stateBytes()
		}
	})
	c.stats.Bytes += 4 * int64(len(p.tokens))
	p.at = c.order.PushBack(p)
	c.keys[p.key] = append(c.keys[p.key], p)
}

// remove gives a prefix up.
func (c *PrefixCache) remove(p *prefix) {
	for _, x := range p.pages {
		if c.pages[x]--; c.pages[x] == 0 {
			delete(c.pages, x)
			c.stats.Bytes -= c.m.pageBytes()
		}
		c.m.dropPage(x)
	}
	p.rec.eachState(func(x *state) {
		if c.states[x]--; c.states[x] == 0 {
			delete(c.states, x)
			c.stats.Bytes -= c.m.stateBytes()
		}
		c.m.dropState(x)
	})
	c.stats.Bytes -= 4 * int64(len(p.tokens))
	c.order.Remove(p.at)
	kept := c.keys[p.key][:0]
	for _, o := range c.keys[p.key] {
		if o != p {
			kept = append(kept, o)
		}
	}
	clear(c.keys[p.key][len(kept):])
	if c.keys[p.key] = kept; len(kept) == 0 {
		delete(c.keys, p.key)
	}
}

// yield gives up the least recently used prefix that holds something which nobody else does; false where there is none.
func (c *PrefixCache) yield() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.order.Front(); e != nil; e = e.Next() {
		p := e.Value.(*prefix)
		frees := false
		for _, x := range p.pages {
			frees = frees || int(x.refs.Load()) == c.pages[x]
		}
		p.rec.eachState(func(x *state) { frees = frees || int(x.refs.Load()) == c.states[x] })
		if frees {
			c.stats.Evictions++
			c.remove(p)
			return true
		}
	}
	return false
}
