package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// check counts a cache's bytes anew and holds its books against that.
func (c *PrefixCache) check(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	pages, states, bytes, n := map[*page]int{}, map[*state]int{}, int64(0), 0
	for key, all := range c.keys {
		for _, p := range all {
			if p.key != key {
				t.Errorf("a text of key %q is under %q", p.key, key)
			}
			n++
			bytes += 4 * int64(len(p.tokens))
			for _, x := range p.pages {
				if pages[x]++; pages[x] == 1 {
					bytes += c.m.pageBytes()
				}
			}
			p.rec.eachState(func(x *state) {
				if states[x]++; states[x] == 1 {
					bytes += c.m.stateBytes()
				}
			})
		}
	}
	if bytes != c.stats.Bytes || bytes > c.most || n != c.order.Len() || len(pages) != len(c.pages) || len(states) != len(c.states) {
		t.Errorf("%d texts of %d bytes, %d pages and %d states; the books say %d of %d, %d and %d, at most %d bytes", n, bytes, len(pages), len(states),
			c.order.Len(), c.stats.Bytes, len(c.pages), len(c.states), c.most)
	}
	for x, k := range pages {
		if int(x.refs.Load()) < k {
			t.Error("a page is held without a reference")
		}
	}
}

// A generation whose beginning is known gives the same, and computes the rest alone; under another key nothing is known.
func TestFixturesPrefixCache(t *testing.T) {
	for _, name := range append([]string{"llama256.Q4_K_M", "llama-moe.Q4_0"}, recurrentModels...) {
		t.Run(name, func(t *testing.T) {
			m := small(t, name)
			c := m.NewPrefixCache(1 << 40)
			run := func(prompt []int32, k CacheKey, draft Draft) (string, []int32, int) {
				t.Helper()
				st := m.Generate(context.Background(), prompt, Gen{MaxTokens: 20, Temperature: 1, Seed: 3, Cache: k, Draft: draft})
				text, err := st.Text()
				if err != nil {
					t.Fatal(err)
				}
				p, g := st.Tokens()
				return text, slices.Concat(p, g), st.Reused()
			}
			system := someIDs(300)
			ask := func(words ...int32) []int32 { return slices.Concat(system, words) }
			held := 0
			for i, prompt := range [][]int32{ask(5, 6, 7), ask(5, 6, 7), ask(8, 9), ask(5, 6, 11, 12), system[:280], ask(8, 9)} {
				want, whole, none := run(prompt, CacheKey{}, nil)
				got, _, reused := run(prompt, c.For("a"), nil)
				if got != want || none != 0 {
					t.Fatalf("prompt %d: %q, want %q", i, got, want)
				}
				// What was common with an earlier text; of a recurrent model, up to a mark.
				least := 0
				switch {
				case i == 0:
					if reused != 0 {
						t.Errorf("%d tokens were known from nowhere", reused)
					}
				case m.plan.state > 0:
					least = 256
				default:
					least = []int{0, 302, 300, 302, 279, 301}[i]
				}
				if reused < least || reused >= len(prompt) {
					t.Errorf("prompt %d: %d of %d tokens reused, want at least %d", i, reused, len(prompt), least)
				}
				held += reused
				// A conversation goes on: what was generated is known too, all but the last token.
				next := append(slices.Clone(whole), 4, 5)
				want, _, _ = run(next, CacheKey{}, nil)
				got, _, reused = run(next, c.For("a"), LookupDraft{})
				if got != want || reused < len(whole)-1 {
					t.Errorf("prompt %d went on with %q, want %q; %d tokens reused of %d", i, got, want, reused, len(next))
				}
				held += reused
				c.check(t)
			}
			s := c.Stats()
			if s.Lookups != 12 || s.Hits != 11 || int(s.Reused) != held || s.Evictions != 0 {
				t.Errorf("%+v, want 11 hits of 12 and %d tokens", s, held)
			}
			// The canary: another key, the same text.
			mine := map[*page]bool{}
			for x := range c.pages {
				mine[x] = true
			}
			want, _, _ := run(ask(5, 6, 7), CacheKey{}, nil)
			if got, _, reused := run(ask(5, 6, 7), c.For("b"), nil); reused != 0 || got != want {
				t.Errorf("another key reused %d tokens", reused)
			}
			for _, p := range c.keys["b"] {
				for _, x := range p.pages {
					if mine[x] {
						t.Error("a page of key a is under key b")
					}
				}
			}
			if c.check(t); c.Stats().Hits != 11 {
				t.Error("another key's text was a hit")
			}
			if c.Clear(); m.memory.held() != 0 || c.Stats().Bytes != 0 || c.Stats().Prefixes != 0 {
				t.Errorf("%d bytes are held after all was closed, and the cache holds %+v", m.memory.held(), c.Stats())
			}
		})
	}
	other := small(t, "llama-gqa.Q8_0").NewPrefixCache(1 << 20)
	if _, err := small(t, "llama-gqa.Q8_0").Generate(context.Background(), []int32{1}, Gen{Cache: other.For("")}).Text(); err == nil || !strings.Contains(err.Error(), "another model's") {
		t.Errorf("another model's cache: %v", err)
	}
}

