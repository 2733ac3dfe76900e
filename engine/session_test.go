package engine

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/freehold-slm/freehold/models/gguf"
)

// small opens a fixture model.
func small(t testing.TB, name string, opts ...Option) *Model {
	t.Helper()
	m, err := Open(fixture(t, name+".gguf"), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func evalFresh(t testing.TB, m *Model, tokens []int32) []float32 {
	t.Helper()
	s := m.NewSession()
	defer s.Close()
	l, err := s.Eval(context.Background(), tokens)
	if err != nil {
		t.Fatal(err)
	}
	return append([]float32(nil), l...)
}

// Eval extends, truncates and replaces what a session holds; the logits are those of a fresh session.
func TestFixturesEvalPrefix(t *testing.T) {
	for _, name := range append([]string{"llama-gqa.Q8_0"}, recurrentModels...) {
		t.Run(name, func(t *testing.T) {
			m := small(t, name)
			s := m.NewSession()
			defer s.Close()
			for _, tokens := range [][]int32{{1, 2, 3}, {1, 2, 3, 4, 5}, {1, 2, 3}, {1, 2, 9}, {1}, {7, 8}, {7, 8}, {7, 8, 1, 2, 3, 4}} {
				l, err := s.Eval(context.Background(), tokens)
				if err != nil {
					t.Fatal(err)
				}
				if at := sameBits(l, evalFresh(t, m, tokens)); at >= 0 {
					t.Fatalf("%v: logit %d differs from a fresh session's", tokens, at)
				}
			}
		})
	}
}

// A fork and its origin go different ways without touching each other.
func TestFixturesFork(t *testing.T) {
	for _, name := range append([]string{"llama-gqa.Q8_0"}, recurrentModels...) {
		t.Run(name, func(t *testing.T) { checkFork(t, small(t, name)) })
	}
}

func checkFork(t *testing.T, m *Model) {
	t.Helper()
	ctx := context.Background()
	a := m.NewSession()
	if _, err := a.Eval(ctx, []int32{1, 2, 3, 4, 5}); err != nil {
		t.Fatal(err)
	}
	b, c := a.Fork(), a.Fork()
	for i, s := range []*Session{b, a, c, b, a, c} {
		tokens := append(append([]int32(nil), s.Tokens()...), int32(10+i), 7)
		l, err := s.Eval(ctx, tokens)
		if err != nil {
			t.Fatal(err)
		}
		if at := sameBits(l, evalFresh(t, m, tokens)); at >= 0 {
			t.Fatalf("session %d: logit %d differs from a fresh session's", i, at)
		}
	}
	a.Close()
	if a.Len() != 0 {
		t.Errorf("a closed session holds %d tokens", a.Len())
	}
}

// Errors name the trouble and leave sessions as they were.
func TestFixturesSessionErrors(t *testing.T) {
	m := small(t, "llama-gqa.Q8_0", WithContext(128))
	ctx := context.Background()
	s, other := m.NewSession(), small(t, "qwen2.Q8_0").NewSession()
	if _, err := s.Eval(ctx, []int32{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	before := append([]float32(nil), s.Logits()...)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	for _, c := range []struct {
		name string
		run  func() error
		want string
	}{
		{"no tokens", func() error { _, err := s.Eval(ctx, nil); return err }, "no tokens"},
		{"token too large", func() error { return m.EvalBatch(ctx, []Seq{{s, []int32{1, 320}, WantLast}}) }, "token 1 of sequence 0 is 320, want 0 to 319"},
		{"token negative", func() error { return m.EvalBatch(ctx, []Seq{{s, []int32{-1}, WantLast}}) }, "is -1"},
		{"context", func() error { return m.EvalBatch(ctx, []Seq{{s, make([]int32, 126), WantLast}}) }, "129 tokens do not fit the context of 128"},
		{"twice", func() error { return m.EvalBatch(ctx, []Seq{{s, []int32{1}, WantLast}, {s, []int32{2}, WantLast}}) }, "occurs twice"},
		{"other model", func() error { return m.EvalBatch(ctx, []Seq{{other, []int32{1}, WantLast}}) }, "no session of this model"},
		{"no head", func() error { return m.EvalBatch(ctx, []Seq{{s, []int32{1}, WantClass}}) }, "no classification head"},
		{"cancelled", func() error { return m.EvalBatch(cancelled, []Seq{{s, []int32{1}, WantLast}}) }, "canceled"},
	} {
		err := c.run()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
		if s.Len() != 3 {
			t.Fatalf("%s: the session holds %d tokens, want 3", c.name, s.Len())
		}
	}
	l, err := s.Eval(ctx, []int32{1, 2, 3})
	if err != nil || sameBits(l, before) >= 0 {
		t.Errorf("after errors: %v, or other logits", err)
	}
	for _, opt := range []Option{WithThreads(0), WithContext(0), WithContext(1 << 20), WithChunk(0), WithNumeric(9), WithKV(9), WithLevel(nil)} {
		if m, err := New(m.File(), opt); err == nil {
			m.Close()
			t.Error("an impossible option was accepted")
		}
	}
	for _, kv := range []KV{KVF16, KVQ8_0} {
		if _, err := New(m.File(), WithNumeric(Reference), WithKV(kv)); err == nil {
			t.Errorf("mode reference with a cache of %v was accepted", kv)
		}
	}
	want := "heads have 16 elements, and a q8_0 KV cache wants a multiple of 32; use f16 or f32 KV"
	if _, err := New(m.File(), WithKV(KVQ8_0)); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a q8_0 cache for heads of 16: %v, want %q", err, want)
	}
	for _, kv := range []KV{KVF16, KVF32, KVQ8_0} {
		if got, err := ParseKV(kv.String()); got != kv || err != nil {
			t.Errorf("ParseKV(%q) = %v, %v", kv, got, err)
		}
	}
	if _, err := ParseKV("q4_0"); err == nil || !strings.Contains(err.Error(), "f16, f32, q8_0") {
		t.Errorf("ParseKV of an unknown type: %v", err)
	}
}

func TestFixturesClosed(t *testing.T) {
	m := small(t, "llama-gqa.Q8_0")
	s := m.NewSession()
	if _, err := s.Eval(context.Background(), []int32{1}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Eval(context.Background(), []int32{1, 2}); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}

// One model serves several goroutines.
func TestFixturesGoroutines(t *testing.T) {
	m := small(t, "llama-gqa.Q8_0", WithThreads(2))
	want := evalFresh(t, m, []int32{4, 5, 6, 7})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				if at := sameBits(evalFresh(t, m, []int32{4, 5, 6, 7}), want); at >= 0 {
					t.Errorf("logit %d differs", at)
				}
			}
		})
	}
	wg.Wait()
}

