package kernels

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"unsafe"
)

// f16Fields gives the offsets of the f16 scales in a block: they must be finite for results to be comparable.
var f16Fields = map[Type][]int{
	Q8_0: {0}, Q4_0: {0}, Q4_1: {0, 2}, Q5_0: {0}, Q5_1: {0, 2}, Q4_K: {0, 2}, Q5_K: {0, 2}, Q6_K: {Q6_KOffsetD},
	Q2_K: {Q2_KOffsetD, Q2_KOffsetDMin}, Q3_K: {Q3_KOffsetD}, IQ4_NL: {0}, IQ4_XS: {0},
}

var formatNames = map[Type]string{
	Q8_0: "Q8_0", Q4_0: "Q4_0", Q4_1: "Q4_1", Q5_0: "Q5_0", Q5_1: "Q5_1", Q4_K: "Q4_K", Q5_K: "Q5_K", Q6_K: "Q6_K",
	Q2_K: "Q2_K", Q3_K: "Q3_K", IQ4_NL: "IQ4_NL", IQ4_XS: "IQ4_XS", MXFP4: "MXFP4",
}

// randomRows fills w with whole blocks of f: any codes, runs of extreme ones, and finite scales of all kinds.
func randomRows(r *rand.Rand, f *IntFormat, w []byte) {
	for i := range w {
		w[i] = byte(r.Uint32())
	}
	for b := 0; b < len(w); b += f.Bytes {
		switch r.IntN(16) {
		case 0, 1, 2:
			extreme := []byte{0x00, 0x7f, 0x80, 0xff}[r.IntN(4)]
			for i := range w[b : b+f.Bytes] {
				w[b+i] = extreme
			}
		}
		for _, o := range f16Fields[f.Type] {
			h := uint16(0x0400 + r.IntN(0x4000)) // 2^-14 .. 2
			switch r.IntN(12) {
			case 0:
				h = uint16(r.IntN(0x400)) // denormal
			case 1:
				h = 0
			case 2:
				h = 0x7bff // 65504
			}
			binary.LittleEndian.PutUint16(w[b+o:], h|uint16(r.IntN(2))<<15)
		}
		if f.Type == MXFP4 { // any exponent that keeps products with the largest activations finite
			w[b+MXFP4OffsetE] = byte(r.IntN(150))
			if r.IntN(4) == 0 {
				w[b+MXFP4OffsetE] = byte(r.IntN(4))
			}
		}
	}
}

// randomActs fills x with normal values, with blocks that are zero, tiny, huge, saturated or full of ties.
func randomActs(r *rand.Rand, x []float32) {
	fillNormal(r, x, 1)
	for b := 0; b+32 <= len(x); b += 32 {
		xb := x[b : b+32]
		switch r.IntN(12) {
		case 0:
			clear(xb)
		case 1:
			fillNormal(r, xb, 1e-31)
		case 2:
			fillNormal(r, xb, 1e20)
		case 3: // every code is -127 or 127
			for i := range xb {
				xb[i] = float32(1 - 2*r.IntN(2))
			}
		case 4: // halves, which round to even
			for i := range xb {
				xb[i] = float32(r.IntN(254)-127) / 2
			}
			xb[r.IntN(32)] = 127
		case 5: // one sign: sums at their limit
			for i := range xb {
				xb[i] = -3
			}
		}
	}
}

// widths are the row widths tested for a format: every one up to 320 (the first two super-blocks) and some of real
// models.
func widths(f *IntFormat) []int {
	var ks []int
	for k := f.Block; k <= 320 || k <= 2*f.Block; k += f.Block {
		ks = append(ks, k)
	}
	for _, k := range []int{544, 576, 896, 1536, 4864} {
		if k%f.Block == 0 {
			ks = append(ks, k)
		}
	}
	return ks
}

func eachFormat(t *testing.T, f func(t *testing.T, f *IntFormat)) {
	for _, fm := range IntFormats {
		if fm != nil {
			t.Run(formatNames[fm.Type], func(t *testing.T) { f(t, fm) })
		}
	}
}

