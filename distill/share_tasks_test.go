//go:build unix

package distill

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Workers embed parts of the rows, and the run is the one that a single process makes.
func TestEmbedWorkers(t *testing.T) {
	recipe := tinyEmbedJob(t, 4*shardRows, 12)
	_, run := mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "label"})
	want := shards(t, run)
	again(t, run)
	did := 0
	for i := range 2 {
		w, err := helpWith(recipe, Options{Threads: 1}, Part{i, 2})
		if err != nil {
			t.Fatal(err)
		}
		did += w.Shards
	}
	if got := shards(t, run); did != 5 || len(want) != 5 || !maps.Equal(got, want) {
		t.Errorf("workers made %d shards, %d are there and %d were before, with other bytes: %v", did, len(got), len(want), !maps.Equal(got, want))
	}
}

// Workers that label a part each leave the shards of one machine, which another run of the folder takes over; a shard that is damaged is labelled again.
func TestMultilabelWorkers(t *testing.T) {
	recipe := tinyMultilabelJob(t, 3*shardRows, 24, 40)
	_, run := mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "label"})
	want := shards(t, run)
	again(t, run)
	for i := range 2 {
		w, err := helpWith(recipe, Options{Threads: 1}, Part{i, 2})
		if err != nil || w.Shards != 2 {
			t.Fatalf("part %d: %+v, %v", i, w, err)
		}
	}
	checkShared(t, recipe, run, want)
	asked := 0
	o := Options{Threads: 1, Warn: func(string) {}, Progress: func(Event) { asked++ }}
	edit(t, recipe, "lr: 0.003", "lr: 0.002")
	if _, other := mustApply(t, recipe, o, Stages{Only: "label"}); asked > 0 || other == run || sha(t, shardPath(filepath.Join(other, "labels"), 1)) != want["shard-00001.jsonl"] {
		t.Errorf("the same questions were asked again (%d events), or have other answers in %s", asked, other)
	}
	edit(t, recipe, "Is it {label}?", "Has it {label}?")
	if mustApply(t, recipe, o, Stages{Only: "label"}); asked == 0 {
		t.Error("another question was not asked")
	}
}

// Workers write the rationales of their shards with the answers, and the bytes are those of one process.
func TestRationaleWorkers(t *testing.T) {
	recipe := tinyRationaleJob(t, "generate", 4*answerShardRows, 20)
	_, run := mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "label"})
	want := shards(t, run)
	again(t, run)
	for i, missing := range []int{2, 0} {
		w, err := helpWith(recipe, Options{Threads: 1}, Part{i, 2})
		if err != nil {
			t.Fatal(err)
		}
		if w.All != 5 || w.Missing != missing {
			t.Errorf("part %d: %+v, want %d of 5 missing", i, w, missing)
		}
		for name := range shards(t, run) {
			var s int
			if _, err := fmt.Sscanf(strings.TrimPrefix(name, "rationale-"), "%d", &s); err == nil && i == 0 && s%2 != 0 {
				t.Errorf("after part 0 of 2 there is %s", name)
			}
		}
	}
	if got := shards(t, run); fmt.Sprint(got) != fmt.Sprint(want) || want["rationale-00003.jsonl"] == "" || want["rationale-00004.jsonl"] != "" {
		t.Errorf("workers wrote %v, one process %v", got, want)
	}
	// A shard whose answers are there and whose rationales are not is not done.
	if err := os.Remove(rationalePath(filepath.Join(run, "labels"), 2)); err != nil {
		t.Fatal(err)
	}
	if w, err := helpWith(recipe, Options{Threads: 1}, Part{}); err != nil || w.Shards != 1 || fmt.Sprint(shards(t, run)) != fmt.Sprint(want) {
		t.Errorf("without one shard of rationales: %+v, %v", w, err)
	}
	asked := 0
	mustApply(t, recipe, Options{Threads: 1, Progress: func(e Event) {
		if e.Rate > 0 {
			asked++
		}
	}}, Stages{Only: "label"})
	if asked > 0 {
		t.Error("apply asks again what the workers have")
	}
}
