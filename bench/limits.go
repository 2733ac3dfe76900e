package bench

import (
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/freehold-slm/freehold/distill/stats"
	"github.com/freehold-slm/freehold/kernels"
)

// Limits are what this machine can do at most with some threads, measured: medians of rounds that lie between those of the
// speeds they are held against, so that both are of the same machine. 0 = there is nothing to measure it with on this CPU
// level.
type Limits struct {
	Threads    int     `json:"threads"`
	ReadBytes  int     `json:"read_buffer_bytes"` // size of what was read in all: the bandwidth of caches differs from the memory's
	ReadFrom   string  `json:"read_from"`         // "file": a mapping in the page cache, as models are; "memory" where none could be made
	ReadGBs    float64 `json:"read_gb_s"`         // 10⁹ bytes a second, the best reader's
	PlainGBs   float64 `json:"read_plain_gb_s"`   // a reader that leaves fetching ahead to the processor
	FetchGBs   float64 `json:"read_fetch_gb_s"`   // a reader that asks for lines ahead
	RunsGBs    float64 `json:"read_runs_gb_s"`    // one that does so in 16 places at once
	Int8Gops   float64 `json:"int8_gops"`         // 10⁹ operations a second; a multiply and an add are two
	F32Gflops  float64 `json:"f32_gflops"`
	BF16Gflops float64 `json:"bf16_gflops"` // of our own product on operands in the nearest caches; training only

	ReadMost float64 `json:"read_gb_s_max"` // the best reader's fastest round
	Int8Most float64 `json:"int8_gops_max"`
}

// ReadBytes is over how much memory the read bandwidth is measured: far more than caches hold.
const ReadBytes = 512 << 20

// limitRounds is how often each limit is measured at least.
const limitRounds = 5

// prober measures limits piece by piece, so that the pieces can lie between the measurements they are held against.
type prober struct {
	threads int
	buffer  []byte
	unmap   func()
	level   *kernels.Level
	bf16    []bf16Operands // one a thread; none where there is no unit
	what    Limits         // what is read, and from where

	fetch, plain, runs, int8s, f32s, bf16s []float64 // of each round
}

// bf16Operands are a product that stays in the nearest caches.
type bf16Operands struct {
	c    []float32
	a, b []uint16
}

// The product that the bf16 peak is measured by.
const bf16M, bf16K, bf16Calls = 64, 512, 100

// newProber makes a prober that reads size bytes, rounded so that each thread has whole calls.
func newProber(threads, size int) (*prober, error) {
	level, err := kernels.Best()
	if err != nil {
		return nil, err
	}
	part := max(1, size/threads/kernels.PeakReadBytes) * kernels.PeakReadBytes
	p := &prober{threads: threads, level: level, what: Limits{Threads: threads, ReadBytes: part * threads, ReadFrom: "file"}}
	if p.buffer, p.unmap, err = mapScratch(part * threads); err != nil {
		p.what.ReadFrom, p.unmap = "memory", func() {}
		p.buffer = make([]byte, part*threads)
		for i := 0; i < len(p.buffer); i += 4096 { // pages of zeros that were never written share memory
			p.buffer[i] = byte(i>>12) & 0x3f
		}
	}
	if level.GemmBF16 != nil {
		const lda = bf16K + kernels.BF16Step
		for range threads {
			p.bf16 = append(p.bf16, bf16Operands{make([]float32, bf16M*kernels.BF16Cols), make([]uint16, bf16M*lda), make([]uint16, bf16K*kernels.BF16Cols)})
		}
	}
	return p, nil
}

func (p *prober) close() { p.unmap() }

// round measures each limit once.
func (p *prober) round() {
	p.fetch = append(p.fetch, p.read(kernels.PeakRead))
	p.runs = append(p.runs, p.read(kernels.PeakReadRuns))
	p.plain = append(p.plain, p.read(func(b []byte) {
		p.level.AllFinite(unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)) // the bytes are chosen to be finite
	}))
	p.int8s = append(p.int8s, p.arithmetic(kernels.PeakInt8))
	p.f32s = append(p.f32s, p.arithmetic(kernels.PeakF32))
	if p.bf16 != nil {
		seconds := p.together(func(thread int) {
			o := &p.bf16[thread]
			for range bf16Calls {
				p.level.GemmBF16(o.c, kernels.BF16Cols, o.a, bf16K+kernels.BF16Step, o.b, bf16M, kernels.BF16Cols, bf16K, false)
			}
		})
		p.bf16s = append(p.bf16s, 2*bf16M*bf16K*kernels.BF16Cols*bf16Calls*float64(p.threads)/seconds/1e9)
	}
}

// limits sums the rounds up.
func (p *prober) limits() Limits {
	l := p.what
	l.FetchGBs, l.PlainGBs, l.RunsGBs = stats.Median(p.fetch), stats.Median(p.plain), stats.Median(p.runs)
	for _, reader := range [][]float64{p.fetch, p.plain, p.runs} {
		if m := stats.Median(reader); m > l.ReadGBs {
			l.ReadGBs, l.ReadMost = m, slices.Max(reader)
		}
	}
	l.Int8Gops, l.Int8Most = stats.Median(p.int8s), slices.Max(p.int8s)
	l.F32Gflops = stats.Median(p.f32s)
	if len(p.bf16s) > 0 {
		l.BF16Gflops = stats.Median(p.bf16s)
	}
	return l
}

// read reads the buffer on all threads and returns 10⁹ bytes a second.
func (p *prober) read(reader func(b []byte)) float64 {
	part := len(p.buffer) / p.threads
	repeat := max(1, (64<<20)/part)
	seconds := p.together(func(thread int) {
		mine := p.buffer[thread*part : (thread+1)*part]
		for range repeat {
			for b := mine; len(b) > 0; b = b[kernels.PeakReadBytes:] {
				reader(b[:kernels.PeakReadBytes])
			}
		}
	})
	return float64(part) * float64(p.threads*repeat) / seconds / 1e9
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
func MeasureLimits(threads, size int) (Limits, error) {
	p, err := newProber(threads, size)
	if err != nil {
		return Limits{}, err
	}
	defer p.close()
	for range limitRounds {
		p.round()
	}
	return p.limits(), nil
}
