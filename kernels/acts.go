package kernels

import (
	"math"
	"unsafe"
)

// ActBlock is the number of activations that share one scale, for every weight format.
const ActBlock = 32

// Acts holds quantised activations of up to n tokens of width K. It is filled by Level.Quantize and read by Gemv and
// GemmInt8; one Acts serves every weight matrix that reads the same input.
type Acts struct {
	K        int
	Q        []int8    // [n, K]
	D        []float32 // [n, K/32] scale, never rounded to f16
	SX       []float32 // [n, K/32] float32(sum of 32 q) * D, rounded once
	Sum16    []int32   // [n, K/16] exact sums of q
	Sum32    []int32   // [n, K/32]
	Packed   []int8    // [n, K rounded up to 128] the level's own order of Q
	Blocks   []int8    // [n/16 rounded up, K/32, 16, 32] the same for products of tiles, where there are such
	gemmOnly bool      // only what GemmInt8 of formats that Level.GemmAlone names reads need be filled
}

// NewActs allocates room for n tokens of width up to k (a multiple of 32).
func NewActs(n, k int) *Acts {
	k = (k + ActBlock - 1) / ActBlock * ActBlock
	const slack = 128 // whole-vector loads may read past the end
	n16 := (n + 15) &^ 15
	a := &Acts{K: k,
		Q: make([]int8, n*k+slack), D: make([]float32, n16*k/32+slack), SX: make([]float32, n16*k/32+slack),
		Sum16: make([]int32, n*k/16+slack), Sum32: make([]int32, n*k/32+slack), Packed: make([]int8, n*((k+127)&^127)+slack)}
	if actBlocks {
		a.Blocks = make([]int8, n16*k)
	}
	return a
}

// actBlocks says that this machine has a level that reads Acts.Blocks.
var actBlocks bool

// SetK makes a hold tokens of width k (a multiple of 32) within its room, without allocating. gemmOnly says that they will be read
// by GemmInt8 alone, of tiles of formats for which Level.GemmAlone holds, so that a level need not fill the rest.
func (a *Acts) SetK(k int, gemmOnly bool) {
	if k%ActBlock != 0 || k <= 0 {
		panic("kernels: activation width is not a positive multiple of 32")
	}
	a.K, a.gemmOnly = k, gemmOnly
}

// minAmax is 2^-100: blocks below it are stored as zeros, so that 127/amax stays finite.
var minAmax = math.Float32frombits((127 - 100) << 23)

// blocks returns where columns from..from+n of token t are written.
func (a *Acts) blocks(t, from, n int) (q []int8, d, sx []float32, sum16, sum32 []int32) {
	if uint(from) > uint(a.K) || uint(n) > uint(a.K-from) || (from|n)%ActBlock != 0 {
		panic("kernels: Quantize: columns are not whole blocks within the width")
	}
	at, nb := (t*a.K+from)/ActBlock, n/ActBlock
	return a.Q[t*a.K+from:][:n], a.D[at:][:nb], a.SX[at:][:nb], a.Sum16[2*at:][:2*nb], a.Sum32[at:][:nb]
}

// quantizeTokens makes a Level.Quantize of what quantises columns of one token.
func quantizeTokens(one func(a *Acts, t, from int, x []float32) bool) func(a *Acts, t0, t1, from int, x []float32) bool {
	return func(a *Acts, t0, t1, from int, x []float32) bool {
		if t1-t0 == 1 {
			return one(a, t0, from, x)
		}
		n := len(x) / (t1 - t0)
		for t := t0; t < t1; t++ {
			if !one(a, t, from, x[(t-t0)*n:][:n]) {
				return false
			}
		}
		return true
	}
}

