package engine

import (
	"context"
	"math"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"testing"
	"time"
)

// pauses returns what the world's stops cost during fn, at quantile q, from the runtime's own histogram.
func pauses(q float64, fn func()) (n uint64, at time.Duration) {
	read := func() *metrics.Float64Histogram {
		s := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}}
		metrics.Read(s)
		return s[0].Value.Float64Histogram()
	}
	before := append([]uint64(nil), read().Counts...)
	fn()
	h := read()
	for i := range h.Counts {
		n += h.Counts[i] - before[i]
	}
	left := uint64(math.Ceil(q * float64(n)))
	for i := range h.Counts {
		c := h.Counts[i] - before[i]
		if c >= left {
			return n, time.Duration(h.Buckets[i+1] * 1e9)
		}
		left -= c
	}
	return n, 0
}

// Forced collections while decoding stop the world for less than 1 ms, 99 times of 100: the median of ten rounds, for a kernel that
// cannot be interrupted for long is in all of them, and a neighbour on the host in some. Control rounds between them, of goroutines
// that only spin, show what the machine itself allows.
func TestRealPauses(t *testing.T) {
	if os.Getenv("FREEHOLD_LONG") != "1" {
		t.Skip("long test: set FREEHOLD_LONG=1")
	}
	m := openReal(t, "smollm2-135m-instruct")
	collect := func(during func(stop <-chan struct{})) (uint64, time.Duration) {
		stop, ended := make(chan struct{}), make(chan struct{})
		go func() { defer close(ended); during(stop) }()
		n, p := pauses(0.99, func() {
			for range 100 {
				runtime.GC()
			}
		})
		close(stop)
		<-ended
		return n, p
	}
	spin := func(stop <-chan struct{}) {
		others := make(chan struct{})
		for range m.Threads() - 1 {
			go func() {
				for {
					select {
					case <-others:
						return
					default:
						breathe()
					}
				}
			}()
		}
		for {
			select {
			case <-stop:
				close(others)
				return
			default:
				breathe()
			}
		}
	}
	tokens := 0
	decode := func(stop <-chan struct{}) {
		s := m.NewSession()
		defer s.Close()
		prompt := someTokens(m, 300)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if s.Len() > 400 {
				s.Truncate(0) // prefill too
			}
			next := append(prompt[:300:300], s.Tokens()[min(300, s.Len()):]...)
			l, err := s.Eval(context.Background(), append(next, int32(i%1000)))
			if err != nil || l == nil {
				t.Error(err)
				return
			}
			tokens++
		}
	}
	var stops uint64
	var controls, rounds []time.Duration
	for range 10 {
		_, c := collect(spin)
		n, p := collect(decode)
		controls, rounds, stops = append(controls, c), append(rounds, p), stops+n
	}
	slices.Sort(controls)
	slices.Sort(rounds)
	control, p99 := controls[len(controls)/2], rounds[len(rounds)/2]
	t.Logf("%d stops while decoding %d tokens: p99 %v (want under 1 ms; rounds %v); control run %v", stops, tokens, p99, rounds, control)
	switch {
	case p99 < time.Millisecond:
	case control >= 300*time.Microsecond:
		t.Logf("INCONCLUSIVE: the control run's p99 is %v, want under 0.3 ms; the machine is too busy to judge", control)
	default:
		t.Errorf("p99 of the stops is %v, want under 1 ms", p99)
	}
}

// While all threads decode, a goroutine that sleeps for a millisecond goes on at most 5 ms late, 99 times of 100. A
// control run of goroutines that let others run every millisecond shows what the machine itself allows.
func TestRealStarvation(t *testing.T) {
	if os.Getenv("FREEHOLD_LONG") != "1" {
		t.Skip("long test: set FREEHOLD_LONG=1")
	}
	m := openReal(t, "qwen2.5-coder-0.5b-instruct")
	warm := m.NewSession()
	if _, err := warm.Eval(context.Background(), someTokens(m, 8)); err != nil { // brings the file into memory
		t.Fatal(err)
	}
	warm.Close()
	waits := func(work func(stop <-chan struct{})) (int, time.Duration) {
		stop := make(chan struct{})
		late := make([][]time.Duration, 4)
		var all sync.WaitGroup
		all.Go(func() { work(stop) })
		for i := range late {
			all.Go(func() {
				for {
					start := time.Now()
					select {
					case <-stop:
						return
					case <-time.After(time.Millisecond):
						late[i] = append(late[i], time.Since(start)-time.Millisecond)
					}
				}
			})
		}
		time.Sleep(5 * time.Second)
		close(stop)
		all.Wait()
		every := slices.Concat(late...)
		slices.Sort(every)
		t.Logf("p50 %v p99 %v p99.9 %v max %v", every[len(every)/2], every[len(every)*99/100], every[len(every)*999/1000], every[len(every)-1])
		return len(every), every[len(every)*99/100]
	}
	_, control := waits(func(stop <-chan struct{}) {
		var all sync.WaitGroup
		for range m.Threads() {
			all.Go(func() {
				for last := time.Now(); ; {
					select {
					case <-stop:
						return
					default:
						breathe()
					}
					if time.Since(last) > time.Millisecond {
						runtime.Gosched()
						last = time.Now()
					}
				}
			})
		}
		all.Wait()
	})
	tokens := 0
	n, p99 := waits(func(stop <-chan struct{}) {
		s := m.NewSession()
		defer s.Close()
		text := someTokens(m, 200) // prefill first
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := s.Eval(context.Background(), text); err != nil {
				t.Error(err)
				return
			}
			text = append(text, int32(len(text)%1000))
			tokens++
		}
	})
	t.Logf("%d sleeps while evaluating %d times: p99 %v late (want under 5 ms); control run %v", n, tokens, p99, control)
	switch {
	case p99 < 5*time.Millisecond:
	case control >= 2500*time.Microsecond:
		t.Logf("INCONCLUSIVE: the control run's p99 is %v late, want under 2.5 ms; the machine is too busy to judge", control)
	default:
		t.Errorf("p99 is %v late, want under 5 ms", p99)
	}
}
