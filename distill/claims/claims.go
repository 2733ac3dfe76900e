// Package claims lets workers that see one folder, on one machine or many, share units of work without a server between them.
//
// A claim is advice. What is done is what its result is there of, and a unit gives the same bytes whoever does it: where a claim is lost, ignored or
// held by two, work is done twice and nothing else happens. So nothing here is locked, and no clock of another machine is believed.
//
// Files of the folder, each written by one worker alone:
//
//	WORKER.alive        who it is, and a counter that it raises from time to time
//	UNIT.GEN.claim      the worker that is at a unit; made by exclusive creation and never changed. The highest GEN counts: a unit whose worker is silent
//	                    is taken over by making the next
//	WORKER.done         what the worker is, and the units that it did, a line each
package claims

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Patience is how long a worker may be silent before another takes over what it was at.
const Patience = 30 * time.Second

// beatsOf is how many times a worker raises its counter in that time.
const beatsOf = 10

// unknown stands for a host that is not known (any more).
const unknown = "another"

// Claims are one worker's part in a folder of claims.
type Claims struct {
	dir, id  string
	head     string // of the alive file: kind, host and process
	kind     string
	patience time.Duration

	mu     sync.Mutex
	others map[string]*watched
	beats  int
	err    error // that no claim can be made any more; the work goes on without

	stop, stopped chan struct{}
}

// watched is another worker, as this one has seen it.
type watched struct {
	seen  string        // its alive file, as it was last read
	quiet time.Duration // for how long it has been the same, by this worker's monotonic clock
}

// Join takes part in the folder dir, which is made where it is missing, until Leave. kind says what the worker is. Another of a kind in gone is taken for dead at
// once: of these the caller knows. Where the folder cannot be written, Err says so.
func Join(dir, kind string, patience time.Duration, gone ...string) *Claims {
	id := make([]byte, 8)
	rand.Read(id) // never fails
	if patience <= 0 {
		patience = Patience
	}
	host, err := os.Hostname()
	if err != nil || strings.ContainsAny(host, " \n") {
		host = unknown
	}
	c := &Claims{dir: dir, id: hex.EncodeToString(id), kind: kind, head: fmt.Sprintf("%s %s %d", kind, host, os.Getpid()), patience: patience, others: map[string]*watched{}, stop: make(chan struct{}), stopped: make(chan struct{})}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		c.err = err
	} else if err := c.beat(); err != nil && !errors.Is(err, fs.ErrNotExist) { // another has just taken the folder away: all is done
		c.err = err
	}
	c.bury(gone)
	go c.live()
	return c
}

// ID names this worker among the others.
func (c *Claims) ID() string { return c.id }

func (c *Claims) alive(id string) string { return filepath.Join(c.dir, id+".alive") }

// beat raises the counter. The file keeps its length and its inode, so that a reader elsewhere sees one or the other.
func (c *Claims) beat() error {
	f, err := os.OpenFile(c.alive(c.id), os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	c.beats++
	_, err = fmt.Fprintf(f, "%s %012d\n", c.head, c.beats)
	return errors.Join(err, f.Close())
}

// bury takes workers of some kinds for dead.
func (c *Claims) bury(kinds []string) {
	names, _ := filepath.Glob(filepath.Join(c.dir, "*.alive")) // the pattern is right
	for _, name := range names {
		b, err := os.ReadFile(name)
		kind, _, _ := strings.Cut(string(b), " ")
		if id := strings.TrimSuffix(filepath.Base(name), ".alive"); err == nil && id != c.id && slices.Contains(kinds, kind) {
			c.others[id] = &watched{string(b), c.patience}
		}
	}
}

// live beats, and looks at the workers whose claims this one has met.
func (c *Claims) live() {
	defer close(c.stopped)
	t := time.NewTicker(c.patience / beatsOf)
	defer t.Stop()
	last := time.Now()
	for {
		select {
		case <-c.stop:
			return
		case <-t.C:
		}
		now := time.Now()
		c.beat() //nolint:errcheck // where it cannot be written, others take over
		c.look(now.Sub(last))
		last = now
	}
}

// look reads the counters of the others once more, gap after it did so last. A gap counts as two beats at most: while this worker was stopped, so may have been
// the others.
func (c *Claims) look(gap time.Duration) {
	gap = min(gap, 2*c.patience/beatsOf)
	c.mu.Lock()
	ids := make([]string, 0, len(c.others))
	for id := range c.others {
		ids = append(ids, id)
	}
	c.mu.Unlock()
	for _, id := range ids {
		b, _ := os.ReadFile(c.alive(id)) // a worker without one is silent
		c.mu.Lock()
		if w := c.others[id]; w.seen != string(b) {
			w.seen, w.quiet = string(b), 0
		} else {
			w.quiet += gap
		}
		c.mu.Unlock()
	}
}

// dead tells whether a worker has been silent for too long. One that is met for the first time is watched from now on.
func (c *Claims) dead(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.others[id]
	if w == nil {
		b, _ := os.ReadFile(c.alive(id))
		c.others[id] = &watched{string(b), -c.patience / beatsOf} // the next look's gap began before this moment
		return false
	}
	return w.quiet >= c.patience
}

// name is a claim's file.
func (c *Claims) name(unit string, gen int) string {
	return filepath.Join(c.dir, fmt.Sprintf("%s.%d.claim", unit, gen))
}

// newest is the highest generation of a unit's claims, -1 where there is none.
func (c *Claims) newest(unit string) int {
	entries, _ := os.ReadDir(c.dir) // what cannot be seen cannot be held
	newest := -1
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), unit+".")
		if !ok {
			continue
		}
		if gen, err := strconv.Atoi(strings.TrimSuffix(rest, ".claim")); err == nil {
			newest = max(newest, gen)
		}
	}
	return newest
}

