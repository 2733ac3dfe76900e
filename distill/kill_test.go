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
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// soak is how often a test tries its fault: short with every `make test`, long with FREEHOLD_SOAK (`make soak`).
func soak(short, long int) int {
	if os.Getenv("FREEHOLD_SOAK") != "" {
		return long
	}
	return short
}

// child makes the test binary run a job instead of tests; see TestKill. Its fields go by the environment.
type child struct {
	recipe  string
	threads int
	only    string // prefix of the files whose operations count; "" = all
	killAt  int    // the operation, from 0, at which it kills itself; -1 = none
}

const childJob = "FREEHOLD_TEST_JOB"

func TestMain(m *testing.M) {
	if text := os.Getenv(childJob); text != "" {
		var c child
		if _, err := fmt.Sscanf(text, "%q %d %q %d", &c.recipe, &c.threads, &c.only, &c.killAt); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		c.run()
	}
	if text := os.Getenv(childHelper); text != "" {
		runHelper(text)
	}
	os.Exit(m.Run())
}

// run adapts, labels and trains, kills itself at the file operation killAt, and otherwise says how many there were.
func (c child) run() {
	f := newFaultFS(c.killAt, nil, false)
	f.die, f.only = true, c.only
	o := Options{Threads: c.threads, FS: f, Warn: func(s string) { fmt.Fprintln(os.Stderr, s) }}
	stages := []string{"label", "train"}
	if r, err := LoadRecipe(c.recipe); err == nil && r.adapts() {
		stages = append([]string{"adapt"}, stages...)
	} else if err == nil && r.augments() {
		stages = append([]string{"augment"}, stages...)
	}
	for _, stage := range stages {
		if _, _, err := apply(context.Background(), c.recipe, o, Stages{Only: stage}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	fmt.Println(f.n)
	os.Exit(0)
}

// start starts a job in a process of its own.
func (c child) start(t *testing.T) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%q %d %q %d", childJob, c.recipe, c.threads, c.only, c.killAt))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, &out, &errs
}

// whole runs the job to its end and returns its file operations.
func (c child) whole(t *testing.T) (ops int) {
	t.Helper()
	c.killAt = -1
	cmd, out, errs := c.start(t)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, errs)
	}
	n, err := strconv.Atoi(strings.TrimSpace(out.String()))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func killed(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	st, ok := exit.Sys().(syscall.WaitStatus)
	return ok && st.Signaled() && st.Signal() == syscall.SIGKILL
}

// kill -9 while a job labels and trains: a quarter inside a save of a checkpoint, a quarter at any file operation, half at
// any moment. Resumed until done, the final model has the sha256 of the uninterrupted run, whatever numbers of threads the
// pieces ran on. 20 kills; 200 in the long set; when soaking 200 on one thread, 200 on two and 200 on both in turn.
func TestKill(t *testing.T) {
	want, threads := soak(20, 200), [][]int{{1, 2}}
	if os.Getenv("FREEHOLD_LONG") != "" {
		want = 200
	}
	if os.Getenv("FREEHOLD_SOAK") != "" {
		threads = [][]int{{1}, {2}, {1, 2}}
	}
	further := []string{adaptedKind, ownKind, madeKind, ensembleKind, crossKind, tagsKind, rationaleKind, outerKind}
	for _, kind := range append(TaskTypes(), further...) {
		t.Run(kind, func(t *testing.T) {
			recipe := tinyJobKind(t, kind)
			for _, n := range threads {
				save := "step-" // prefix of a checkpoint's files
				if kind == outerKind {
					save = "round-"
				}
				if slices.Contains(further, kind) { // half as often: another job but for a stage, some steps, or what they learn
					killJobs(t, recipe, save, want/2, n)
					continue
				}
				killJobs(t, recipe, save, want, n)
			}
		})
	}
}

// adaptedKind is a classify job whose teacher is adapted first.
const adaptedKind = "classify, adapted teacher"

// ownKind is a generate job whose student answers itself in some steps.
const ownKind = "generate, on-policy"

// madeKind is a classify job with rows that a model makes.
const madeKind = "classify, made rows"

// crossKind is a generate job whose teacher has other tokens than the student.
const crossKind = "generate, other tokens"

// tinyJobKind is a tiny job of a task type.
func tinyJobKind(t *testing.T, kind string) string {
	t.Helper()
	if kind == adaptedKind {
		return tinyAdaptedJob(t, 80, 40)
	}
	if kind == "classify" {
		return tinyJob(t)
	}
	if kind == "multilabel" {
		return tinyMultilabelJob(t, 48, 24, 12)
	}
	if kind == "rerank" {
		return tinyRankJob(t, 48, 12)
	}
	if kind == "embed" {
		return tinyEmbedJob(t, 260, 12)
	}
	if kind == madeKind {
		return tinyAugmentJob(t, "classify")
	}
	if kind == ensembleKind {
		return tinyEnsembleJob(t, tinyTrain, tinyTest)
	}
	if kind == votedKind {
		return tinyVotedJob(t, 48, 12)
	}
	if kind == outerKind {
		return tinyOuterJob(t)
	}
	if kind == ownKind {
		return tinyOwnJob(t, 48, 12)
	}
	if kind == rationaleKind {
		return tinyRationaleJob(t, "generate", 48, 12)
	}
	if kind == crossKind {
		return tinyCrossJob(t, 48, 12)
	}
	return tinyAnswerJob(t, kind, 48, 12)
}

