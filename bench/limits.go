package bench

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/freehold-slm/freehold/kernels"
)

// Limits are what this machine can do at most with some threads, measured. 0 = there is nothing to measure it with on
// this CPU level.
type Limits struct {
	Threads   int     `json:"threads"`
	ReadBytes int     `json:"read_buffer_bytes"` // size of what was read in all: the bandwidth of caches differs from the memory's
	ReadGBs   float64 `json:"read_gb_s"`         // 10⁹ bytes a second
	Int8Gops  float64 `json:"int8_gops"`         // 10⁹ operations a second; a multiply and an add are two
	F32Gflops float64 `json:"f32_gflops"`
}

// limitRounds is how often each limit is measured; the best counts, for a limit is what the machine can do undisturbed.
const limitRounds = 5

// prober measures limits piece by piece, so that the pieces can lie between the measurements they are held against.
type prober struct {
	threads int
	buffer  []byte
	best    Limits
}

// newProber makes a prober that reads size bytes, rounded so that each thread has whole calls.
func newProber(threads, size int) *prober {
	part := max(1, size/threads/kernels.PeakReadBytes) * kernels.PeakReadBytes
	p := &prober{threads: threads, buffer: make([]byte, part*threads)}
	for i := 0; i < len(p.buffer); i += 4096 { // pages of zeros that were never written share memory
		p.buffer[i] = byte(i >> 12)
	}
	p.best = Limits{Threads: threads, ReadBytes: len(p.buffer)}
	return p
}

// round measures each limit once and keeps the best.
func (p *prober) round() {
	part := len(p.buffer) / p.threads
	repeat := max(1, (64<<20)/part)
	seconds := p.together(func(thread int) {
		mine := p.buffer[thread*part : (thread+1)*part]
		for range repeat {
			for b := mine; len(b) > 0; b = b[kernels.PeakReadBytes:] {
				kernels.PeakRead(b[:kernels.PeakReadBytes])
			}
		}
	})
	p.best.ReadGBs = math.Max(p.best.ReadGBs, float64(part)*float64(p.threads*repeat)/seconds/1e9)
	p.best.Int8Gops = math.Max(p.best.Int8Gops, p.arithmetic(kernels.PeakInt8))
	p.best.F32Gflops = math.Max(p.best.F32Gflops, p.arithmetic(kernels.PeakF32))
}

// arithmetic runs a probe on all threads for some milliseconds and returns 10⁹ operations a second.
func (p *prober) arithmetic(probe func(iterations int) int) float64 {
	const calls = 200
	ops := probe(kernels.PeakIterations) * calls * p.threads
	if ops == 0 {
		return 0
	}
	seconds := p.together(func(int) {
		for range calls {
			probe(kernels.PeakIterations)
		}
	})
	return float64(ops) / seconds / 1e9
}

// together runs fn on all threads at once and returns the seconds until the last has ended.
func (p *prober) together(fn func(thread int)) float64 {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	ready.Add(p.threads)
	for t := range p.threads {
		done.Go(func() {
			ready.Done()
			<-start
			fn(t)
		})
	}
	ready.Wait()
	begin := time.Now()
	close(start)
	done.Wait()
	return time.Since(begin).Seconds()
}

// MeasureLimits measures what threads can do together; size is how many bytes are read.
func MeasureLimits(threads, size int) Limits {
	p := newProber(threads, size)
	for range limitRounds {
		p.round()
	}
	return p.best
}

// median of a list that is not empty.
func median(x []float64) float64 {
	s := slices.Sorted(slices.Values(x))
	n := len(s)
	if n%2 == 1 {
		return s[n/2]
	}
	return (s[n/2-1] + s[n/2]) / 2
}
