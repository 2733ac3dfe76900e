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
	var codes [256]uint8
	for len(row) > 0 {
		b := (*[k.Q4_KBytes]byte)(dst)
		packGroups((*[kHeaderBytes]byte)(b[:]), &codes, (*[256]float32)(row), importance,
			affineSearch{top: 15, first: -1, step: 0.1, steps: 20})
		packPairs(b[k.Q4_KOffsetQ:], &codes)
		dst, row = dst[k.Q4_KBytes:], row[256:]
		if importance != nil {
			importance = importance[256:]
		}
	}
}

// packPairs joins four bits of value i and of value i+32 of every 64.
func packPairs(q []byte, codes *[256]uint8) {
	for i := range 128 {
		j := i/32*64 + i%32
		q[i] = codes[j]&15 | codes[j+32]<<4
	}
}
