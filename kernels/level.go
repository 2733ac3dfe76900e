package kernels

import (
	"fmt"
	"os"
	"strings"
)

// NumTypes bounds the type ids that tables are indexed by.
const NumTypes = 64

// Level is the table of kernels for one CPU level. It is immutable after init; slower levels' entries stand in for
// what a faster level does not write anew. A func is never nil, but entries of Gemv may be: a format without one runs
// through Codes and GemmInt8.
//
// Names used in the shapes: n tokens, k the inner (input) width, m the rows of a weight (output width).
type Level struct {
	Name string

	// --- conversions (elementwise, len(dst) == len(src))

	F16ToF32  func(dst []float32, src []uint16)
	F32ToF16  func(dst []uint16, src []float32) // round to nearest even; overflow gives infinity, see AllFinite16
	BF16ToF32 func(dst []float32, src []uint16)

	// --- integer path: activations quantised by 32, weights as integer codes

	// Quantize fills columns from..from+c of tokens t0..t1 of a from x [t1-t0, c], both whole blocks of 32; false when x
	// holds a NaN or an infinity (what is filled is then undefined).
	Quantize func(a *Acts, t0, t1, from int, x []float32) bool
	// Gemv: dst[i] = <row i of w, token t of a>; w holds len(dst) whole rows of the format, in file order.
	// Any len(dst); multiples of 16 are the fast case. At most about 100 µs of work a call.
	Gemv [NumTypes]func(dst []float32, w []byte, a *Acts, t int, s *Scratch)
	// Runs: Gemv of the format reads 16 runs of len(dst)/16 rows at once, see Scratch.Next.
	Runs [NumTypes]bool
	// Codes decodes one row of k weights to signed codes q [k], group scales sc [k/Group] and, for formats with a
	// minimum, signed minima mn [k/Group] (else mn is not touched). See IntFormats.
	Codes [NumTypes]func(q []int8, sc, mn []float32, row []byte)
	// PackTile lays up to TileRows rows of codes (as Codes gives them, row stride k and k/Group) out in tile's own,
	// level-private order. Missing rows are zero.
	PackTile func(tile *Tile, q []int8, sc, mn []float32, rows int)
	// Unpack is Codes of TileRows whole rows src in file order, then PackTile, in one; nil = there is no shorter way.
	Unpack [NumTypes]func(tile *Tile, src []byte)
	// GemmInt8: dst[(t-t0)*ldd + r] = <row r of tile, token t>, t0 <= t < t1, r < tile.Rows.
	GemmInt8 func(dst []float32, ldd int, tile *Tile, a *Acts, t0, t1 int)
	gemm16   bool // GemmInt8 of groups of 16 without a minimum needs no more of the activations than that of groups of 32

	// --- weights in F32, F16 and BF16; nil for other types

	// GemvFloat: dst[i] = one chain of fma(w[i,p], x[p]) over rising p from +0; w holds len(dst) whole rows of len(x) values.
	// Any len(dst); multiples of 16 are the fast case. At most about 100 µs of work a call.
	GemvFloat [NumTypes]func(dst []float32, w []byte, x []float32, s *Scratch)
	// UnpackFloat: dst[p*ldd + i] = w[i,p] decoded, i < rows, p < k; row i begins at w[i*stride].
	UnpackFloat [NumTypes]func(dst []float32, ldd int, w []byte, stride, rows, k int)

	// --- float matrix products

	// GemmF32: C[i,j] = (acc ? C[i,j] : +0) then one chain of fma over rising p of A(i,p)*B[p,j];
	// C [m,n] row stride ldc; A(i,p) = a[i*sai+p*sap]; B [k,n] row stride ldb.
	GemmF32 func(c []float32, ldc int, a []float32, sai, sap int, b []float32, ldb int, m, n, k int, acc bool)
	// GemmBF16: the same in bf16 with sums in f32, in the unit's own order (see bf16.go); nil where BF16Unit is "".
	// A [m, k] row stride lda, with room for m rounded up to 16 rows; b one panel [k/2, BF16Cols, 2], n <= BF16Cols;
	// k is a multiple of BF16Step.
	GemmBF16  func(c []float32, ldc int, a []uint16, lda int, b []uint16, m, n, k int, acc bool)
	BF16Unit  string                                  // the instructions behind GemmBF16: "avx512_bf16", "amx_bf16"
	FastBF16  bool                                    // GemmBF16 is faster than GemmF32
	BF16Row   func(dst []uint16, src []float32)       // rounds to nearest even
	BF16Pairs func(dst []uint16, even, odd []float32) // dst[2i], dst[2i+1] = even[i], odd[i] rounded
	// Transpose: dst[j*ldd + i] = src[i*lds + j], i < rows, j < cols.
	Transpose func(dst []float32, ldd int, src []float32, lds int, rows, cols int)

	// --- attention

	AttendPage func(p *AttnPage)
	// AttendMerge folds a later page's partial (pout, pmax, psum) into the running one; see the portable body.
	AttendMerge func(out []float32, max, sum float32, pout []float32, pmax, psum float32) (float32, float32)

	// --- states that go from token to token

	// Scan advances the states s [len(b), len(y)] of len(y) channels by one token; see the portable body.
	Scan func(y, s, decay, x, b, c []float32)

	// --- vectors (dst may be the same slice as a source; sums use 16 virtual lanes, see sum16)

	Exp         func(dst, x []float32)
	SwiGLU      func(dst, gate, up []float32)                 // silu(gate)*up
	SwiGLUBack  func(dgate, dup, dy, gate, up []float32)      // writes (not adds) dgate, dup
	GeGLU       func(dst, gate, up []float32)                 // gelu_tanh(gate)*up
	RMSNorm     func(dst, x, w []float32, eps float32)        // x*rsqrt(mean(x²)+eps)*w
	RMSNormBack func(dx, dw, dy, x, w []float32, eps float32) // adds into dx and dw
	Rope        func(x, cos, sin []float32, neox bool)        // rotates the first 2*len(cos) of x in place
	Add         func(dst, x []float32)                        // dst += x
	Mul         func(dst, x []float32)                        // dst *= x
	Axpy        func(dst []float32, a float32, x []float32)   // dst = fma(a, x, dst)
	MulAdd      func(dst, x, y []float32)                     // dst = fma(x, y, dst)
	Scale       func(dst []float32, a float32)                // dst *= a
	Div         func(dst []float32, a float32)                // dst /= a
	Max         func(x []float32) float32                     // largest value; -Inf when empty; NaN is ignored
	SumSq       func(x []float32) float32                     // chain fma(x,x,lane), 16 lanes
	Dot         func(x, y []float32) float32                  // chain fma(x,y,lane), 16 lanes
	Sum         func(x []float32) float32                     // 16 lanes
	SoftmaxExp  func(dst, x []float32, max float32) float32   // dst = exp(x-max), returns its 16-lane sum
	AllFinite   func(x []float32) bool
	AdamW       func(w, g, m, v []float32, s *AdamWStep)

	// --- packing weights (see fit.go; groups side by side: codes, x, w [n, FitLanes])

	FitAffine    func(f *AffineFit, codes []uint8, x, w []float32)
	FitSymmetric func(d *[FitLanes]float32, codes []uint8, x, w []float32, half int) // half at most 32
	RoundCodes   func(codes []uint8, x []float32, low, scale *[FitLanes]float32, least, most int)
	// Codes of blocks of 32 values in file order: x, codes [len(d), 32].
	PeakCodes  func(codes []uint8, d, x []float32, div, bias float32, most int8)
	PeakCodes8 func(codes []uint8, d, x []float32)
	SpanCodes  func(codes []uint8, d, m, x []float32, most int8)
}

