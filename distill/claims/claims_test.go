package claims

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

const soon = 400 * time.Millisecond // patience of these tests

func join(t *testing.T, dir, kind string, gone ...string) *Claims {
	t.Helper()
	c := Join(dir, kind, soon, gone...)
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

// crash stops a worker's beats and leaves its files, as kill -9 does.
func (c *Claims) crash() { close(c.stop); <-c.stopped }

// eventually takes a unit that becomes free in a while, and says how long that took.
func (c *Claims) eventually(t *testing.T, unit string) time.Duration {
	t.Helper()
	start := time.Now()
	for {
		if mine, _ := c.Take(unit); mine {
			return time.Since(start)
		}
		if time.Since(start) > time.Minute {
			t.Fatalf("%s is never given up", unit)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, f := range files {
		all = append(all, f.Name())
	}
	return all
}

// A unit is one worker's until it gives it back; who leaves leaves nothing.
func TestTake(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "claims")
	a, b := join(t, dir, "worker"), join(t, dir, "worker")
	if mine, _ := a.Take("u"); !mine {
		t.Fatal("nobody has u, and it cannot be taken")
	}
	host, _ := os.Hostname()
	if mine, at := b.Take("u"); mine || at != host {
		t.Errorf("u is taken twice (%v), or held on %q, want %q", mine, at, host)
	}
	if mine, _ := b.Take("u2"); !mine { // a name that begins with another's
		t.Error("u2 is not u")
	}
	if b.claim("u", 0) { // as if b had not seen a's
		t.Error("a's claim is made once more")
	}
	a.Release("u")
	if mine, _ := b.Take("u"); !mine {
		t.Error("u was given back and cannot be taken")
	}
	b.Release("u")
	b.Release("u2")
	a.Leave()
	b.Leave()
	if left := names(t, dir); left != nil {
		t.Errorf("left are %v", left)
	}
	if a.Err() != nil || b.Err() != nil {
		t.Error(a.Err(), b.Err())
	}
}

// Of many that want a unit at the same moment one gets it, time and again; after a take-over too.
func TestTakeTogether(t *testing.T) {
	dir := t.TempDir()
	dead := join(t, dir, "worker")
	var all []*Claims
	for range 8 {
		all = append(all, join(t, dir, "worker"))
	}
	for n := range 40 {
		unit := fmt.Sprintf("%05d", n)
		if n%2 == 1 {
			dead.Take(unit)
		}
	}
	dead.crash()
	for n := range 40 {
		unit := fmt.Sprintf("%05d", n)
		var wg sync.WaitGroup
		got := make([]bool, len(all))
		for end := time.Now().Add(time.Minute); !slices.Contains(got, true) && time.Now().Before(end); {
			for i, c := range all {
				wg.Go(func() { got[i], _ = c.Take(unit) })
			}
			wg.Wait()
		}
		won := 0
		for i, g := range got {
			if g {
				won++
				all[i].Release(unit)
			}
		}
		if won != 1 {
			t.Errorf("%s: %d workers have it, want 1", unit, won)
		}
	}
	for _, c := range all {
		c.Leave()
	}
	if left := names(t, dir); !slices.Equal(left, []string{dead.id + ".alive"}) {
		t.Errorf("left are %v", left)
	}
}

// Whether a worker lives is told by its counter, not by anybody's clock: files as old or as new as can be change nothing.
func TestClocks(t *testing.T) {
	for _, year := range []int{1970, 2106} {
		dir := t.TempDir()
		lives, dies, other := join(t, dir, "worker"), join(t, dir, "worker"), join(t, dir, "worker")
		lives.Take("a")
		dies.Take("b")
		dies.crash()
		odd := time.Date(year, 2, 1, 0, 0, 0, 0, time.UTC)
		done := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { // the file server's clock is wrong all the time
			for {
				for _, n := range names(t, dir) {
					os.Chtimes(filepath.Join(dir, n), odd, odd) //nolint:errcheck // it may be gone
				}
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
				}
			}
		})
		if took := other.eventually(t, "b"); took < soon {
			t.Errorf("%d: the dead worker's unit was taken after %v, want %v at least", year, took, soon)
		}
		for end := time.Now().Add(3 * soon); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if mine, _ := other.Take("a"); mine {
				t.Fatalf("%d: a unit of a worker that lives is taken over", year)
			}
		}
		close(done)
		wg.Wait()
		lives.Leave()
		other.Leave()
	}
}

