package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/engine/grammar"
)

// samplerFunc is a Sampler.
type samplerFunc func(logits []float32, at Draw) int32

func (f samplerFunc) Sample(logits []float32, at Draw) int32 { return f(logits, at) }

// A sampler of one's own sees logits after biases and the grammar, may change them, and chooses; with a draft it gives the same text.
func TestFixturesSampler(t *testing.T) {
	m := small(t, "llama256.Q4_K_M")
	ctx := context.Background()
	prompt := []int32{1, 50, 60}
	run := func(g Gen) ([]int32, error) {
		st := m.Generate(ctx, prompt, g)
		_, err := st.Text()
		_, ids := st.Tokens()
		return ids, err
	}
	greedy, err := run(Gen{MaxTokens: 12})
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	got, err := run(Gen{MaxTokens: 12, Sampler: samplerFunc(func(l []float32, at Draw) int32 {
		if len(l) != m.Spec.Vocab || at.Prompt != 3 || len(at.Text) != 3+calls {
			t.Errorf("call %d: %d logits, %d tokens of which %d given", calls, len(l), len(at.Text), at.Prompt)
		}
		calls++
		id := argmax(l)
		clear(l) // its own to change
		return id
	})})
	if err != nil || !slices.Equal(got, greedy) {
		t.Errorf("greedy by hand gives %v (%v), want %v", got, err, greedy)
	}
	// The second most likely, or one by chance: a function of what it is given, so the same with a draft.
	choose := samplerFunc(func(l []float32, at Draw) int32 {
		best := argmax(l)
		if at.Uniform(7) < 0.5 {
			return best
		}
		l[best] = float32(math.Inf(-1))
		return argmax(l)
	})
	g, err := grammar.Regex(`[a-e]{2,9}`)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for seed := range uint64(6) {
		for _, rule := range []*grammar.Grammar{nil, g} {
			gen := Gen{MaxTokens: 12, Seed: seed, Sampler: choose, Grammar: rule}
			if rule != nil { // of some places one token alone is left
				gen.Sampler = samplerFunc(func(l []float32, at Draw) int32 {
					best := argmax(l)
					l[best] = never
					if second := argmax(l); at.Uniform(0) < 0.5 && l[second] != never {
						return second
					}
					return best
				})
			}
			want, err := run(gen)
			if err != nil {
				t.Fatal(err)
			}
			gen.Draft = LookupDraft{}
			if got, err := run(gen); err != nil || !slices.Equal(got, want) {
				t.Errorf("with a draft %v (%v), want %v", got, err, want)
			}
			seen[fmt.Sprint(want)] = true
		}
	}
	if len(seen) < 6 {
		t.Errorf("%d different texts of 12", len(seen))
	}
	for _, id := range []int32{-1, int32(m.Spec.Vocab), 77} {
		_, err := run(Gen{MaxTokens: 2, Bias: map[int32]float32{77: never}, Sampler: samplerFunc(func([]float32, Draw) int32 { return id })})
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("chose token %d", id)) {
			t.Errorf("token %d: %v", id, err)
		}
	}
	if _, err := run(Gen{Temperature: 1, Sampler: choose}); err == nil || !strings.Contains(err.Error(), "must be 0") {
		t.Errorf("a sampler and a temperature: %v", err)
	}
}

