package distill

import (
	"context"
	"encoding/json"
	"math"
	"path/filepath"
	"strings"
	"testing"
)

// The training rows that are named for a text are those with its words, with the place they were read at, their label and what the run's shards
// say of them; a model of another run and data that changed are refused.
func TestNeighbours(t *testing.T) {
	ctx := context.Background()
	recipe := tinyJob(t)
	train := filepath.Join(filepath.Dir(recipe), "train.jsonl")
	write(t, train, mustRead(t, train)+`{"id": "rare", "text": "zebra crossing climb", "label": "down"}`+"\n"+`{"id": "plain", "text": "zebra fall"}`+"\n")
	_, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{Only: "label"})
	lock, err := readLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	n, err := NewNeighbours(ctx, dir, "", lock.Key)
	if err != nil {
		t.Fatal(err)
	}
	got := n.Of("A zebra crossing, a zebra!", 5)
	if len(got) != 2 || got[0].ID != "rare" || got[1].ID != "plain" {
		t.Fatalf("%+v", got)
	}
	if g := got[0]; g.File != "train.jsonl" || g.Line != tinyTrain+1 || g.Gold != "down" || g.Text != "zebra crossing climb" {
		t.Errorf("%+v", g)
	}
	if got[1].Gold != "" || got[1].Line != tinyTrain+2 || got[1].Similarity >= got[0].Similarity {
		t.Errorf("%+v", got[1])
	}
	if same := n.Of("zebra crossing climb", 1); len(same) != 1 || math.Abs(same[0].Similarity-1) > 1e-9 {
		t.Errorf("the row's own text: %+v", same)
	}
	if none := n.Of("quux 好", 5); len(none) != 0 {
		t.Errorf("no word of the rows: %+v", none)
	}
	if b, err := json.Marshal(n.Of("quux", 5)); err != nil || string(b) != "[]" {
		t.Errorf("%s %v", b, err)
	}

	r, err := LoadRecipe(recipe)
	if err != nil {
		t.Fatal(err)
	}
	j, err := NewJob(ctx, r, Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.work.label(ctx); err != nil {
		t.Fatal(err)
	}
	w := j.work.(*classifyWork)
	p := expAll(calibrated(w.labels["rare"], w.cal))
	if k := argmax(p); got[0].Teacher != r.Task.Labels[k] || got[0].TeacherP != p[k] {
		t.Errorf("teacher says %v, named as %+v", p, got[0])
	}

	if _, err := NewNeighbours(ctx, dir, "", "another"); err == nil || !strings.Contains(err.Error(), "another") {
		t.Errorf("a model of another run: %v", err)
	}
	if _, err := NewNeighbours(ctx, t.TempDir(), "", lock.Key); err == nil {
		t.Error("a folder that is no run is taken")
	}
	write(t, train, mustRead(t, train)+`{"id": "new", "text": "zebra again"}`+"\n")
	if _, err := NewNeighbours(ctx, dir, "", lock.Key); err == nil || !strings.Contains(err.Error(), "no longer") {
		t.Errorf("data that changed: %v", err)
	}
}

// A row's origin is the same wherever its file lies: beside the recipe, elsewhere, in the cache or unpacked from a bundle.
func TestOriginOfRows(t *testing.T) {
	at, home := filepath.FromSlash("/job"), filepath.FromSlash("/cache")
	for _, c := range []struct {
		data DataRecipe
		file string
		want string
	}{
		{DataRecipe{Train: "train.jsonl"}, filepath.Join(at, "rows", "train.jsonl"), "rows/train.jsonl"},
		{DataRecipe{Train: filepath.Join(home, "mine.jsonl")}, filepath.Join(home, "mine.jsonl"), "mine.jsonl"},
		{DataRecipe{Source: "snippets"}, filepath.Join(home, "snippets.txt"), "snippets.txt"},
		{DataRecipe{Source: "snippets"}, filepath.Join(at, "data", "snippets.txt"), "snippets.txt"}, // in a bundle
		{DataRecipe{Source: "snippets", Collected: "rows/kept.jsonl"}, filepath.Join(at, "rows", "kept.jsonl"), "rows/kept.jsonl"},
	} {
		r := &Recipe{Data: c.data, dir: at}
		if got := r.originOf(Row{File: c.file}); got != c.want {
			t.Errorf("%+v, %s: %s, want %s", c.data, c.file, got, c.want)
		}
	}
}
