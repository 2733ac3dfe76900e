package quant

// The search for the scale of a block's scales, which follows ggml's make_qp_quants operation by operation, in f32 with every
// product rounded, so that packing gives its bytes. Those for groups of values are kernels' fits.

// tiny is the magnitude below which a group counts as all zero.
const tiny = 1e-15

// fitPositive finds d >= 0 and codes in [0, top] so that d*code approximates
// the x above zero (the scales of a super-block's groups): nine scales, then up to five
// rounds of moving single codes while the fit improves.
func fitPositive(codes []uint8, x, weights []float32, top int) (d float32) {
	var maximum float32
	for _, v := range x {
		maximum = max(maximum, v)
	}
	if maximum < tiny {
		clear(codes)
		return 0
	}
	var bestScale, bestError float32
	for step := -5; step <= 4; step++ {
		iscale := float32(top) / maximum // the untouched one first: a later one must beat it
		switch {
		case step == 0:
			continue
		case step > -5:
			iscale = (float32(0.1*float32(step)) + float32(top)) / maximum
		}
		scale := 1 / iscale
		var e float32
		for i, v := range x {
			diff := v - float32(scale*float32(min(nearest(iscale*v), top)))
			e += float32(float32(weights[i]*diff) * diff)
		}
		if step == -5 || e < bestError {
			bestScale, bestError = iscale, e
		}
	}
	var sumLX, sumL2 float32
	for i, v := range x {
		codes[i] = uint8(min(nearest(bestScale*v), top))
		l, w := float32(codes[i]), weights[i]
		sumLX += float32(float32(w*v) * l)
		sumL2 += float32(float32(w*l) * l)
	}
	for range 5 {
		changed := false
		for i, v := range x {
			l, w := float32(codes[i]), weights[i]
			restLX := sumLX - float32(float32(w*v)*l)
			restL2 := sumL2 - float32(float32(w*l)*l)
			if !(restLX > 0 && restL2 > 0) {
				continue
			}
			c := min(nearest(float32(v*restL2)/restLX), top)
			if c == int(codes[i]) {
				continue
			}
			l = float32(c)
			restLX += float32(float32(w*v) * l)
			restL2 += float32(float32(w*l) * l)
			if float32(float32(restLX*restLX)*sumL2) > float32(float32(sumLX*sumLX)*restL2) {
				codes[i], sumLX, sumL2, changed = uint8(c), restLX, restL2, true
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
