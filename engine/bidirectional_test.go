package engine

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/tiny"
)

func labelFile(t testing.TB, labels []string, more map[string]any) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "labels.gguf")
	if err := tiny.Labelled(fixture(t, "../hostile/base/base_bpe256.gguf"), path, labels, more); err != nil {
		t.Fatal(err)
	}
	return path
}

// A model whose tokens see later ones gives each text the same labels, whatever the threads, the level, the neighbours and what they begin with.
func TestBidirectionalClassifier(t *testing.T) {
	ctx, path := context.Background(), labelFile(t, []string{"a", "b", "c"}, nil)
	texts := []string{"rise, then climb 3", "rise, then fall", "rise, then climb 4", "x", strings.Repeat("soar ", 20), "你好 2"}
	for i := range 40 {
		texts = append(texts, "go "+strings.Repeat("go ", i%7)+string(rune('A'+i%26)))
	}
	ask := func(texts []string, o ...Option) [][]float64 {
		t.Helper()
		m, err := Open(path, o...)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		c, err := m.NewClassifier(Task{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.LogProbs(ctx, texts)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	want := ask(texts, WithThreads(2))
	if reflect.DeepEqual(want[0], want[2]) {
		t.Error("another end makes no difference")
	}
	same := func(got, want [][]float64, how string) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", how, got, want)
		}
	}
	same(ask(texts, WithThreads(1), WithChunk(8)), want, "one thread")
	same(ask(texts[:3], WithThreads(2)), want[:3], "texts with one beginning")
	for i := range 4 {
		same(ask(texts[i:i+1]), want[i:i+1], "alone")
	}
	for _, l := range kernels.Levels() {
		same(ask(texts, WithLevel(l)), want, l.Name)
	}
}

// The first token's state holds what comes after it, and such a model writes nothing.
func TestBidirectionalStates(t *testing.T) {
	ctx := context.Background()
	m, err := Open(labelFile(t, []string{"a", "b"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	first := func(tokens ...int32) []float32 {
		v, err := m.EmbedTokens(ctx, [][]int32{tokens}, EmbedOptions{Pooling: models.PoolCLS})
		if err != nil {
			t.Fatal(err)
		}
		return v[0]
	}
	if slices.Equal(first(5, 6, 7), first(5, 6, 8)) {
		t.Error("the first token does not see the last")
	}
	s := m.NewSession()
	for _, w := range []Want{WantNone, WantLast, WantAll} {
		if err := m.EvalBatch(ctx, []Seq{{s, []int32{1, 2}, w}}); err == nil {
			t.Errorf("want %d was given", w)
		}
	}
	if err := m.EvalBatch(ctx, []Seq{{s, []int32{1, 2}, WantClass}}); err != nil || len(s.ClassLogits()) != 2 {
		t.Fatalf("%d logits, %v", len(s.ClassLogits()), err)
	}
	if err := m.EvalBatch(ctx, []Seq{{s, []int32{3}, WantClass}}); err == nil {
		t.Error("a text went on, whose tokens had not seen what comes")
	}
}

// A reranker whose tokens see later ones scores each document by itself, however the prompts begin.
func TestBidirectionalRanker(t *testing.T) {
	ctx := context.Background()
	m, err := Open(labelFile(t, []string{RankLabel}, map[string]any{".pooling_type": uint32(models.PoolLast), KeyRankPrompt: "q {query} d {document} r"}))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	r, err := m.NewRanker(RankTask{})
	if err != nil {
		t.Fatal(err)
	}
	documents := []string{"one", "two words", "one more"}
	all, err := r.LogProbs(ctx, "which", documents)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range documents {
		alone, err := r.LogProbs(ctx, "which", []string{d})
		if err != nil || !reflect.DeepEqual(alone[0], all[i]) {
			t.Errorf("%q: %v among others, %v alone (%v)", d, all[i], alone, err)
		}
	}
}

// Importances are of all tokens of a text in every layer, whatever is pooled of them.
func TestBidirectionalImportance(t *testing.T) {
	var want []float32
	for i, file := range []string{labelFile(t, []string{"a", "b"}, nil), labelFile(t, []string{"a", "b"}, map[string]any{".pooling_type": uint32(models.PoolLast)}), labelFile(t, nil, nil)} {
		m, err := Open(file, WithNumeric(Reference))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		p, err := m.Importance(context.Background(), []string{"rise and climb", "fall"}, nil)
		if err != nil {
			t.Fatalf("file %d: %v", i, err)
		}
		got, err := p.Columns(fmt.Sprintf("blk.%d.ffn_down.weight", m.Spec.Layers-1), m.Spec.FFN)
		if err != nil || len(got) == 0 {
			t.Fatalf("file %d: %d columns, %v", i, len(got), err)
		}
		if want = append(want, got...)[:len(got)]; !slices.Equal(got, want) {
			t.Errorf("file %d: importances of the last layer are others", i)
		}
	}
}

// What a file says of its mask has to fit the rest of it.
func TestBidirectionalHostile(t *testing.T) {
	for _, c := range []struct {
		labels []string
		more   map[string]any
		want   string
	}{
		{[]string{"a", "b"}, map[string]any{".pooling_type": uint32(0)}, "pooling_type is 0, want"},
		{nil, map[string]any{".pooling_type": uint32(0)}, "embeddings or labels here, of states that are pooled; no text"},
		{nil, map[string]any{".attention.causal": "no"}, "attention.causal"},
	} {
		m, err := Open(labelFile(t, c.labels, c.more))
		if err == nil {
			m.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.more, err, c.want)
		}
	}
	paths, err := tiny.Files(t.TempDir(), "bloom")
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "alibi.gguf")
	if err := tiny.Labelled(paths[0], to, []string{"a", "b"}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(to); err == nil || !strings.Contains(err.Error(), "attention.causal is false, and bloom tells how far a token is by ALiBi") {
		t.Errorf("a model with ALiBi: %v", err)
	}
}
