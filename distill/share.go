package distill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/distill/claims"
	"github.com/freehold-slm/freehold/distill/lineage"
)

// claimsDir holds who is at which shard while a run is labelled. It is no part of the run, and goes when all shards are there.
const claimsDir = "claims"

// Kinds of those that label. Of one run there is one apply, which holds its lock: another's claims are those of a dead one.
const (
	applyKind  = "apply"
	workerKind = "worker"
)

// Part is every Nth shard, from shard I on; the zero value is all of them.
type Part struct{ I, N int }

// ParsePart reads I/N with I from 0 to N-1, as schedulers count the tasks of an array.
func ParsePart(text string) (p Part, err error) {
	i, n, ok := strings.Cut(text, "/")
	p.I, err = strconv.Atoi(i)
	if err == nil && ok {
		p.N, err = strconv.Atoi(n)
	}
	if !ok || err != nil || p.N < 1 || p.I < 0 || p.I >= p.N {
		return Part{}, fmt.Errorf("part is %q, want I/N with I from 0 to N-1, such as 0/8", text)
	}
	return p, nil
}

func (p Part) has(shard int) bool { return p.N == 0 || shard%p.N == p.I }

// errOthers says that the shards of this worker's part are there, and some of others are not.
var errOthers = errors.New("shards of other parts are missing")

// units are pieces of work, by their numbers, that all who are at a run do together. Who loses a claim writes the same bytes: see package claims.
type units struct {
	claims *claims.Claims
	stage  string
	what   string             // they are, for messages
	folder string             // of their results
	key    func(s int) string // names the question of a unit
	have   func(s int) error  // takes note of one that is there and whole
	do     func(s int) error  // does one and writes it
	name   func(s int) string // in the record of who did what; "" = it is not recorded
}

// share labels those shards of todo that are this worker's, together with all who are at the same run.
func (j *Job) share(ctx context.Context, todo []int, key func(s int) string, have, do func(s int) error) error {
	gone, dir := []string(nil), filepath.Join(j.dir, claimsDir)
	if j.kind == applyKind {
		gone = []string{applyKind}
	}
	c := claims.Join(dir, j.kind, j.opt.Patience, gone...)
	defer c.Leave()
	mine := slices.DeleteFunc(slices.Clone(todo), func(s int) bool { return !j.part.has(s) })
	if err := j.shareUnits(ctx, mine, units{c, "label", "shards", filepath.Join(j.dir, labelsDir), key, have, do, strconv.Itoa}); err != nil {
		return err
	}
	for _, s := range todo {
		if !j.part.has(s) && have(s) != nil {
			return errOthers
		}
	}
	return nil
}

// shareUnits does units together with all who are at the same run: each takes what nobody is at, and waits for what others have taken, or takes it over when they are silent.
func (j *Job) shareUnits(ctx context.Context, todo []int, u units) error {
	var err error
	c, have, left := u.claims, u.have, slices.Clone(todo)
	for pause := firstPause; len(left) > 0; {
		at, before := map[string]int{}, len(left) // at: shards that others are at
		left = slices.DeleteFunc(left, func(s int) bool {
			if err != nil || have(s) == nil {
				return err == nil
			}
			unit := fmt.Sprintf("%05d-%.16s", s, u.key(s))
			mine, who := c.Take(unit)
			if !mine {
				at[who]++
				return false
			}
			defer c.Release(unit)
			j.refresh(u.folder)
			if have(s) == nil { // done between the two
				return true
			}
			err = j.doUnit(u, s)
			return err == nil
		})
		if err == nil && ctx.Err() != nil {
			err = ErrInterrupted
		}
		if bad := c.Err(); bad != nil && !j.unclaimed {
			j.unclaimed = true
			j.warn(fmt.Sprintf("who else is at the run is not known, so that some %s may be made twice: %v", u.what, bad))
		}
		if err != nil {
			return err
		}
		if len(left) < before { // what others were at a while ago may be done by now
			pause = firstPause
			continue
		}
		if err := j.await(ctx, u, at, pause); err != nil {
			return err
		}
		pause = min(2*pause, longestPause)
	}
	return nil
}

// refresh makes a network file system, which may remember for a minute that a result is not there, look at its folder again: it does when a name of its own is made there.
func (j *Job) refresh(folder string) {
	path := filepath.Join(folder, "."+j.id+".tmp")
	if os.WriteFile(path, nil, 0o666) == nil {
		os.Remove(path) //nolint:errcheck // swept away in the end
	}
}

// doUnit does a unit. One that another has written meanwhile is as good: it holds the same.
func (j *Job) doUnit(u units, s int) error {
	err := u.do(s)
	if errors.Is(err, fs.ErrNotExist) && u.have(s) == nil { // and whose end took our temporary file away
		return nil
	}
	if err != nil || j.kind != workerKind || u.name(s) == "" {
		return err
	}
	by, err := j.program()
	if err != nil {
		return err
	}
	head, err := json.Marshal(by)
	if err != nil {
		return err
	}
	if err := u.claims.Did(string(head), u.name(s)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	j.did++
	return nil
}

// Between two looks at the shards of others.
const (
	firstPause   = 10 * time.Millisecond
	longestPause = time.Second
)

// await says whom it waits for, and does so for a moment.
func (j *Job) await(ctx context.Context, u units, at map[string]int, pause time.Duration) error {
	var who []string
	for _, host := range sortedKeys(at) {
		who = append(who, fmt.Sprintf("%d on %s", at[host], host))
	}
	j.event(Event{Stage: u.stage, Msg: fmt.Sprintf("waiting for %s that others are at: %s", u.what, strings.Join(who, ", "))})
	select {
	case <-ctx.Done():
		return ErrInterrupted
	case <-time.After(pause):
		return nil
	}
}

// shared ends the sharing of a run whose shards are all there: what workers said that they did goes into the lineage, and nothing is left of
// claims and broken-off files.
func (j *Job) shared() error {
	dir := filepath.Join(j.dir, claimsDir)
	for _, r := range claims.Records(dir) {
		w := lineage.Worker{}
		if json.Unmarshal([]byte(r.Head), &w.Maker) != nil {
			continue // not as a worker of ours writes it; the shards are judged by themselves
		}
		for _, u := range r.Units {
			if s, err := strconv.Atoi(u); err == nil {
				w.Shards = append(w.Shards, s)
			}
		}
		slices.Sort(w.Shards)
		w.Shards = slices.Compact(w.Shards)
		j.helpers = append(j.helpers, w)
	}
	for _, l := range j.labellers() {
		removeBroken(l.folder(j.dir))
	}
	os.RemoveAll(dir) //nolint:errcheck // a worker that has just seen the last shard may be at it, too
	return nil
}

// removeBroken takes away what was left of files whose writer was killed; hidden ones, too.
func removeBroken(dir string) {
	broken, _ := filepath.Glob(filepath.Join(dir, "*.tmp")) // the pattern is good
	for _, path := range broken {
		os.Remove(path) //nolint:errcheck // ignored by all who read the folder
	}
}

// writeShared publishes a file that others may be writing at the same time, with the same bytes.
func (j *Job) writeShared(path string, data []byte) error {
	return publish(j.opt.FS, path, path+"."+j.id+".tmp", data)
}