func sameBits[T int8 | int32](t *testing.T, what string, got, want []T) {
	t.Helper()
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%s: element %d of %d is %d, portable gives %d", what, i, len(want), got[i], want[i])
		}
	}
}

func fencedFloats(t testing.TB, n int) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(fenced(t, 4*n)))), n)
}

func TestQuantizeLevels(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		r := rand.New(rand.NewPCG(11, 1))
		limits := []float32{minAmax, math.Nextafter32(minAmax, 0), math.MaxFloat32, math.SmallestNonzeroFloat32, -minAmax, -math.MaxFloat32}
		for k := 32; k <= 640; k += 32 {
			const n = 3
			want, got, pieces := NewActs(n, k), NewActs(n, k), NewActs(n, k)
			x := fencedFloats(t, k)
			for tok := 0; tok < n; tok++ {
				randomActs(r, x)
				if tok == 1 {
					b := r.IntN(k / 32)
					clear(x[b*32 : b*32+32])
					x[b*32+r.IntN(32)] = limits[r.IntN(len(limits))]
				}
				if !portable.Quantize(want, tok, tok+1, 0, x) || !l.Quantize(got, tok, tok+1, 0, x) {
					t.Fatalf("k=%d: finite values are refused", k)
				}
				for from := k; from > 0; { // last columns first
					to := from
					from -= min(from, 32*(1+r.IntN(6)))
					if !l.Quantize(pieces, tok, tok+1, from, x[from:to]) {
						t.Fatalf("k=%d: finite values from %d to %d are refused", k, from, to)
					}
				}
			}
			if !reflect.DeepEqual(pieces, got) {
				t.Fatalf("k=%d: pieces of a token give other contents than the whole", k)
			}
			what := fmt.Sprintf("k=%d: ", k)
			sameBits(t, what+"Q", got.Q[:n*k], want.Q[:n*k])
			sameBits(t, what+"Sum16", got.Sum16[:n*k/16], want.Sum16[:n*k/16])
			sameBits(t, what+"Sum32", got.Sum32[:n*k/32], want.Sum32[:n*k/32])
			equalBits(t, what+"D", got.D[:n*k/32], want.D[:n*k/32])
			equalBits(t, what+"SX", got.SX[:n*k/32], want.SX[:n*k/32])
		}
		const k = 96
		a, x := NewActs(1, k), make([]float32, k)
		for i := 0; i < k; i++ {
			for _, bad := range []uint32{0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7f800001} {
				fillNormal(r, x, 1)
				x[i] = math.Float32frombits(bad)
				if l.Quantize(a, 0, 1, 0, x) {
					t.Fatalf("%g at %d of %d is not refused", x[i], i, k)
				}
			}
		}
	}, "Quantize")
}

// quantizePieces quantises xs [n, a.K] in pieces of some tokens and columns, the last ones first, each copied to end at a fence.
func quantizePieces(t *testing.T, r *rand.Rand, l *Level, a *Acts, xs []float32) {
	t.Helper()
	k := a.K
	fence := fencedFloats(t, len(xs))
	for t1 := len(xs) / k; t1 > 0; {
		t0 := max(0, t1-1-r.IntN(40))
		for to := k; to > 0; {
			from := max(0, to-32*(1+r.IntN(6)))
			x := fence[len(fence)-(t1-t0)*(to-from):]
			for i := t0; i < t1; i++ {
				copy(x[(i-t0)*(to-from):], xs[i*k+from:i*k+to])
			}
			if !l.Quantize(a, t0, t1, from, x) {
				t.Fatalf("finite values of tokens %d to %d, columns %d to %d, are refused", t0, t1, from, to)
			}
			to = from
		}
		t1 = t0
	}
}

// TestQuantizeManyRefuses holds the form for products of many tokens to refusing what is not finite, wherever it stands.
func TestQuantizeManyRefuses(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		r := rand.New(rand.NewPCG(16, 1))
		const n, k = 35, 64
		a, x := NewActs(n, k), make([]float32, n*k)
		a.SetK(k, true)
		fillNormal(r, x, 1)
		for i, keep := range x {
			for _, bad := range []uint32{0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7f800001} {
				x[i] = math.Float32frombits(bad)
				if l.Quantize(a, 0, n, 0, x) {
					t.Fatalf("%g at column %d of token %d is not refused", x[i], i%k, i/k)
				}
			}
			x[i] = keep
		}
		if !l.Quantize(a, 0, n, 0, x) {
			t.Fatal("finite values are refused")
		}
	}, "Quantize")
}

