package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/engine/grammar"
	"github.com/freehold-slm/freehold/models/gguf"
)

// once waits for something that another goroutine does.
func once(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for start := time.Now(); !ok(); runtime.Gosched() {
		if time.Since(start) > time.Minute {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

// queued tells how many calls wait.
func (m *Model) queued() int {
	m.queue.mu.Lock()
	defer m.queue.mu.Unlock()
	return len(m.queue.waiting)
}

// hold keeps a model busy until n calls wait for it, or until the result is called where n < 0; they meet in the next pass then.
func hold(t *testing.T, m *Model, n int) (release func()) {
	t.Helper()
	s := m.NewSession()
	begun, free := make(chan bool), make(chan bool)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer s.Close()
		err := m.eval(context.Background(), []Seq{{s, []int32{1}, WantLast}}, func(int, int, []float32) error {
			close(begun)
			if n < 0 {
				<-free
			} else {
				once(t, fmt.Sprintf("%d calls", n), func() bool { return m.queued() == n })
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-begun
	return func() {
		if n < 0 {
			close(free)
		}
		wg.Wait()
	}
}

// job is a generation, and what it gives alone.
type job struct {
	prompt []int32
	gen    Gen
	text   string
	ids    []int32
}

func (j *job) run(ctx context.Context, m *Model) (string, []int32, error) {
	st := m.Generate(ctx, j.prompt, j.gen)
	text, err := st.Text()
	_, ids := st.Tokens()
	return text, ids, err
}

// jobs are generations of all kinds.
func jobs(t *testing.T, m *Model, n int) []job {
	t.Helper()
	g, err := grammar.Regex(`[a-z ]{3,30}`)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]job, n)
	for i := range all {
		j := &all[i]
		j.prompt = someIDs(1 + i*i*3/2)
		for k := range j.prompt {
			j.prompt[k] = (j.prompt[k] + int32(i)) % int32(m.Spec.Vocab)
		}
		j.gen = Gen{MaxTokens: 8 + i, Seed: uint64(i), Temperature: float64(i%3) / 2}
		switch i % 4 {
		case 1:
			j.gen.Grammar = g
		case 2:
			j.gen.Draft = LookupDraft{}
		case 3:
			j.gen.TopK, j.gen.Repeat = 5, 1.1
		}
		if j.text, j.ids, err = j.run(context.Background(), m); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// Sixteen goroutines at once get what each gets alone, bit for bit, also while others break off.
func TestFixturesTogether(t *testing.T) {
	for _, name := range []string{"llama256.Q4_K_M", "gemma3-256.Q4_K_M", "llama-moe.Q4_0", "mamba2.Q8_0", "granitehybrid.F32"} {
		t.Run(name, func(t *testing.T) {
			m := small(t, name, WithChunk(96))
			all := jobs(t, m, 16)
			prefix, conts := someIDs(20), [][]int32{{5, 6, 7}, {9}, {5, 6, 8, 200}}
			scores, err := m.Score(context.Background(), prefix, conts)
			if err != nil {
				t.Fatal(err)
			}
			want := evalFresh(t, m, someIDs(300))
			before := m.queue.rows
			passes := m.queue.passes
			var wg sync.WaitGroup
			for i := range all {
				wg.Go(func() {
					for round := range 3 {
						j := &all[(i+round)%len(all)]
						switch {
						case (i+round)%5 == 4: // leaves in the middle
							ctx, cancel := context.WithCancel(context.Background())
							n := 0
							for tok, err := range m.Generate(ctx, j.prompt, j.gen).All() {
								if err == nil && tok.ID >= 0 && tok.ID != j.ids[n] {
									t.Errorf("job %d: token %d is %d, want %d", i, n, tok.ID, j.ids[n])
								}
								if err != nil && !errors.Is(err, context.Canceled) {
									t.Error(err)
								}
								if n++; n == 4 {
									cancel()
								}
							}
							cancel()
						case i == 7:
							if got, err := m.Score(context.Background(), prefix, conts); err != nil || !slices.Equal(got, scores) {
								t.Errorf("scores %v (%v), want %v", got, err, scores)
							}
						case i == 11:
							if at := sameBits(evalFresh(t, m, someIDs(300)), want); at >= 0 {
								t.Errorf("logit %d differs", at)
							}
						default:
							if text, ids, err := j.run(context.Background(), m); err != nil || text != j.text || !slices.Equal(ids, j.ids) {
								t.Errorf("job %d: %q %v (%v), want %q %v", i, text, ids, err, j.text, j.ids)
							}
						}
					}
				})
			}
			wg.Wait()
			t.Logf("%.1f rows a pass", float64(m.queue.rows-before)/float64(m.queue.passes-passes))
			if q := &m.queue; len(q.active)+len(q.waiting) > 0 || q.leading {
				t.Errorf("%d and %d calls are left", len(q.active), len(q.waiting))
			}
		})
	}
}

// poisoned opens a copy of a model in which one token's embedding holds a NaN, and the head does not.
func poisoned(t *testing.T, name string, token int) *Model {
	t.Helper()
	f, err := gguf.Open(fixture(t, name+".gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := gguf.NewWriter()
	for _, kv := range f.KV {
		out.Set(kv.Key, kv.Value)
	}
	tied := !slices.ContainsFunc(f.Tensors, func(x gguf.Tensor) bool { return x.Name == "output.weight" })
	for _, x := range f.Tensors {
		data := slices.Clone(x.Data)
		if x.Name == "token_embd.weight" {
			if tied {
				out.AddTensor("output.weight", x.Type, x.Shape, x.Data)
			}
			copy(data[4*token*int(x.Shape[0]):], floatBytes([]float32{float32(math.NaN())}))
		}
		out.AddTensor(x.Name, x.Type, x.Shape, data)
	}
	path := filepath.Join(t.TempDir(), "poisoned.gguf")
	if err := out.WriteTo(path); err != nil {
		t.Fatal(err)
	}
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// Calls that meet in one pass do not share what befalls one of them.
func TestFixturesTogetherErrors(t *testing.T) {
	for _, name := range []string{"llama-gqa.F32", "granitehybrid.F32", "lfm2.F32"} {
		t.Run(name, func(t *testing.T) {
			const bad = 7
			m := poisoned(t, name, bad)
			ids := make([]int32, 290)
			for i := range ids {
				ids[i] = int32(20 + i%9)
			}
			want := evalFresh(t, m, ids[:265])
			ctx := context.Background()
			boom := errors.New("the sink's own")
			sessions := make([]*Session, 6)
			for i := range sessions {
				sessions[i] = m.NewSession()
				defer sessions[i].Close()
				if i < 3 {
					if _, err := sessions[i].Eval(ctx, ids); err != nil {
						t.Fatal(err)
					}
					sessions[i].Truncate(260 + i)
				}
			}
			var wg sync.WaitGroup
			release := hold(t, m, 6)
			for i := range 6 {
				wg.Go(func() {
					s := sessions[i]
					if i == 5 {
						defer func() {
							if x := recover(); x != "thrown" {
								t.Errorf("recovered %v", x)
							}
						}()
					}
					switch i {
					case 0, 1, 2:
						l, err := s.Eval(ctx, ids[:265]) // a part of it has to be computed again, by a recurrent model
						if err != nil || sameBits(l, want) >= 0 {
							t.Errorf("call %d: %v, or other logits", i, err)
						}
					case 3:
						var number *NumberError
						if _, err := s.Eval(ctx, []int32{1, bad}); !errors.As(err, &number) || s.Len() != 0 {
							t.Errorf("%v, with %d tokens held", err, s.Len())
						}
					case 4:
						err := m.eval(ctx, []Seq{{s, []int32{4, 5}, WantAll}}, func(int, int, []float32) error { return boom })
						if err != boom || s.Len() != 0 {
							t.Errorf("%v, with %d tokens held", err, s.Len())
						}
					case 5:
						m.eval(ctx, []Seq{{s, []int32{4, 5}, WantAll}}, func(int, int, []float32) error { panic("thrown") }) //nolint:errcheck // it does not return
					}
				})
			}
			wg.Wait()
			release()
			// The session of the call that panicked is as it was, and goes on.
			if l, err := sessions[5].Eval(ctx, ids[:265]); err != nil || sameBits(l, want) >= 0 {
				t.Errorf("after a panic: %v, or other logits", err)
			}
		})
	}
}

// A context that ends takes a waiting call out at once, while the pass before it still runs; one in the queue's care leaves
// at the next pass. Sessions keep what they held.
func TestFixturesTogetherCancel(t *testing.T) {
	m := small(t, "llama256.Q4_K_M", WithChunk(16))
	s := m.NewSession()
	defer s.Close()
	if _, err := s.Eval(context.Background(), []int32{1, 2}); err != nil {
		t.Fatal(err)
	}
	release := hold(t, m, -1)
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan error)
	go func() {
		_, err := s.Eval(ctx, []int32{1, 2, 3})
		gone <- err
	}()
	once(t, "the call", func() bool { return m.queued() == 1 })
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) || s.Len() != 2 || s.Logits() == nil {
		t.Errorf("%v, with %d tokens held", err, s.Len())
	}
	release()
	// A prompt of many passes ends between two.
	ctx, cancel = context.WithCancel(context.Background())
	seen := 0
	err := m.eval(ctx, []Seq{{s, someIDs(300), WantAll}}, func(int, int, []float32) error {
		if seen++; seen == 20 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || seen > 32 || s.Len() != 2 {
		t.Errorf("%v after %d tokens, with %d held", err, seen, s.Len())
	}
}

// Close lets what has begun end, and refuses the rest.
func TestFixturesTogetherClose(t *testing.T) {
	m := small(t, "llama-gqa.Q8_0")
	release := hold(t, m, -1)
	gone, closed := make(chan error), make(chan error)
	for range 3 {
		go func() {
			_, err := m.NewSession().Eval(context.Background(), []int32{1, 2, 3})
			gone <- err
		}()
	}
	once(t, "the calls", func() bool { return m.queued() == 3 })
	if l := m.Load(); l.Waiting != 3 || l.Active != 1 || l.KVBytes != m.pageBytes() || l.KVMax != 0 {
		t.Errorf("%+v, want one evaluation of a page under way and three that wait", l)
	}
	go func() { closed <- m.Close() }()
	once(t, "Close", func() bool { m.queue.mu.Lock(); defer m.queue.mu.Unlock(); return m.queue.closed })
	release()
	for range 3 {
		if err := <-gone; !errors.Is(err, ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// Streams that were in a pass together meet in the next: the first to be back waits for the others, until it has waited
// enough, and a stream that is alone does not wait.
func TestFixturesReunion(t *testing.T) {
	m := small(t, "llama-gqa.Q8_0")
	q := &m.queue
	ctx := context.Background()
	var a, b *Session
	gone := make(chan error, 2)
	eval := func(s *Session) {
		go func() {
			_, err := s.Eval(ctx, append(slices.Clone(s.tokens), 5))
			gone <- err
		}()
	}
	state := func(f func() bool) func() bool {
		return func() bool { q.mu.Lock(); defer q.mu.Unlock(); return f() }
	}
	patience := func(d time.Duration) { q.mu.Lock(); q.patience = d; q.mu.Unlock() }
	both := func() {
		t.Helper()
		for range 2 {
			if err := <-gone; err != nil {
				t.Fatal(err)
			}
		}
	}
	meet := func() {
		t.Helper()
		release := hold(t, m, 2)
		eval(a)
		eval(b)
		both()
		release()
		patience(time.Hour)
	}
	a, b = m.NewSession(), m.NewSession()
	q.join(&a.seat)
	q.join(&b.seat)
	meet()
	if q.expected != 2 {
		t.Fatalf("%d streams are expected back, want 2", q.expected)
	}
	passes := q.passes
	eval(a)
	once(t, "the first", state(func() bool { return len(q.waiting) == 1 && q.expected == 1 && !q.leading }))
	eval(b)
	both()
	if q.passes != passes+1 {
		t.Errorf("two streams took %d passes, want 1", q.passes-passes)
	}
	// One that ends is not waited for.
	patience(time.Hour)
	eval(a)
	once(t, "the first", state(func() bool { return len(q.waiting) == 1 }))
	q.leave(&b.seat)
	if err := <-gone; err != nil {
		t.Fatal(err)
	}
	// One that stays away is waited for so long; after maxLate times not at all, and after pardon tokens again.
	together := func() {
		t.Helper()
		patience(time.Hour)
		eval(b)
		once(t, "the late one", state(func() bool { return len(q.waiting) == 1 }))
		eval(a)
		both()
	}
	q.join(&b.seat)
	together()
	for i := range maxLate {
		patience(time.Millisecond)
		eval(a)
		if err := <-gone; err != nil {
			t.Fatal(err)
		}
		if together(); b.seat.late != i+1 || a.seat.late != 0 {
			t.Fatalf("late %d and %d times, want %d and 0", b.seat.late, a.seat.late, i+1)
		}
	}
	again := 0
	for ; b.seat.late >= maxLate; again++ {
		if q.expected != 1 {
			t.Fatalf("%d streams are expected back, want 1", q.expected)
		}
		together()
	}
	if again != pardon+1 || q.expected != 2 {
		t.Errorf("%d are expected after %d rounds; want 2 after %d", q.expected, again, pardon+1)
	}
	// Alone: nobody to wait for, whatever the patience.
	q.leave(&b.seat)
	patience(time.Hour)
	for range 3 {
		if _, err := a.Eval(ctx, append(slices.Clone(a.tokens), 5)); err != nil {
			t.Fatal(err)
		}
		patience(time.Hour)
	}
}

// A pass takes everybody's next token, and of a long prompt so much that it holds nobody up; long prompts get their share
// among any number of short ones.
func TestFixturesFill(t *testing.T) {
	m := small(t, "llama256.Q4_K_M", WithChunk(512))
	many := func(rows ...int) *call {
		c := &call{ctx: context.Background()}
		for _, n := range rows {
			c.lines = append(c.lines, line{session: m.NewSession(), tokens: make([]int32, n), want: WantLast})
		}
		c.begin()
		return c
	}
	ones := func(n int) *call { return many(slices.Repeat([]int{1}, n)...) }
	for _, c := range []struct {
		name  string
		calls []*call
		want  []int // rows of each part
	}{
		{"a prompt alone", []*call{many(2000)}, []int{512}},
		{"two prompts, in order", []*call{many(300), many(2000)}, []int{300, 212}},
		{"decoding beside a prompt", []*call{many(2000), ones(2)}, []int{1, 1, 256}},
		{"a short text passes a prompt by", []*call{many(2000), many(40)}, []int{40, 256}},
		{"many short ones beside a prompt", []*call{many(60, 60, 60, 60, 60, 60, 60, 60), many(2000)}, []int{60, 60, 60, 60, 60, 60, 24, 128}},
		{"a computed one", []*call{many(0, 3)}, []int{3}},
	} {
		m.runner.fill(c.calls)
		var got []int
		for i := range m.runner.parts {
			got = append(got, m.runner.parts[i].n)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: rows %v, want %v", c.name, got, c.want)
		}
	}
	m.runner.let()
}

// Nothing stays behind: no goroutine, and no memory for a token, with many streams too.
func TestFixturesTogetherLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	m := small(t, "llama256.Q4_K_M", WithThreads(2))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for tok, err := range m.Generate(context.Background(), someIDs(3+i), Gen{MaxTokens: 20, Seed: uint64(i), Temperature: 1}).All() {
				if err != nil {
					t.Error(err)
				}
				if i%2 == 1 && tok.ID%7 == 0 {
					break
				}
			}
		})
	}
	wg.Wait()
	tokens := func(n int) {
		for i := range 4 {
			wg.Go(func() {
				s := m.NewSession()
				defer s.Close()
				m.queue.join(&s.seat)
				defer m.queue.leave(&s.seat)
				text := append(make([]int32, 0, 256), int32(i))
				for range n {
					l, err := s.Eval(context.Background(), text)
					if err != nil {
						t.Error(err)
						return
					}
					text = append(text, argmax(l))
				}
			})
		}
		wg.Wait()
	}
	tokens(200)
	var a, b, c runtime.MemStats
	runtime.ReadMemStats(&a)
	tokens(20)
	runtime.ReadMemStats(&b)
	tokens(200)
	runtime.ReadMemStats(&c)
	if more := int64(c.Mallocs-b.Mallocs) - int64(b.Mallocs-a.Mallocs); more > 4*180/10 {
		t.Errorf("%d allocations for %d tokens", more, 4*180)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	once(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= before })
	if q := &m.queue; q.expected != 0 || len(q.waiting) > 0 {
		t.Errorf("%d streams are expected, %v wait", q.expected, q.waiting)
	}
}
