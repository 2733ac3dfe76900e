package distill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill/lineage"
)

// tinyOuterJob is a tiny job whose student is trained by three replicas, nine steps each, in five rounds.
func tinyOuterJob(t testing.TB) string {
	t.Helper()
	recipe := tinyJobOf(t, 64, 20)
	edit(t, recipe, "steps: 9, batch: 16", "steps: 27, batch: 8, outer: {replicas: 3, inner_steps: 2}")
	return recipe
}

// The outer optimiser against numbers worked by hand: rate 1/2, momentum 1/2, two replicas, two rounds.
func TestOuterStep(t *testing.T) {
	o := OuterRecipe{Replicas: 2, LR: 0.5, Momentum: 0.5}
	w, m := []float32{1, -2}, []float32{0, 0}
	for round, want := range []struct {
		replicas [2][2]float32
		w, m     [2]float32
	}{
		// g = w - mean = 0.75, -1; m = g; w - 0.5*(g + 0.5*m)
		{[2][2]float32{{0, -1}, {0.5, -1}}, [2]float32{0.4375, -1.25}, [2]float32{0.75, -1}},
		// g = 0.4375 - 0.1875 = 0.25, -1.25 - -1.25 = 0; m = 0.5*0.75 + 0.25 = 0.625, -0.5; w - 0.5*(0.25 + 0.3125), w - 0.5*(0 - 0.25)
		{[2][2]float32{{0.125, -1.5}, {0.25, -1}}, [2]float32{0.15625, -1.125}, [2]float32{0.625, -0.5}},
	} {
		sum := make([]float64, 2)
		for _, r := range want.replicas {
			for i, v := range r {
				sum[i] += float64(v)
			}
		}
		o.step(w, m, sum, goParallel(2))
		if [2]float32(w) != want.w || [2]float32(m) != want.m {
			t.Errorf("after round %d w is %v and m %v, want %v and %v", round+1, w, m, want.w, want.m)
		}
	}
}

// Each row is in one slice, slices are of one size, one replica has all in their order, and rows whose labels take turns in the file are mixed.
func TestOuterSlices(t *testing.T) {
	for _, k := range []int{1, 2, 3, 4} {
		o, n := OuterRecipe{Replicas: k}, 1001
		seen, odd := map[int]bool{}, 0
		for r := range k {
			rows := o.slice(7, r+1, n)
			if len(rows) < n/k || len(rows) > n/k+1 || !slices.IsSorted(rows) {
				t.Errorf("%d replicas: %d has %d rows of %d, sorted %v", k, r+1, len(rows), n, slices.IsSorted(rows))
			}
			odd = 0
			for _, i := range rows {
				seen[i] = true
				odd += i % 2
			}
			if share := float64(odd) / float64(len(rows)); math.Abs(share-0.5) > 0.1 {
				t.Errorf("%d replicas: %d has every other row in %.2f of its rows", k, r+1, share)
			}
		}
		if len(seen) != n {
			t.Errorf("%d replicas: %d rows of %d are learnt from", k, len(seen), n)
		}
	}
	if o := (OuterRecipe{Replicas: 4, InnerSteps: 10}); o.steps(90) != 23 || o.rounds(90) != 3 {
		t.Errorf("90 steps by 4 replicas are %d each in %d rounds, want 23 in 3", o.steps(90), o.rounds(90))
	}
}

// One replica, whose change the outer optimiser takes as it is, is training as usual: the same student and the same losses, also in rounds that do not divide the steps.
func TestOuterOfOne(t *testing.T) {
	for _, change := range [][2]string{{"seed: 3", "seed: 3"}, {"lr: 0.003", "lr: 0.003, optimizer: sgd"}, {"lr: 0.003", "lr: 0.003, optimizer: lion, quantize: q8_0, quantize_after: 0.5"},
		{"freeze: [token_embd.weight]", "freeze: [token_embd.weight], lora: {rank: 2}"}} {
		recipe := tinyJobOf(t, 64, 20)
		edit(t, recipe, change[0], change[1])
		_, plain := mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "label"})
		mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "train"})
		want, lines := sha(t, filepath.Join(plain, "model.gguf")), mustRead(t, filepath.Join(plain, "metrics.jsonl"))
		for _, inner := range []int{1, 4, 20} {
			r, err := LoadRecipe(recipe)
			if err != nil {
				t.Fatal(err)
			}
			j, err := NewJob(context.Background(), r, Options{Threads: 1, RunsDir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := j.Apply(context.Background(), Stages{Only: "label"}); err != nil {
				t.Fatal(err)
			}
			r.Train.Outer = OuterRecipe{Replicas: 1, InnerSteps: inner, LR: 1}
			if _, err := j.Apply(context.Background(), Stages{Only: "train"}); err != nil {
				t.Fatal(err)
			}
			if got := sha(t, filepath.Join(j.Dir(), "model.gguf")); got != want {
				t.Errorf("%s, rounds of %d: the student is another", change[1], inner)
			}
			got := mustRead(t, filepath.Join(j.Dir(), "metrics.jsonl"))
			if rounds := strings.Count(got, `,"round":`); rounds != (8+inner)/inner {
				t.Errorf("%s, rounds of %d: %d in the metrics", change[1], inner, rounds)
			}
			for n := range 9 {
				got = strings.Replace(got, fmt.Sprintf(`,"round":%d}`, n+1), "}", 1)
			}
			if got != lines {
				t.Errorf("%s, rounds of %d: the metrics are %s, want %s", change[1], inner, got, lines)
			}
		}
	}
}