func killJobs(t *testing.T, recipe, save string, want int, threads []int) {
	runs := filepath.Join(filepath.Dir(recipe), "runs")
	model := filepath.Join(runs, "001", "model.gguf")
	ref := ""
	check := func(kills int) {
		t.Helper()
		if got := sha(t, model); ref == "" {
			ref = got
		} else if got != ref {
			t.Fatalf("after %d kills the model is %s, want %s", kills, got, ref)
		}
		checkMetrics(t, filepath.Join(runs, "001", "metrics.jsonl"), 9)
		if err := os.RemoveAll(runs); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	ops := child{recipe: recipe, threads: 2}.whole(t)
	whole := time.Since(start)
	check(0)
	saves := child{recipe: recipe, threads: 1, only: save}.whole(t)
	check(0)
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(51, seed))
	kills, inSave, inLabel, inOther, jobs := 0, 0, 0, 0, 0
	for kills < want {
		c := child{recipe: recipe, threads: threads[(kills+jobs)%len(threads)], killAt: -1}
		switch kills % 4 {
		case 0:
			c.only, c.killAt = save, r.IntN(saves/2)
		case 1:
			c.killAt = r.IntN(ops / 2)
		}
		cmd, _, errs := c.start(t)
		var timer *time.Timer
		if c.killAt < 0 {
			timer = time.AfterFunc(time.Duration(r.Int64N(int64(whole))), func() { cmd.Process.Kill() })
		}
		err := cmd.Wait()
		if timer != nil {
			timer.Stop()
		}
		switch {
		case killed(err):
			kills++
			lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
			switch _, file, _ := strings.Cut(lines[len(lines)-1], " "); {
			case c.killAt < 0:
			case strings.HasPrefix(file, save):
				inSave++
			case strings.HasPrefix(file, "shard-"):
				inLabel++
			default:
				inOther++
			}
		case err != nil:
			t.Fatalf("after %d kills: %v: %s", kills, err, errs)
		default:
			jobs++
			check(kills)
		}
	}
	if _, err := os.Stat(runs); err == nil {
		child{recipe: recipe, threads: threads[0]}.whole(t)
		check(kills)
	}
	if 4*inSave < kills {
		t.Errorf("%d of %d kills were inside a save, want a quarter", inSave, kills)
	}
	t.Logf("threads %v: %d kills: %d inside a save of a checkpoint, %d of a label shard, %d at another file operation, %d at a moment; %d jobs came to their end between, all with sha256 %.12s; a job has %d file operations, %d of them in saves, and takes %v; seed %d",
		threads, kills, inSave, inLabel, inOther, kills-inSave-inLabel-inOther, jobs, ref, ops, saves, whole, seed)
}

// A run that was killed while its folder was being made is begun again in that folder.
func TestKillAtTheStart(t *testing.T) {
	recipe := tinyJob(t)
	runs := filepath.Join(filepath.Dir(recipe), "runs")
	for k := range 11 {
		cmd, _, errs := child{recipe: recipe, threads: 2, killAt: k}.start(t)
		if err := cmd.Wait(); !killed(err) {
			t.Fatalf("operation %d: %v: %s", k, err, errs)
		}
		if files, err := os.ReadDir(runs); err != nil || len(files) == 0 || files[0].Name() != "001" || len(files) > 1 && files[1].Name() != "latest" {
			t.Errorf("killed at operation %d: the runs are %v (%v)", k, files, err)
		}
	}
	write(t, filepath.Join(runs, "007", "notes.txt"), "not a run of ours")
	edit(t, recipe, "seed: 3", "seed: 4")
	if _, dir := mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "label"}); filepath.Base(dir) != "008" {
		t.Errorf("beside a stranger's folder 007 the next run is %s", dir)
	}
}

// kill -9 at the file operations of the shards and of the list of made rows: what is made afterwards, on another number of threads, is what was made without.
func TestKillAugment(t *testing.T) {
	recipe := tinyAugmentJob(t, "classify")
	dir := filepath.Join(filepath.Dir(recipe), "runs", "001")
	files := func() (sums []string) {
		names, err := filepath.Glob(filepath.Join(dir, madeFolder, "*"))
		if err != nil || len(names) != 5 {
			t.Fatalf("made %v (%v)", names, err)
		}
		for _, name := range names {
			sums = append(sums, filepath.Base(name)+" "+sha(t, name))
		}
		if err := os.RemoveAll(filepath.Dir(dir)); err != nil {
			t.Fatal(err)
		}
		return sums
	}
	_, _ = mustApply(t, recipe, Options{Threads: 2}, Stages{Only: "augment"})
	want := files()
	for _, only := range []string{"shard-", "rows.jsonl"} {
		for k := 0; k < 20; k += 3 {
			cmd, _, errs := child{recipe: recipe, threads: 2, only: only, killAt: k}.start(t)
			if err := cmd.Wait(); !killed(err) && only == "shard-" {
				t.Fatalf("operation %d: %v: %s", k, err, errs)
			}
			_, _ = mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "augment"})
			if got := files(); !slices.Equal(got, want) {
				t.Errorf("killed at operation %d of %s: %v, want %v", k, only, got, want)
			}
		}
	}
}
