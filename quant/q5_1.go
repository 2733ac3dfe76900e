package quant

import (
	"encoding/binary"

	k "github.com/freehold-slm/freehold/kernels"
)

// Q5_1: value = d*q + m, q in [0, 31]; bit i of qh is bit 4 of q[i].
//
//	 0    2    4      8                               24
//	+----+----+------+--------------------------------+
//	| d  | m  |  qh  | q[16]|q[0] ...     q[31]|q[15] |
//	+----+----+------+--------------------------------+
//	 f16  f16  uint32  high|low nibble of 16 bytes: bits 0-3 of q
var _ = define(Format{Name: "Q5_1", Type: k.Q5_1, Block: k.Block32, Bytes: k.Q5_1Bytes}, unpackQ5_1, packQ5_1)

func unpackQ5_1(dst []float32, src []byte) {
	for len(dst) > 0 {
		b, y := (*[k.Q5_1Bytes]byte)(src), (*[32]float32)(dst)
		d, m := half(b[k.Q5_1OffsetD:]), half(b[k.Q5_1OffsetM:])
		qh := binary.LittleEndian.Uint32(b[k.Q5_1OffsetQH:])
		for i, q := range b[k.Q5_1OffsetQ:] {
			y[i&15] = float32(float32(uint32(q&15)|qh<<4&16)*d) + m
			y[i&15+16] = float32(float32(uint32(q>>4)|qh>>12&16)*d) + m
			qh >>= 1
		}
		src, dst = src[k.Q5_1Bytes:], dst[32:]
	}
}

func packQ5_1(dst []byte, row, importance []float32) {
	var t tile
	sigma2 := meanSquare(row, importance)
	for i := 0; i < len(row); i += tileValues {
		x := row[i:min(i+tileValues, len(row))]
		t.spans(x, from(importance, i), sigma2, 31)
		for g := range len(x) / 32 {
			b := (*[k.Q5_1Bytes]byte)(dst[(i/32+g)*k.Q5_1Bytes:])
			putHalf(b[k.Q5_1OffsetD:], t.d[g])
			putHalf(b[k.Q5_1OffsetM:], t.m[g])
			binary.LittleEndian.PutUint32(b[k.Q5_1OffsetQH:], fifthBits(t.block(g)))
			packNibbles((*[16]byte)(b[k.Q5_1OffsetQ:]), t.block(g))
		}
	}
}
