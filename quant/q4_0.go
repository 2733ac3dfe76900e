package quant

import k "github.com/freehold-slm/freehold/kernels"

// Q4_0: value = d * (q - 8), q in [0, 15].
//
//	 0    2                               18
//	+----+--------------------------------+
//	| d  | q[16]|q[0] ...     q[31]|q[15] |
//	+----+--------------------------------+
//	 f16   high|low nibble of 16 bytes
var _ = define(Format{Name: "Q4_0", Type: k.Q4_0, Block: k.Block32, Bytes: k.Q4_0Bytes}, unpackQ4_0, packQ4_0)

func unpackQ4_0(dst []float32, src []byte) {
	for len(dst) > 0 {
		b, y := (*[k.Q4_0Bytes]byte)(src), (*[32]float32)(dst)
		d := half(b[k.Q4_0OffsetD:])
		for i, q := range b[k.Q4_0OffsetQ:] {
			y[i&15] = float32(int(q&15)-8) * d
			y[i&15+16] = float32(int(q>>4)-8) * d
		}
		src, dst = src[k.Q4_0Bytes:], dst[32:]
	}
}

func packQ4_0(dst []byte, row, importance []float32) {
	var t tile
	sigma2 := meanSquare(row, importance)
	for i := 0; i < len(row); i += tileValues {
		x := row[i:min(i+tileValues, len(row))]
		t.peaks(x, from(importance, i), sigma2, 8)
		for g := range len(x) / 32 {
			b := (*[k.Q4_0Bytes]byte)(dst[(i/32+g)*k.Q4_0Bytes:])
			putHalf(b[k.Q4_0OffsetD:], t.d[g])
			packNibbles((*[16]byte)(b[k.Q4_0OffsetQ:]), t.block(g))
		}
	}
}