func TestCodesLevels(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		eachFormat(t, func(t *testing.T, f *IntFormat) {
			r := rand.New(rand.NewPCG(12, uint64(f.Type)))
			for _, k := range widths(f) {
				row := fenced(t, k/f.Block*f.Bytes)
				randomRows(r, f, row)
				wantQ, wantS, wantM := make([]int8, k), make([]float32, k/f.Group), make([]float32, k/f.Group)
				portable.Codes[f.Type](wantQ, wantS, wantM, row)
				q, checkQ := guarded[int8](k, r.IntN(3), 77)
				s, checkS := guarded[float32](k/f.Group, r.IntN(3), -77)
				m, checkM := guarded[float32](k/f.Group, r.IntN(3), -77)
				l.Codes[f.Type](q, s, m, row)
				what := fmt.Sprintf("k=%d", k)
				checkQ(t, what)
				checkS(t, what)
				checkM(t, what)
				sameBits(t, what, q, wantQ)
				equalBits(t, what+" scales", s, wantS)
				if f.HasMin {
					equalBits(t, what+" minima", m, wantM)
				}
			}
		})
	}, "Codes")
}

func TestGemvLevels(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		eachFormat(t, func(t *testing.T, f *IntFormat) {
			gemv := l.Gemv[f.Type]
			if gemv == nil {
				t.Skip("this level has no Gemv of its own for this format")
			}
			r := rand.New(rand.NewPCG(13, uint64(f.Type)))
			for _, k := range widths(f) {
				rowLens := []int{1, 2, 3, 15, 16, 17, 31, 32, 33, 40, 48, 63}
				if k == 2*f.Block {
					for n := 1; n <= 40; n++ {
						rowLens = append(rowLens, n)
					}
				}
				if k > 640 {
					rowLens = []int{1, 16, 35}
				}
				const n, tok = 2, 1
				pa, la, s := NewActs(n, k), NewActs(n, k), NewScratch(k)
				x, rb := make([]float32, k), k/f.Block*f.Bytes
				all := fenced(t, 63*rb)
				randomRows(r, f, all)
				randomActs(r, x)
				portable.Quantize(pa, tok, tok+1, 0, x)
				l.Quantize(la, tok, tok+1, 0, x)
				want := make([]float32, 63)
				portable.Gemv[f.Type](want, all, pa, tok, NewScratch(k))
				for _, rows := range rowLens {
					first := 63 - rows // so that every case ends at the fence
					got, check := guarded[float32](rows, r.IntN(5), -77)
					s.Next = []Next{{}, {&all[0], 16 * rb}, {At: &all[len(all)-1]}}[r.IntN(3)]
					gemv(got, all[first*rb:], la, tok, s)
					what := fmt.Sprintf("k=%d rows=%d", k, rows)
					check(t, what)
					equalBits(t, what, got, want[first:])
				}
			}
		})
	}, "Gemv", "Quantize")
}

