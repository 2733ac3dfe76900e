package distill

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
)

// The words head must give the loss of the whole logits' log-sum-exp per label, and its gradient the slope of that
// loss along the gradient's own direction.
func TestFixturesWordsHead(t *testing.T) {
	s := openStudent(t, filepath.Join(fixtures(t), "train", "llama-ce", "student.gguf"))
	level, err := kernels.Best()
	if err != nil {
		t.Fatal(err)
	}
	first := [][]int32{{5, 9}, {17}, {40, 41, 42}}
	loss, err := NewLoss("forward_kl", LossParams{})
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	for _, seq := range [][]int32{{1, 50, 60, 70}, {1, 80}, {3, 3, 90, 91, 92}} {
		b.Add(seq)
		b.Want = append(b.Want, len(b.Tokens)-1)
	}
	targets := func(seq int) Target {
		return Target{Teacher: []float32{float32(seq), 0.5, -1}, Weight: 1.0 / 3}
	}
	value := func(grad bool) (float64, *Graph) {
		g := NewGraph(s, level, 2, goParallel(2))
		g.Forward(&b)
		v := NewWordsHead(g, first).Loss(loss, targets, grad)
		if grad {
			g.Backward()
		}
		return v, g
	}
	s.ZeroGrad()
	got, g := value(true)

	logits := make([]float32, 3*s.Spec.Vocab)
	NewHead(g).Logits(logits, 0, 3)
	want := 0.0
	for r := range 3 {
		z := logits[r*s.Spec.Vocab : (r+1)*s.Spec.Vocab]
		label := make([]float32, len(first))
		for l, ids := range first {
			sum := 0.0
			for _, id := range ids {
				sum += math.Exp(float64(z[id]))
			}
			label[l] = float32(math.Log(sum))
		}
		tgt := targets(r)
		want += loss.Row(level, label, tgt.Teacher, -1, 1, make([]float32, 3*len(label))) / 3
	}
	if math.Abs(got-want) > 1e-6 {
		t.Fatalf("loss is %.9g, from whole logits %.9g", got, want)
	}

	// Directional slope: moving all weights by ±h along the normalised gradient changes the loss by 2h|grad|.
	norm := 0.0
	for _, p := range s.Params {
		for _, x := range p.G {
			norm += float64(x) * float64(x)
		}
	}
	norm = math.Sqrt(norm)
	const h = 2e-3
	move := func(d float64) float64 {
		for _, p := range s.Params {
			for i, x := range p.G {
				p.W[i] += float32(d * float64(x) / norm)
			}
		}
		v, _ := value(false)
		for _, p := range s.Params {
			for i, x := range p.G {
				p.W[i] -= float32(d * float64(x) / norm)
			}
		}
		return v
	}
	if slope := (move(h) - move(-h)) / (2 * h); math.Abs(slope/norm-1) > 0.02 {
		t.Errorf("slope along the gradient is %.6g, the gradient's norm %.6g", slope, norm)
	}
	for _, id := range []int{5, 17, 42} {
		if level.SumSq(s.Param("token_embd.weight").G[id*s.Spec.Dim:(id+1)*s.Spec.Dim]) == 0 && s.Spec.Tied {
			t.Errorf("label token %d got no gradient", id)
		}
	}
}
