//go:build unix

package distill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/distill/lineage"
)

// childHelper makes the test binary label a recipe, as a worker or by the label stage: see runHelper.
const childHelper = "FREEHOLD_TEST_HELPER"

// runHelper labels: KIND PATIENCE RECIPE, quoted.
func runHelper(text string) {
	var kind, recipe string
	var patience time.Duration
	if _, err := fmt.Sscanf(text, "%q %d %q", &kind, &patience, &recipe); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	o := Options{Threads: 1, Patience: patience, Warn: func(s string) { fmt.Fprintln(os.Stderr, s) }}
	var err error
	switch kind {
	case applyKind:
		_, _, err = apply(context.Background(), recipe, o, Stages{Only: "label"})
	case trainKind:
		if _, _, err = apply(context.Background(), recipe, o, Stages{Only: "label"}); err == nil {
			_, _, err = apply(context.Background(), recipe, o, Stages{Only: "train"})
		}
	default:
		_, err = helpWith(recipe, o, Part{})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// helpWith helps with a recipe's newest run.
func helpWith(recipe string, o Options, p Part) (*Worked, error) {
	j, err := Join(context.Background(), recipe, "", o)
	if err != nil {
		return nil, err
	}
	return j.Work(context.Background(), p)
}

// helper is a process that labels.
type helper struct {
	*exec.Cmd
	errs bytes.Buffer
	done chan error
}

func startHelper(t *testing.T, kind, recipe string, patience time.Duration) *helper {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h := &helper{Cmd: exec.Command(exe), done: make(chan error, 1)}
	h.Env = append(os.Environ(), fmt.Sprintf("%s=%q %d %q", childHelper, kind, patience, recipe))
	h.Stderr = &h.errs
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { h.done <- h.Wait() }()
	return h
}

// ended waits for a helper that shall end well.
func (h *helper) ended(t *testing.T) {
	t.Helper()
	select {
	case err := <-h.done:
		if err != nil {
			t.Fatalf("%v: %s", err, &h.errs)
		}
	case <-time.After(3 * time.Minute):
		h.Process.Kill()
		t.Fatalf("it goes on and on: %s", &h.errs)
	}
}

// shards are the hashes of a run's labels; everything in the folder counts.
func shards(t *testing.T, run string) map[string]string {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(run, "labels"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range files {
		all[f.Name()] = sha(t, filepath.Join(run, "labels", f.Name()))
	}
	return all
}

// checkShared holds a run that several labelled against one that nothing happened to: the same files with the same bytes, every row once, and nothing left of the sharing.
func checkShared(t *testing.T, recipe, run string, want map[string]string) {
	t.Helper()
	if _, _, err := apply(context.Background(), recipe, Options{Threads: 1, Patience: time.Second}, Stages{Only: "label"}); err != nil { // as apply ends it: claims are gone
		t.Fatal(err)
	}
	got := shards(t, run)
	for name, sum := range want {
		if got[name] != sum {
			t.Errorf("%s has sha256 %.12s, want %.12s", name, got[name], sum)
		}
	}
	for name := range got {
		if want[name] == "" {
			t.Errorf("%s is too many", name)
		}
	}
	seen := map[string]int{}
	for name := range got {
		if filepath.Ext(name) != ".jsonl" {
			continue
		}
		for _, l := range strings.Split(strings.TrimSpace(mustRead(t, filepath.Join(run, "labels", name))), "\n")[1:] {
			id, _, _ := strings.Cut(l, ",")
			seen[id]++
		}
	}
	r, err := LoadRecipe(recipe)
	if err != nil {
		t.Fatal(err)
	}
	j, err := NewJob(context.Background(), r, Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	if rows := len(j.labelled()); len(seen) != rows {
		t.Errorf("%d rows are labelled, want %d", len(seen), rows)
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("row %s is labelled %d times", id, n)
		}
	}
	if files, err := os.ReadDir(filepath.Join(run, claimsDir)); err == nil {
		t.Errorf("claims are left: %v", files)
	}
}

// manyShards are jobs of some dozen shards, and the labels of each as one process writes them.
func manyShards(t *testing.T, kind string) (recipe, run string, want map[string]string, whole time.Duration) {
	t.Helper()
	if recipe = tinyJobOf(t, 24*shardRows, 50); kind != "classify" {
		recipe = tinyAnswerJob(t, kind, 12*answerShardRows, 40)
	}
	start := time.Now()
	_, run = mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "label"})
	want = shards(t, run)
	if len(want) < 12 {
		t.Fatalf("%d shards are too few to share", len(want))
	}
	again(t, run)
	return recipe, run, want, time.Since(start)
}

// again forgets a run.
func again(t *testing.T, run string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Dir(run)); err != nil {
		t.Fatal(err)
	}
}

