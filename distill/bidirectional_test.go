package distill

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/engine"
)

// Students without the causal mask are made by each task that pools, and their files say what they are.
func TestBidirectionalJobs(t *testing.T) {
	for name, make := range map[string]func(testing.TB) string{
		"classify":   func(t testing.TB) string { return tinyJobOf(t, 40, 12) },
		"multilabel": func(t testing.TB) string { return tinyMultilabelJob(t, 40, 12, 12) },
		"embed":      func(t testing.TB) string { return tinyEmbedJob(t, 40, 12) },
		"rerank":     func(t testing.TB) string { return tinyRankJob(t, 24, 8) },
	} {
		t.Run(name, func(t *testing.T) {
			recipe := make(t)
			edit(t, recipe, "layers: 1", "layers: 1, attention: bidirectional")
			_, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{})
			m, err := engine.Open(filepath.Join(dir, "model.gguf"))
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			causal, err := m.File().Bool(m.Spec.Arch + ".attention.causal")
			if err != nil || causal || !m.Spec.Encoder {
				t.Errorf("the file's mask: %v, %v", causal, err)
			}
			if _, ok := m.File().Tensor("output.weight"); ok {
				t.Error("the file has an output head")
			}
		})
	}
}

// Said or not, causal is the same run.
func TestBidirectionalSaid(t *testing.T) {
	recipe := tinyJob(t)
	edit(t, recipe, "layers: 1", "layers: 1, attention: causal")
	r, err := LoadRecipe(recipe)
	if err != nil || r.Student.Attention != "" || r.bidirectional() {
		t.Errorf("%+v, %v", r.Student, err)
	}
}

func TestBidirectionalRefused(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"layers: 1", "layers: 1, attention: both", `"both"`},
		{"layers: 1", "layers: 1, attention: bidirectional, head: words", "which is what such a student cannot write"},
		{"train: {", "train: {match: {attention: 1}, ", "the layers that it would be held against are causal"},
	} {
		recipe := tinyJob(t)
		if edit(t, recipe, c.old, c.new); c.old != "layers: 1" {
			edit(t, recipe, "layers: 1", "layers: 1, attention: bidirectional")
		}
		if _, err := LoadRecipe(recipe); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.new, err, c.want)
		}
	}
	recipe := tinyAnswerJob(t, tagsKind, 8, 4)
	edit(t, recipe, "head: tags", "head: tags, attention: bidirectional")
	if _, err := LoadRecipe(recipe); err == nil || !strings.Contains(err.Error(), "student.attention is for task type") {
		t.Errorf("a student that marks tokens: %v", err)
	}
}
