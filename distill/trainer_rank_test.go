package distill

import (
	"math"
	"slices"
	"testing"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

// rankTrainer is a trainer of a reranker on two lists, of three documents and of two, which do not lie together in the data.
func rankTrainer(t *testing.T, loss string) *Trainer {
	t.Helper()
	f, err := gguf.Open(tinyTeacher(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := NewBase(f, Prune{Layers: []int{0}, Labels: []string{engine.RankLabel}, Pooling: models.PoolLast})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range b.Student.byName["cls.output.weight"].W { // at zero nothing below the head would learn
		b.Student.byName["cls.output.weight"].W[i] = v + float32(i%5-2)/20
	}
	l, err := NewLoss(loss, LossParams{Temperature: 1.5})
	if err != nil {
		t.Fatal(err)
	}
	pool := engine.NewPool(2)
	t.Cleanup(pool.Close)
	tr := &Trainer{Student: b.Student, Loss: l, BatchRows: 2, MaxTokens: 1000, Level: best(t), Workers: 2, Par: pool.Run}
	for i, tokens := range [][]int32{{5, 6, 7, 8}, {9, 5, 7}, {5, 6, 9, 4, 3}, {9, 5, 12, 13}, {5, 6}} {
		tr.Data = append(tr.Data, Example{List: []string{"a", "b"}[i%2], Tokens: tokens, Target: []float32{float32(i*i%7) - 2}, Label: -1})
	}
	tr.lists = lists(tr.Data)
	return tr
}

// learntOnce gives loss and gradients of a step on both lists.
func (t *Trainer) learntOnce() (loss float64, grads [][]float32) {
	g := NewGraph(t.Student, t.Level, t.Workers, t.Par)
	for _, p := range t.Student.Params {
		g.zero(p.G)
	}
	loss, _ = t.learnLists(g, []int{0, 1})
	for _, p := range t.Student.Params {
		grads = append(grads, slices.Clone(p.G))
	}
	return loss, grads
}

// Rows of one query are a list, wherever they stand.
func TestLists(t *testing.T) {
	tr := rankTrainer(t, "bce")
	if len(tr.lists) != 2 || !slices.Equal(tr.lists[0], []int{0, 2, 4}) || !slices.Equal(tr.lists[1], []int{1, 3}) {
		t.Errorf("lists %v", tr.lists)
	}
	if lists([]Example{{}, {}}) != nil {
		t.Error("rows without a list have one")
	}
}

// The gradient of a step on lists against finite differences, for each loss of a reranker.
func TestListGradients(t *testing.T) {
	for _, name := range taskTypes["rerank"].losses {
		tr := rankTrainer(t, name)
		_, grads := tr.learntOnce()
		for k, p := range tr.Student.Params {
			for _, i := range []int{0, len(p.W) / 3, len(p.W) - 1} {
				const h = 3e-3
				was := p.W[i]
				p.W[i] = was + h
				up, _ := tr.learntOnce()
				p.W[i] = was - h
				down, _ := tr.learntOnce()
				p.W[i] = was
				want := (up - down) / (2 * h)
				if got := float64(grads[k][i]); math.Abs(got-want) > 2e-3*(0.05+math.Abs(want)) {
					t.Errorf("%s: gradient of %s[%d] is %.6f, by differences %.6f", name, p.Name, i, got, want)
				}
			}
		}
	}
}

// A list that does not fit a micro-batch has the loss and the gradient that it has in one.
func TestListsInPieces(t *testing.T) {
	for _, name := range taskTypes["rerank"].losses {
		tr := rankTrainer(t, name)
		loss, grads := tr.learntOnce()
		for _, most := range []int{12, 6, 1} { // a list each, two documents, one
			tr.MaxTokens = most
			got, g := tr.learntOnce()
			if math.Abs(got-loss) > 1e-6 {
				t.Errorf("%s in pieces of %d tokens: loss %v, want %v", name, most, got, loss)
			}
			for k := range grads {
				for i, want := range grads[k] {
					if math.Abs(float64(g[k][i]-want)) > 1e-6+1e-5*math.Abs(float64(want)) {
						t.Fatalf("%s in pieces of %d tokens: gradient of %s[%d] is %v, want %v", name, most, tr.Student.Params[k].Name, i, g[k][i], want)
					}
				}
			}
		}
	}
}
