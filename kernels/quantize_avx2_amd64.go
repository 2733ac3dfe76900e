//go:build !purego

package kernels

// quantizeAVX2 is quantize over nb > 0 blocks of 32 of one token, its products rounded by VCVTPS2DQ:
//
//	for b := range nb {
//		amax := the largest |x[b*32:][:32]| as bits
//		if amax is an infinity or NaN { return false }
//		d[b], id := amax/127, 127/amax            // both 0 below 2^-100
//		q[b*32+i] = roundHalfEven(x[b*32+i]*id)
//		sum16[2*b], sum16[2*b+1], sum32[b], sx[b] = ...
//	}
//
//go:noescape
func quantizeAVX2(x *float32, nb int, q *int8, d, sx *float32, sum16, sum32 *int32) bool

func quantizeByAVX2(a *Acts, t, from int, x []float32) bool {
	q, d, sx, s16, s32 := a.blocks(t, from, len(x))
	return quantizeAVX2(&x[0], len(d), &q[0], &d[0], &sx[0], &s16[0], &s32[0])
}
