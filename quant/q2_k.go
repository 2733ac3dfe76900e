package quant

import k "github.com/freehold-slm/freehold/kernels"

// Q2_K: value = d*sc*q - dmin*mn, q in [0, 3]; sc, mn per 16 values, 4 bits.
//
//	 0               16                                 80   82   84
//	+---------------+----------------------------------+----+-----+
//	| mn|sc (16     | 2 x (32 bytes for 128 values:    | d  | dmin|
//	| bytes: high|  | byte i holds i, i+32, i+64, i+96 |    |     |
//	| low nibble)   | upwards, 2 bits each)            |    |     |
//	+---------------+----------------------------------+----+-----+
//	                                                    f16  f16
var _ = define(Format{Name: "Q2_K", Type: k.Q2_K, Block: k.Block256, Bytes: k.Q2_KBytes}, unpackQ2_K, packQ2_K)

func unpackQ2_K(dst []float32, src []byte) {
	for len(dst) > 0 {
		b, y := (*[k.Q2_KBytes]byte)(src), (*[256]float32)(dst)
		d, dmin := half(b[k.Q2_KOffsetD:]), half(b[k.Q2_KOffsetDMin:])
		for g := range 16 {
			sc := b[k.Q2_KOffsetScales+g]
			scale, low := float32(d*float32(sc&15)), float32(dmin*float32(sc>>4))
			q, shift := crumbs(b[k.Q2_KOffsetQ:], g)
			yg := (*[16]float32)(y[16*g:])
			for i, c := range q {
				yg[i] = float32(scale*float32(c>>shift&3)) - low
			}
		}
		src, dst = src[k.Q2_KBytes:], dst[256:]
	}
}

// crumbs finds the 16 bytes and the bit that hold the two-bit codes of group g.
func crumbs(q []byte, g int) (*[16]byte, uint) {
	return (*[16]byte)(q[g/8*32+g%2*16:]), uint(g % 8 / 2 * 2)
}

// packCrumbs is the inverse: q must be zero before.
func packCrumbs(q []byte, codes *[256]uint8) {
	for i, c := range codes {
		q[i/128*32+i%32] |= c << (i % 128 / 32 * 2)
	}
}

func packQ2_K(dst []byte, row, importance []float32) {
	var halves [2]lanes
	for i := 0; i < len(row); i += 256 {
		packBlockQ2_K((*[k.Q2_KBytes]byte)(dst[i/256*k.Q2_KBytes:]), &halves, (*[256]float32)(row[i:]), from(importance, i))
	}
}

func packBlockQ2_K(b *[k.Q2_KBytes]byte, halves *[2]lanes, x *[256]float32, importance []float32) {
	var scales, mins, sumW [16]float32
	var weights [256]float32
	var sc, mn [16]uint8
	fit := k.AffineFit{Top: 3, First: -0.5, Step: 0.1, Steps: 15, Absolute: true}
	if importance == nil {
		for i, v := range x {
			weights[i] = abs(v)
		}
	} else {
		fit = k.AffineFit{Top: 3, First: -0.9, Step: 0.05, Steps: 36}
		sigma2 := float32(sumSquares(x[:]) / 256)
		for g := range sumW {
			sumW[g] = weigh(weights[16*g:], x[16*g:16*g+16], importance[16*g:], sigma2)
		}
	}
	for h := range halves {
		l := &halves[h]
		l.load(x[128*h:128*h+128], weights[128*h:], 16)
		cpu().FitAffine(&fit, l.codes[:], l.x[:128], l.w[:128])
		*(*[8]float32)(scales[8*h:]), *(*[8]float32)(mins[8*h:]) = fit.D, fit.Low
	}
	var d, dmin float32
	if importance == nil {
		d, dmin = spread(sc[:], scales[:], 15), spread(mn[:], mins[:], 15)
	} else {
		d, dmin = fitPositive(sc[:], scales[:], sumW[:], 15), fitPositive(mn[:], mins[:], sumW[:], 15)
	}
	clear(b[:])
	d, dmin = putHalf(b[k.Q2_KOffsetD:], d), putHalf(b[k.Q2_KOffsetDMin:], dmin)
	for g := range 16 {
		b[k.Q2_KOffsetScales+g] = sc[g]&15 | mn[g]<<4
		scales[g], mins[g] = float32(d*float32(sc[g]&15)), float32(dmin*float32(mn[g]&15))
	}
	var codes [256]uint8
	for h := range halves {
		l := &halves[h]
		cpu().RoundCodes(l.codes[:], l.x[:128], (*[8]float32)(mins[8*h:]), (*[8]float32)(scales[8*h:]), 0, 3)
		l.inOrder(codes[128*h:128*h+128], 16)
	}
	packCrumbs(b[k.Q2_KOffsetQ:], &codes)
}
