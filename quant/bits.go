package quant

import k "github.com/freehold-slm/freehold/kernels"

// Q1_0: value = d or -d; bit i%8 of byte i/8 set is d. d is the mean magnitude.
//
//	 0    2                              18
//	+----+-------------------------------+
//	| d  | 16 bytes for 128 values       |
//	+----+-------------------------------+
//	 f16
//
// Q2_0: value = d * (q - 1), q in [0, 3]: bits 2*(i%4) of byte i/4.
//
//	 0    2                              18
//	+----+-------------------------------+
//	| d  | 16 bytes for 64 values        |
//	+----+-------------------------------+
//	 f16
var (
	_ = define(Format{Name: "Q1_0", Type: k.Q1_0, Block: 128, Bytes: k.Q1_0Bytes}, unpackQ1_0, packQ1_0)
	_ = define(Format{Name: "Q2_0", Type: k.Q2_0, Block: 64, Bytes: k.Q2_0Bytes}, unpackQ2_0, packQ2_0)
)

func unpackQ1_0(dst []float32, src []byte) {
	for len(dst) > 0 {
		b := (*[k.Q1_0Bytes]byte)(src)
		d := half(b[k.Q1_0OffsetD:])
		sign := [2]float32{-d, d}
		for i := range dst[:128] {
			dst[i] = sign[b[k.Q1_0OffsetQ+i/8]>>(i%8)&1]
		}
		src, dst = src[k.Q1_0Bytes:], dst[128:]
	}
}

func packQ1_0(dst []byte, row, _ []float32) {
	for len(row) > 0 {
		b := (*[k.Q1_0Bytes]byte)(dst)
		clear(b[:])
		var sum float32
		for i, v := range row[:128] {
			sum += abs(v)
			if v >= 0 {
				b[k.Q1_0OffsetQ+i/8] |= 1 << (i % 8)
			}
		}
		putHalf(b[k.Q1_0OffsetD:], sum/128)
		dst, row = dst[k.Q1_0Bytes:], row[128:]
	}
}

func unpackQ2_0(dst []float32, src []byte) {
	for len(dst) > 0 {
		b := (*[k.Q2_0Bytes]byte)(src)
		d := half(b[k.Q2_0OffsetD:])
		for i := range dst[:64] {
			dst[i] = float32(int(b[k.Q2_0OffsetQ+i/4]>>(i%4*2)&3)-1) * d
		}
		src, dst = src[k.Q2_0Bytes:], dst[64:]
	}
}

func packQ2_0(dst []byte, row, _ []float32) {
	for len(row) > 0 {
		b, x := (*[k.Q2_0Bytes]byte)(dst), row[:64]
		clear(b[:])
		_, d := extreme(x)
		id := inverse(d)
		putHalf(b[k.Q2_0OffsetD:], d)
		for i, v := range x {
			b[k.Q2_0OffsetQ+i/4] |= uint8(clamp(trit(v, id), 0, 3)) << (i % 4 * 2)
		}
		dst, row = dst[k.Q2_0Bytes:], row[64:]
	}
}
