package distill

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models/chat"
)

// A student with its teacher's whole vocabulary guesses ahead for it, and the teacher says what it says without.
func TestStudentDrafts(t *testing.T) {
	recipe := tinyAnswerJob(t, "generate", 64, 4)
	edit(t, recipe, "layers: 1", "layers: 2, vocab: full") // all layers: the tiny teacher's first alone guesses nothing of it
	edit(t, recipe, "lr: 0.003", "lr: 0.00001")
	_, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{Only: "label"})
	mustApply(t, recipe, Options{Threads: 2}, Stages{Only: "train"})
	open := func(path string) *engine.Model {
		t.Helper()
		m, err := engine.Open(path, engine.WithThreads(1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		return m
	}
	teacher, student := open(tinyTeacher(t)), open(filepath.Join(dir, "model.gguf"))
	d, err := student.NewDraft(teacher)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	drafted, accepted := 0, 0
	for _, text := range []string{"rise", "sink sink", "grow soar"} {
		say := func(g engine.Gen) (string, *engine.Stream) {
			g.MaxTokens = 30
			st := teacher.Chat(context.Background(), []chat.Message{{Role: "user", Content: text}}, g)
			out, err := st.Text()
			if err != nil {
				t.Fatal(err)
			}
			return out, st
		}
		want, _ := say(engine.Gen{})
		got, st := say(engine.Gen{Draft: d})
		if got != want {
			t.Errorf("with the draft the teacher says %q, without %q", got, want)
		}
		n, right := st.Drafted()
		drafted, accepted = drafted+n, accepted+right
	}
	if drafted == 0 || accepted == 0 {
		t.Errorf("%d of %d guesses of the trained student are right", accepted, drafted)
	}
}