// A cache holds no more than it may, and gives up what was used longest ago.
func TestFixturesPrefixCacheBudget(t *testing.T) {
	for _, name := range []string{"llama256.Q4_K_M", "granitehybrid.F32"} {
		m := small(t, name)
		room := 3*(m.pageBytes()+2*m.stateBytes()) + 3*4*64 // three texts of a page and two states
		c := m.NewPrefixCache(room)
		k := c.For("a")
		keep := func(id int32) {
			t.Helper()
			if _, err := m.Generate(context.Background(), []int32{id, 1, 2, 3}, Gen{MaxTokens: 4, Bias: unending(m), Cache: k}).Text(); err != nil {
				t.Fatal(err)
			}
			c.check(t)
		}
		known := func(id int32) bool {
			return slices.ContainsFunc(c.keys["a"], func(p *prefix) bool { return p.tokens[0] == id })
		}
		for id := int32(10); id < 13; id++ {
			keep(id)
		}
		s := m.NewSession()
		if n := k.Reuse(s, []int32{10, 1, 2, 3, 9}); n != 4 { // the youngest now
			t.Errorf("%s: %d tokens reused, want 4", name, n)
		}
		s.Close()
		keep(13)
		if !known(10) || known(11) || !known(12) || !known(13) {
			t.Errorf("%s: known are 10 %v, 11 %v, 12 %v, 13 %v; want all but 11", name, known(10), known(11), known(12), known(13))
		}
		if s := c.Stats(); s.Evictions == 0 || s.MaxBytes != room {
			t.Errorf("%s: %+v", name, s)
		}
		none := m.NewPrefixCache(m.pageBytes() + m.stateBytes()) // and no byte for the tokens
		if _, err := m.Generate(context.Background(), []int32{1, 2}, Gen{MaxTokens: 2, Cache: none.For("")}).Text(); err != nil || none.Stats().Prefixes != 0 {
			t.Errorf("%s: %v, with %+v", name, err, none.Stats())
		}
	}
}

// unending keeps a generation from ending.
func unending(m *Model) map[int32]float32 {
	bias := map[int32]float32{}
	tok, _ := m.LoadTokenizer()
	for id := range int32(m.Spec.Vocab) {
		if tok.IsEOG(id) {
			bias[id] = -1e9
		}
	}
	return bias
}

// Many goroutines with keys of their own share a small cache and little memory, and get what each gets alone.
func TestFixturesPrefixCacheTogether(t *testing.T) {
	for _, name := range []string{"llama256.Q4_K_M", "granitehybrid.F32"} {
		plain := small(t, name)
		m := small(t, name, WithKVMemory(24*(plain.pageBytes()+plain.stateBytes())))
		c := m.NewPrefixCache(12 * (m.pageBytes() + m.stateBytes()))
		var want [4]string
		prompt := func(i int) []int32 { return append(someIDs(280), int32(i), int32(i+1)) }
		for i := range want {
			var err error
			if want[i], err = plain.Generate(context.Background(), prompt(i), Gen{MaxTokens: 12}).Text(); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				for round := range 6 {
					j := (i + round) % len(want)
					got, err := m.Generate(context.Background(), prompt(j), Gen{MaxTokens: 12, Cache: c.For(fmt.Sprint(i % 3))}).Text()
					var full *MemoryError
					if errors.As(err, &full) {
						continue
					}
					if err != nil || got != want[j] {
						t.Errorf("%s: %q (%v), want %q", name, got, err, want[j])
					}
				}
			})
		}
		wg.Wait()
		c.check(t)
		t.Logf("%s: %+v", name, c.Stats())
		if got := m.memory.held(); got > m.memory.most || got > c.Stats().Bytes {
			t.Errorf("%s: %d bytes are held, of them %d by the cache, at most %d", name, got, c.Stats().Bytes, m.memory.most)
		}
		c.Clear()
		if m.memory.held() != 0 {
			t.Errorf("%s: %d bytes are held by nobody", name, m.memory.held())
		}
	}
}