// A healed generation goes on within the prompt's last token: its text with the prompt is text that begins with the prompt's.
func TestFixturesHeal(t *testing.T) {
	m := small(t, "llama256.Q4_K_M")
	tok, err := m.LoadTokenizer()
	if err != nil {
		t.Fatal(err)
	}
	// A token that others begin with.
	last, longer := int32(-1), 0
	for id := range int32(m.Spec.Vocab) {
		n := 0
		p := string(tok.Piece(id, false))
		for other := range int32(m.Spec.Vocab) {
			if q := string(tok.Piece(other, false)); p != "" && len(q) > len(p) && strings.HasPrefix(q, p) {
				n++
			}
		}
		if n > longer {
			last, longer = id, n
		}
	}
	if longer < 3 {
		t.Fatalf("no token of the vocabulary begins three others")
	}
	text := string(tok.Piece(last, false))
	ctx := context.Background()
	further, differ := 0, 0
	for seed := range uint64(20) {
		g := Gen{MaxTokens: 6, Temperature: 2, Seed: seed, Heal: true}
		st := m.Generate(ctx, []int32{1, 50, int32(seed), last}, g)
		got, err := st.Text()
		if err != nil {
			t.Fatal(err)
		}
		prompt, ids := st.Tokens()
		if !slices.Equal(prompt, []int32{1, 50, int32(seed)}) || len(ids) == 0 {
			t.Fatalf("prompt %v, then %v", prompt, ids)
		}
		first := string(tok.Piece(ids[0], false))
		if !strings.HasPrefix(first, text) {
			t.Fatalf("the first token is %q, want one that begins with %q", first, text)
		}
		show, whole := pieces{}, ""
		for i, id := range ids {
			p := tok.Piece(id, false)
			if i == 0 {
				p = p[len(text):]
			}
			out, _ := show.push(p)
			whole += out
		}
		if whole += show.rest(); whole != got {
			t.Errorf("%q is shown, want %q", got, whole)
		}
		if ids[0] != last {
			further++
		}
		// The choice is that of the logits before the token, among those that fit.
		g.Draft = LookupDraft{}
		if again, err := m.Generate(ctx, []int32{1, 50, int32(seed), last}, g).Text(); err != nil || again != got {
			t.Errorf("with a draft %q (%v), want %q", again, err, got)
		}
		g.Heal, g.Draft = false, nil
		if plain, err := m.Generate(ctx, []int32{1, 50, int32(seed), last}, g).Text(); err != nil || plain != got {
			differ++
		}
	}
	if further == 0 || differ == 0 {
		t.Errorf("%d first tokens were longer than the one taken back, %d texts differ from plain ones", further, differ)
	}
	// The grammar is of the text behind the prompt.
	rule, err := grammar.Regex(`[a-z]{4,8}`)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(10) {
		got, err := m.Generate(ctx, []int32{1, 50, last}, Gen{Heal: true, Grammar: rule, Temperature: 2, Seed: seed}).Text()
		if err != nil || len(got) < 4 || len(got) > 8 || strings.Trim(got, "abcdefghijklmnopqrstuvwxyz") != "" {
			t.Errorf("%q (%v), want four to eight letters", got, err)
		}
	}
	if _, err := m.Generate(ctx, []int32{last}, Gen{Heal: true}).Text(); err == nil || !strings.Contains(err.Error(), "two at least") {
		t.Errorf("a prompt of one token: %v", err)
	}
	// A control token has no text to heal.
	plain, err := m.Generate(ctx, []int32{50, 1}, Gen{MaxTokens: 5}).Text()
	if err != nil {
		t.Fatal(err)
	}
	if len(tok.Piece(1, false)) == 0 {
		if got, err := m.Generate(ctx, []int32{50, 1}, Gen{MaxTokens: 5, Heal: true}).Text(); err != nil || got != plain {
			t.Errorf("%q (%v), want %q", got, err, plain)
		}
	}
}

// A batch gives in order what each request gives alone; one that fails does not end the others, and leaving ends them all.
func TestFixturesBatch(t *testing.T) {
	m := small(t, "llama256.Q4_K_M")
	ctx := context.Background()
	requests := make([]Request, 40)
	want := make([]string, len(requests))
	for i := range requests {
		requests[i] = Request{Tokens: someIDs(1 + i), Gen: Gen{MaxTokens: 3 + (i*7)%20, Temperature: 1, Seed: uint64(i)}}
		if i == 5 {
			requests[i].Gen.TopP = 2
			continue
		}
		var err error
		if want[i], err = m.Generate(ctx, requests[i].Tokens, requests[i].Gen).Text(); err != nil {
			t.Fatal(err)
		}
	}
	at := 0
	for r, err := range m.Batch(ctx, requests) {
		if r.Index != at {
			t.Fatalf("result %d is of request %d", at, r.Index)
		}
		if at == 5 {
			if err == nil || !strings.Contains(err.Error(), "request 5: engine: TopP is 2") {
				t.Errorf("request 5: %v", err)
			}
		} else if err != nil || r.Text != want[at] || !slices.Equal(r.Prompt, requests[at].Tokens) || len(r.Generated) == 0 || r.Reason == "" {
			t.Errorf("request %d: %+v (%v), want %q", at, r, err, want[at])
		}
		at++
	}
	if at != len(requests) {
		t.Errorf("%d results of %d", at, len(requests))
	}
	for range m.Batch(ctx, requests) {
		break
	}
	if n := m.memory.held(); n != 0 {
		t.Errorf("%d bytes are held after the loop was left", n)
	}
	short, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := 0
	for r, err := range m.Batch(short, requests) {
		if r.Index == 3 {
			cancel()
		}
		if errors.Is(err, context.Canceled) {
			ended++
		}
	}
	if ended == 0 {
		t.Error("a cancelled batch went on to its end")
	}
	for range m.Batch(ctx, nil) {
		t.Error("a batch of nothing gave something")
	}
}
