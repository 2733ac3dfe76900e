package token

import (
	"runtime"
	"sync"
)

// ranges cuts 0..n-1 into ranges, runs fn on each of them at the same time and returns the error of the lowest range that has
// one. A small n is one range, on the caller's goroutine.
func ranges(n int, fn func(from, to int) error) error {
	const least = 4096 // elements that are worth a goroutine
	const most = 8     // goroutines: memory is the limit soon
	parts := max(1, min(runtime.GOMAXPROCS(0), most, n/least))
	errs := make([]error, parts)
	var running sync.WaitGroup
	for i := 1; i < parts; i++ {
		running.Go(func() { errs[i] = fn(i*n/parts, (i+1)*n/parts) })
	}
	errs[0] = fn(0, n/parts)
	running.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