// killAmong starts a process of each kind at one run and kills one after another, within wait of each other, until most are killed; another takes its place, and the last are let through. after is
// called after each.
func killAmong(t *testing.T, r *rand.Rand, recipe string, kinds []string, patience, wait time.Duration, most int, after func()) (kills int) {
	t.Helper()
	all := make([]*helper, len(kinds))
	for i := range all {
		all[i] = startHelper(t, kinds[i], recipe, patience)
	}
	for running := len(all); running > 0; {
		i := r.IntN(len(all))
		time.Sleep(time.Duration(r.Int64N(int64(wait))))
		if all[i] == nil {
			continue
		}
		if kills < most {
			all[i].Process.Kill()
		}
		switch err := <-all[i].done; {
		case killed(err):
			kills++
			after()
			all[i] = startHelper(t, kinds[i], recipe, patience)
		case err != nil:
			t.Fatalf("after %d kills %s: %v: %s", kills, kinds[i], err, &all[i].errs)
		default:
			all[i], running = nil, running-1
		}
	}
	return kills
}

// kill -9 of those who label one run together, workers and apply, at any moment, and others in their place: no row is lost, none is there twice, each shard has the bytes of a run on
// one machine. 10 kills of each type; 200 when soaking.
func TestShareKill(t *testing.T) {
	const patience = 300 * time.Millisecond
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(53, seed))
	for _, kind := range []string{"classify", "generate"} {
		t.Run(kind, func(t *testing.T) {
			recipe, run, want, whole := manyShards(t, kind)
			kills, jobs, left := 0, 0, 0
			begin := time.Now()
			for total := soak(10, 200); kills < total; jobs++ {
				kinds := []string{workerKind, applyKind, workerKind}
				kills += killAmong(t, r, recipe, kinds, patience, whole/2, total-kills, func() {
					if broken, _ := filepath.Glob(filepath.Join(run, "labels", "*.tmp")); len(broken) > 0 {
						left++
					}
				})
				checkShared(t, recipe, run, want)
				again(t, run)
			}
			t.Logf("%d kills in %d jobs of %d shards and three processes, %d with a broken-off file; %v; seed %d", kills, jobs, len(want), left, time.Since(begin), seed)
		})
	}
}

// A worker that is stopped until another has done its shard, and goes on then, changes nothing: while the run is labelled, and after all is done and swept away.
func TestSharePaused(t *testing.T) {
	const patience = 300 * time.Millisecond
	recipe, run, want, _ := manyShards(t, "classify")
	for n := range soak(2, 30) {
		h := startHelper(t, workerKind, recipe, patience)
		var claim []string
		for claim == nil {
			claim, _ = filepath.Glob(filepath.Join(run, claimsDir, "*.claim"))
		}
		if err := h.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		if n%2 == 0 { // apply ends the sharing
			mustApply(t, recipe, Options{Threads: 1, Patience: patience}, Stages{Only: "label"})
		} else if _, err := helpWith(recipe, Options{Threads: 1, Patience: patience}, Part{}); err != nil {
			t.Fatal(err)
		}
		if got := shards(t, run); !slices.Equal(sortedKeys(want), withoutBroken(got)) {
			t.Errorf("beside a stopped worker the shards are %v", got)
		}
		if err := h.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		h.ended(t)
		checkShared(t, recipe, run, want)
		again(t, run)
	}
}

func withoutBroken(shards map[string]string) []string {
	return slices.DeleteFunc(sortedKeys(shards), func(n string) bool { return filepath.Ext(n) == ".tmp" })
}