// Where memory is bounded, caches give way first; then an evaluation waits for others, and fails where there are none.
func TestFixturesKVMemory(t *testing.T) {
	plain := small(t, "llama256.Q4_K_M")
	page := plain.pageBytes()
	m := small(t, "llama256.Q4_K_M", WithKVMemory(4*page+page/2))
	ctx := context.Background()
	c := m.NewPrefixCache(1 << 40)
	for i := range int32(3) {
		if _, err := m.Generate(ctx, []int32{20 + i, 1, 2}, Gen{MaxTokens: 3, Cache: c.For("")}).Text(); err != nil {
			t.Fatal(err)
		}
	}
	if c.Stats().Prefixes != 3 || m.memory.held() != 3*page {
		t.Fatalf("%+v, %d bytes held", c.Stats(), m.memory.held())
	}
	var sessions [3]*Session
	for i := range sessions {
		sessions[i] = m.NewSession()
	}
	a, b := sessions[0], sessions[2]
	for i, left := range []int{2, 0} { // two pages each
		if _, err := sessions[i].Eval(ctx, someIDs(500)); err != nil {
			t.Fatal(err)
		}
		if s := c.Stats(); s.Prefixes != left || int(s.Evictions) != 3-left {
			t.Errorf("the cache gave up %d texts, want %d", s.Evictions, 3-left)
		}
	}
	_, err := b.Eval(ctx, someIDs(300))
	var full *MemoryError
	if !errors.As(err, &full) || full.Need != 2*page || full.Held != 4*page || full.Most != 4*page+page/2 || b.Len() != 0 {
		t.Errorf("%v, want an error of two pages; %d tokens held", err, b.Len())
	}
	sessions[1].Truncate(100)
	if _, err := b.Eval(ctx, someIDs(200)); err != nil { // one page
		t.Error(err)
	}
	if l, err := a.Eval(ctx, someIDs(501)); err != nil || sameBits(l, evalFresh(t, plain, someIDs(501))) >= 0 {
		t.Errorf("%v, or other logits", err)
	}
	for _, s := range sessions {
		s.Close()
	}
	if m.memory.held() != 0 {
		t.Errorf("%d bytes are held by nobody", m.memory.held())
	}
	// Of two that do not fit together the later waits for the earlier.
	tight := small(t, "llama256.Q4_K_M", WithKVMemory(2*page), WithChunk(64))
	var wg sync.WaitGroup
	release := hold(t, tight, -1)
	for i := range 4 {
		wg.Go(func() {
			s := tight.NewSession()
			defer s.Close()
			ids := someIDs(200)
			ids[0] = int32(i)
			l, err := s.Eval(ctx, ids)
			time.Sleep(20 * time.Millisecond) // what waits is not given up yet
			if err != nil || sameBits(l, evalFresh(t, plain, ids)) >= 0 {
				t.Errorf("%v, or other logits", err)
			}
		})
	}
	once(t, "four calls", func() bool { return tight.queued() == 4 })
	release()
	wg.Wait()
	// What waits for memory in vain leaves when its context does.
	idle := tight.NewSession()
	if _, err := idle.Eval(ctx, someIDs(300)); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
	defer cancel()
	if _, err := tight.NewSession().Eval(short, someIDs(3)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	for _, bytes := range []int64{0, -1, page - 1} {
		if m, err := New(m.File(), WithKVMemory(bytes)); err == nil {
			m.Close()
			t.Errorf("KV memory of %d bytes was accepted", bytes)
		}
	}
}
