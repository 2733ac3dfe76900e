package quant

import (
	"encoding/binary"

	k "github.com/freehold-slm/freehold/kernels"
)

// Q5_K: value = d*sc*q - dmin*mn, q in [0, 31]; sc, mn per 32 values, 6 bits.
//
//	 0    2     4          16            48                                  176
//	+----+-----+----------+-------------+-------------------------------------+
//	| d  | dmin| sc, mn   | qh[32]: bit | 4 x (32 bytes for 64 values: byte i |
//	|    |     |          | g of byte i | holds value i low, value i+32 high, |
//	|    |     |          | is bit 4 of | bits 0-3 of q)                      |
//	|    |     |          | q[32g+i]    |                                     |
//	+----+-----+----------+-------------+-------------------------------------+
//	 f16  f16   12 bytes, see kernels.ScaleMin
var _ = define(Format{Name: "Q5_K", Type: k.Q5_K, Block: k.Block256, Bytes: k.Q5_KBytes}, unpackQ5_K, packQ5_K)

func unpackQ5_K(dst []float32, src []byte) {
	for len(dst) > 0 {
		b, y := (*[k.Q5_KBytes]byte)(src), (*[256]float32)(dst)
		qh := (*[32]byte)(b[k.Q5_KOffsetQH:])
		for g := 0; g < 8; g += 2 {
			d0, m0 := groupScale((*[kHeaderBytes]byte)(b[:]), g)
			d1, m1 := groupScale((*[kHeaderBytes]byte)(b[:]), g+1)
			q := (*[32]byte)(b[k.Q5_KOffsetQ+16*g:])
			lo, hi := (*[32]float32)(y[32*g:]), (*[32]float32)(y[32*g+32:])
			for i, c := range q {
				h := qh[i] >> g
				lo[i] = float32(d0*float32(c&15|h<<4&16)) - m0
				hi[i] = float32(d1*float32(c>>4|h<<3&16)) - m1
			}
		}
		src, dst = src[k.Q5_KBytes:], dst[256:]
	}
}

func packQ5_K(dst []byte, row, importance []float32) {
	var l lanes
	for i := 0; i < len(row); i += 256 {
		b := (*[k.Q5_KBytes]byte)(dst[i/256*k.Q5_KBytes:])
		packGroups((*[kHeaderBytes]byte)(b[:]), &l, (*[256]float32)(row[i:]), from(importance, i),
			k.AffineFit{Top: 31, First: -0.5, Step: 0.1, Steps: 15})
		for j := range 32 {
			b[k.Q5_KOffsetQH+j] = bit4(binary.LittleEndian.Uint64(l.codes[8*j:]))
		}
		packPairs(b[k.Q5_KOffsetQ:], &l.codes)
	}
}
