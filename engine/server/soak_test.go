package server

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/engine"
)

// soak is how long a test goes on, or how often it tries its fault: shortest with every `make test`, more in the long set, most with
// FREEHOLD_SOAK (`make soak-serve`).
func soak[N int | time.Duration](short, long, longest N) N {
	switch {
	case os.Getenv("FREEHOLD_SOAK") != "":
		return longest
	case os.Getenv("FREEHOLD_LONG") == "1":
		return long
	}
	return short
}

// Flat memory, by medians: what lives on the heap grows by at most heapGrowth from the second quarter of the time to the last, a twentieth of what the
// texts of those refused in a minute come to. What is resident may grow by twice that, for the collector lets a heap double before it runs.
const (
	heapGrowth     = 8 << 20
	residentGrowth = 2 * heapGrowth
)

// At ten times the load that a server can take its memory stays what it was, and so do its goroutines: clients that are answered, refused,
// leave, send bodies that are too large, and each time another schema.
func TestTenfoldLoad(t *testing.T) {
	noLeak(t)
	took := soak(4*time.Second, 20*time.Second, 30*time.Minute)
	if text := os.Getenv("FREEHOLD_SOAK_TIME"); text != "" {
		var err error
		if took, err = time.ParseDuration(text); err != nil {
			t.Fatalf("FREEHOLD_SOAK_TIME: %v", err)
		}
	}
	const slots, queue = 2, 4
	ms := NewModels()
	ms.PrefixCache(2 << 20)
	path := chatFile(t, "chatml", nil)
	err := ms.Add("m", func(context.Context) (Opened, error) {
		m, err := engine.Open(path, engine.WithThreads(1))
		if err != nil {
			return Opened{}, err
		}
		return Opened{Model: m, Close: m.Close}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := ms.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer ms.Close()
	h, err := NewSet(ms, WithSlots(slots), WithQueue(queue), WithMaxBody(200_000))
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, h)

	var kinds [5]atomic.Int64                                      // answered, refused for the queue, for their size, left, else
	worst := lockedTimes{all: make([]time.Duration, 0, mostTimes)} // or it would be what grows
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 10 * (slots + queue)}}
	for i := range 10 * (slots + queue) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 5))
			for ctx.Err() == nil {
				kind := s.hammer(ctx, client, r, &worst)
				if ctx.Err() == nil {
					kinds[kind].Add(1)
				}
			}
		})
	}
	const samples = 40
	var heap, resident []int64
	full := int64(soak(2, 10, 10) * mostGrammars) // answers until the caches are full, as far as one can tell
	warm := time.Now()
	for end := warm.Add(took); kinds[0].Load() < full && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	start := time.Now()
	t.Logf("warm after %v", start.Sub(warm).Round(time.Second))
	t.Log("    time  answered   refused  too large      left  heap MB  resident MB  goroutines")
	for i := range samples + 1 {
		time.Sleep(time.Until(start.Add(took * time.Duration(i) / samples)))
		runtime.GC()
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		heap, resident = append(heap, int64(now.HeapAlloc)), append(resident, residentBytes())
		if i%(samples/8) == 0 {
			t.Logf("%8v %9d %9d %10d %9d %8.1f %12.1f %11d", time.Since(start).Round(time.Second), kinds[0].Load(), kinds[1].Load(), kinds[2].Load(), kinds[3].Load(),
				float64(heap[i])/1e6, float64(resident[i])/1e6, runtime.NumGoroutine())
		}
	}
	stop()
	wg.Wait()
	client.CloseIdleConnections()
	waitFor(t, "the slots are free", func() bool { busy, waiting := s.Busy(); return busy == 0 && waiting == 0 && s.inside.Load() == 0 })

	t.Logf("refusals for the queue took %v", &worst)
	for what, c := range map[string]struct {
		all []int64
		may int64
	}{"heap": {heap, heapGrowth}, "resident memory": {resident, residentGrowth}} {
		middle := func(x []int64) int64 { x = slices.Clone(x); slices.Sort(x); return x[len(x)/2] }
		before, after := middle(c.all[samples/4:samples/2]), middle(c.all[3*samples/4:])
		if t.Logf("%s: %d bytes in the second quarter, %d in the last", what, before, after); after > before+c.may {
			t.Errorf("%s grows by %d bytes, may by %d", what, after-before, c.may)
		}
	}
	for i, what := range []string{"answered", "refused for the queue", "refused for its size", "broken off"} {
		if kinds[i].Load() == 0 {
			t.Errorf("nothing was %s; the test shows nothing", what)
		}
	}
	if n := kinds[4].Load(); n > 0 {
		t.Errorf("%d requests ended in another way", n)
	}
}

