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

// share does those shards of todo that are this worker's, together with all who are at the same run: each takes what nobody is at, and waits for what
// others have taken, or takes it over when they are silent. key names the question of a shard, have takes note of one that is there and whole, do labels one and
// writes it. Who loses a claim writes the same bytes: see package claims.
func (j *Job) share(ctx context.Context, todo []int, key func(s int) string, have, do func(s int) error) error {
	gone, dir := []string(nil), filepath.Join(j.dir, claimsDir)
	if j.kind == applyKind {
		gone = []string{applyKind}
	}
	c := claims.Join(dir, j.kind, j.opt.Patience, gone...)
	defer c.Leave()
	var err error
	left := slices.DeleteFunc(slices.Clone(todo), func(s int) bool { return !j.part.has(s) })
	for pause := firstPause; len(left) > 0; {
		at, before := map[string]int{}, len(left) // at: shards that others are at
		left = slices.DeleteFunc(left, func(s int) bool {
			if err != nil || have(s) == nil {
				return err == nil
			}
			unit := fmt.Sprintf("%05d-%.16s", s, key(s))
			mine, who := c.Take(unit)
			if !mine {
				at[who]++
				return false
			}
			defer c.Release(unit)
			j.refresh()
			if have(s) == nil { // done between the two
				return true
			}
			err = j.doShard(ctx, c, s, have, do)
			return err == nil
		})
		if err == nil && ctx.Err() != nil {
			err = ErrInterrupted
		}
		if bad := c.Err(); bad != nil && !j.unclaimed {
			j.unclaimed = true
			j.warn(fmt.Sprintf("who else labels is not known, so that some shards may be labelled twice: %v", bad))
		}
		if err != nil {
			return err
		}
		if len(left) < before { // what others were at a while ago may be done by now
			pause = firstPause
			continue
		}
		if err := j.await(ctx, at, pause); err != nil {
			return err
		}
		pause = min(2*pause, longestPause)
	}
	for _, s := range todo {
		if !j.part.has(s) && have(s) != nil {
			return errOthers
		}
	}
	return nil
}

// refresh makes a network file system, which may remember for a minute that a shard is not there, look at its folder again: it does when a name of its own is made there.
func (j *Job) refresh() {
	path := filepath.Join(j.dir, "labels", "."+j.id+".tmp")
	if os.WriteFile(path, nil, 0o666) == nil {
		os.Remove(path) //nolint:errcheck // swept away in the end
	}
}

// doShard labels a shard. One that another has written meanwhile is as good: it holds the same.
func (j *Job) doShard(ctx context.Context, c *claims.Claims, s int, have, do func(s int) error) error {
	err := do(s)
	if errors.Is(err, fs.ErrNotExist) && have(s) == nil { // and whose end took our temporary file away
		return nil
	}
	if err != nil || j.kind != workerKind {
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
	if err := c.Did(string(head), strconv.Itoa(s)); err != nil && !errors.Is(err, fs.ErrNotExist) {
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
func (j *Job) await(ctx context.Context, at map[string]int, pause time.Duration) error {
	var who []string
	for _, host := range sortedKeys(at) {
		who = append(who, fmt.Sprintf("%d on %s", at[host], host))
	}
	j.event(Event{Stage: "label", Msg: "waiting for shards that others are at: " + strings.Join(who, ", ")})
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
