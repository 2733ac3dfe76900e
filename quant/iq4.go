package quant

import (
	"encoding/binary"

	k "github.com/freehold-slm/freehold/kernels"
)

// IQ4_NL: value = d * iq4Values[q].
//
//	 0    2                               18
//	+----+--------------------------------+
//	| d  | q[16]|q[0] ...     q[31]|q[15] |
//	+----+--------------------------------+
//	 f16   high|low nibble of 16 bytes
//
// IQ4_XS: value = d*(sc - 32) * iq4Values[q]; sc per 32 values, 6 bits.
//
//	 0    2        4         8                            136
//	+----+--------+---------+-----------------------------+
//	| d  | sh     | sl[4]   | 8 x 16 bytes as in IQ4_NL   |
//	+----+--------+---------+-----------------------------+
//	 f16  uint16: bits 4-5 of sc[0..7] upwards; sl: bits 0-3, even g low
var (
	_ = define(Format{Name: "IQ4_NL", Type: k.IQ4_NL, Block: k.Block32, Bytes: k.IQ4_NLBytes}, unpackIQ4_NL, packIQ4_NL)
	_ = define(Format{Name: "IQ4_XS", Type: k.IQ4_XS, Block: k.Block256, Bytes: k.IQ4_XSBytes}, unpackIQ4_XS, packIQ4_XS)
)

var iq4Values = floats16(k.IQ4Values)

func floats16(v [16]int8) (f [16]float32) {
	for i, c := range v {
		f[i] = float32(c)
	}
	return f
}

func unpackIQ4(y *[32]float32, q *[16]byte, d float32) {
	for i, c := range q {
		y[i] = d * iq4Values[c&15]
		y[i+16] = d * iq4Values[c>>4]
	}
}

func unpackIQ4_NL(dst []float32, src []byte) {
	for len(dst) > 0 {
		b := (*[k.IQ4_NLBytes]byte)(src)
		unpackIQ4((*[32]float32)(dst), (*[16]byte)(b[k.IQ4_NLOffsetQ:]), half(b[k.IQ4_NLOffsetD:]))
		src, dst = src[k.IQ4_NLBytes:], dst[32:]
	}
}

func unpackIQ4_XS(dst []float32, src []byte) {
	for len(dst) > 0 {
		b := (*[k.IQ4_XSBytes]byte)(src)
		d := half(b[k.IQ4_XSOffsetD:])
		sh := binary.LittleEndian.Uint16(b[k.IQ4_XSOffsetSH:])
		for g := range 8 {
			sc := k.ScaleIQ4_XS(sh, b[k.IQ4_XSOffsetSL:], g)
			unpackIQ4((*[32]float32)(dst[32*g:]), (*[16]byte)(b[k.IQ4_XSOffsetQ+16*g:]), d*float32(sc))
		}
		src, dst = src[k.IQ4_XSBytes:], dst[256:]
	}
}

// nearestIQ4 is the code of the level nearest to v, the upper of equals.
func nearestIQ4(v float32) uint8 {
	c := 0
	for step := 8; step > 0; step >>= 1 {
		if v+v >= iq4Values[c+step-1]+iq4Values[c+step] {
			c += step
		}
	}
	return uint8(c)
}

// fitIQ4 finds the scale of 32 values: 16 trials, each with its least-squares scale.
func fitIQ4(x, importance []float32, sigma2 float32) (d float32) {
	var weights [32]float32
	if importance != nil {
		weigh(weights[:], x, importance, sigma2)
	} else {
		for i, v := range x {
			weights[i] = v * v
		}
	}
	top, amax := extreme(x)
	if amax < tiny {
		return 0
	}
	var best float32
	for trial := -8; trial <= 7; trial++ {
		id := (float32(trial) + iq4Values[0]) / top
		if trial == -8 { // first, the extreme on its own level
			id = 1 / (-top / iq4Values[0])
		}
		var sumQX, sumQ2 float32
		for i, v := range x {
			q := iq4Values[nearestIQ4(float32(id*v))]
			w := weights[i]
			sumQX += float32(float32(w*q) * v)
			sumQ2 += float32(float32(w*q) * q)
		}
		if sumQ2 > 0 && (trial == -8 || float32(sumQX*sumQX) > float32(best*sumQ2)) {
			d = sumQX / sumQ2
			best = float32(d * sumQX)
		}
	}
	return d
}

func codeIQ4(codes *[32]uint8, x []float32, d float32) {
	id := inverse(d)
	for i, v := range x {
		codes[i] = nearestIQ4(float32(id * v))
	}
}

func packIQ4_NL(dst []byte, row, importance []float32) {
	var codes [32]uint8
	for i := 0; i < len(row); i += 32 {
		b, x := (*[k.IQ4_NLBytes]byte)(dst[i/32*k.IQ4_NLBytes:]), row[i:i+32]
		var weights []float32
		if importance != nil {
			weights = importance[i:]
		}
		d := fitIQ4(x, weights, float32(2*sumSquares(x)/32))
		putHalf(b[k.IQ4_NLOffsetD:], d)
		codeIQ4(&codes, x, d)
		packNibbles((*[16]byte)(b[k.IQ4_NLOffsetQ:]), &codes)
	}
}

func packIQ4_XS(dst []byte, row, importance []float32) {
	var codes [32]uint8
	var scales [8]float32
	for i := 0; i < len(row); i += 256 {
		b, x := (*[k.IQ4_XSBytes]byte)(dst[i/256*k.IQ4_XSBytes:]), row[i:i+256]
		sigma2 := float32(2 * sumSquares(x) / 256)
		for g := range scales {
			var weights []float32
			if importance != nil {
				weights = importance[i+32*g:]
			}
			scales[g] = fitIQ4(x[32*g:32*g+32], weights, sigma2)
		}
		top, _ := extreme(scales[:])
		d := -top / 32
		id := inverse(d)
		clear(b[:])
		putHalf(b[k.IQ4_XSOffsetD:], d)
		var sh uint16
		for g, s := range scales {
			sc := clamp(nearest(id*s), -32, 31)
			codeIQ4(&codes, x[32*g:32*g+32], float32(d*float32(sc)))
			packNibbles((*[16]byte)(b[k.IQ4_XSOffsetQ+16*g:]), &codes)
			b[k.IQ4_XSOffsetSL+g/2] |= uint8(sc+32) & 15 << (g % 2 * 4)
			sh |= uint16(sc+32) >> 4 << (2 * g)
		}
		binary.LittleEndian.PutUint16(b[k.IQ4_XSOffsetSH:], sh)
	}
}