// hammer makes one request and tells how it ended.
func (s *site) hammer(ctx context.Context, client *http.Client, r *rand.Rand, refusals *lockedTimes) (kind int) {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	path, body := chatPath, chatBodyOf("m")
	with := func(fields string) string { return strings.Replace(body, "{", "{"+fields+", ", 1) }
	leaves := false
	switch n := r.IntN(6); n {
	case 0:
		body = with(`"max_tokens": 8`)
	case 1: // another text each time, which the prefix cache keeps as long as it has room
		body = with(fmt.Sprintf(`"max_tokens": 4, "n": 2, "user": %q`, strings.Repeat("x", r.IntN(100_000))))
		body = strings.Replace(body, "Hello", fmt.Sprintf("Hello %d ", r.Uint64())+strings.Repeat("and on ", r.IntN(100)), 1)
	case 2: // another schema each time
		body = with(fmt.Sprintf(`"max_tokens": 6, "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object", "properties": {"p%d": {"type": "string", "maxLength": %d}}}}}`, r.Uint64(), r.IntN(1000)))
	case 3:
		body, leaves = with(`"max_tokens": 2000, "stream": true`), true
	case 4:
		path, body = "/v1/completions", fmt.Sprintf(`{"prompt": "a %d", "max_tokens": 4, "logprobs": 3}`, r.Uint64())
	case 5:
		body = with(`"user": "` + strings.Repeat("x", 300_000) + `"`)
	}
	q, err := http.NewRequestWithContext(ctx, "POST", s.url+path, strings.NewReader(body))
	if err != nil {
		return 4
	}
	q.Header.Set("Content-Type", "application/json")
	start := time.Now()
	w, err := client.Do(q)
	if err != nil {
		if leaves || len(body) > 300_000 { // its answer may be lost with the connection, for the body is not read
			return 2
		}
		return 4
	}
	defer w.Body.Close() //nolint:errcheck // read-only
	switch w.StatusCode {
	case http.StatusTooManyRequests:
		refusals.add(time.Since(start))
		io.Copy(io.Discard, w.Body)                              //nolint:errcheck // an error's text
		time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond) // else a client does nothing but be refused
		return 1
	case http.StatusRequestEntityTooLarge:
		io.Copy(io.Discard, w.Body) //nolint:errcheck // an error's text
		return 2
	case http.StatusOK:
		if leaves {
			io.ReadFull(w.Body, make([]byte, 1+r.IntN(2000))) //nolint:errcheck // it is left in the middle
			return 3
		}
		if _, err := io.Copy(io.Discard, w.Body); err == nil {
			return 0
		}
	}
	return 4
}

const mostTimes = 1 << 20

// lockedTimes are measured by many; the first mostTimes are kept.
type lockedTimes struct {
	mu  sync.Mutex
	all []time.Duration
}

func (l *lockedTimes) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) < mostTimes {
		l.all = append(l.all, d)
	}
}

func (l *lockedTimes) String() string {
	slices.Sort(l.all)
	if len(l.all) == 0 {
		return "no time"
	}
	at := func(p float64) time.Duration { return l.all[int(p*float64(len(l.all)-1))].Round(10 * time.Microsecond) }
	return fmt.Sprintf("%v (median), %v (99 of 100), %v at most, of %d", at(0.5), at(0.99), at(1), len(l.all))
}

// residentBytes is what the process holds of memory; 0 where the system does not tell.
func residentBytes() int64 {
	b, _ := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