// GemmAlone tells whether products of f with many tokens may read activations that were quantised for GemmInt8 alone; see
// Acts.SetK.
func (l *Level) GemmAlone(f *IntFormat) bool { return f.Group == ActBlock || l.gemm16 && !f.HasMin }

// levels holds what this machine can run, slowest first; filled by init in level_*.go.
var levels = []*Level{&portable}

// Levels returns the levels this machine can run, slowest first. The first is always "portable".
func Levels() []*Level { return levels }

// knownLevels lists every level name in rising order of speed per architecture.
var knownLevels = []string{"portable", "avx2", "avxvnni", "avx512", "amx", "neon", "dotprod", "i8mm"}

// Best returns the fastest level of this machine, or the one FREEHOLD_CPU names. A level that is unknown, or that this
// machine lacks, is an error and never a fallback.
func Best() (*Level, error) {
	name := os.Getenv("FREEHOLD_CPU")
	if name == "" {
		return levels[len(levels)-1], nil
	}
	return ByName(name)
}

// ByName returns the named level of this machine.
func ByName(name string) (*Level, error) {
	var have []string
	for _, l := range levels {
		if l.Name == name {
			return l, nil
		}
		have = append(have, l.Name)
	}
	for _, k := range knownLevels {
		if k == name {
			return nil, fmt.Errorf("CPU level %q is not available on this machine (it has: %s)", name, strings.Join(have, ", "))
		}
	}
	return nil, fmt.Errorf("unknown CPU level %q (known: %s; this machine has: %s)", name, strings.Join(knownLevels, ", "), strings.Join(have, ", "))
}
