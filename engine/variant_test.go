package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"
)

// Models that were made of one with adapters give what each gives that is opened with them alone, whoever computes at the same time, and read
// the same weights.
func TestAdapted(t *testing.T) {
	path, files := writeTiny(t, "internlm2", "q8_0")
	open := func(opts ...Option) *Model {
		t.Helper()
		m, err := Open(path, append(opts, WithThreads(2))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		return m
	}
	base := open()
	adapted := func(from *Model, a ...Adapter) *Model {
		t.Helper()
		m, err := from.Adapted(a...)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	a, b := Adapter{files[0], 1}, Adapter{files[1], -0.5}
	one := adapted(base, a)
	family := []*Model{base, one, adapted(base, b), adapted(one, b)}
	alone := []*Model{open(), open(WithLoRA(a.Path, 1)), open(WithLoRA(b.Path, -0.5)), open(WithLoRA(a.Path, 1), WithLoRA(b.Path, -0.5))}
	prompt := tinyPrompt(40, base.Spec.Vocab)
	var want [][]float32
	for i, m := range alone {
		want = append(want, allLogits(t, m, prompt))
		for j := range i {
			if slices.Equal(want[i], want[j]) {
				t.Fatalf("models %d and %d answer alike; the test could not tell them apart", i, j)
			}
		}
	}
	var wg sync.WaitGroup
	for range 3 {
		for i, m := range family {
			wg.Go(func() {
				for n := range 5 {
					s := m.NewSession()
					for at := 0; at < len(prompt); at += n + 3 { // in pieces, so that the turns change in between
						part := prompt[at:min(len(prompt), at+n+3)]
						if err := m.EvalBatch(context.Background(), []Seq{{s, part, WantAll}}); err != nil {
							t.Error(err)
							return
						}
						if v := m.Spec.Vocab; !slices.Equal(s.LogitsAll(), want[i][at*v:(at+len(part))*v]) {
							t.Errorf("model %d gives other logits than alone, from token %d", i, at)
							return
						}
					}
					s.Close()
				}
			})
		}
	}
	wg.Wait()
	for i, m := range family[1:] {
		if unsafe.SliceData(m.plan.embed.data) != unsafe.SliceData(base.plan.embed.data) {
			t.Errorf("model %d has weights of its own", i+1)
		}
	}
	if err := base.EvalBatch(t.Context(), []Seq{{one.NewSession(), prompt, WantLast}}); err == nil {
		t.Error("a session of another model is let pass")
	}
	if _, err := base.Adapted(Adapter{"none.gguf", 1}); err == nil || !strings.Contains(err.Error(), "none.gguf") {
		t.Errorf("an adapter that is not there: %v", err)
	}
	if err := family[2].Close(); err != nil {
		t.Fatal(err)
	}
	if got := allLogits(t, one, prompt); !slices.Equal(got, want[1]) {
		t.Error("a sister that closes changes the others")
	}
	if err := base.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := one.NewSession().Eval(t.Context(), prompt); !errors.Is(err, ErrClosed) {
		t.Errorf("after its base was closed: %v", err)
	}
	if _, err := base.Adapted(a); !errors.Is(err, ErrClosed) {
		t.Errorf("of a closed model: %v", err)
	}
}
