package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/chat"
)

func answerModel(t *testing.T, opts ...Option) *Model {
	t.Helper()
	m, err := Open(fixture(t, "../hostile/base/base_bpe256.gguf"), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// Answers side by side are those that Chat gives one by one, in order; cancelling ends them.
func TestAnswers(t *testing.T) {
	ctx := context.Background()
	m := answerModel(t)
	a, err := m.NewAnswerer(TextTask{Prompt: "Say {text} again", System: "s", MaxTokens: 7})
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for i := range 40 {
		texts = append(texts, strings.Repeat("ab ", i%5)+string(rune('A'+i%26)))
	}
	for _, g := range []Gen{{}, {Temperature: 1, Seed: 5, Sequence: 2}} {
		next := 0
		err = a.Answers(ctx, texts, g, func(i int, got Answer) error {
			if i != next {
				t.Fatalf("answer %d comes as number %d", i, next)
			}
			next++
			one := g
			one.MaxTokens = 7
			st := m.Chat(ctx, []chat.Message{{Role: "system", Content: "s"}, {Role: "user", Content: "Say " + texts[i] + " again"}}, one)
			want, err := st.Text()
			if err != nil || got.Text != want || got.Reason != st.Reason() {
				t.Errorf("%q: %q (%s), Chat says %q (%s, %v)", texts[i], got.Text, got.Reason, want, st.Reason(), err)
			}
			return nil
		})
		if err != nil || next != len(texts) {
			t.Fatalf("%d answers: %v", next, err)
		}
	}
	stop := errors.New("stop")
	if err := a.Answers(ctx, texts, Gen{}, func(i int, _ Answer) error {
		if i == 3 {
			return stop
		}
		return nil
	}); err != stop {
		t.Errorf("an error of the caller's: %v", err)
	}
	dead, cancel := context.WithCancel(ctx)
	cancel()
	if err := a.Answers(dead, texts, Gen{}, func(int, Answer) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	long := strings.Repeat("word ", m.Context())
	var full *ContextError
	if err := a.Answers(ctx, []string{"x", long}, Gen{}, func(int, Answer) error { return nil }); !errors.As(err, &full) {
		t.Errorf("a text longer than the context: %v", err)
	}
}

// Answers of a task with a schema are of the schema.
func TestAnswersSchema(t *testing.T) {
	m := answerModel(t)
	a, err := m.NewAnswerer(TextTask{Prompt: "{text}", Schema: []byte(`{"type": "object", "properties": {"way": {"enum": ["up", "down"]}}, "required": ["way"], "additionalProperties": false}`), MaxTokens: 60})
	if err != nil {
		t.Fatal(err)
	}
	err = a.Answers(context.Background(), []string{"rise", "fall", "x"}, Gen{}, func(i int, got Answer) error {
		if !a.Valid(got.Text) || got.Reason != ReasonEnd {
			t.Errorf("answer %q, ended by %s", got.Text, got.Reason)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if a.Valid(`{"way":"left"}`) || a.Valid(`{"way":"up"`) || !a.Valid(`{"way":"up"}`) {
		t.Error("Valid does not hold answers against the schema")
	}
}

// A pair is the prompt as Tokens has it, the answer, which cannot end its turn by itself, and the end of the turn; its
// score is that of its tokens.
func TestAnswerPair(t *testing.T) {
	ctx := context.Background()
	m := answerModel(t)
	a, err := m.NewAnswerer(TextTask{Prompt: "Say {text}", MaxTokens: 9})
	if err != nil {
		t.Fatal(err)
	}
	tok := m.Tokenizer()
	end := tok.Text(endOf(tok))
	for _, answer := range []string{"yes", "", " two  words", "a" + end + "b", "ü{}"} {
		prompt, reply := a.Pair(nil, "this", answer)
		if !slices.Equal(prompt, a.Tokens(tok, "this")) {
			t.Errorf("%q: the prompt changed", answer)
		}
		n := len(reply) - 1
		if reply[n] != endOf(tok) || slices.ContainsFunc(reply[:n], tok.IsEOG) {
			t.Errorf("%q: the turn ends in %v", answer, reply)
		}
		var b []byte
		for _, id := range reply[:n] {
			b = append(b, tok.Piece(id, false)...)
		}
		if string(b) != answer {
			t.Errorf("%q: the tokens say %q", answer, b)
		}
		want, err := m.Score(ctx, prompt, [][]int32{reply})
		if err != nil {
			t.Fatal(err)
		}
		texts, answers := []string{"that"}, []string{"x"} // in between many others
		for range 20 {
			texts, answers = append(texts, "this"), append(answers, answer)
		}
		lp, count, err := a.LogProbs(ctx, texts, answers)
		if err != nil || lp[1] != want[0] || lp[20] != want[0] || lp[0] == want[0] || count[20] != len(reply) || !(lp[1] < 0) {
			t.Errorf("%q: scores %v of %d tokens, want %v (%v)", answer, lp, count, want, err)
		}
	}
	for _, bad := range []TextTask{{}, {Prompt: "no text", MaxTokens: 3}, {Prompt: "{text}"}, {Prompt: "{text}", MaxTokens: 3, Schema: []byte("{")}} {
		if _, err := m.NewAnswerer(bad); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

// Samples of a text are the answers that it is given alone with the same Gen, in order; neither other texts nor the prompt that they share change one.
func TestSamples(t *testing.T) {
	ctx := context.Background()
	m := answerModel(t)
	a, err := m.NewAnswerer(TextTask{Prompt: "Say {text} again", MaxTokens: 7})
	if err != nil {
		t.Fatal(err)
	}
	const n = 5
	texts := []string{"one", "two words", "one", "and a longer one", "x", "y", "z"}
	draw := func(i, k int) Gen { return Gen{Temperature: 1.5, Seed: uint64(i), Sequence: uint32(k)} }
	before, most := m.Load().Rows, uint64(len(a.Tokens(nil, ""))) // tokens to compute: what prompts begin with, each prompt, what is drawn
	for _, text := range texts {
		most += uint64(len(a.Tokens(nil, text)))
	}
	err = a.Samples(ctx, texts, n, draw, func(_ int, got []Answer) error {
		for _, one := range got {
			most += uint64(len(one.Tokens) + 1)
		}
		return nil
	})
	if rows := m.Load().Rows - before; err != nil || rows > most {
		t.Errorf("%d tokens were computed, want %d at most: prompts are not shared (%v)", rows, most, err)
	}
	next, different := 0, 0
	err = a.Samples(ctx, texts, n, draw, func(i int, got []Answer) error {
		if i != next || len(got) != n {
			t.Fatalf("text %d with %d answers comes as number %d", i, len(got), next)
		}
		next++
		for k := range got {
			err := a.Answers(ctx, texts[i:i+1], draw(i, k), func(_ int, want Answer) error {
				if got[k].Text != want.Text || got[k].Reason != want.Reason || !slices.Equal(got[k].Tokens, want.Tokens) {
					t.Errorf("text %d sample %d: %q, alone %q", i, k, got[k].Text, want.Text)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if got[k].Text != got[0].Text {
				different++
			}
		}
		return nil
	})
	if err != nil || next != len(texts) || different < len(texts) {
		t.Fatalf("%d texts, %d answers other than the first: %v", next, different, err)
	}
	stop := errors.New("stop")
	if err := a.Samples(ctx, texts, n, draw, func(int, []Answer) error { return stop }); err != stop {
		t.Errorf("an error of the caller's: %v", err)
	}
	var full *ContextError
	if err := a.Samples(ctx, []string{"x", strings.Repeat("word ", m.Context())}, n, draw, func(int, []Answer) error { return nil }); !errors.As(err, &full) {
		t.Errorf("a text longer than the context: %v", err)
	}
	if err := a.Samples(ctx, texts, 0, draw, nil); err == nil {
		t.Error("0 samples are accepted")
	}
}