// Claims are advice: when they are taken away again and again, or all belong to nobody, rows are asked twice and the run is the same.
func TestShareWithoutClaims(t *testing.T) {
	recipe, run, want, _ := manyShards(t, "classify")
	var all []*helper
	for range 3 {
		all = append(all, startHelper(t, workerKind, recipe, time.Second))
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(3 * time.Millisecond):
			}
			if n%3 > 0 {
				os.RemoveAll(filepath.Join(run, claimsDir)) //nolint:errcheck // a worker is writing
			} else if os.Mkdir(filepath.Join(run, claimsDir), 0o777) == nil {
				os.WriteFile(filepath.Join(run, claimsDir, "00007-0.0.claim"), []byte("stranger\n"), 0o666) //nolint:errcheck
			}
		}
	})
	for _, h := range all {
		h.ended(t)
	}
	close(stop)
	wg.Wait()
	checkShared(t, recipe, run, want)
}

// Two applies at once: the second is sent away with what to do instead, and where the file system has no locks both label and give one run.
func TestShareTwoApplies(t *testing.T) {
	recipe, run, want, _ := manyShards(t, "classify")
	var once sync.Once
	o := Options{Threads: 1, Progress: func(Event) {
		once.Do(func() {
			if _, _, err := apply(context.Background(), recipe, Options{Threads: 1}, Stages{}); err == nil || !strings.Contains(err.Error(), "freehold worker "+run) {
				t.Errorf("a second apply: %v", err)
			}
		})
	}}
	mustApply(t, recipe, o, Stages{Only: "label"})
	checkShared(t, recipe, run, want)
	again(t, run)
	var wg sync.WaitGroup
	for range 3 {
		r, err := LoadRecipe(recipe)
		if err != nil {
			t.Fatal(err)
		}
		j, err := NewJob(context.Background(), r, Options{Threads: 1, Patience: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if err := j.open(); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if err := j.work.label(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	checkShared(t, recipe, run, want)
}

// The parts of an array are disjoint, each ends with its own shards, and together they are the run. They are claimed too, so that two that overlap do nothing twice.
func TestShareParts(t *testing.T) {
	recipe, run, want, _ := manyShards(t, "extract")
	const n = 4
	done := 0
	for i := range n {
		w, err := helpWith(recipe, Options{Threads: 1}, Part{i, n})
		if err != nil {
			t.Fatal(err)
		}
		done += w.Shards
		if w.All*2 != len(want) || w.Missing != w.All-done || i == 0 && w.Shards == w.All { // each shard has its packed file beside it
			t.Errorf("part %d of %d: %+v", i, n, w)
		}
		for name := range shards(t, run) {
			var s int
			if fmt.Sscanf(name, "shard-%d", &s); s%n > i {
				t.Errorf("after part %d there is %s", i, name)
			}
		}
	}
	checkShared(t, recipe, run, want)
	for _, bad := range []string{"", "1", "4/4", "-1/4", "0/0", "a/b", "1/2/3", "1.5/2"} {
		if _, err := ParsePart(bad); err == nil || !strings.Contains(err.Error(), "want I/N") {
			t.Errorf("%q is a part: %v", bad, err)
		}
	}
}

// A run that workers labelled, before apply came and beside it, is as one that apply made alone: verified, repeated to the bit; and says who helped.
func TestShareRun(t *testing.T) {
	recipe := tinyJobOf(t, 4*shardRows, 60)
	_, alone := mustApply(t, recipe, Options{Threads: 1}, Stages{})
	want := map[string]string{}
	for _, name := range []string{"model.gguf", "model.q8_0.gguf", "rows.jsonl", "eval/predictions.jsonl"} {
		want[name] = sha(t, filepath.Join(alone, name))
	}
	again(t, alone)
	w, err := helpWith(recipe, Options{Threads: 1}, Part{0, 2})
	if err != nil || w.Shards != 3 || w.Missing != 2 {
		t.Fatalf("%+v, %v", w, err)
	}
	_, run := mustApply(t, recipe, Options{Threads: 2}, Stages{})
	for name, sum := range want {
		if got := sha(t, filepath.Join(run, name)); got != sum {
			t.Errorf("%s is another", name)
		}
	}
	v, err := Verify(run)
	if err != nil || len(v.Bad()) > 0 || slices.ContainsFunc(v.Files, func(c FileCheck) bool { return c.State == "added" }) {
		t.Errorf("%+v, %v", v, err)
	}
	chain, err := lineage.Read(filepath.Join(run, lineage.Name))
	if err != nil {
		t.Fatal(err)
	}
	label := lineage.Last(chain, "label")
	if len(label.Workers) != 1 || fmt.Sprint(label.Workers[0].Shards) != "[0 2 4]" || label.Workers[0].Threads != 1 || label.By.Threads != 2 || label.Workers[0].Binary != label.By.Binary {
		t.Errorf("labelled by %+v, with %+v", label.By, label.Workers)
	}
	if text := fmt.Sprint(lineage.Rows(chain)); !strings.Contains(text, "1 threads: 3 shards") {
		t.Errorf("the lineage does not tell of the worker: %s", text)
	}
	again, err := Reproduce(context.Background(), run, "", Options{Threads: 1})
	if err != nil || len(again.Different()) > 0 {
		t.Errorf("%+v, %v", again, err)
	}
	// Who comes too late has claims, of which nobody takes notice.
	write(t, filepath.Join(run, claimsDir, "late.alive"), "worker elsewhere 7 000000000001\n")
	if v, err := Verify(run); err != nil || len(v.Bad()) > 0 || slices.ContainsFunc(v.Files, func(c FileCheck) bool { return c.State == "added" }) {
		t.Errorf("beside late claims: %+v, %v", v, err)
	}
	// A worker finds nothing to do, by the run's folder too, and leaves nothing.
	for _, path := range []string{recipe, filepath.Dir(recipe), run, filepath.Join(filepath.Dir(run), "latest")} {
		j, err := Join(context.Background(), path, "", Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		w, err := j.Work(context.Background(), Part{})
		if err != nil || w.Shards+w.Missing > 0 || w.All != 5 || filepath.Base(w.Run) != "001" {
			t.Errorf("%s: %+v, %v", path, w, err)
		}
	}
	if v, err := Verify(run); err != nil || len(v.Bad()) > 0 {
		t.Errorf("%+v, %v", v, err)
	}
}

// A worker of a recipe whose teacher learns first waits for the adapter that apply makes, and labels with it.
func TestShareAdapted(t *testing.T) {
	recipe := tinyAdaptedJob(t, 80, 40)
	_, alone := mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "adapt"})
	mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "label"})
	want := shards(t, alone)
	again(t, alone)
	j, err := Join(context.Background(), recipe, "", Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	if _, err := j.Work(ctx, Part{}); !errors.Is(err, ErrInterrupted) {
		t.Errorf("without an adapter: %v", err)
	}
	cancel()
	h := startHelper(t, workerKind, recipe, time.Second)
	_, run := mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "adapt"})
	h.ended(t)
	if got := shards(t, run); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the worker made %v, want %v", got, want)
	}
	// The adapter is the run's, also where this CPU would have trained another.
	edit(t, filepath.Join(run, adaptedName), j.adaptKey(), strings.Repeat("0", 64))
	if j, err = Join(context.Background(), run, "", Options{Threads: 1}); err != nil || j.adapted == nil {
		t.Errorf("%v: no adapter", err)
	}
}

