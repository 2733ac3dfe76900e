// Package pairs times two implementations of the same pieces of work against each other, in one process and on one
// thread, in slices of well under 0.2 ms that take turns. A slice that lost its processor is dropped with its partner.
package pairs

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"time"
)

// sliceTime is what the calls of one slice take together, about; maxSlice is what a kept slice may take.
const (
	sliceTime = 100 * time.Microsecond
	maxSlice  = 200 * time.Microsecond
)

// Request is what one process measures.
type Request struct {
	Names     []string // cases
	Models    string   // folder of the fixture models
	Pairs     int      // kept pairs wanted of each case
	HeadFirst bool     // whose buffers are made first
}

// Result is one case's outcome: times of kept pairs, side by side in ns.
type Result struct {
	Name    string
	Missing string    // "base", "head" or "both": there is no such case or kernel; no times then
	Calls   int       // in a slice
	Base    []float64 // [pairs]
	Head    []float64 // [pairs]
	Dropped int       // pairs that were not kept
}

// Side is one build's cases: New makes one ready, nil = it has none of that name.
type Side func(name, models string) (func(), error)

// Serve reads one request from in and writes one JSON line a case to out.
func Serve(in io.Reader, out io.Writer, base, head Side) error {
	var req Request
	if err := json.NewDecoder(in).Decode(&req); err != nil {
		return fmt.Errorf("pairs: request: %w", err)
	}
	if _, ok := switches(); !ok {
		return fmt.Errorf("pairs: this system does not count a thread's context switches")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	debug.SetGCPercent(-1)
	w := json.NewEncoder(out)
	for _, name := range req.Names {
		r, err := measure(name, &req, base, head)
		if err == nil {
			err = w.Encode(r)
		}
		if err != nil {
			return err
		}
		runtime.GC() // between the cases, so that memory stays bounded
	}
	return nil
}

func measure(name string, req *Request, base, head Side) (*Result, error) {
	work, err := build(name, req.Models, [2]Side{base, head}, req.HeadFirst)
	if err != nil {
		return nil, err
	}
	r := &Result{Name: name}
	switch {
	case work[0] == nil && work[1] == nil:
		r.Missing = "both"
	case work[0] == nil:
		r.Missing = "base"
	case work[1] == nil:
		r.Missing = "head"
	}
	if r.Missing != "" {
		return r, nil
	}
	r.Calls = calls(work)
	for i := 0; len(r.Base) < req.Pairs && i < 8*req.Pairs; i++ {
		var ns [2]float64
		kept := true
		for j := range 2 {
			k := (i + j) % 2 // who goes first takes turns
			work[k]()        // whoever follows the other finds caches and predictors full of it, and that is not the question
			t, ok := slice(work[k], r.Calls)
			ns[k], kept = float64(t.Nanoseconds()), kept && ok
		}
		if !kept {
			r.Dropped++
			continue
		}
		r.Base, r.Head = append(r.Base, ns[0]), append(r.Head, ns[1])
	}
	return r, nil
}

// build makes each side's work ready twice, in the order A B B A, and a call does both: what lies earlier in memory can
// be some percent slower.
func build(name, models string, sides [2]Side, swap bool) (work [2]func(), err error) {
	var all [2][]func()
	for _, i := range [4]int{0, 1, 1, 0} {
		if swap {
			i = 1 - i
		}
		once, err := sides[i](name, models)
		if err != nil {
			return work, err
		}
		if once == nil {
			continue
		}
		once() // what the first call allocates lies here too
		all[i] = append(all[i], once)
	}
	for i := range all {
		if len(all[i]) == 2 {
			first, second := all[i][0], all[i][1]
			work[i] = func() { first(); second() }
		}
	}
	return work, nil
}

// calls is how many calls fill a slice of the slower side.
func calls(work [2]func()) int {
	slowest := time.Duration(0)
	for _, once := range work {
		best := time.Hour
		for n := 1; n <= 1<<20; n *= 2 {
			t, _ := slice(once, n)
			if best = min(best, t/time.Duration(n)); t > sliceTime/2 {
				break
			}
		}
		for range 5 { // a cold first call says little
			t, _ := slice(once, 1)
			best = min(best, t)
		}
		slowest = max(slowest, best)
	}
	return max(1, int(sliceTime/max(1, slowest)))
}

// slice times n calls. It is false where the thread was switched away meanwhile, or where they took too long to be
// undisturbed.
func slice(once func(), n int) (time.Duration, bool) {
	before, _ := switches()
	start := time.Now()
	for range n {
		once()
	}
	t := time.Since(start)
	after, _ := switches()
	return t, before == after && t <= maxSlice
}
