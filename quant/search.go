package quant

import "math"

// Searches for the scale (and minimum) of one group of values. They follow
// ggml's make_qx_quants, make_qkx2/3_quants and make_qp_quants operation by
// operation, in f32 with every product rounded, so that packing gives its bytes.

// tiny is the magnitude below which a group counts as all zero.
const tiny = 1e-15

// fitSymmetric finds d and codes in [0, 2*half) so that d*(code-half)
// approximates x with the least weighted square error: 19 scales around the one
// that puts the extreme of x on code 0, each with its least-squares d.
func fitSymmetric(codes []uint8, x, weights []float32, half int) (d float32) {
	top, amax := extreme(x)
	if amax < tiny {
		clear(codes)
		return 0
	}
	best := float32(-1)
	for step := -10; step <= 9; step++ {
		// The untouched scale comes first: a later one must beat it.
		iscale := float32(-half) / top
		switch {
		case step == 0:
			continue
		case step > -10:
			iscale = -(float32(half) + float32(0.1*float32(step))) / top
		}
		var sumLX, sumL2 float32
		for i, v := range x {
			l := float32(clamp(nearest(iscale*v), -half, half-1))
			w := weights[i]
			sumLX += float32(float32(w*v) * l)
			sumL2 += float32(float32(w*l) * l)
		}
		if step == -10 {
			if sumL2 != 0 {
				d = sumLX / sumL2
			}
		} else {
			if !(sumL2 > 0 && float32(sumLX*sumLX) > float32(best*sumL2)) {
				continue
			}
			d = sumLX / sumL2
		}
		best = float32(d * sumLX)
		for i, v := range x {
			codes[i] = uint8(half + clamp(nearest(iscale*v), -half, half-1))
		}
	}
	return d
}

// affineSearch says which scales fitAffine tries: (first + step*i + top) / range
// for i in [0, steps].
type affineSearch struct {
	top         int // largest code
	first, step float32
	steps       int
	absolute    bool // least absolute instead of least square error
}

// fitAffine finds d >= 0, low >= 0 and codes in [0, top] so that d*code - low
// approximates x with the least weighted error. trial is scratch of len(x).
func fitAffine(codes, trial []uint8, x, weights []float32, s affineSearch) (d, low float32) {
	codes, trial, weights = codes[:len(x)], trial[:len(x)], weights[:len(x)]
	minimum, maximum := x[0], x[0]
	sumW := weights[0]
	sumX := float32(sumW * x[0])
	for i := 1; i < len(x); i++ {
		minimum, maximum = min(minimum, x[i]), max(maximum, x[i])
		sumW += weights[i]
		sumX += float32(weights[i] * x[i])
	}
	minimum = min(minimum, 0)
	if maximum <= minimum {
		clear(codes)
		return 0, -minimum
	}
	top := float32(s.top)
	iscale := top / (maximum - minimum)
	d = 1 / iscale
	for i, v := range x {
		codes[i] = uint8(clamp(nearest(iscale*(v-minimum)), 0, s.top))
	}
	best := affineError(codes, x, weights, d, minimum, float32(math.NaN()), s.absolute) // NaN: to the end
	for i := 0; i <= s.steps; i++ {
		// minimum is the best so far; it may have come near maximum.
		iscale = (s.first + float32(s.step*float32(i)) + top) / (maximum - minimum)
		changed := uint8(0)
		for j, v := range x {
			c := 0
			if q := iscale * (v - minimum); q > 0 {
				c = nearest(min(q, top))
			}
			changed |= trial[j] ^ uint8(c)
			trial[j] = uint8(c)
		}
		if changed == 0 && i > 0 {
			continue // the codes of the trial before: what they give is known, and not better than best
		}
		var sumL, sumL2, sumXL float32
		for j, v := range x {
			l, w := float32(trial[j]), weights[j]
			wl := float32(w * l)
			sumL += wl
			sumL2 += float32(wl * l)
			sumXL += float32(wl * v)
		}
		det := float32(sumW*sumL2) - float32(sumL*sumL)
		if !(det > 0) {
			continue
		}
		trialD := (float32(sumW*sumXL) - float32(sumX*sumL)) / det
		trialMin := (float32(sumL2*sumX) - float32(sumL*sumXL)) / det
		if trialMin > 0 {
			trialMin = 0
			trialD = sumXL / sumL2
		}
		if e := affineError(trial, x, weights, trialD, trialMin, best, s.absolute); e < best {
			copy(codes, trial)
			best, d, minimum = e, trialD, trialMin
		}
	}
	return d, -minimum
}

// affineError is the weighted error of d*code + minimum against x; once it has
// reached enough, any value from there on (no term is negative).
func affineError(codes []uint8, x, weights []float32, d, minimum, enough float32, absolute bool) (sum float32) {
	codes, weights = codes[:len(x)], weights[:len(x)]
	for i := 0; i < len(x); {
		for end := min(i+8, len(x)); i < end; i++ {
			diff := float32(d*float32(codes[i])) + minimum - x[i]
			if absolute {
				diff = abs(diff)
			} else {
				diff = float32(diff * diff)
			}
			sum += float32(weights[i] * diff)
		}
		if sum >= enough {
			break
		}
	}
	return sum
}

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
		iscale := float32(top) / maximum // first, as in fitSymmetric
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