// quantize is the specification of Level.Quantize for one token.
//
//	amax = max|x|;  amax < 2^-100: d = 0, q = 0
//	d = amax/127;   q = roundHalfEven(x * (127/amax))
func quantize(a *Acts, t, from int, x []float32) bool {
	q, scale, sx, sum16, sum32 := a.blocks(t, from, len(x))
	for b := range scale {
		xb := x[b*32 : b*32+32]
		var amax float32
		for _, v := range xb {
			av := math.Float32frombits(math.Float32bits(v) &^ (1 << 31))
			if !(av <= math.MaxFloat32) {
				return false
			}
			if av > amax {
				amax = av
			}
		}
		var d, id float32
		if amax >= minAmax {
			d, id = amax/127, 127/amax
		}
		var s [2]int32
		for i, v := range xb {
			c := roundEven(float32(v * id))
			q[b*32+i] = int8(c)
			s[i/16] += c
		}
		scale[b] = d
		sum16[2*b], sum16[2*b+1] = s[0], s[1]
		sum32[b] = s[0] + s[1]
		sx[b] = float32(float32(s[0]+s[1]) * d)
	}
	return true
}

// roundEven rounds |x| < 2^22 to the nearest integer, ties to even, by the classic magic-number addition.
func roundEven(x float32) int32 {
	const magic = 3 << 22 // 1.5 * 2^23
	return int32(math.Float32bits(float32(x+magic))) - int32(math.Float32bits(magic))
}

// sx16 fills dst [K/16] with what groups of 16 have for SX: float32(sum of 16 q of token t) * D, rounded once.
func (a *Acts) sx16(dst []float32, t int) {
	n := a.K / 16
	sum, d := a.Sum16[t*n:t*n+n], a.D[t*n/2:t*n/2+n/2]
	for g := range dst[:n] {
		dst[g] = float32(float32(sum[g]) * d[g/2])
	}
}

// Scratch is a worker's own memory for Gemv; its contents mean nothing between calls.
type Scratch struct {
	q      []int8    // one row of codes
	sc, mn []float32 // one row of scales and minima
	sums   []int32   // group sums of 16 rows, level-private
	f      []float32 // [16, floatPart] float weights left over, level-private
	fetch  fetch
	runs   runs

	// Next is what the caller reads after the weights of a Gemv, so that its first lines can be asked for in time; nil =
	// what lies behind them. It is a hint: nothing depends on it.
	Next Next
}

// Next is where weights begin that are read soon.
type Next struct {
	At   *byte
	Step int // bytes from each of the 16 runs of rows to the next where they are read together, see Level.Runs; 0 = read in order
}

// fetch tells a Gemv which bytes to ask memory for: from lead bytes ahead of those it reads, and past end jump bytes on.
type fetch struct{ lead, end, jump uintptr }

// runs is the work of a Gemv that reads 16 runs of rows at once, run j from w + j*stride on: dst[j*step+i] = row i of run j. It asks for
// what follows from on in the runs, fromStep bytes apart, left times (0 = always) four blocks of 32 or one of 256 of each run, and then
// for what follows then; asked is where that ended.
type runs struct {
	w                    *byte
	stride, rows, blocks int // rows of each run; blocks of a row
	q                    *int8
	d                    *float32
	sums                 unsafe.Pointer // Sum16, Sum32 or SX of the token
	dst                  *float32
	step                 int

	from, fromStep, left, then, thenStep, asked uintptr
}

// ahead sets fetch for a product with w, lead bytes or more ahead. Of each tile of 16 rows, left bytes are left to be asked for
// while the chains run, so that memory never rests: by so much the lead shrinks while the rows are read.
func (s *Scratch) ahead(w []byte, left, lead int) {
	spare := lead / 2
	end := uintptr(unsafe.Pointer(unsafe.SliceData(w))) + uintptr(len(w))
	s.fetch = fetch{lead: uintptr(lead + max(0, left-spare)), end: end}
	if s.Next.At != nil {
		s.fetch.jump = uintptr(unsafe.Pointer(s.Next.At)) - end
	}
}

// NewScratch allocates scratch for rows of up to k weights.
func NewScratch(k int) *Scratch {
	return &Scratch{q: make([]int8, k+64), sc: make([]float32, k/16+64), mn: make([]float32, k/16+64),
		sums: make([]int32, 4*16*(k/16+64)), f: make([]float32, 16*floatPart)}
}
