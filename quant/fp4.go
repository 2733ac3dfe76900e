package quant

import (
	"math"

	k "github.com/freehold-slm/freehold/kernels"
)

// MXFP4 (OCP Microscaling): value = 2^(e-127) * E2M1(q), kept here as
// 2^(e-128) * fp4Values[q].
//
//	 0   1                               17
//	+---+--------------------------------+
//	| e | q[16]|q[0] ...     q[31]|q[15] |
//	+---+--------------------------------+
//	     high|low nibble of 16 bytes
//
// NVFP4: value = d[g] * fp4Values[q] / 2, one d (E4M3 without sign) per 16 values.
//
//	 0       4                            36
//	+-------+----------------------------+
//	| d[4]  | 4 x 8 bytes: i low, i+8    |
//	+-------+----------------------------+
var (
	_ = define(Format{Name: "MXFP4", Type: k.MXFP4, Block: k.Block32, Bytes: k.MXFP4Bytes}, unpackMXFP4, packMXFP4)
	_ = define(Format{Name: "NVFP4", Type: k.NVFP4, Block: 64, Bytes: k.NVFP4Bytes}, unpackNVFP4, packNVFP4)
)

var fp4Values = floats16(k.FP4Values)

// halfE4M3 is half of an unsigned E4M3 float (4 exponent, 3 fraction bits).
func halfE4M3(b uint8) float32 {
	e, m := int(b>>3&15), float32(b&7)
	switch {
	case b == 0x7f:
		return 0 // NaN there, and so in ggml
	case e == 0:
		return m * 0x1p-10
	default:
		return (8 + m) * math.Float32frombits(uint32(e-7-3-1+127)<<23)
	}
}

// toE4M3 rounds v >= 0 to an unsigned E4M3 float, halves of normals up, at most 448.
func toE4M3(v float32) uint8 {
	if !(v > 0) {
		return 0
	}
	v = min(v, 448)
	bits := math.Float32bits(v)
	e := int(bits>>23) - 127 + 7
	if e <= 0 {
		return uint8(min(7, int(float32(v*512)+0.5)))
	}
	return uint8(min(0x7e, e<<3+int(bits>>20&7)+int(bits>>19&1)))
}

// nearestFP4 is the first code whose value times d comes nearest to v.
func nearestFP4(v, d float32) (code uint8) {
	best := abs(v)
	for c, f := range fp4Values {
		if e := abs(float32(f*d) - v); e < best {
			code, best = uint8(c), e
		}
	}
	return code
}

func unpackMXFP4(dst []float32, src []byte) {
	for len(dst) > 0 {
		b, y := (*[k.MXFP4Bytes]byte)(src), (*[32]float32)(dst)
		d := k.HalfE8M0[b[k.MXFP4OffsetE]]
		for i, c := range b[k.MXFP4OffsetQ:] {
			y[i&15] = fp4Values[c&15] * d
			y[i&15+16] = fp4Values[c>>4] * d
		}
		src, dst = src[k.MXFP4Bytes:], dst[32:]
	}
}

func packMXFP4(dst []byte, row, _ []float32) {
	var codes [32]uint8
	for len(row) > 0 {
		b, x := (*[k.MXFP4Bytes]byte)(dst), row[:32]
		// The exponent that puts the greatest magnitude on 4, the top binade of E2M1.
		_, amax := extreme(x)
		e := uint8(max(0, int(math.Float32bits(amax)>>23)-2))
		d := k.HalfE8M0[e]
		b[k.MXFP4OffsetE] = e
		for i, v := range x {
			codes[i] = nearestFP4(v, d)
		}
		packNibbles((*[16]byte)(b[k.MXFP4OffsetQ:]), &codes)
		dst, row = dst[k.MXFP4Bytes:], row[32:]
	}
}

func unpackNVFP4(dst []float32, src []byte) {
	for len(dst) > 0 {
		b := (*[k.NVFP4Bytes]byte)(src)
		for g := range 4 {
			d := halfE4M3(b[k.NVFP4OffsetD+g])
			y := (*[16]float32)(dst[16*g:])
			for i, c := range (*[8]byte)(b[k.NVFP4OffsetQ+8*g:]) {
				y[i] = fp4Values[c&15] * d
				y[i+8] = fp4Values[c>>4] * d
			}
		}
		src, dst = src[k.NVFP4Bytes:], dst[64:]
	}
}

func packNVFP4(dst []byte, row, _ []float32) {
	for len(row) > 0 {
		b := (*[k.NVFP4Bytes]byte)(dst)
		for g := range 4 {
			x := row[16*g : 16*g+16]
			_, amax := extreme(x)
			e := toE4M3(amax / 6)
			d := halfE4M3(e)
			b[k.NVFP4OffsetD+g] = e
			for i := range 8 {
				b[k.NVFP4OffsetQ+8*g+i] = nearestFP4(x[i], d) | nearestFP4(x[i+8], d)<<4
			}
		}
		dst, row = dst[k.NVFP4Bytes:], row[64:]
	}
}
