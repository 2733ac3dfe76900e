package quant

import (
	"encoding/binary"

	k "github.com/freehold-slm/freehold/kernels"
)

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

// packGroups finds the header and the codes, in [0, fit.Top], of one block; l.codes are [32, 8], a column a group.
// importance is nil or holds the block's 256 columns. fit is the search for each group where there is no importance.
func packGroups(header *[kHeaderBytes]byte, l *lanes, x *[256]float32, importance []float32, fit k.AffineFit) {
	var sumW [8]float32
	var sc, mn [8]uint8 // 6 bits each
	var weights [256]float32
	if importance == nil {
		for g := range sumW {
			xg, wg := x[32*g:32*g+32], weights[32*g:32*g+32]
			rms := sqrt(sumSquares(xg) / 32)
			for i, v := range xg {
				wg[i] = rms + abs(v)
			}
		}
	} else {
		sigma2 := float32(2 * sumSquares(x[:]) / 256) // converted, or weigh could fuse it
		for g := range sumW {
			sumW[g] = weigh(weights[32*g:], x[32*g:32*g+32], importance[32*g:], sigma2)
		}
		fit.First, fit.Step, fit.Steps = -0.9, 0.05, 36
	}
	l.load(x[:], weights[:], 32)
	cpu().FitAffine(&fit, l.codes[:], l.x[:], l.w[:])

	var d, dmin float32
	if importance == nil {
		d, dmin = spread(sc[:], fit.D[:], 63), spread(mn[:], fit.Low[:], 63)
	} else {
		d, dmin = fitPositive(sc[:], fit.D[:], sumW[:], 63), fitPositive(mn[:], fit.Low[:], sumW[:], 63)
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
	var scales, lows [8]float32
	for g := range 8 {
		scales[g], lows[g] = groupScale(header, g)
	}
	cpu().RoundCodes(l.codes[:], l.x[:], &lows, &scales, 0, int(fit.Top))
}

// packPairs joins four bits of value i and of value i+32 of every 64; codes are [32, 8].
func packPairs(q []byte, codes *[256]uint8) {
	for i := range 32 {
		v := binary.LittleEndian.Uint64(codes[8*i:]) & 0x0f0f0f0f0f0f0f0f
		v |= v >> 4
		q[i], q[i+32], q[i+64], q[i+96] = byte(v), byte(v>>16), byte(v>>32), byte(v>>48)
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
