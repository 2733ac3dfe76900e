package distill

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/freehold-slm/freehold/models/gguf"
)

const testRun = "0123456789abcdef"

// tinyTrainer trains tinyBase on random rows.
func tinyTrainer(t testing.TB, dir string, fsys gguf.FS) *Trainer {
	t.Helper()
	s := tinyBase(t).Student
	loss, err := NewLoss("forward_kl", LossParams{})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(41, 42))
	tr := &Trainer{Student: s, Loss: loss, Steps: 7, BatchRows: 4, MaxTokens: 20, Seed: 5, Run: testRun, Dir: dir, SaveEvery: 2,
		Opt:   Optimizer{LR: 1e-2, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Clip: 1, Schedule: Schedule{Kind: "linear", Steps: 7}},
		Level: best(t), Workers: 1, Par: goParallel(1), FS: fsys, Warn: func(string) {}}
	for i := range 10 {
		tr.Data = append(tr.Data, Example{ID: strconv.Itoa(i), Tokens: randomTokens(r, 3+r.IntN(9), s.Spec.Vocab), Target: normal(r, 2, 2)})
	}
	return tr
}