// A worker that was stopped itself does not take others for dead when it goes on: what it did not see says nothing.
func TestObserverStopped(t *testing.T) {
	dir := t.TempDir()
	other := join(t, dir, "worker")
	c := join(t, dir, "worker")
	c.crash() // its looks are made by hand
	other.Take("u")
	if mine, _ := c.Take("u"); mine {
		t.Fatal("taken at once")
	}
	other.crash()
	every := soon / beatsOf
	c.look(every)
	c.look(time.Hour)
	if mine, _ := c.Take("u"); mine {
		t.Error("two looks are enough to take a unit over")
	}
	for range beatsOf {
		c.look(every)
	}
	if mine, _ := c.Take("u"); !mine {
		t.Error("after a whole time of patience the unit is not taken over")
	}
}

// A worker that is taken for dead and is not: its claim is not the unit's any more, giving it back leaves the other's, and it goes on with other units.
func TestBuriedAlive(t *testing.T) {
	dir := t.TempDir()
	late, other, third := join(t, dir, "worker"), join(t, dir, "worker"), join(t, dir, "worker")
	late.Take("u")
	late.crash()
	other.eventually(t, "u")
	late.stop, late.stopped = make(chan struct{}), make(chan struct{})
	go late.live() // it wakes up
	late.Release("u")
	if mine, _ := third.Take("u"); mine {
		t.Error("the late worker gave back what is another's")
	}
	if mine, _ := late.Take("v"); !mine {
		t.Error("the late worker gets nothing any more")
	}
	late.Release("v")
	other.Release("u")
	late.Leave()
	other.Leave()
	third.Leave()
	if left := names(t, dir); left != nil {
		t.Errorf("left are %v", left)
	}
}

// Who has seen an old state of the folder, as network file systems show it, gets nothing by it, neither beside a claim nor below one that was taken over since.
func TestOldSight(t *testing.T) {
	dir := t.TempDir()
	dead, other, late := join(t, dir, "worker"), join(t, dir, "worker"), join(t, dir, "worker")
	dead.Take("u")
	dead.crash()
	other.eventually(t, "u")
	if err := os.Remove(other.name("u", 0)); err != nil { // the dead one's claim
		t.Fatal(err)
	}
	for _, gen := range []int{0, 1} {
		if late.claim("u", gen) {
			t.Errorf("generation %d is claimed beside generation 1", gen)
		}
	}
	other.Release("u")
	if left := names(t, dir); len(left) != 3 {
		t.Errorf("left are %v, want three workers", left)
	}
	other.Leave()
	late.Leave()
}

// Of a kind of which there is one, another's claims are free at once; a claim without a name, of a worker that died while it made it, after a time.
func TestGone(t *testing.T) {
	dir := t.TempDir()
	first := join(t, dir, "apply")
	first.Take("u")
	first.crash()
	second := join(t, dir, "apply", "apply")
	if took := second.eventually(t, "u"); took > soon/2 {
		t.Errorf("the claim of the apply before was waited for: %v", took)
	}
	if err := os.WriteFile(filepath.Join(dir, "w.0.claim"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if took := second.eventually(t, "w"); took < soon {
		t.Errorf("a claim that was just being made was taken over after %v", took)
	}
	second.Leave()
}

// Where the folder goes, or cannot be written, units are done all the same.
func TestFolderGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "claims")
	c := join(t, dir, "worker")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	time.Sleep(soon / 2) // it beats meanwhile
	if mine, _ := c.Take("u"); !mine || c.Err() != nil {
		t.Errorf("mine %v, %v", mine, c.Err())
	}
	c.Release("u")
	if err := c.Did("head", "1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(dir, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if mine, _ := c.Take("u"); !mine || c.Err() == nil {
		t.Errorf("mine %v, and nothing is said of a folder that is none", mine)
	}
	c.Leave()
	if err := os.WriteFile(dir, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	c = Join(filepath.Join(dir, "below"), "worker", soon)
	if mine, _ := c.Take("u"); !mine || c.Err() == nil {
		t.Errorf("mine %v, and nothing is said of a folder that cannot be made", mine)
	}
	c.Leave()
}

// What workers did is kept by worker, without a line that was cut off.
func TestRecords(t *testing.T) {
	dir := t.TempDir()
	a, b := join(t, dir, "worker"), join(t, dir, "worker")
	for _, err := range []error{b.Did("B", "2"), a.Did("A", "1"), a.Did("A", "3"), os.WriteFile(filepath.Join(dir, "x.done"), []byte("C\n4\n5"), 0o666)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	a.Leave()
	b.Leave()
	if got := fmt.Sprint(Records(dir)); got != "[{A [1 3]} {B [2]}]" {
		t.Errorf("%s", got)
	}
}
