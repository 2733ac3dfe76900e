package engine

import (
	"context"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/freehold-slm/freehold/kernels"
)

// top-k sampling takes the k best, ties to the lower id; probabilities come out as they should; the same seed gives
// the same draw, and positions differ.
func TestSampler(t *testing.T) {
	logits := []float32{1, 3, 2, 3, -1, 2, 0, 3}
	s := sampler{l: kernels.Levels()[0]}
	if got := s.top(logits, 4); !slices.Equal(got, []int32{1, 3, 7, 2}) {
		t.Errorf("top 4 = %v", got)
	}
	if got := argmax(logits); got != 1 {
		t.Errorf("argmax = %d", got)
	}
	for _, k := range []int{0, 3, 5} {
		g := Gen{Temperature: 0.7, TopK: k, Seed: 42}
		count := make([]float64, len(logits))
		const n = 20000
		text := make([]int32, n)
		for pos := range n {
			id, _ := s.pick(logits, &g, text[:pos], 0)
			if again, _ := s.pick(logits, &g, text[:pos], 0); id != again {
				t.Fatal("two draws at one position differ")
			}
			count[id]++
		}
		keep := s.top(logits, k)
		total := 0.0
		want := make([]float64, len(logits))
		for i, l := range logits {
			if keep == nil || slices.Contains(keep, int32(i)) {
				want[i] = math.Exp(float64(l) / 0.7)
				total += want[i]
			}
		}
		for i := range want {
			p, got := want[i]/total, count[i]/n
			if math.Abs(got-p) > 4*math.Sqrt(p*(1-p)/n)+1e-9 {
				t.Errorf("top %d: token %d drawn %.4f of the time, want %.4f", k, i, got, p)
			}
		}
	}
}

// Text comes in whole runes, never with a part of a stop text, whole in the end.
func TestPieces(t *testing.T) {
	text := "naïve 日本 text 🎉 STOP more"
	for _, c := range []struct {
		stop []string
		want string
	}{
		{nil, text}, {[]string{"STOP"}, "naïve 日本 text 🎉 "}, {[]string{"absent", "x STOP"}, text}, {[]string{"本", "STOP"}, "naïve 日"},
	} {
		for size := 1; size < 6; size++ {
			p := pieces{stop: c.stop}
			var b strings.Builder
			stopped := false
			for i := 0; i < len(text) && !stopped; i += size {
				var out string
				out, stopped = p.push([]byte(text[i:min(len(text), i+size)]))
				if !utf8.ValidString(out) {
					t.Fatalf("piece %q is not whole runes", out)
				}
				for _, s := range c.stop {
					if strings.Contains(b.String()+out, s) {
						t.Fatalf("shown text %q holds a stop text", b.String()+out)
					}
				}
				b.WriteString(out)
			}
			if !stopped {
				b.WriteString(p.rest())
			}
			if b.String() != c.want {
				t.Errorf("stop %q, %d bytes a token: %q, want %q", c.stop, size, b.String(), c.want)
			}
		}
	}
	p := pieces{}
	if out, _ := p.push([]byte{0xff, 'a', 0xe6}); out != "\uFFFDa" || p.rest() != "\uFFFD" {
		t.Errorf("invalid bytes: %q then %q", out, p.rest())
	}
}

// Generate gives the greedy tokens of step-by-step evaluation, ends at MaxTokens, and stops when its consumer leaves.
func TestFixturesGenerate(t *testing.T) {
	m := small(t, "llama-gqa.Q8_0", WithContext(64))
	ctx := context.Background()
	prompt := []int32{1, 50, 60, 70}
	st := m.Generate(ctx, prompt, Gen{MaxTokens: 8})
	if _, err := st.Text(); err != nil {
		t.Fatal(err)
	}
	_, got := st.Tokens()
	tokens := slices.Clone(prompt)
	for i, id := range got {
		if want := argmax(evalFresh(t, m, tokens)); id != want {
			t.Fatalf("token %d is %d, want %d", i, id, want)
		}
		tokens = append(tokens, id)
	}
	if st.Reason() == ReasonLength && len(got) != 8 || len(got) == 0 {
		t.Errorf("%d tokens, reason %q", len(got), st.Reason())
	}
	n := 0
	for _, err := range m.Generate(ctx, prompt, Gen{Temperature: 1, Seed: 3}).All() {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 2 {
			break
		}
	}
	st = m.Generate(ctx, prompt, Gen{Temperature: 2, Seed: 9})
	if _, err := st.Text(); err != nil || st.Reason() == "" {
		t.Errorf("reason %q, error %v", st.Reason(), err)
	}
	if p, g := st.Tokens(); len(p)+len(g) > 65 {
		t.Errorf("%d tokens in a context of 64", len(p)+len(g))
	}
	for _, g := range []Gen{{Temperature: -1}, {TopK: -1}, {MaxTokens: -1}, {Stop: []string{""}}, {Temperature: math.NaN()}} {
		if _, err := m.Generate(ctx, prompt, g).Text(); err == nil {
			t.Errorf("%+v was accepted", g)
		}
	}
	if _, err := m.Generate(ctx, make([]int32, 65), Gen{}).Text(); err == nil {
		t.Error("a prompt longer than the context was accepted")
	}
}

// Score adds up the log-probabilities of a continuation's tokens.
func TestFixturesScore(t *testing.T) {
	m := small(t, "llama256.Q4_K_M")
	prefix := []int32{1, 20, 30}
	conts := [][]int32{{5, 6, 7}, {9}, {}, {5, 6, 8, 200}}
	got, err := m.Score(context.Background(), prefix, conts)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range conts {
		want := 0.0
		for j, id := range c {
			l := evalFresh(t, m, append(slices.Clone(prefix), c[:j]...))
			sum, top := 0.0, float64(l[argmax(l)])
			for _, v := range l {
				sum += math.Exp(float64(v) - top)
			}
			want += float64(l[id]) - top - math.Log(sum)
		}
		if math.Abs(got[i]-want) > 1e-5 {
			t.Errorf("continuation %d scores %v, want %v", i, got[i], want)
		}
	}
	if _, err := m.Score(context.Background(), prefix, [][]int32{{1, 1 << 20}}); err == nil {
		t.Error("a token outside the vocabulary was accepted")
	}
}

// A stream's tokens allocate nothing one by one: what a long answer takes more than a short one are pages of keys and values, and blocks of text.
func TestStreamAllocs(t *testing.T) {
	m := small(t, "llama256.Q4_K_M", WithThreads(2))
	count := func(tokens int) uint64 {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		n := 0
		for _, err := range m.Generate(context.Background(), []int32{1, 50, 60}, Gen{MaxTokens: tokens, Bias: unending(m), Temperature: 0.8}).All() {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		runtime.ReadMemStats(&after)
		if n < tokens {
			t.Fatalf("%d tokens, want %d", n, tokens)
		}
		return after.Mallocs - before.Mallocs
	}
	count(20)
	short, long := count(20), count(120)
	t.Logf("%d allocations for 20 tokens, %d for 120", short, long)
	if long > short+20 {
		t.Errorf("%.2f allocations a token, want some for a page alone", float64(long-short)/100)
	}
}