// A worker of a recipe with rows that a model makes waits for them, and labels them too.
func TestShareMade(t *testing.T) {
	recipe := tinyAugmentJob(t, "classify")
	mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "augment"})
	_, run := mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "label"})
	want := shards(t, run)
	again(t, run)
	j, err := Join(context.Background(), recipe, "", Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	if _, err := j.Work(ctx, Part{}); !errors.Is(err, ErrInterrupted) {
		t.Errorf("without the rows: %v", err)
	}
	cancel()
	h := startHelper(t, workerKind, recipe, time.Second)
	mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "augment"})
	h.ended(t)
	if got := shards(t, run); fmt.Sprint(got) != fmt.Sprint(want) || len(got) < 2 {
		t.Errorf("the worker made %v, want %v", got, want)
	}
}

// A worker whose folder goes away ends with what to do.
func TestShareFolderGone(t *testing.T) {
	recipe := tinyJobOf(t, 4*shardRows, 8)
	gone := false
	j, err := Join(context.Background(), recipe, "", Options{Threads: 1, Progress: func(Event) {
		if dir := filepath.Join(filepath.Dir(recipe), "runs"); !gone {
			gone = os.Rename(dir, dir+".away") == nil
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	var bad *FolderError
	if _, err = j.Work(context.Background(), Part{}); !errors.As(err, &bad) || !gone || !strings.Contains(err.Error(), "run the same command again") {
		t.Errorf("%v", err)
	}
}

// A worker's folder is that of a run which asks the same, also where bf16 would train another student on this CPU; another recipe's is refused.
func TestJoin(t *testing.T) {
	recipe := tinyJobOf(t, 2*shardRows, 20)
	_, run := mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "label"})
	lock := filepath.Join(run, "lock.json")
	l, err := readLock(run)
	if err != nil {
		t.Fatal(err)
	}
	edit(t, lock, l.Key, strings.Repeat("0", 64)) // as if by a CPU with another bf16 unit
	for _, path := range []string{recipe, run} {
		if j, err := Join(context.Background(), path, "", Options{Threads: 1}); err != nil || filepath.Base(j.Dir()) != "001" {
			t.Errorf("%s: %v", path, err)
		}
	}
	edit(t, lock, l.Data, strings.Repeat("0", 64))
	if j, err := Join(context.Background(), recipe, "", Options{Threads: 1}); err != nil || filepath.Base(j.Dir()) == "001" {
		t.Errorf("a run of other data is joined: %v", err)
	}
	var bad *RecipeError
	if _, err := Join(context.Background(), run, "", Options{Threads: 1}); !errors.As(err, &bad) || !strings.Contains(err.Error(), "another recipe, data or model") {
		t.Errorf("a run of other data: %v", err)
	}
	if _, err := Join(context.Background(), run, "", Options{Threads: 1, Run: "002"}); !errors.As(err, &bad) {
		t.Errorf("a run's folder and --run: %v", err)
	}
	if _, err := Join(context.Background(), recipe, "x", Options{Threads: 1}); !errors.As(err, &bad) {
		t.Errorf("a recipe and --inputs: %v", err)
	}
}

// A shard that another writes just before this worker has the claim is not labelled again.
func TestShareLooksAgain(t *testing.T) {
	j, err := Join(context.Background(), tinyJobOf(t, 8, 4), "", Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	looks := 0
	err = j.share(context.Background(), []int{0}, func(int) string { return strings.Repeat("k", 64) },
		func(int) error {
			if looks++; looks > 1 {
				return nil
			}
			return os.ErrNotExist
		},
		func(int) error { t.Error("it is labelled twice"); return nil })
	if err != nil || looks != 2 {
		t.Errorf("%d looks, %v", looks, err)
	}
}

// What sharing costs a shard, and what more workers bring, where labelling takes its time: at most 2 % of shards of five seconds, which it takes when soaking.
func TestShareCost(t *testing.T) {
	recipe := tinyJobOf(t, 8, 4)
	units, unit := 60, 20*time.Millisecond
	if os.Getenv("FREEHOLD_SOAK") != "" {
		units, unit = 12, 5*time.Second
	}
	for _, workers := range []int{1, 2, 4} {
		var wg sync.WaitGroup
		var did atomic.Int32
		start := time.Now()
		dir := t.TempDir()
		for range workers {
			j, err := Join(context.Background(), recipe, "", Options{Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			j.dir = dir
			todo := make([]int, units)
			path := func(s int) string { return filepath.Join(dir, fmt.Sprint(s)) }
			for s := range todo {
				todo[s] = s
			}
			wg.Go(func() {
				err := j.share(context.Background(), todo, func(int) string { return strings.Repeat("k", 64) },
					func(s int) error { _, err := os.Stat(path(s)); return err },
					func(s int) error { did.Add(1); time.Sleep(unit); return os.WriteFile(path(s), nil, 0o666) })
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if int(did.Load()) != units {
			t.Errorf("%d workers, none of which died, did %d units of %d", workers, did.Load(), units)
		}
		ideal := time.Duration(units/workers) * unit
		cost := (time.Since(start) - ideal) * time.Duration(workers) / time.Duration(units)
		t.Logf("%d workers: %d units of %v in %v, %.2f of one worker's speed; %v a unit above the work, %.3f %% of five seconds", workers, units, unit, time.Since(start).Round(time.Millisecond), float64(units)*unit.Seconds()/time.Since(start).Seconds(), cost.Round(time.Microsecond), 100*cost.Seconds()/5)
		if cost > 100*time.Millisecond {
			t.Errorf("%d workers: sharing costs %v a unit, want at most 100 ms, 2 %% of five seconds", workers, cost)
		}
	}
}