// A run with replicas is a run: verified, repeated to the bit on another number of threads, taken over by one that trains the same, nothing left of its rounds; and training by
// replicas is another student.
func TestOuterRun(t *testing.T) {
	recipe := tinyOuterJob(t)
	var said []string
	o := Options{Threads: 2, Progress: func(e Event) {
		if strings.HasPrefix(e.Msg, "round ") {
			said = append(said, e.Msg)
		}
	}}
	_, run := mustApply(t, recipe, o, Stages{})
	if len(said) != 5 || !strings.HasPrefix(said[4], "round 5 of 5: loss ") {
		t.Errorf("it said %q", said)
	}
	checkMetrics(t, filepath.Join(run, "metrics.jsonl"), 9)
	if _, err := os.Stat(filepath.Join(run, outerDir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the rounds are left: %v", err)
	}
	v, err := Verify(run)
	if err != nil || len(v.Bad()) > 0 || slices.ContainsFunc(v.Files, func(c FileCheck) bool { return c.State == "added" }) {
		t.Errorf("%+v, %v", v, err)
	}
	again, err := Reproduce(context.Background(), run, "", Options{Threads: 1})
	if err != nil || len(again.Different()) > 0 || again.Equal() < 10 {
		t.Errorf("%+v, %v", again, err)
	}
	chain, err := lineage.Read(filepath.Join(run, lineage.Name))
	if err != nil {
		t.Fatal(err)
	}
	if e := lineage.Last(chain, "train"); e.Facts["outer"] != "3 replicas, rounds of 2 steps, outer rate 0.7, momentum 0.9" || e.Workers != nil {
		t.Errorf("the lineage says %v, with %v", e.Facts, e.Workers)
	}
	if _, run := mustApply(t, recipe, Options{Threads: 1}, Stages{From: "eval"}); filepath.Base(run) != "001" { // reads the checkpoint
		t.Errorf("eval began run %s", run)
	}
	model := sha(t, filepath.Join(run, "model.q8_0.gguf"))
	edit(t, recipe, "quantize: [f16, q8_0]", "quantize: [q8_0]") // another run that trains the same
	said = nil
	_, second := mustApply(t, recipe, o, Stages{})
	if filepath.Base(second) != "002" || said != nil {
		t.Errorf("run %s trained again: %q", second, said)
	}
	for _, off := range []string{"replicas: 1, inner_steps: 2", "replicas: 0", ""} { // and as usual it is another student
		before := mustRead(t, recipe)
		edit(t, recipe, "outer: {replicas: 3, inner_steps: 2}", "outer: {"+off+"}")
		if off == "" {
			edit(t, recipe, ", outer: {}", "")
		}
		_, third := mustApply(t, recipe, Options{Threads: 1}, Stages{})
		if sha(t, filepath.Join(third, "model.q8_0.gguf")) == model || filepath.Base(third) != "003" {
			t.Errorf("%q: run %s with the replicas' student", off, third)
		}
		write(t, recipe, before)
	}
}

// With train.keep: best the validation rows are looked at after every round, and the weights after the best become the student, in one piece or resumed.
func TestOuterKeepsBest(t *testing.T) {
	recipe := tinyOuterJob(t)
	edit(t, recipe, "seed: 3", "seed: 3, keep: best")
	edit(t, recipe, "test: test.jsonl", "valid: valid.jsonl, test: test.jsonl")
	write(t, filepath.Join(filepath.Dir(recipe), "valid.jsonl"), strings.ReplaceAll(mustRead(t, filepath.Join(filepath.Dir(recipe), "test.jsonl")), "test-", "valid-"))
	edit(t, recipe, "lr: 0.003", "lr: 0.1, schedule: constant") // so that the last is not the best
	mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "label"})
	_, run := mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "train"})
	ms, err := readMetrics(filepath.Join(run, "metrics.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	best, at := math.Inf(1), 0
	for i, m := range ms {
		if (m.Round > 0) != (i%2 == 1 || i == 8) || (m.Valid > 0) != (m.Round > 0) {
			t.Errorf("step %d: %+v", i, m)
		}
		if m.Valid > 0 && m.Valid < best {
			best, at = m.Valid, i+1
		}
	}
	steps, err := checkpoints(filepath.Join(run, "checkpoints"))
	if err != nil || len(steps) != 1 {
		t.Fatal(steps, err)
	}
	m, err := readManifest(filepath.Join(run, "checkpoints", checkpointName(27)+".json"), 27)
	if err != nil || m.BestStep != at || m.Best != best || at == 9 {
		t.Errorf("the best is after step %d with %v (%v), want %d with %v, not the last", m.BestStep, m.Best, err, at, best)
	}
	want := sha(t, filepath.Join(run, "model.gguf"))
	if err := os.RemoveAll(filepath.Dir(run)); err != nil {
		t.Fatal(err)
	}
	mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "label"})
	for n := 0; ; n++ { // a unit at a time
		ctx, cancel := context.WithCancel(context.Background())
		_, _, err := apply(ctx, recipe, Options{Threads: 1, Progress: stopAfter(3, cancel)}, Stages{Only: "train"})
		cancel()
		if err == nil && n > 3 {
			break
		}
		if !errors.Is(err, ErrInterrupted) || n > 20 {
			t.Fatalf("after %d interruptions: %v", n, err)
		}
	}
	if got := sha(t, filepath.Join(run, "model.gguf")); got != want {
		t.Errorf("resumed it is another student")
	}
}

