package engine

import (
	"context"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/gguf/hostile"
)

// Every file of the hostile corpus, opened and evaluated: no panic, no hang, bounded memory; refused or answered as
// the manifest says for the stages up to the forward pass.
func TestFixturesHostile(t *testing.T) {
	for _, base := range hostile.Bases {
		t.Run(base, func(t *testing.T) {
			ran := 0
			for _, c := range hostile.Make(t, base) {
				t.Run(c.Name, func(t *testing.T) {
					err := hostile.Run(t, c, openAndEval)
					hostile.Judge(t, c, err, c.Stage == "model" || c.Stage == "forward" || c.Stage == "container")
					if c.Stage == "forward" && c.Expect == "load-then-error" && err == nil {
						t.Errorf("%s: %s: evaluated to logits, want an error", c.Field, c.Mutation)
					}
					if err != nil && (len(err.Error()) > 2000 || strings.ContainsAny(err.Error(), "\n\x1b")) {
						t.Errorf("error is long or carries control characters: %q", err)
					}
				})
				ran++
			}
			if ran < 250 {
				t.Fatalf("only %d cases", ran)
			}
		})
	}
}

func openAndEval(path string) error {
	f, err := gguf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	m, err := New(f, WithThreads(2))
	if err != nil {
		return err
	}
	defer m.Close()
	s := m.NewSession()
	if _, err = s.Eval(context.Background(), []int32{1, 5, 9, 2}); err != nil {
		return err
	}
	_, err = s.Eval(context.Background(), []int32{1, 5, 9, 2, 7})
	return err
}
