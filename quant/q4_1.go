package quant

import k "github.com/freehold-slm/freehold/kernels"

// Q4_1: value = d*q + m, q in [0, 15].
//
//	 0    2    4                               20
//	+----+----+--------------------------------+
//	| d  | m  | q[16]|q[0] ...     q[31]|q[15] |
//	+----+----+--------------------------------+
//	 f16  f16   high|low nibble of 16 bytes
var _ = define(Format{Name: "Q4_1", Type: k.Q4_1, Block: k.Block32, Bytes: k.Q4_1Bytes}, unpackQ4_1, packQ4_1)

func unpackQ4_1(dst []float32, src []byte) {
	for len(dst) > 0 {
		b, y := (*[k.Q4_1Bytes]byte)(src), (*[32]float32)(dst)
		d, m := half(b[k.Q4_1OffsetD:]), half(b[k.Q4_1OffsetM:])
		for i, q := range b[k.Q4_1OffsetQ:] {
			y[i&15] = float32(float32(q&15)*d) + m
			y[i&15+16] = float32(float32(q>>4)*d) + m
		}
		src, dst = src[k.Q4_1Bytes:], dst[32:]
	}
}

func packQ4_1(dst []byte, row, importance []float32) {
	var t tile
	sigma2 := meanSquare(row, importance)
	for i := 0; i < len(row); i += tileValues {
		x := row[i:min(i+tileValues, len(row))]
		t.spans(x, from(importance, i), sigma2, 15)
		for g := range len(x) / 32 {
			b := (*[k.Q4_1Bytes]byte)(dst[(i/32+g)*k.Q4_1Bytes:])
			putHalf(b[k.Q4_1OffsetD:], t.d[g])
			putHalf(b[k.Q4_1OffsetM:], t.m[g])
			packNibbles((*[16]byte)(b[k.Q4_1OffsetQ:]), t.block(g))
		}
	}
}
