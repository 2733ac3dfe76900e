package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// recurrentModels have layers that carry a state: of each kind one, and one with attention beside it.
var recurrentModels = []string{"mamba2.Q8_0", "mamba.Q8_0", "lfm2.Q8_0", "granitehybrid.F32"}

func someIDs(n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32((i*i*31 + 7*i) % 320)
	}
	return ids
}

// lastMark is the position of the last mark of a session.
func (s *Session) lastMark() int {
	if n := len(s.rec.marks); n > 0 {
		return s.rec.marks[n-1].at
	}
	return 0
}

// A session that forgets tokens, forks, and goes on with others, at random, in batches of several: all that it says is what
// a fresh one says.
func TestFixturesRecurrentSessions(t *testing.T) {
	for _, name := range recurrentModels {
		t.Run(name, func(t *testing.T) {
			m := small(t, name, WithChunk(40))
			ctx := context.Background()
			r := rand.New(rand.NewPCG(5, 5))
			sessions := []*Session{m.NewSession(), m.NewSession(), m.NewSession()}
			back := 0
			for range 60 {
				var seqs []Seq
				for i, s := range sessions {
					switch r.IntN(4) {
					case 0:
						s.Truncate(r.IntN(s.Len() + 1))
						if s.rec.lag > 0 {
							back++
						}
					case 1:
						s.Assign(sessions[r.IntN(len(sessions))])
					}
					if s.Len() > 400 {
						s.Truncate(0)
					}
					if i == 0 || r.IntN(3) > 0 {
						add := make([]int32, r.IntN(90)+1)
						for j := range add {
							add[j] = int32(r.IntN(320))
						}
						seqs = append(seqs, Seq{s, add, WantLast})
					}
				}
				var want [][]int32
				for _, q := range seqs {
					want = append(want, append(slices.Clone(q.Session.Tokens()), q.Tokens...))
				}
				if err := m.EvalBatch(ctx, seqs); err != nil {
					t.Fatal(err)
				}
				for i, q := range seqs {
					if !slices.Equal(q.Session.Tokens(), want[i]) {
						t.Fatalf("the session holds %v, want %v", q.Session.Tokens(), want[i])
					}
					if at := sameBits(q.Session.Logits(), evalFresh(t, m, want[i])); at >= 0 {
						t.Fatalf("after %d tokens logit %d differs from a fresh session's", len(want[i]), at)
					}
				}
			}
			if back == 0 {
				t.Fatal("no session had to go back")
			}
		})
	}
}

// A state goes back to the last mark, not to the beginning; a fork keeps the marks; Truncate to a mark costs nothing.
func TestFixturesMarks(t *testing.T) {
	m := small(t, "mamba2.Q8_0")
	m.cfg.context = 8192
	ctx := context.Background()
	ids := someIDs(6000)
	s := m.NewSession()
	if _, err := s.Eval(ctx, ids[:700]); err != nil {
		t.Fatal(err)
	}
	f := s.Fork()
	s.Close()
	for _, c := range []struct{ keep, mark int }{{700, 512}, {699, 512}, {600, 512}, {512, 512}, {300, 256}, {10, 0}} {
		f.Truncate(c.keep)
		if f.Len() != c.keep || f.lastMark() != c.mark {
			t.Fatalf("Truncate(%d): %d tokens, last mark at %d, want %d", c.keep, f.Len(), f.lastMark(), c.mark)
		}
		if lag := f.rec.lag; c.keep < 700 && lag != c.keep-c.mark {
			t.Fatalf("Truncate(%d): the state lags by %d, want %d", c.keep, lag, c.keep-c.mark)
		}
	}
	// Whoever went back has a mark where it did.
	f.Truncate(7)
	if err := m.EvalBatch(ctx, []Seq{{f, ids[7:9], WantNone}}); err != nil || f.lastMark() != 7 {
		t.Fatalf("%v, last mark at %d, want 7", err, f.lastMark())
	}
	// Over a long text the marks stay few, and the nearer the end the denser.
	if _, err := f.Eval(ctx, ids); err != nil {
		t.Fatal(err)
	}
	marks := f.rec.marks
	if len(marks) != maxMarks || f.lastMark() != len(ids)/256*256 {
		t.Errorf("%d marks, the last at %d", len(marks), f.lastMark())
	}
	for i := 1; i < len(marks); i++ {
		if back, gap := len(ids)-marks[i].at, marks[i].at-marks[i-1].at; gap > 2*back+512 {
			t.Errorf("marks at %d and %d: to go back %d tokens costs up to %d", marks[i-1].at, marks[i].at, back, back+gap)
		}
	}
}

