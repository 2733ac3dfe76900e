package kernels

import (
	"math/rand/v2"
	"testing"
	"unsafe"
)

// TestFloatFences runs the float and vector groups with every slice ending where memory ends.
func TestFloatFences(t *testing.T) {
	var buf [9][]float32
	for i := range buf {
		buf[i] = fencedFloats(t, 1<<16)
	}
	r := rand.New(rand.NewPCG(11, 11))
	last := func(i, n int) []float32 { return buf[i][len(buf[i])-n:] }
	halves := func(i, n int) []uint16 {
		all := unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(buf[i]))), 2*len(buf[i]))
		return all[len(all)-n:]
	}
	codes := func(i, n int) []int8 {
		all := unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(buf[i]))), 4*len(buf[i]))
		return all[len(all)-n:]
	}
	scratch := NewScratch(64)
	eachLevel(t, func(t *testing.T, l *Level) {
		for m := 1; m <= 15; m++ {
			for n := 1; n <= 66; n++ {
				k := 1 + n%5
				l.GemmF32(last(0, m*n), n, last(1, m*k), k, 1, last(2, k*n), n, m, n, k, n%2 == 0)
				l.GemmF32(last(0, m*n), n, last(1, m*k), 1, m, last(2, k*n), n, m, n, k, n%2 == 1)
			}
		}
		for rows := range 34 {
			for cols := range 40 {
				l.Transpose(last(0, rows*cols), rows, last(1, rows*cols), cols, rows, cols)
			}
		}
		for rows := 1; rows < 34; rows++ {
			for k := 1; k < 40; k++ {
				for _, typ := range floatTypes {
					size := floatBytes(typ)
					w := halves(0, rows*k*size/2)
					b := unsafe.Slice((*byte)(unsafe.Pointer(&w[0])), rows*k*size)
					floatWeights(r, typ, b)
					fillNormal(r, last(1, k), 1)
					l.GemvFloat[typ](last(2, rows), b, last(1, k), scratch)
					l.UnpackFloat[typ](last(3, rows*k), rows, b, k*size, rows, k)
				}
			}
		}
		for n := range 70 {
			for _, op := range vectorOps {
				s := make([][]float32, op.slices)
				for i := range s {
					s[i] = last(i, n)
					fillNormal(r, s[i], 1)
				}
				op.run(l, s, 0.5)
			}
			l.F16ToF32(last(0, n), halves(1, n))
			l.BF16ToF32(last(0, n), halves(1, n))
			l.F32ToF16(halves(0, n), last(1, n))
			fillNormal(r, last(1, n), 1)
			l.AttendMerge(last(0, n), 1, 1, last(1, n), 1, 1)
		}
		for hd := 8; hd <= 72; hd += 8 {
			for nq := 1; nq <= 16; nq += 3 {
				lo, hi := make([]int32, nq), make([]int32, nq)
				for i := range hi {
					hi[i] = PageKeys
				}
				a := &AttnPage{HeadDim: hd, NQ: nq, Q: last(0, nq*hd), Lo: lo, Hi: hi, Scale: 1, P: last(1, nq*PageKeys),
					Out: last(2, nq*hd), Max: last(3, nq), Sum: make([]float32, nq)}
				a.K32, a.V32 = last(4, PageKeys*hd), last(5, PageKeys*hd)
				l.AttendPage(a)
				a.K32, a.V32, a.K16, a.V16 = nil, nil, halves(4, PageKeys*hd), halves(5, PageKeys*hd)
				l.AttendPage(a)
				if hd%ActBlock == 0 {
					a.K16, a.V16, a.K8, a.V8 = nil, nil, codes(4, PageKeys*hd), codes(5, PageKeys*hd)
					a.KD, a.VD, a.D = halves(6, a.scales()), halves(7, a.scales()), last(8, Q8Room(hd))
					l.AttendPage(a)
				}
			}
		}
	}, floatEntries()...)
}