// stopAfter cancels after some steps.
func stopAfter(steps int, cancel func()) func(Event) {
	return func(e Event) {
		if e.Stage == "train" && e.Loss != 0 && e.Msg == "" {
			if steps--; steps == 0 {
				cancel()
			}
		}
	}
}

// stopInRound stops a run with replicas when some steps of all are done.
func stopInRound(t *testing.T, recipe string, steps int) (run string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "label"})
	_, run, err := apply(ctx, recipe, Options{Threads: 1, Progress: stopAfter(steps, cancel)}, Stages{Only: "train"})
	if !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	return run
}

// A byte that changed in any file of a round, or a file that is missing, is found, said, and made anew: the student is the same.
func TestOuterDamage(t *testing.T) {
	recipe := tinyOuterJob(t)
	mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "label"})
	_, run := mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "train"})
	want, metrics := sha(t, filepath.Join(run, "model.gguf")), sha(t, filepath.Join(run, "metrics.jsonl"))
	again := func() {
		if err := os.RemoveAll(filepath.Dir(run)); err != nil {
			t.Fatal(err)
		}
	}
	again()
	stopInRound(t, recipe, 21) // round 4, in which one replica is done
	files, err := filepath.Glob(filepath.Join(run, outerDir, "round-*"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, filepath.Base(f))
	}
	if got := strings.Join(names, " "); strings.Contains(got, "round-00001-") || strings.Contains(got, "round-00001.w") || !strings.Contains(got, "round-00001.json") || !strings.Contains(got, "round-00002-replica-3.moments.gguf") ||
		!strings.Contains(got, "round-00004-replica-1.json") || strings.Contains(got, "round-00004-replica-2") {
		t.Fatalf("the rounds left %s", got)
	}
	kept := t.TempDir()
	if err := os.CopyFS(kept, os.DirFS(run)); err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		for h, how := range []string{"flipped", "cut", "missing"} {
			if name == "round-00001.json" || name == "round-00002.json" || i%3 != h && os.Getenv("FREEHOLD_SOAK") == "" { // what happened in an earlier round is not computed again
				continue
			}
			again()
			if err := os.CopyFS(run, os.DirFS(kept)); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(run, outerDir, name)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			switch how {
			case "flipped":
				b[len(b)/2] ^= 4
				err = os.WriteFile(path, b, 0o666)
			case "cut":
				err = os.WriteFile(path, b[:len(b)/2], 0o666)
			default:
				err = os.Remove(path)
			}
			if err != nil {
				t.Fatal(err)
			}
			warned := ""
			o := Options{Threads: 1, Warn: func(s string) { warned += s + "\n" }}
			if _, _, err := apply(context.Background(), recipe, o, Stages{Only: "train"}); err != nil {
				t.Errorf("%s %s: %v", name, how, err)
				continue
			}
			if got := sha(t, filepath.Join(run, "model.gguf")); got != want || sha(t, filepath.Join(run, "metrics.jsonl")) != metrics {
				t.Errorf("%s %s: another student or other metrics", name, how)
			}
			if needed := strings.HasPrefix(name, "round-00003-replica-2.m") || strings.HasPrefix(name, "round-00003.w"); needed && !strings.Contains(warned, "round 3 is taken again: ") {
				t.Errorf("%s %s: it said %q", name, how, warned)
			}
		}
	}
	// What happened in an old round cannot be made anew without all that came after.
	again()
	if err := os.CopyFS(run, os.DirFS(kept)); err != nil {
		t.Fatal(err)
	}
	edit(t, filepath.Join(run, outerDir, "round-00001.json"), `"round": 1`, `"round": 2`)
	var data *DataError
	if _, _, err := apply(context.Background(), recipe, Options{Threads: 1}, Stages{Only: "train"}); !errors.As(err, &data) || !strings.Contains(err.Error(), "take the folder") {
		t.Errorf("an old round's manifest: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(run, outerDir)); err != nil {
		t.Fatal(err)
	}
	mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "train"})
	if got := sha(t, filepath.Join(run, "model.gguf")); got != want {
		t.Error("begun anew it is another student")
	}
}

