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
	sigma2 := sumSquares(row) / float32(len(row))
	var codes [32]uint8
	var weights [32]float32
	for i := 0; i < len(row); i += 32 {
		b, x := (*[k.Q4_0Bytes]byte)(dst[i/32*k.Q4_0Bytes:]), row[i:i+32]
		if importance == nil {
			// The extreme value, of either sign, takes code 0.
			top, _ := extreme(x)
			d := top / -8
			id := inverse(d)
			putHalf(b[k.Q4_0OffsetD:], d)
			for j, v := range x {
				codes[j] = uint8(min(15, truncate(float32(v*id)+8.5)))
			}
		} else {
			weigh(weights[:], x, importance[i:], sigma2)
			putHalf(b[k.Q4_0OffsetD:], fitSymmetric(codes[:], x, weights[:], 8))
		}
		packNibbles((*[16]byte)(b[k.Q4_0OffsetQ:]), &codes)
	}
}

// packNibbles joins value i (low) and value i+16 (high), four bits of each.
func packNibbles(q *[16]byte, codes *[32]uint8) {
	for i := range q {
		q[i] = codes[i]&15 | codes[i+16]<<4
	}
}
