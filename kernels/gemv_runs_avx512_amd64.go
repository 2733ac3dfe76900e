//go:build !purego

package kernels

import (
	"unsafe"

	"github.com/klauspost/cpuid/v2"
)

//go:noescape
func gemvQ8_0AVX512(p *runs)

//go:noescape
func gemvQ8_0AVX512AMD(p *runs)

//go:noescape
func gemvQ4_0AVX512(p *runs)

//go:noescape
func gemvQ4_0AVX512AMD(p *runs)

//go:noescape
func gemvQ4_1AVX512(p *runs)

//go:noescape
func gemvQ4_1AVX512AMD(p *runs)

//go:noescape
func gemvQ5_0AVX512(p *runs)

//go:noescape
func gemvQ5_0AVX512AMD(p *runs)

//go:noescape
func gemvQ5_1AVX512(p *runs)

//go:noescape
func gemvQ5_1AVX512AMD(p *runs)

//go:noescape
func gemvQ4_KAVX512(p *runs)

//go:noescape
func gemvQ4_KAVX512AMD(p *runs)

//go:noescape
func gemvQ5_KAVX512(p *runs)

//go:noescape
func gemvQ5_KAVX512AMD(p *runs)

//go:noescape
func gemvQ6_KAVX512(p *runs)

//go:noescape
func gemvQ6_KAVX512AMD(p *runs)

//go:noescape
func gemvIQ4_NLAVX512(p *runs)

//go:noescape
func gemvIQ4_NLAVX512AMD(p *runs)

//go:noescape
func gemvMXFP4AVX512(p *runs)

//go:noescape
func gemvMXFP4AVX512AMD(p *runs)

// askAhead is about how many bytes of each of 16 runs are asked for ahead.
const askAhead = 1024

// runsCall is about how many bytes a kernel reads in one call, which bounds its time.
const runsCall = 256 << 10

// runsKernels are the kernels of a format: that of Intel's cores and that of AMD's.
var runsKernels = map[Type][2]func(p *runs){
	Q8_0:   {gemvQ8_0AVX512, gemvQ8_0AVX512AMD},
	Q4_0:   {gemvQ4_0AVX512, gemvQ4_0AVX512AMD},
	Q4_1:   {gemvQ4_1AVX512, gemvQ4_1AVX512AMD},
	Q5_0:   {gemvQ5_0AVX512, gemvQ5_0AVX512AMD},
	Q5_1:   {gemvQ5_1AVX512, gemvQ5_1AVX512AMD},
	Q4_K:   {gemvQ4_KAVX512, gemvQ4_KAVX512AMD},
	Q5_K:   {gemvQ5_KAVX512, gemvQ5_KAVX512AMD},
	Q6_K:   {gemvQ6_KAVX512, gemvQ6_KAVX512AMD},
	IQ4_NL: {gemvIQ4_NLAVX512, gemvIQ4_NLAVX512AMD},
	MXFP4:  {gemvMXFP4AVX512, gemvMXFP4AVX512AMD},
}

// runsForAMD tells which of them this CPU runs. An AMD core (Zen 4) that asks for 16 runs into its nearest cache reads two thirds of what it
// does if it asks into the second-level cache, and takes long to gather; Intel's cores were measured with the first alone. See
// docs/decisions/ahead.md.
var runsForAMD = cpuid.CPU.VendorID == cpuid.AMD

// ofCore is the one of both that this CPU runs: for Intel's cores, for AMD's.
func ofCore[T any](both [2]T) T {
	if runsForAMD {
		return both[1]
	}
	return both[0]
}

// gemvRuns enters the Gemv of the formats that read 16 runs of rows at once, for the prefetchers of the CPU follow a run in each
// page of 4 KiB, and one alone reaches less than the memory gives.
func gemvRuns(l *Level) {
	for t, kernels := range runsKernels {
		if (t == Q5_0 || t == Q5_1) && !cpuid.CPU.Supports(cpuid.GFNI) {
			continue
		}
		l.Gemv[t], l.Runs[t] = gemvRunsAVX512(ofCore(kernels), IntFormats[t]), true
	}
}

// gemvRunsAVX512 makes the Gemv of a format.
func gemvRunsAVX512(kernel func(p *runs), f *IntFormat) func(dst []float32, w []byte, a *Acts, t int, s *Scratch) {
	turn := f.Bytes // of a run, after which it is asked for again
	if f.Block == Block32 {
		turn = 4 * f.Bytes
	}
	return func(dst []float32, w []byte, a *Acts, t int, s *Scratch) {
		g := a.K / 32
		p := &s.runs
		*p = runs{blocks: a.K / f.Block, q: &a.Q[t*a.K : t*a.K+a.K][0], d: &a.D[t*g : t*g+g][0]}
		switch {
		case f.HasMin:
			p.sums = unsafe.Pointer(&a.SX[t*g : t*g+g][0])
		case f.Group == 16:
			p.sums = unsafe.Pointer(&a.Sum16[2*t*g : 2*t*g+2*g][0])
		default:
			p.sums = unsafe.Pointer(&a.Sum32[t*g : t*g+g][0])
		}
		rb := p.blocks * f.Bytes
		w = w[:len(dst)*rb]
		n := len(dst) / 16 // rows of a run
		run := n * rb
		lead := min(run, askAhead)
		at := uintptr(unsafe.Pointer(unsafe.SliceData(w)))
		p.then, p.thenStep = at+uintptr(len(w)), uintptr(run)
		if s.Next.At != nil {
			p.then, p.thenStep = uintptr(unsafe.Pointer(s.Next.At)), uintptr(s.Next.Step)
			if p.thenStep == 0 {
				p.thenStep = uintptr(lead)
			}
		}
		p.stride, p.step = run, n
		for r, per := 0, max(1, runsCall/(16*rb)); r < n; r += per {
			p.w, p.dst, p.rows = &w[r*rb], &dst[r], min(per, n-r)
			if left := run - r*rb - lead; left > 0 {
				p.from, p.fromStep, p.left = at+uintptr(r*rb+lead), uintptr(run), uintptr((left+turn-1)/turn)
			} else {
				p.from, p.fromStep, p.left = p.then+uintptr(-left), p.thenStep, 0
			}
			kernel(p)
		}
		p.from, p.fromStep, p.left, p.rows = p.then, p.thenStep, 0, 1
		if left := len(dst) % 16; left > 0 && n > 0 { // the last 16 rows, some of them again
			r := len(dst) - 16
			p.w, p.stride, p.dst, p.step = &w[r*rb], rb, &dst[r], 1
			kernel(p)
		} else if left > 0 {
			p.stride, p.step = 0, 0
			for r := range dst { // all lanes one row
				p.w, p.dst = &w[r*rb], &dst[r]
				kernel(p)
			}
		}
	}
}
