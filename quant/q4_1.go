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
	sigma2 := sumSquares(row) / float32(len(row))
	var codes [32]uint8
	for i := 0; i < len(row); i += 32 {
		b, x := (*[k.Q4_1Bytes]byte)(dst[i/32*k.Q4_1Bytes:]), row[i:i+32]
		var d, m float32
		if importance == nil {
			d, m = spanCodes(&codes, x, 15)
		} else {
			d, m = fitSpan(&codes, x, importance[i:], sigma2, 15)
		}
		putHalf(b[k.Q4_1OffsetD:], d)
		putHalf(b[k.Q4_1OffsetM:], m)
		packNibbles((*[16]byte)(b[k.Q4_1OffsetQ:]), &codes)
	}
}

// spanCodes spreads the codes 0..top evenly from the least to the greatest of x.
func spanCodes(codes *[32]uint8, x []float32, top int8) (d, m float32) {
	low, high := x[0], x[0]
	for _, v := range x {
		low, high = min(low, v), max(high, v)
	}
	d = (high - low) / float32(top)
	id := inverse(d)
	for j, v := range x {
		codes[j] = uint8(min(top, truncate(float32((v-low)*id)+0.5)))
	}
	return d, low
}

// fitSpan is spanCodes by search for the least error under importance.
func fitSpan(codes *[32]uint8, x, importance []float32, sigma2 float32, top int) (d, m float32) {
	var weights [32]float32
	var trial [32]uint8
	weigh(weights[:], x, importance, sigma2)
	d, low := fitAffine(codes[:], trial[:], x, weights[:], affineSearch{top: top, first: -0.9, step: 0.05, steps: 36})
	return d, -low
}
