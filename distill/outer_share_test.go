//go:build unix

package distill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/distill/lineage"
)

// trainKind is a helper that labels and trains, as apply does.
const trainKind = "train"

// outerKind is a classify job with replicas.
const outerKind = "classify, replicas"

// trained are the files that training makes, by their hashes.
func trained(t *testing.T, run string) string {
	t.Helper()
	all := ""
	for _, name := range []string{"model.gguf", "metrics.jsonl", "checkpoints/" + checkpointName(27) + ".gguf", "checkpoints/" + checkpointName(27) + ".json"} {
		all += fmt.Sprintf("%s %.12s\n", name, sha(t, filepath.Join(run, name)))
	}
	return all
}

// trainedAlone trains a job on one machine, and forgets it.
func trainedAlone(t *testing.T, recipe string) (want string, whole time.Duration) {
	t.Helper()
	start := time.Now()
	mustApply(t, recipe, Options{Threads: 2}, Stages{Only: "label"})
	_, run := mustApply(t, recipe, Options{Threads: 2}, Stages{Only: "train"})
	want, whole = trained(t, run), time.Since(start)
	again(t, run)
	return want, whole
}

// checkTrained lets apply end a run that several trained, and holds it against one that nothing happened to.
func checkTrained(t *testing.T, recipe, want string) {
	t.Helper()
	mustApply(t, recipe, Options{Threads: 1, Patience: time.Second}, Stages{Only: "label"})
	_, run := mustApply(t, recipe, Options{Threads: 1, Patience: time.Second}, Stages{Only: "train"})
	if got := trained(t, run); got != want {
		t.Errorf("training made\n%swant\n%s", got, want)
	}
	if _, err := os.Stat(filepath.Join(run, outerDir)); err == nil {
		t.Errorf("rounds are left")
	}
	again(t, run)
}

// One machine, two and four make the same student, whatever they have in threads, with apply among them or before it; the lineage says who did what.
func TestOuterShare(t *testing.T) {
	for _, kind := range []string{"classify", "generate"} {
		recipe := tinyOuterJob(t)
		if kind == "generate" {
			recipe = tinyAnswerJob(t, kind, 48, 12)
			edit(t, recipe, "steps: 9", "outer: {replicas: 3, inner_steps: 2}, steps: 27")
		}
		want, _ := trainedAlone(t, recipe)
		for _, workers := range []int{1, 2, 4} {
			var wg sync.WaitGroup
			var did [4]*Worked
			for i := range workers {
				wg.Go(func() {
					w, err := helpWith(recipe, Options{Threads: 1 + i%2}, Part{})
					if did[i] = w; err != nil {
						t.Error(err)
					}
				})
			}
			beside := workers == 4 // apply, too, which ends the run while they are at it
			if beside {
				wg.Go(func() {
					if _, _, err := apply(context.Background(), recipe, Options{Threads: 1}, Stages{}); err != nil {
						t.Error(err)
					}
				})
			}
			if wg.Wait(); t.Failed() {
				t.FailNow()
			}
			units := 0
			for _, w := range did[:workers] {
				units += w.Units
			}
			if units != 15 && !beside {
				t.Errorf("%s: %d workers, none of which died, did %d units, want 15", kind, workers, units)
			}
			_, run := mustApply(t, recipe, Options{Threads: 1}, Stages{})
			chain, err := lineage.Read(filepath.Join(run, lineage.Name))
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for _, w := range lineage.Last(chain, "train").Workers {
				if all = append(all, w.Units...); w.Shards != nil || w.Threads == 0 {
					t.Errorf("the lineage has %+v", w)
				}
			}
			if slices.Sort(all); !beside && strings.Join(all, " ") != "1/1 1/2 1/3 2/1 2/2 2/3 3/1 3/2 3/3 4/1 4/2 4/3 5/1 5/2 5/3" {
				t.Errorf("%s: %d workers: the lineage has %v", kind, workers, all)
			}
			if text := fmt.Sprint(lineage.Rows(chain)); !beside && !strings.Contains(text, "threads: ") || !strings.Contains(text, " rounds of replicas") {
				t.Errorf("the lineage does not tell of the workers: %s", text)
			}
			if got := trained(t, run); got != want {
				t.Errorf("%s: %d workers made\n%swant\n%s", kind, workers, got, want)
			}
			if v, err := Verify(run); err != nil || len(v.Bad()) > 0 {
				t.Errorf("%+v, %v", v, err)
			}
			if w, err := helpWith(recipe, Options{Threads: 1}, Part{}); err != nil || w.Units+w.Shards > 0 { // too late
				t.Errorf("%+v, %v", w, err)
			}
			if _, err := os.Stat(filepath.Join(run, outerDir)); err == nil {
				t.Error("a worker that came too late began anew")
			}
			again(t, run)
		}
	}
}

