package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/token"
)

// draftFunc makes a Draft of a func.
type draftFunc func(tokens, out []int32) (int, error)

func (f draftFunc) Propose(_ context.Context, tokens []int32, _ *Gen, out []int32) (int, error) {
	return f(tokens, out)
}

// oracle guesses what is known to come and spoils every nth guess.
func oracle(text []int32, nth int) draftFunc {
	made := 0
	return func(tokens, out []int32) (int, error) {
		n := 0
		for n < len(out) && len(tokens)+n < len(text) {
			out[n] = text[len(tokens)+n]
			if made++; nth > 0 && made%nth == 0 {
				out[n] ^= 1
			}
			n++
		}
		return n, nil
	}
}

// generated is all that a generation says.
type generated struct {
	ids    []int32
	texts  []string
	reason string
}

func generate(t testing.TB, s *Session, prompt []int32, g Gen) (generated, *Stream) {
	t.Helper()
	st := s.Generate(context.Background(), prompt, g)
	var out generated
	for tok, err := range st.All() {
		if err != nil {
			t.Fatal(err)
		}
		out.ids, out.texts = append(out.ids, tok.ID), append(out.texts, tok.Text)
	}
	out.reason = st.Reason()
	return out, st
}

func (g generated) same(o generated) bool {
	return slices.Equal(g.ids, o.ids) && slices.Equal(g.texts, o.texts) && g.reason == o.reason
}

// Every draft gives the text of no draft: greedy and drawn, cut by length, stop text, end of turn or context. Drafts
// that are never, sometimes and always right truncate differently; the session afterwards goes on as any other.
func TestFixturesSpeculation(t *testing.T) {
	for _, name := range []string{"llama256.Q4_K_M", "llama-gqa.Q8_0", "qwen2.Q8_0"} {
		t.Run(name, func(t *testing.T) {
			m := small(t, name, WithContext(120))
			twin := small(t, name, WithContext(100), WithThreads(1))
			tok, err := m.LoadTokenizer()
			if err != nil {
				t.Fatal(err)
			}
			prompt := []int32{1, 50, 60, 70, 50, 60, 71, 50, 60}
			gens := []Gen{{}, {MaxTokens: 1}, {MaxTokens: 2}, {MaxTokens: 23}, {MaxTokens: 40, DraftTokens: 1}, {DraftTokens: 64}}
			for seed := range uint64(6) {
				gens = append(gens, Gen{Temperature: 0.05, Seed: seed}, Gen{Temperature: 1, TopK: 3, Seed: seed, MaxTokens: 60},
					Gen{Temperature: 2, Seed: seed, Sequence: 4},
					Gen{Temperature: 1, TopP: 0.9, MinP: 0.01, Seed: seed, Penalties: Penalties{Repeat: 1.3, Presence: 0.5, Frequency: 0.5}})
			}
			base := len(gens)
			for _, g := range gens[:base] { // end each text before its time, by a text from its middle
				plain, _ := generate(t, m.NewSession(), prompt, g)
				if n := len(plain.ids); n > 6 && plain.ids[n/2] >= 0 {
					if g.Stop = []string{string(tok.Piece(plain.ids[n/2], false))}; g.Stop[0] != "" {
						gens = append(gens, g)
					}
				}
			}
			reasons := map[string]int{}
			rejected, accepted := 0, 0
			for _, g := range gens {
				want, st := generate(t, m.NewSession(), prompt, g)
				reasons[want.reason]++
				if d, a := st.Drafted(); d != 0 || a != 0 {
					t.Fatalf("%d of %d guesses without a draft", a, d)
				}
				_, made := st.Tokens()
				text := append(slices.Clone(prompt), made...)
				model, err := twin.NewDraft(m)
				if err != nil {
					t.Fatal(err)
				}
				for i, d := range []Draft{oracle(text, 0), oracle(text, 1), oracle(text, 2), oracle(text, 5), LookupDraft{}, model} {
					g.Draft = d
					s := m.NewSession()
					got, st := generate(t, s, prompt, g)
					if !got.same(want) {
						t.Fatalf("%+v, draft %d: %v, want %v", g, i, got, want)
					}
					drafted, right := st.Drafted()
					if i == 0 && right != drafted || i == 1 && right != 0 || right > drafted {
						t.Fatalf("%+v, draft %d: %d of %d guesses right", g, i, right, drafted)
					}
					rejected, accepted = rejected+drafted-right, accepted+right
					p, made := st.Tokens()
					text := append(slices.Clone(p), made...)
					if s.Len() > len(text) || !slices.Equal(s.Tokens(), text[:s.Len()]) {
						t.Fatalf("%+v, draft %d: the session holds %v, want the beginning of %v", g, i, s.Tokens(), text)
					}
					text = append(text[:min(len(text), 100)], 9, 10)
					l, err := s.Eval(context.Background(), text)
					if err != nil {
						t.Fatal(err)
					}
					if at := sameBits(l, evalFresh(t, m, text)); at >= 0 {
						t.Fatalf("%+v, draft %d: afterwards logit %d differs from a fresh session's", g, i, at)
					}
					s.Close()
				}
				model.Close()
			}
			t.Logf("%d texts, %v; %d guesses right, %d wrong", len(gens), reasons, accepted, rejected)
			if reasons[ReasonLength] == 0 || reasons[ReasonStop] == 0 || rejected == 0 || accepted == 0 {
				t.Error("not every way was gone")
			}
		})
	}
}

