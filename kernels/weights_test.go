package kernels

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

var floatTypes = []Type{F32, F16, BF16}

// floatWeights fills w with finite weights of a float format, of all sizes down to subnormals.
func floatWeights(r *rand.Rand, typ Type, w []byte) {
	for i := 0; i+floatBytes(typ) <= len(w); i += floatBytes(typ) {
		v := float32(r.NormFloat64() * math.Exp2(float64(-r.IntN(20))))
		switch typ {
		case F32:
			binary.LittleEndian.PutUint32(w[i:], math.Float32bits(v))
		case F16:
			binary.LittleEndian.PutUint16(w[i:], F32ToF16(v))
		case BF16:
			binary.LittleEndian.PutUint16(w[i:], F32ToBF16(v))
		}
	}
}

// floatShapes calls run with row counts and widths: every remainder of both, and real ones.
func floatShapes(run func(rows, k, off int)) {
	for i, rows := range []int{0, 1, 2, 7, 15, 16, 17, 31, 32, 33, 48, 50} {
		for k := 1; k <= 40; k++ {
			run(rows, k, (i+k)%16)
		}
	}
	for n, k := range []int{63, 64, 127, 128, 129, 144, 256, 300, 576, 900} {
		run(16+n, k, n)
	}
}

func TestGemvFloat(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		for _, typ := range floatTypes {
			r := rand.New(rand.NewPCG(11, uint64(typ)))
			s := NewScratch(1024)
			floatShapes(func(rows, k, off int) {
				what := fmt.Sprintf("type %d rows %d k %d offset %d", typ, rows, k, off)
				w, _ := guarded(rows*k*floatBytes(typ), off, byte(0xff)) // NaN in all formats
				floatWeights(r, typ, w)
				x, _ := guarded(k, off, float32(math.NaN()))
				fillNormal(r, x, 1)
				got, check := guarded(rows, off, float32(7))
				want := make([]float32, rows)
				portable.GemvFloat[typ](want, w, x, nil)
				l.GemvFloat[typ](got, w, x, s)
				equalBits(t, what, got, want)
				check(t, what)
			})
		}
	}, "GemvFloat")
}

// Codes of all kinds: NaN, infinities, subnormals, zeros of both signs.
func TestUnpackFloat(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		for _, typ := range floatTypes {
			r := rand.New(rand.NewPCG(12, uint64(typ)))
			next := uint16(0)
			floatShapes(func(rows, k, off int) {
				what := fmt.Sprintf("type %d rows %d k %d offset %d", typ, rows, k, off)
				stride := k*floatBytes(typ) + off%3*floatBytes(typ)
				w, _ := guarded(rows*stride, off, byte(0x55))
				for i := 0; i < len(w); i += 2 {
					binary.LittleEndian.PutUint16(w[i:], next)
					next += uint16(1 + 2*r.IntN(3))
				}
				ldd := rows + off%3
				dst, check := guarded(max(0, (k-1)*ldd+rows), off, float32(7))
				for i := range dst {
					dst[i] = 7 // the gaps must stay
				}
				want := append([]float32(nil), dst...)
				portable.UnpackFloat[typ](want, ldd, w, stride, rows, k)
				l.UnpackFloat[typ](dst, ldd, w, stride, rows, k)
				equalBits(t, what, dst, want)
				check(t, what)
			})
		}
	}, "UnpackFloat")
}

func BenchmarkFloatWeights(b *testing.B) {
	for _, l := range Levels()[1:] {
		for _, typ := range floatTypes {
			for _, size := range []struct {
				name    string
				rows, k int
			}{{"L2", 128, 576}, {"memory", 65536, 1536}} {
				const per = 96
				w := make([]byte, size.rows*size.k*floatBytes(typ))
				floatWeights(rand.New(rand.NewPCG(1, 1)), typ, w)
				x, dst, s := make([]float32, size.k), make([]float32, per*size.k), NewScratch(size.k)
				block := per * size.k * floatBytes(typ)
				for name, f := range map[string]func(w []byte){
					"Gemv":   func(w []byte) { l.GemvFloat[typ](dst[:per], w, x, s) },
					"Unpack": func(w []byte) { l.UnpackFloat[typ](dst, per, w, size.k*floatBytes(typ), per, size.k) },
				} {
					b.Run(fmt.Sprintf("%s/%s/type%d/%s", name, l.Name, typ, size.name), func(b *testing.B) {
						b.SetBytes(int64(block))
						for i := 0; b.Loop(); i++ {
							at := i % (len(w) / block) * block
							f(w[at : at+block])
						}
					})
				}
			}
		}
	}
}