// A worker that comes when some rounds are over goes on from them; one with a part of the shards labels alone; one whose CPU has another bf16 unit does not train.
func TestOuterLate(t *testing.T) {
	recipe := tinyOuterJob(t)
	want, _ := trainedAlone(t, recipe)
	run := stopInRound(t, recipe, 15) // round 3, in which one replica is done
	for _, o := range []struct {
		part  Part
		other bool // bf16 unit
		units int
	}{{Part{0, 1}, false, 0}, {Part{}, true, 0}, {Part{}, false, 8}} {
		j, err := Join(context.Background(), recipe, "", Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		warned := ""
		if j.opt.Warn = func(s string) { warned += s }; o.other {
			j.key = strings.Repeat("0", 64)
		}
		w, err := j.Work(context.Background(), o.part)
		if err != nil || w.Units != o.units || strings.Contains(warned, "another bf16 unit") != o.other {
			t.Errorf("%+v: %+v, %v, %q", o, w, err, warned)
		}
	}
	if got, err := os.ReadDir(filepath.Join(run, outerDir)); err != nil || len(got) < 20 {
		t.Errorf("after the last round, without apply, there is %v (%v)", got, err)
	}
	checkTrained(t, recipe, want)
}

// kill -9 of those who train one run together, workers and apply, at any moment, and others in their place: the student is that of a run on one machine. 10 kills; 200 when soaking.
func TestOuterKill(t *testing.T) {
	const patience = 300 * time.Millisecond
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(59, seed))
	recipe := tinyOuterJob(t)
	want, whole := trainedAlone(t, recipe)
	run := filepath.Join(filepath.Dir(recipe), "runs", "001")
	kills, jobs, inTraining := 0, 0, 0
	begin := time.Now()
	for total := soak(10, 200); kills < total; jobs++ {
		kinds := []string{workerKind, trainKind, workerKind}
		kills += killAmong(t, r, recipe, kinds, patience, whole, total-kills, func() {
			if _, err := os.Stat(filepath.Join(run, outerDir)); err == nil {
				inTraining++
			}
		})
		checkTrained(t, recipe, want)
	}
	t.Logf("%d kills in %d jobs of 15 units and three processes, %d of them while it trained; %v; seed %d", kills, jobs, inTraining, time.Since(begin), seed)
}

// A worker that is stopped in a round until the others have done it, or all, and goes on then, changes nothing.
func TestOuterPaused(t *testing.T) {
	const patience = 300 * time.Millisecond
	recipe := tinyOuterJob(t)
	want, _ := trainedAlone(t, recipe)
	for n := range soak(2, 30) {
		mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "label"})
		run := filepath.Join(filepath.Dir(recipe), "runs", "001")
		h := startHelper(t, workerKind, recipe, patience)
		var claim []string
		for deadline := time.Now().Add(time.Minute); claim == nil && time.Now().Before(deadline); {
			claim, _ = filepath.Glob(filepath.Join(run, outerDir, claimsDir, fmt.Sprintf("0000%d-*.claim", 1+n%3)))
		}
		if claim == nil {
			t.Fatal("the worker claims nothing")
		}
		if err := h.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		if n%2 == 0 { // apply ends it, and takes the rounds away
			mustApply(t, recipe, Options{Threads: 1, Patience: patience}, Stages{Only: "train"})
		} else if _, err := helpWith(recipe, Options{Threads: 1, Patience: patience}, Part{}); err != nil {
			t.Fatal(err)
		}
		if err := h.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		h.ended(t)
		checkTrained(t, recipe, want)
	}
}

// Claims are advice: when they are taken away again and again, units are done twice and the student is the same.
func TestOuterWithoutClaims(t *testing.T) {
	recipe := tinyOuterJob(t)
	want, _ := trainedAlone(t, recipe)
	run := filepath.Join(filepath.Dir(recipe), "runs", "001")
	mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "label"})
	var all []*helper
	for range 3 {
		all = append(all, startHelper(t, workerKind, recipe, time.Second))
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(3 * time.Millisecond):
				os.RemoveAll(filepath.Join(run, outerDir, claimsDir)) //nolint:errcheck // a worker is writing
			}
		}
	})
	for _, h := range all {
		h.ended(t)
	}
	close(stop)
	wg.Wait()
	checkTrained(t, recipe, want)
}
