package quant

import k "github.com/freehold-slm/freehold/kernels"

// TQ1_0: value = d * t, t in {-1, 0, 1}; five trits a byte, base 3, as the
// fraction byte/256, so that times 3 brings the next trit above the point.
//
//	 0                  48       52   54
//	+------------------+--------+----+
//	| qs[48]           | qh[4]  | d  |
//	+------------------+--------+----+
//	                              f16
//
// qs[0..31] hold values i, i+32, .. i+128; qs[32..47] from 160 on i, i+16, ..
// i+64; qh from 240 on i, i+4, i+8, i+12.
//
// TQ2_0: the same in two bits: qs[64] (per 128 values byte i holds i, i+32,
// i+64, i+96 upwards, t+1 each), then d.
var (
	_ = define(Format{Name: "TQ1_0", Type: k.TQ1_0, Block: k.Block256, Bytes: k.TQ1_0Bytes}, unpackTQ1_0, packTQ1_0)
	_ = define(Format{Name: "TQ2_0", Type: k.TQ2_0, Block: k.Block256, Bytes: k.TQ2_0Bytes}, unpackTQ2_0, packTQ2_0)
)

// tritRuns says which bytes hold which values: count bytes from at, trits each,
// values from first on in steps of count.
var tritRuns = [3]struct{ at, count, trits, first int }{{0, 32, 5, 0}, {32, 16, 5, 160}, {48, 4, 4, 240}}

func unpackTQ1_0(dst []float32, src []byte) {
	for len(dst) > 0 {
		b, y := (*[k.TQ1_0Bytes]byte)(src), (*[256]float32)(dst)
		d := half(b[k.TQ1_0OffsetD:])
		for _, r := range tritRuns {
			for i := range r.count {
				q := b[r.at+i]
				for n := range r.trits {
					y[r.first+n*r.count+i] = float32(int(uint16(q)*3>>8)-1) * d
					q *= 3
				}
			}
		}
		src, dst = src[k.TQ1_0Bytes:], dst[256:]
	}
}

// trit rounds v/d to 0, 1, 2 for -1, 0, 1.
func trit(v, id float32) int { return roundAway(v*id) + 1 }

func packTQ1_0(dst []byte, row, _ []float32) {
	for len(row) > 0 {
		b, x := (*[k.TQ1_0Bytes]byte)(dst), row[:256]
		_, d := extreme(x)
		id := inverse(d)
		putHalf(b[k.TQ1_0OffsetD:], d)
		for _, r := range tritRuns {
			for i := range r.count {
				var q uint8
				for n := range 5 {
					q *= 3
					if n < r.trits {
						q += uint8(trit(x[r.first+n*r.count+i], id))
					}
				}
				b[r.at+i] = uint8((uint16(q)*256 + 242) / 243) // up, so that truncation gives the trits back
			}
		}
		dst, row = dst[k.TQ1_0Bytes:], row[256:]
	}
}

func unpackTQ2_0(dst []float32, src []byte) {
	for len(dst) > 0 {
		b, y := (*[k.TQ2_0Bytes]byte)(src), (*[256]float32)(dst)
		d := half(b[k.TQ2_0OffsetD:])
		for g := range 16 {
			q, shift := crumbs(b[:], g)
			yg := (*[16]float32)(y[16*g:])
			for i, c := range q {
				yg[i] = float32(int(c>>shift&3)-1) * d
			}
		}
		src, dst = src[k.TQ2_0Bytes:], dst[256:]
	}
}

func packTQ2_0(dst []byte, row, _ []float32) {
	var codes [256]uint8
	for len(row) > 0 {
		b, x := (*[k.TQ2_0Bytes]byte)(dst), row[:256]
		_, d := extreme(x)
		id := inverse(d)
		clear(b[:])
		putHalf(b[k.TQ2_0OffsetD:], d)
		for i, v := range x {
			codes[i] = uint8(trit(v, id)) & 3
		}
		packCrumbs(b[:], &codes)
		dst, row = dst[k.TQ2_0Bytes:], row[256:]
	}
}
