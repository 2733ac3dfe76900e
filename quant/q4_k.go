package quant

import k "github.com/freehold-slm/freehold/kernels"

// Q4_K: value = d*sc*q - dmin*mn, q in [0, 15]; sc, mn per 32 values, 6 bits.
//
//	 0    2     4          16                                    144
//	+----+-----+----------+-------------------------------------+
//	| d  | dmin| sc, mn   | 4 x (32 bytes for 64 values: byte i |
//	|    |     |          | holds value i low, value i+32 high) |
//	+----+-----+----------+-------------------------------------+
//	 f16  f16   12 bytes, see kernels.ScaleMin
var _ = define(Format{Name: "Q4_K", Type: k.Q4_K, Block: k.Block256, Bytes: k.Q4_KBytes}, unpackQ4_K, packQ4_K)

func unpackQ4_K(dst []float32, src []byte) {
	for len(dst) > 0 {
		b, y := (*[k.Q4_KBytes]byte)(src), (*[256]float32)(dst)
		for g := 0; g < 8; g += 2 {
			d0, m0 := groupScale((*[kHeaderBytes]byte)(b[:]), g)
			d1, m1 := groupScale((*[kHeaderBytes]byte)(b[:]), g+1)
			q := (*[32]byte)(b[k.Q4_KOffsetQ+16*g:])
			lo, hi := (*[32]float32)(y[32*g:]), (*[32]float32)(y[32*g+32:])
			for i, c := range q {
				lo[i] = float32(d0*float32(c&15)) - m0
				hi[i] = float32(d1*float32(c>>4)) - m1
			}
		}
		src, dst = src[k.Q4_KBytes:], dst[256:]
	}
}

func packQ4_K(dst []byte, row, importance []float32) {
	var l lanes
	for i := 0; i < len(row); i += 256 {
		b := (*[k.Q4_KBytes]byte)(dst[i/256*k.Q4_KBytes:])
		packGroups((*[kHeaderBytes]byte)(b[:]), &l, (*[256]float32)(row[i:]), from(importance, i),
			k.AffineFit{Top: 15, First: -1, Step: 0.1, Steps: 20})
		packPairs(b[k.Q4_KOffsetQ:], &l.codes)
	}
}