// A text that ends its turn ends there when the end was guessed too.
func TestFixturesSpeculationEnd(t *testing.T) {
	m := small(t, "llama-gqa.Q8_0")
	tok, err := m.LoadTokenizer()
	if err != nil {
		t.Fatal(err)
	}
	ends := 0
	for seed := range uint64(200) {
		g := Gen{Temperature: 3, Seed: seed, MaxTokens: 100}
		want, _ := generate(t, m.NewSession(), []int32{1, 50}, g)
		if want.reason != ReasonEnd || len(want.ids) < 3 {
			continue
		}
		for _, eog := range tok.EOG() { // one of them is the right one
			g.Draft = oracle(append(append([]int32{1, 50}, want.ids...), int32(eog), 7, 8, 9), 0)
			if got, _ := generate(t, m.NewSession(), []int32{1, 50}, g); !got.same(want) {
				t.Fatalf("seed %d: %v, want %v", seed, got, want)
			}
		}
		if ends++; ends == 5 {
			return
		}
	}
	t.Errorf("%d texts ended their turn, want 5", ends)
}

// A consumer that leaves in the middle of what a draft decided leaves the session at what it saw.
func TestFixturesSpeculationLeft(t *testing.T) {
	m := small(t, "llama-gqa.Q8_0")
	prompt := []int32{1, 50, 60, 70}
	want, _ := generate(t, m.NewSession(), prompt, Gen{MaxTokens: 30})
	s := m.NewSession()
	n := 0
	for range s.Generate(context.Background(), prompt, Gen{Draft: oracle(append(slices.Clone(prompt), want.ids...), 0), DraftTokens: 16}).All() {
		if n++; n == 10 {
			break
		}
	}
	if text := append(slices.Clone(prompt), want.ids[:10]...); !slices.Equal(s.Tokens(), text) {
		t.Errorf("the session holds %v, want %v", s.Tokens(), text)
	}
}

