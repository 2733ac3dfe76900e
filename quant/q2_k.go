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
	for len(row) > 0 {
		packBlockQ2_K((*[k.Q2_KBytes]byte)(dst), (*[256]float32)(row), importance)
		dst, row = dst[k.Q2_KBytes:], row[256:]
		if importance != nil {
			importance = importance[256:]
		}
	}
}

func packBlockQ2_K(b *[k.Q2_KBytes]byte, x *[256]float32, importance []float32) {
	var codes [256]uint8
	var scales, mins, sumW, weights [16]float32
	var sc, mn, trial [16]uint8
	s := affineSearch{top: 3, first: -0.5, step: 0.1, steps: 15, absolute: true}
	if importance != nil {
		s = affineSearch{top: 3, first: -0.9, step: 0.05, steps: 36}
	}
	sigma2 := float32(sumSquares(x[:]) / 256)
	for g := range scales {
		xg := x[16*g : 16*g+16]
		if importance == nil {
			for i, v := range xg {
				weights[i] = abs(v)
			}
		} else {
			sumW[g] = weigh(weights[:], xg, importance[16*g:], sigma2)
		}
		scales[g], mins[g] = fitAffine(codes[16*g:16*g+16], trial[:], xg, weights[:], s)
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
		scale, low := float32(d*float32(sc[g]&15)), float32(dmin*float32(mn[g]&15))
		if scale == 0 {
			continue
		}
		for i := 16 * g; i < 16*g+16; i++ {
			codes[i] = uint8(clamp(nearest((x[i]+low)/scale), 0, 3))
		}
	}
	packCrumbs(b[k.Q2_KOffsetQ:], &codes)
}