// Rounds of another run are refused, and not overwritten.
func TestOuterForeign(t *testing.T) {
	recipe := tinyOuterJob(t)
	run := stopInRound(t, recipe, 15)
	edit(t, recipe, "seed: 3", "seed: 4")
	mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "label"})
	second := filepath.Join(filepath.Dir(run), "002")
	if err := os.CopyFS(filepath.Join(second, outerDir), os.DirFS(filepath.Join(run, outerDir))); err != nil {
		t.Fatal(err)
	}
	var data *DataError
	if _, _, err := apply(context.Background(), recipe, Options{Threads: 1}, Stages{Only: "train"}); !errors.As(err, &data) || !strings.Contains(err.Error(), "belongs to another recipe, data or base") {
		t.Errorf("another run's rounds: %v", err)
	}
	// A unit of the same run that was made from other weights, here a round too early, is made anew.
	third, earlier := filepath.Join(run, outerDir, "round-00003-replica-2"), filepath.Join(run, outerDir, "round-00002-replica-2") // who does all begins with the replica that it did last
	if _, err := os.Stat(third + ".json"); err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{".weights.gguf", ".moments.gguf"} {
		write(t, third+end, mustRead(t, earlier+end))
	}
	m := outerManifest{}
	if err := json.Unmarshal([]byte(mustRead(t, earlier+".json")), &m); err != nil {
		t.Fatal(err)
	}
	m.Round = 3
	m.Seal, _ = m.seal()
	b, _ := json.MarshalIndent(m, "", "  ")
	write(t, third+".json", string(b)+"\n")
	edit(t, recipe, "seed: 4", "seed: 3")
	mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "train"})
	got := sha(t, filepath.Join(run, "model.gguf"))
	if err := os.RemoveAll(filepath.Dir(run)); err != nil {
		t.Fatal(err)
	}
	mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "label"})
	mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "train"})
	if want := sha(t, filepath.Join(run, "model.gguf")); got != want {
		t.Error("it went into the student")
	}
}

// What cannot be, and what does not go with replicas, is refused at its line before anything is labelled.
func TestOuterRefused(t *testing.T) {
	for _, c := range []struct{ train, says string }{
		{"outer: {replicas: -1}", "train.outer.replicas is -1, want 2 to 256"},
		{"outer: {replicas: 257}", "train.outer.replicas is 257"},
		{"outer: {inner_steps: 5}", "without train.outer.replicas"},
		{"outer: {replicas: 2, inner_steps: 0}", "train.outer.inner_steps is 0, want 1"},
		{"outer: {replicas: 2, lr: 0}", "train.outer.lr is 0"},
		{"outer: {replicas: 2, lr: 11}", "train.outer.lr is 11"},
		{"outer: {replicas: 2, momentum: 1}", "train.outer.momentum is 1"},
		{"outer: {replicas: 2, rounds: 3}", `unknown key "rounds"`},
		{"outer: {replicas: 2}, ema: 0.9", "train.ema and train.outer are both given"},
	} {
		recipe := tinyJobOf(t, 8, 4)
		edit(t, recipe, "seed: 3", "seed: 3, "+c.train)
		_, err := LoadRecipe(recipe)
		var bad *RecipeError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.says) || bad.Line != 7 {
			t.Errorf("%s: %v", c.train, err)
		}
	}
	recipe := tinyOwnJob(t, 8, 4)
	edit(t, recipe, "on_policy:", "outer: {replicas: 2}, on_policy:")
	if _, err := LoadRecipe(recipe); err == nil || !strings.Contains(err.Error(), "train.on_policy and train.outer are both given") {
		t.Errorf("on-policy: %v", err)
	}
	recipe = tinyJobOf(t, 8, 4)
	edit(t, recipe, "seed: 3", "seed: 3, outer: {replicas: 9}")
	if _, _, err := apply(context.Background(), recipe, Options{Threads: 1}, Stages{}); err == nil || !strings.Contains(err.Error(), "8 training rows are not enough for 9 replicas") {
		t.Errorf("more replicas than rows: %v", err)
	}
}
