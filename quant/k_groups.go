package quant

import k "github.com/freehold-slm/freehold/kernels"

// Q4_K and Q5_K begin alike: eight groups of 32 values, each with a 6-bit scale
// sc and a 6-bit minimum mn, value = d*sc*q - dmin*mn.
//
//	 0    2     4                   16
//	+----+-----+--------------------+
//	| d  | dmin| sc[0..7], mn[0..7] | ...
//	+----+-----+--------------------+
//	 f16  f16   packed, see kernels.ScaleMin
const kHeaderBytes = 16

// groupScale is d*sc and dmin*mn of group g.
func groupScale(header *[kHeaderBytes]byte, g int) (scale, low float32) {
	sc, mn := k.ScaleMin(header[4:], g)
	return float32(half(header[:]) * float32(sc)), float32(half(header[2:]) * float32(mn))
}

// packGroups finds the header and the codes, in [0, s.top], of one block.
// importance is nil or holds the block's 256 columns. s is the search for each
// group where there is no importance.
func packGroups(header *[kHeaderBytes]byte, codes *[256]uint8, x *[256]float32, importance []float32, s affineSearch) {
	var scales, mins, sumW [8]float32
	var sc, mn [8]uint8 // 6 bits each
	var weights [32]float32
	var trial [32]uint8

	sigma2 := float32(2 * sumSquares(x[:]) / 256) // converted, or weigh could fuse it
	for g := range scales {
		xg := x[32*g : 32*g+32]
		if importance == nil {
			rms := sqrt(sumSquares(xg) / 32)
			for i, v := range xg {
				weights[i] = rms + abs(v)
			}
		} else {
			sumW[g] = weigh(weights[:], xg, importance[32*g:], sigma2)
			s.first, s.step, s.steps = -0.9, 0.05, 36
		}
		scales[g], mins[g] = fitAffine(codes[32*g:32*g+32], trial[:], xg, weights[:], s)
	}

	var d, dmin float32
	if importance == nil {
		d, dmin = spread(sc[:], scales[:], 63), spread(mn[:], mins[:], 63)
	} else {
		d, dmin = fitPositive(sc[:], scales[:], sumW[:], 63), fitPositive(mn[:], mins[:], sumW[:], 63)
	}
	putHalf(header[:], d)
	putHalf(header[2:], dmin)
	packed := header[4:]
	for g := range 4 {
		packed[g] = sc[g]&63 | sc[g+4]>>4<<6
		packed[g+4] = mn[g]&63 | mn[g+4]>>4<<6
		packed[g+8] = sc[g+4]&15 | mn[g+4]<<4
	}

	// The codes again, against the scales as a reader will see them.
	for g := range 8 {
		scale, low := groupScale(header, g)
		if scale == 0 {
			continue
		}
		for i := 32 * g; i < 32*g+32; i++ {
			codes[i] = uint8(clamp(nearest((x[i]+low)/scale), 0, s.top))
		}
	}
}

// spread gives the greatest of values code top (at most 63) and the others in
// proportion.
func spread(codes []uint8, values []float32, top int) (unit float32) {
	var greatest, inverseUnit float32
	for _, v := range values {
		greatest = max(greatest, v)
	}
	if greatest > 0 {
		inverseUnit = float32(top) / greatest
	}
	for i, v := range values {
		codes[i] = min(uint8(top), uint8(nearest(inverseUnit*v)))
	}
	return greatest / float32(top)
}