// stopAfter is a context that is cancelled after some looks at it.
type stopAfter struct {
	context.Context
	looks int
}

func (c *stopAfter) Err() error {
	if c.looks--; c.looks < 0 {
		return context.Canceled
	}
	return nil
}

// An evaluation that ends in the middle leaves all of its sessions with what they held, also one that had to go back.
func TestFixturesRecurrentErrors(t *testing.T) {
	for _, name := range recurrentModels {
		t.Run(name, func(t *testing.T) {
			m := small(t, name, WithChunk(64))
			ids := someIDs(400)
			ctx := context.Background()
			a, b := m.NewSession(), m.NewSession()
			for looks := 0; ; looks++ {
				if looks > 40 {
					looks += 30
				}
				for _, s := range []*Session{a, b} {
					if _, err := s.Eval(ctx, ids[:300]); err != nil {
						t.Fatal(err)
					}
				}
				b.Truncate(280)
				err := m.EvalBatch(&stopAfter{ctx, looks}, []Seq{{a, ids[300:390], WantLast}, {b, ids[280:300], WantLast}})
				if err == nil {
					break
				}
				if !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				if !slices.Equal(a.Tokens(), ids[:300]) || !slices.Equal(b.Tokens(), ids[:280]) {
					t.Fatalf("%d looks: the sessions hold %d and %d tokens, want 300 and 280", looks, a.Len(), b.Len())
				}
				if looks%7 != 0 { // half of the time the next evaluation comes after several errors
					continue
				}
				for _, s := range []*Session{a, b} {
					tokens := append(slices.Clone(s.Tokens()), 5)
					l, err := s.Eval(ctx, tokens)
					if err != nil {
						t.Fatal(err)
					}
					if at := sameBits(l, evalFresh(t, m, tokens)); at >= 0 {
						t.Fatalf("%d looks: logit %d differs from a fresh session's", looks, at)
					}
				}
			}
		})
	}
}

// Closed sessions give back all states and pages.
func TestFixturesStatesFreed(t *testing.T) {
	m := small(t, "granitehybrid.F32")
	ids := someIDs(500)
	for range 5 {
		s := m.NewSession()
		if _, err := s.Eval(context.Background(), ids); err != nil {
			t.Fatal(err)
		}
		f := s.Fork()
		s.Truncate(200)
		s.Close()
		if _, err := f.Eval(context.Background(), ids[:490]); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	seen := map[*state]bool{}
	for _, s := range m.states.free {
		if n := s.refs.Load(); n != 0 || seen[s] {
			t.Errorf("a free state has %d owners, or is free twice", n)
		}
		seen[s] = true
	}
	if n := len(m.states.free); n == 0 || n > 4 {
		t.Errorf("%d states are free after one session at a time of two marks", n)
	}
}

// Layers with a state take no room in the KV cache.
func TestFixturesCachedLayers(t *testing.T) {
	for name, want := range map[string]int{"granitehybrid.F32": 1, "lfm2.Q8_0": 1, "mamba2.Q8_0": 0, "llama-gqa.Q8_0": -1} {
		m := small(t, name, WithKV(KVF16))
		if want < 0 {
			want = m.Spec.Layers
		}
		if got := len(m.newPage().f16); got != want*m.Spec.KVHeads*2*m.blockSize() {
			t.Errorf("%s: a page has %d values, want those of %d layers", name, got, want)
		}
	}
	if m := small(t, "mamba2.Q8_0"); m.plan.state != 3*(3*160+16*128) {
		t.Errorf("the state has %d values", m.plan.state)
	}
}