// Take claims a unit, or names who is at it (its host). After a true answer the caller looks for the unit's result once more, and gives the claim back by Release.
func (c *Claims) Take(unit string) (mine bool, at string) {
	gen := c.newest(unit)
	if gen >= 0 {
		owner, err := os.ReadFile(c.name(unit, gen))
		if errors.Is(err, fs.ErrNotExist) {
			return false, unknown // given back just now
		}
		id := strings.TrimSpace(string(owner))
		if id == "" { // its maker has not come to write its name, or never will
			id = filepath.Base(c.name(unit, gen))
		}
		if !c.dead(id) {
			return false, c.host(id)
		}
	}
	if !c.claim(unit, gen+1) {
		return false, unknown
	}
	return true, ""
}

// claim makes the claim of a generation, unless another has, or has made a later one.
func (c *Claims) claim(unit string, gen int) bool {
	switch err := create(c.name(unit, gen), c.id); {
	case errors.Is(err, fs.ErrExist):
		return false
	case errors.Is(err, fs.ErrNotExist): // the folder was removed: all units are done
		return true
	case err != nil:
		c.mu.Lock()
		c.err = err
		c.mu.Unlock()
		return true
	}
	if c.newest(unit) > gen { // what was seen first was old: the unit has been taken over since
		os.Remove(c.name(unit, gen)) //nolint:errcheck // a lower generation does no harm
		return false
	}
	return true
}

// host is where a worker is, as it says.
func (c *Claims) host(id string) string {
	b, _ := os.ReadFile(c.alive(id))
	if f := strings.Fields(string(b)); len(f) == 4 {
		return f[1]
	}
	return unknown
}

// create makes a file that is not there yet.
func create(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text + "\n")
	return errors.Join(err, f.Close())
}

// Err says why claims cannot be made, nil = they can. Units are then done by whoever comes to them.
func (c *Claims) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Release gives a unit back: it is done, or left to others. Claims that were taken over by this one go with it.
func (c *Claims) Release(unit string) {
	mine := c.newest(unit)
	for ; mine >= 0; mine-- {
		if b, err := os.ReadFile(c.name(unit, mine)); err == nil && strings.TrimSpace(string(b)) == c.id {
			break
		}
	}
	for gen := range mine + 1 { // its own last: of the dead nothing is to be seen after it
		os.Remove(c.name(unit, gen)) //nolint:errcheck // then others wait until this worker is silent
	}
}

// Did notes that this worker has done a unit; head, the first line, says what it is.
func (c *Claims) Did(head, unit string) error {
	path := filepath.Join(c.dir, c.id+".done")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if errors.Is(err, fs.ErrNotExist) {
		unit = head + "\n" + unit
		f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(unit + "\n")
	return errors.Join(err, f.Close())
}

// Record is what a worker said of itself, and what it did.
type Record struct {
	Head  string
	Units []string
}

// Records reads what workers did, by their first unit.
func Records(dir string) (all []Record) {
	names, _ := filepath.Glob(filepath.Join(dir, "*.done"))
	for _, name := range names {
		b, err := os.ReadFile(name)
		lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
		if err != nil || len(lines) < 2 || !strings.HasSuffix(string(b), "\n") {
			continue
		}
		all = append(all, Record{lines[0], lines[1:]})
	}
	slices.SortStableFunc(all, func(a, b Record) int { return strings.Compare(a.Units[0], b.Units[0]) })
	return all
}

// Leave stops beating and takes this worker's file away; the folder too, where it was the last and has nothing to tell.
func (c *Claims) Leave() {
	close(c.stop)
	<-c.stopped
	os.Remove(c.alive(c.id)) //nolint:errcheck // others see that it is silent
	os.Remove(c.dir)         //nolint:errcheck // there is something in it
}