// TestGemmInt8Levels runs each format through its own Codes, then PackTile and GemmInt8.
func TestGemmInt8Levels(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		eachFormat(t, func(t *testing.T, f *IntFormat) {
			r := rand.New(rand.NewPCG(14, uint64(f.Type)))
			for _, k := range widths(f) {
				n, ng := 49, k/f.Group
				rows := make([]byte, TileRows*k/f.Block*f.Bytes)
				randomRows(r, f, rows)
				q, s, m := make([]int8, TileRows*k), make([]float32, TileRows*ng), make([]float32, TileRows*ng)
				rb := k / f.Block * f.Bytes
				for i := 0; i < TileRows; i++ {
					portable.Codes[f.Type](q[i*k:], s[i*ng:], m[i*ng:], rows[i*rb:i*rb+rb])
				}
				xs, pa, la := make([]float32, n*k), NewActs(n, k), NewActs(n, k)
				for tok := 0; tok < n; tok++ {
					x := xs[tok*k : tok*k+k]
					randomActs(r, x)
					portable.Quantize(pa, tok, tok+1, 0, x)
					l.Quantize(la, tok, tok+1, 0, x)
				}
				many := la // what products of many tokens alone need
				if l.GemmAlone(f) {
					many = NewActs(n, k)
					many.SetK(k, true)
					quantizePieces(t, r, l, many, xs)
				}
				pt, lt := NewTile(k), NewTile(k)
				pt.Reset(f, k)
				portable.PackTile(pt, q, s, m, TileRows)
				want := make([]float32, n*TileRows)
				portable.GemmInt8(want, TileRows, pt, pa, 0, n)
				ranges := [][2]int{{0, n}, {1, 2}, {3, 5}, {n - 1, n}, {5, 5}, {1, n - 1}, {n - 32, n}, {3, 37}}
				for e := 2; e < 14; e++ {
					ranges = append(ranges, [2]int{r.IntN(2), e})
				}
				rowCounts := []int{32, 1, 15, 16, 17, 31, 2 + r.IntN(13), 18 + r.IntN(12)}
				if k > 640 {
					rowCounts = []int{32, 1 + r.IntN(31)}
				}
				for _, nr := range rowCounts {
					lt.Reset(f, k)
					l.PackTile(lt, q, s, m, nr)
					for _, tt := range ranges {
						t0, t1 := tt[0], tt[1]
						ldd := nr + r.IntN(4)
						got, check := guarded[float32](max(0, (t1-t0-1)*ldd+nr), r.IntN(5), -77)
						for i := range got {
							got[i] = -77
						}
						la := la
						if r.IntN(2) == 0 {
							la = many
						}
						l.GemmInt8(got, ldd, lt, la, t0, t1)
						what := fmt.Sprintf("k=%d rows=%d tokens %d:%d many=%t", k, nr, t0, t1, la == many)
						check(t, what)
						for tok := t0; tok < t1; tok++ {
							equalBits(t, fmt.Sprintf("%s token %d", what, tok), got[(tok-t0)*ldd:], want[tok*TileRows:tok*TileRows+nr])
							if tok+1 < t1 {
								for i := nr; i < ldd; i++ {
									if got[(tok-t0)*ldd+i] != -77 {
										t.Fatalf("%s: wrote beyond its rows", what)
									}
								}
							}
						}
					}
				}
			}
		})
	})
}

// TestGemvEqualsGemm holds decode and prefill together on every level, portable too.
func TestGemvEqualsGemm(t *testing.T) {
	for _, l := range Levels() {
		t.Run(l.Name, func(t *testing.T) {
			eachFormat(t, func(t *testing.T, f *IntFormat) {
				if l.Gemv[f.Type] == nil {
					t.Skip("no Gemv for this format")
				}
				r := rand.New(rand.NewPCG(15, uint64(f.Type)))
				const k, n = 768, 7
				ng, rb := k/f.Group, k/f.Block*f.Bytes
				rows := make([]byte, TileRows*rb)
				randomRows(r, f, rows)
				q, s, m := make([]int8, TileRows*k), make([]float32, TileRows*ng), make([]float32, TileRows*ng)
				for i := 0; i < TileRows; i++ {
					l.Codes[f.Type](q[i*k:i*k+k], s[i*ng:i*ng+ng], m[i*ng:i*ng+ng], rows[i*rb:i*rb+rb])
				}
				tile := NewTile(k)
				tile.Reset(f, k)
				l.PackTile(tile, q, s, m, TileRows)
				a, x, dst, row := NewActs(n, k), make([]float32, k), make([]float32, n*TileRows), make([]float32, TileRows)
				for tok := 0; tok < n; tok++ {
					randomActs(r, x)
					l.Quantize(a, tok, tok+1, 0, x)
				}
				l.GemmInt8(dst, TileRows, tile, a, 0, n)
				for tok := 0; tok < n; tok++ {
					l.Gemv[f.Type](row, rows, a, tok, NewScratch(k))
					equalBits(t, fmt.Sprintf("token %d", tok), dst[tok*TileRows:tok*TileRows+TileRows], row)
				}
			})
		})
	}
}
