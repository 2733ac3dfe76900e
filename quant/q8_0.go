package quant

import k "github.com/freehold-slm/freehold/kernels"

// Q8_0: value = d * q, q in [-127, 127].
//
//	 0    2                               34
//	+----+--------------------------------+
//	| d  | q[0] q[1] ...            q[31] |
//	+----+--------------------------------+
//	 f16   int8
var _ = define(Format{Name: "Q8_0", Type: k.Q8_0, Block: k.Block32, Bytes: k.Q8_0Bytes}, unpackQ8_0, packQ8_0)

func unpackQ8_0(dst []float32, src []byte) {
	for len(dst) > 0 {
		b, y := (*[k.Q8_0Bytes]byte)(src), (*[32]float32)(dst)
		d := half(b[k.Q8_0OffsetD:])
		for i, q := range b[k.Q8_0OffsetQ:] {
			y[i&31] = float32(int8(q)) * d
		}
		src, dst = src[k.Q8_0Bytes:], dst[32:]
	}
}

func packQ8_0(dst []byte, row, _ []float32) {
	var codes [tileValues]uint8
	var d [k.FitLanes]float32
	for i := 0; i < len(row); i += tileValues {
		x := row[i:min(i+tileValues, len(row))]
		cpu().PeakCodes8(codes[:len(x)], d[:len(x)/32], x)
		for g := range len(x) / 32 {
			b := (*[k.Q8_0Bytes]byte)(dst[(i/32+g)*k.Q8_0Bytes:])
			putHalf(b[k.Q8_0OffsetD:], d[g])
			*(*[32]byte)(b[k.Q8_0OffsetQ:]) = [32]byte(codes[32*g:])
		}
	}
}
