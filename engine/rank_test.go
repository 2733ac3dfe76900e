package engine

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

// reranker is a fixture model with a head of one logit on the last token's state, and the head's weights.
func reranker(t *testing.T, opts ...Option) (m *Model, w []float32) {
	t.Helper()
	f, err := gguf.Open(fixture(t, "llama-gqa.Q8_0.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	spec, err := models.NewSpec(f)
	if err != nil {
		t.Fatal(err)
	}
	for i := range spec.Dim {
		w = append(w, float32((i*37)%19-9)/10)
	}
	out := gguf.NewWriter()
	for _, kv := range f.KV {
		out.Set(kv.Key, kv.Value)
	}
	out.Set(spec.Arch+".pooling_type", uint32(models.PoolLast))
	out.Set(spec.Arch+".classifier.output_labels", []string{RankLabel})
	out.Set(models.ClassifierWeight, w)
	out.Set(models.ClassifierBias, []float32{0.25})
	out.Set(KeyRankPrompt, "ask {query} of {document} now")
	for _, x := range f.Tensors {
		out.AddTensor(x.Name, x.Type, x.Shape, x.Data)
	}
	path := filepath.Join(t.TempDir(), "reranker.gguf")
	if err := out.WriteTo(path); err != nil {
		t.Fatal(err)
	}
	if m, err = Open(path, append(opts, WithThreads(2))...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m, w
}

// A reranker's score is the sigmoid of its one logit on the last token's state; the same bits alone, beside others, and with any chunk; and the
// best comes first.
func TestFixturesRerank(t *testing.T) {
	ctx := context.Background()
	documents := []string{"the thin one", "a", "over the hill and there", "the <s> end", "the thin one"}
	var want []Ranked
	for _, chunk := range []int{512, 3} {
		m, w := reranker(t, WithChunk(chunk))
		if !m.Ranks() {
			t.Fatal("a head of one label does not rank")
		}
		r, err := m.NewRanker(RankTask{})
		if err != nil || r.By() != ByHead {
			t.Fatalf("%v, by %q", err, r.By())
		}
		got, err := r.Rank(ctx, "the </s> hill", documents)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) || len(got) != len(documents) {
			t.Errorf("chunk %d: %v, want %v", chunk, got, want)
		}
		for i, one := range got {
			if i > 0 && (one.Score > got[i-1].Score || one.Score == got[i-1].Score && one.Index < got[i-1].Index) {
				t.Errorf("%v are not in order", got)
			}
			alone, err := r.Rank(ctx, "the </s> hill", documents[one.Index:one.Index+1])
			if err != nil || alone[0].Score != one.Score {
				t.Errorf("document %d has %v alone (%v), %v beside others", one.Index, alone, err, one.Score)
			}
			tokens, err := r.Tokens("the </s> hill", documents[one.Index:one.Index+1])
			if err != nil {
				t.Fatal(err)
			}
			states, err := m.EmbedTokens(ctx, tokens, EmbedOptions{Pooling: models.PoolLast, Raw: true})
			if err != nil {
				t.Fatal(err)
			}
			logit := 0.25
			for k, x := range states[0] {
				logit += float64(x) * float64(w[k])
			}
			if p := 1 / (1 + math.Exp(-logit)); !(math.Abs(p-one.Score) < 2e-3) { // the head quantises its input
				t.Errorf("document %d: %v, by hand %v", one.Index, one.Score, p)
			}
		}
		queries, lists := []string{"a", "the </s> hill", "one"}, [][]string{{"there"}, documents, documents[1:3]}
		together, err := r.LogProbsLists(ctx, queries, lists)
		if err != nil {
			t.Fatal(err)
		}
		for i, q := range queries {
			apart, err := r.LogProbs(ctx, q, lists[i])
			if err != nil || len(apart) != len(lists[i]) || !slices.EqualFunc(apart, together[i], slices.Equal) {
				t.Errorf("query %d: %v (%v), among others %v", i, apart, err, together[i])
			}
		}
		if _, err := m.NewClassifier(Task{}); err == nil || !strings.Contains(err.Error(), "is a reranker") {
			t.Errorf("a reranker classifies: %v", err)
		}
	}
}

// Query and document cannot end their place in the prompt: special tokens that they spell are ordinary text, in either order.
func TestPair(t *testing.T) {
	m, _ := reranker(t)
	tok, err := m.LoadTokenizer()
	if err != nil {
		t.Fatal(err)
	}
	eos := int32(tok.EOS())
	for _, prompt := range []string{"q {query} d {document} end", "d {document} q {query} end"} {
		p, err := NewPair(prompt)
		if err != nil {
			t.Fatal(err)
		}
		text := func(q, d string) string {
			var out []byte
			for _, id := range p.Encode(tok, q, d) {
				if id == eos {
					t.Errorf("%q: a text ends the turn", prompt)
				}
				out = append(out, tok.Piece(id, true)...)
			}
			return strings.TrimSpace(strings.TrimPrefix(string(out), "<s>"))
		}
		for _, c := range [][2]string{{"one", "two"}, {"</s>", "two"}, {"one", "</s><s>"}, {"{document}", "{query}"}} {
			want := strings.NewReplacer("{query}", c[0], "{document}", c[1]).Replace(prompt)
			if got := text(c[0], c[1]); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
				t.Errorf("%q of %q reads %q, want %q", prompt, c, got, want)
			}
		}
	}
	for _, bad := range []string{"", "{query}", "{document}", "{query} {document} {query}", "{text}"} {
		if _, err := NewPair(bad); err == nil {
			t.Errorf("the prompt %q passes", bad)
		}
	}
}

// A model that generates is asked for yes or no, and its score is yes over both; one for embeddings ranks by cosine.
func TestFixturesRerankOthers(t *testing.T) {
	ctx := context.Background()
	m := small(t, "llama-gqa.Q8_0")
	task := RankTask{Prompt: "{query} in {document}? ", Raw: true, Words: map[string][]string{"yes": {"the"}, "no": {"at"}}}
	r, err := m.NewRanker(task)
	if err != nil || r.By() != ByWords {
		t.Fatalf("%v", err)
	}
	c, err := m.NewClassifier(Task{Labels: []string{"yes", "no"}, Words: task.Words, Prompt: "one in {text}? ", Raw: true})
	if err != nil {
		t.Fatal(err)
	}
	documents := []string{"a thin one", "there"}
	all, err := r.Rank(ctx, "one", documents)
	if err != nil {
		t.Fatal(err)
	}
	lp, err := c.LogProbs(ctx, documents)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		if want := 1 / (1 + math.Exp(lp[one.Index][1]-lp[one.Index][0])); math.Abs(one.Score-want) > 1e-12 {
			t.Errorf("document %d: %v, want %v", one.Index, one.Score, want)
		}
	}
	e := openTiny(t, "bert")
	if r, err = e.NewRanker(RankTask{}); err != nil || r.By() != ByCosine {
		t.Fatalf("%v", err)
	}
	if all, err = r.Rank(ctx, "the cat", []string{"over there", "the cat"}); err != nil || all[0].Index != 1 || math.Abs(all[0].Score-1) > 1e-6 {
		t.Errorf("%v (%v)", all, err)
	}
	if _, err := r.LogProbs(ctx, "a", []string{"the"}); err == nil {
		t.Error("cosines pass for probabilities")
	}
	for name, bad := range map[string]func() error{
		"no prompt":   func() error { _, err := m.NewRanker(RankTask{}); return err },
		"half prompt": func() error { _, err := m.NewRanker(RankTask{Prompt: "{query}"}); return err },
		"other words": func() error {
			_, err := m.NewRanker(RankTask{Prompt: task.Prompt, Raw: true, Words: map[string][]string{"maybe": {"a"}}})
			return err
		},
		"prompt of an encoder": func() error { _, err := e.NewRanker(task); return err },
		"too long": func() error {
			r, err := m.NewRanker(task)
			if err == nil {
				_, err = r.Rank(ctx, "a", []string{"the", strings.Repeat("the ", 2000)})
			}
			return err
		},
	} {
		if err := bad(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
