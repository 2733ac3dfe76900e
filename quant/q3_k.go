package quant

import k "github.com/freehold-slm/freehold/kernels"

// Q3_K: value = d*(sc - 32)*(q - 4), q in [0, 7]; sc per 16 values, 6 bits.
//
//	 0             32                                 96       108  110
//	+-------------+----------------------------------+--------+----+
//	| hmask[32]:  | 2 x (32 bytes for 128 values:    | sc     | d  |
//	| bit g of    | byte i holds i, i+32, i+64, i+96 | 12     |    |
//	| byte i is   | upwards, bits 0-1 of q each)     | bytes  |    |
//	| bit 2 of    |                                  |        |    |
//	| q[32g+i]    |                                  |        |    |
//	+-------------+----------------------------------+--------+----+
//	                                                           f16
//
// sc: see kernels.ScaleQ3_K.
var _ = define(Format{Name: "Q3_K", Type: k.Q3_K, Block: k.Block256, Bytes: k.Q3_KBytes}, unpackQ3_K, packQ3_K)

func unpackQ3_K(dst []float32, src []byte) {
	for len(dst) > 0 {
		b, y := (*[k.Q3_KBytes]byte)(src), (*[256]float32)(dst)
		d := half(b[k.Q3_KOffsetD:])
		for g := range 16 {
			scale := d * float32(k.ScaleQ3_K(b[k.Q3_KOffsetScales:], g))
			q, shift := crumbs(b[k.Q3_KOffsetQ:], g)
			high := (*[16]byte)(b[k.Q3_KOffsetHigh+g%2*16:])
			yg := (*[16]float32)(y[16*g:])
			for i, c := range q {
				yg[i] = scale * float32(int(c>>shift&3|high[i]>>(g/2)&1<<2)-4)
			}
		}
		src, dst = src[k.Q3_KBytes:], dst[256:]
	}
}

func packQ3_K(dst []byte, row, importance []float32) {
	var halves [2]lanes
	for i := 0; i < len(row); i += 256 {
		packBlockQ3_K((*[k.Q3_KBytes]byte)(dst[i/256*k.Q3_KBytes:]), &halves, (*[256]float32)(row[i:]), from(importance, i))
	}
}

func packBlockQ3_K(b *[k.Q3_KBytes]byte, halves *[2]lanes, x *[256]float32, importance []float32) {
	var codes [256]uint8
	var scales, sumW [16]float32
	var weights [256]float32
	var sc [16]uint8
	if importance == nil {
		for g := range scales {
			scales[g] = fitByMoves(codes[16*g:16*g+16], x[16*g:16*g+16], 4)
		}
	} else {
		sigma2 := float32(2 * sumSquares(x[:]) / 256)
		for g := range sumW {
			sumW[g] = weigh(weights[16*g:], x[16*g:16*g+16], importance[16*g:], sigma2)
		}
	}
	if importance != nil {
		for h := range halves {
			l := &halves[h]
			l.load(x[128*h:128*h+128], weights[128*h:], 16)
			cpu().FitSymmetric((*[8]float32)(scales[8*h:]), l.codes[:], l.x[:128], l.w[:128], 4)
		}
	}
	clear(b[:])
	var d float32
	if importance != nil {
		var l lanes // one group of the 16 scales
		l.load(scales[:], sumW[:], 16)
		var all [8]float32
		cpu().FitSymmetric(&all, l.codes[:], l.x[:128], l.w[:128], 32)
		l.inOrder(sc[:], 16)
		d = all[0]
	} else if top, _ := extreme(scales[:]); top != 0 {
		iscale := -32 / top
		for g, s := range scales {
			sc[g] = uint8(clamp(int(int8(nearest(iscale*s))), -32, 31) + 32)
		}
		d = 1 / iscale
	}
	d = putHalf(b[k.Q3_KOffsetD:], d)
	packed := b[k.Q3_KOffsetScales:k.Q3_KOffsetD]
	for g, s := range sc {
		packed[g%8] |= s & 15 << (g / 8 * 4)
		packed[8+g%4] |= s >> 4 << (g / 4 * 2)
	}
	for g := range 16 {
		scales[g] = float32(d * float32(k.ScaleQ3_K(packed, g)))
	}
	if importance != nil {
		for h := range halves {
			l := &halves[h]
			cpu().RoundCodes(l.codes[:], l.x[:128], &[8]float32{}, (*[8]float32)(scales[8*h:]), -4, 3)
			l.inOrder(codes[128*h:128*h+128], 16)
		}
	} else {
		for i, v := range x {
			if unit := scales[i/16]; unit != 0 {
				codes[i] = uint8(clamp(nearest(v/unit), -4, 3) + 4)
			}
		}
	}
	for i, c := range codes {
		b[k.Q3_KOffsetHigh+i%32] |= c >> 2 << (i / 32)
		codes[i] &= 3
	}
	packCrumbs(b[k.Q3_KOffsetQ:], &codes)
}

// fitByMoves is a search like fitSymmetric, weights x*x: from the scale that
// puts the extreme of x on code 0, up to five rounds of moving single codes
// while the fit improves (ggml's make_q3_quants).
func fitByMoves(codes []uint8, x []float32, half int) (d float32) {
	top, amax := extreme(x)
	if amax < tiny {
		clear(codes)
		return 0
	}
	iscale := float32(-half) / top
	var sumLX, sumL2 float32
	for i, v := range x {
		c := clamp(nearest(iscale*v), -half, half-1)
		codes[i] = uint8(c + half)
		l, w := float32(c), float32(v*v)
		sumLX += float32(float32(w*v) * l)
		sumL2 += float32(float32(w*l) * l)
	}
	for range 5 {
		changed := false
		for i, v := range x {
			old := int(codes[i]) - half
			l, w := float32(old), float32(v*v)
			restLX := sumLX - float32(float32(w*v)*l)
			if !(restLX > 0) {
				continue
			}
			restL2 := sumL2 - float32(float32(w*l)*l)
			c := clamp(nearest(float32(v*restL2)/restLX), -half, half-1)
			if c == old {
				continue
			}
			l = float32(c)
			restLX += float32(float32(w*v) * l)
			restL2 += float32(float32(w*l) * l)
			if restL2 > 0 && float32(float32(restLX*restLX)*sumL2) > float32(float32(sumLX*sumLX)*restL2) {
				codes[i], sumLX, sumL2, changed = uint8(c+half), restLX, restL2, true
			}
		}
		if !changed {
			break
		}
	}
	if sumL2 > 0 {
		return sumLX / sumL2
	}
	return 0
}