// Drafts that misbehave, or cannot serve the model, are errors that say so.
func TestFixturesDraftErrors(t *testing.T) {
	m := small(t, "llama-gqa.Q8_0")
	broken := errors.New("broken")
	for want, d := range map[string]Draft{
		"guessed token 320, want 0 to 319": draftFunc(func(_, out []int32) (int, error) { out[0] = 320; return 1, nil }),
		"guessed token -1":                 draftFunc(func(_, out []int32) (int, error) { out[0] = -1; return 1, nil }),
		"made 99 guesses":                  draftFunc(func(_, _ []int32) (int, error) { return 99, nil }),
		"made -1 guesses":                  draftFunc(func(_, _ []int32) (int, error) { return -1, nil }),
		"broken":                           draftFunc(func(_, _ []int32) (int, error) { return 0, broken }),
	} {
		_, err := m.Generate(context.Background(), []int32{1, 2, 3}, Gen{Draft: d}).Text()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := m.Generate(context.Background(), []int32{1, 2}, Gen{DraftTokens: 257}).Text(); err == nil {
		t.Error("257 draft tokens were accepted")
	}
	other := small(t, "qwen2.Q8_0")
	if _, err := other.NewDraft(m); err == nil || !strings.Contains(err.Error(), "cannot draft for") || !strings.Contains(err.Error(), "token ") {
		t.Errorf("a draft of another vocabulary: %v", err)
	}
}

// Look-up finds the longest and then the latest place, and goes on with itself where text repeats.
func TestLookupDraft(t *testing.T) {
	for _, c := range []struct{ text, want []int32 }{
		{[]int32{1, 2, 3, 4, 5, 1, 2}, []int32{3, 4, 5, 1}},
		{[]int32{1, 2, 3, 1, 2, 4, 1, 2}, []int32{4, 1, 2, 4}},          // the latest
		{[]int32{7, 1, 2, 3, 8, 1, 2, 4, 7, 1, 2}, []int32{3, 8, 1, 2}}, // the longest
		{[]int32{5, 6, 5, 6}, []int32{5, 6, 5, 6}},
		{[]int32{9, 9, 9}, []int32{9, 9, 9, 9}},
		{[]int32{1, 2, 3, 9, 2}, nil}, // one token is chance
		{[]int32{1, 2, 3}, nil},
		{[]int32{1}, nil},
	} {
		out := make([]int32, 4)
		n, err := LookupDraft{}.Propose(context.Background(), c.text, nil, out)
		if err != nil || !slices.Equal(out[:n], c.want) {
			t.Errorf("%v: %v %v, want %v", c.text, out[:n], err, c.want)
		}
	}
}

// A round of speculation allocates nothing once it is under way.
func TestFixturesSpeculationAllocs(t *testing.T) {
	m := small(t, "llama256.Q4_K_M", WithThreads(2))
	twin := small(t, "llama256.Q4_K_M", WithThreads(1))
	model, err := twin.NewDraft(m)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range []Draft{LookupDraft{}, model} {
		st := m.NewSession().Generate(context.Background(), []int32{1, 50, 60}, Gen{Draft: d, Temperature: 0.1})
		st.pick = sampler{l: m.level}
		st.initDraft()
		step := func() {
			id, err := st.next(0)
			if err != nil {
				t.Fatal(err)
			}
			st.tokens = append(st.tokens, id)
		}
		for range 30 {
			step()
		}
		if n := testing.AllocsPerRun(80, step); n != 0 {
			t.Errorf("draft %d: %v allocations a token", i, n)
		}
	}
}

// The same on a real model: greedy and drawn answers, by look-up and by the model itself in other numbers.
func TestRealSpeculation(t *testing.T) {
	if os.Getenv("FREEHOLD_LONG") != "1" {
		t.Skip("long test: set FREEHOLD_LONG=1")
	}
	m := openReal(t, "smollm2-135m-instruct")
	twin := openReal(t, "smollm2-135m-instruct", WithNumeric(Reference), WithThreads(1))
	tok, err := m.LoadTokenizer()
	if err != nil {
		t.Fatal(err)
	}
	ask := "Repeat this list, sorted: apples, oranges, pears, apples, plums, oranges, pears, apples, oranges and plums."
	prompt := tok.Encode(nil, "<|im_start|>user\n"+ask+"<|im_end|>\n<|im_start|>assistant\n", token.EncodeOptions{ParseSpecial: true})
	for _, g := range []Gen{{MaxTokens: 32}, {MaxTokens: 32, Temperature: 0.7, Seed: 5}} {
		t.Run(fmt.Sprintf("temperature %v", g.Temperature), func(t *testing.T) {
			want, _ := generate(t, m.NewSession(), prompt, g)
			model, err := twin.NewDraft(m)
			if err != nil {
				t.Fatal(err)
			}
			defer model.Close()
			for _, d := range []Draft{LookupDraft{}, model} {
				g.Draft = d
				got, st := generate(t, m.NewSession(), prompt, g)
				if !got.same(want) {
					t.Fatalf("%T: %v, want %v", d, got, want)
				}
				drafted, right := st.Drafted()
				t.Logf("%T: %d tokens, %d of %d guesses right", d, len(got.ids), right, drafted)
				if d == Draft(model) && 2*right < drafted {
					t.Errorf("%d of %d guesses of the same model are right, want half or more", right, drafted)
				}
			}
		})
	}
}