// Decoding a token allocates nothing, whatever the number of threads.
func TestFixturesNoAllocs(t *testing.T) {
	for _, name := range []string{"llama256.Q4_K_M", "gemma3-256.Q4_K_M", "gemma2.Q4_0", // with and without windows and caps
		"llama-moe.Q4_0", "gpt-oss.MXFP4_MOE", "qwen2moe.Q8_0", "deepseek2-lite.Q8_0", // experts, sinks, latent attention
		"mamba2.Q8_0", "mamba.Q8_0", "lfm2.Q8_0"} { // states
		for _, c := range []struct {
			threads int
			kv      KV
		}{{1, KVF16}, {2, KVF16}, {2, KVF32}, {1, KVQ8_0}, {2, KVQ8_0}} {
			if c.kv == KVQ8_0 && (name == "llama-moe.Q4_0" || name == "qwen2moe.Q8_0" || name == "deepseek2-lite.Q8_0" || name == "lfm2.Q8_0") {
				continue // heads of 16 and 40
			}
			m := small(t, name, WithThreads(c.threads), WithKV(c.kv))
			s := m.NewSession()
			ctx := context.Background()
			tokens := make([]int32, 1, 128)
			step := func() {
				l, err := s.Eval(ctx, tokens)
				if err != nil {
					t.Fatal(err)
				}
				tokens = append(tokens, argmax(l))
			}
			for range 10 {
				step()
			}
			if n := testing.AllocsPerRun(80, step); n != 0 {
				t.Errorf("%s, %d threads, %v KV: %v allocations a token", name, c.threads, c.kv, n)
			}
		}
	}
}

// A file that is cut short while it is mapped gives an error, in the caller and in workers.
func TestFixturesTruncatedUnderUse(t *testing.T) {
	src, err := os.Open(fixture(t, "llama256.Q8_0.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	for _, threads := range []int{1, 4} {
		path := filepath.Join(t.TempDir(), "cut.gguf")
		dst, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		src.Seek(0, io.SeekStart)
		if _, err := io.Copy(dst, src); err != nil {
			t.Fatal(err)
		}
		m, err := Open(path, WithThreads(threads))
		if err != nil {
			t.Fatal(err)
		}
		s := m.NewSession()
		if _, err := s.Eval(context.Background(), []int32{1, 2, 3}); err != nil {
			t.Fatal(err)
		}
		if err := dst.Truncate(m.File().DataOffset + 4096); err != nil {
			t.Fatal(err)
		}
		dst.Close()
		for _, tokens := range [][]int32{{1, 2, 3, 4}, {1, 2, 3, 4, 5, 6, 7, 8}} {
			_, err = s.Eval(context.Background(), tokens)
			var bad *gguf.Error
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), "cut short") {
				t.Errorf("%d threads: got %v, want an error that says the file was cut short", threads, err)
			}
			if s.Len() != 3 {
				t.Errorf("%d threads: the session holds %d tokens, want 3", threads, s.Len())
			}
		}
		m.Close()
	}
}
