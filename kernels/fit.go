package kernels

import "math"

// Fits are the searches by which packing chooses the scale (and minimum) of a group of values. Eight groups of n values lie
// side by side: x, w and codes are [n, FitLanes], lane g is group g, n at most FitMost. Values and weights are finite, weights not
// negative. They follow ggml's make_qkx2/3_quants, make_qx_quants and quantize_row_iq4_nl operation by operation, in f32 with
// every product rounded, so that packing gives ggml's bytes.

const (
	FitLanes = 8
	FitMost  = 32 // values of a group

	fitTiny  = 1e-15    // the magnitude below which a group counts as all zero
	fitMagic = 12582912 // 1.5 * 2^23: a small number added to it is rounded to a whole one, halves to even
)

// AffineFit says which scales FitAffine tries, (First + Step*i + Top) / range for i in [0, Steps], and holds what it found.
type AffineFit struct {
	Top, First, Step float32 // Top: the largest code
	Steps            int
	Absolute         bool // least absolute instead of least square error

	D, Low [FitLanes]float32 // D*code - Low approximates x, Low >= 0
}

// lane gathers group g of x [n, FitLanes].
func lane(to *[FitMost]float32, x []float32, g int) []float32 {
	n := len(x) / FitLanes
	for i := range n {
		to[i] = x[i*FitLanes+g]
	}
	return to[:n]
}

// setLane is the way back, of codes.
func setLane(codes, group []uint8, g int) {
	for i, c := range group {
		codes[i*FitLanes+g] = c
	}
}

// fitAffine finds for each group D >= 0, Low >= 0 and codes in [0, Top] with the least weighted error.
func fitAffine(f *AffineFit, codes []uint8, x, w []float32) {
	var xg, wg [FitMost]float32
	var cg [FitMost]uint8
	group := cg[:len(x)/FitLanes]
	for g := range FitLanes {
		f.D[g], f.Low[g] = f.group(group, lane(&xg, x, g), lane(&wg, w, g))
		setLane(codes, group, g)
	}
}

// affineCode rounds iscale*(v-minimum) to [0, top].
func affineCode(v, minimum, iscale, top float32) uint8 {
	if q := float32(iscale * (v - minimum)); q > 0 {
		return uint8(float32(min(q, top)+fitMagic) - fitMagic)
	}
	return 0
}

func (f *AffineFit) group(codes []uint8, x, w []float32) (d, low float32) {
	var scratch [FitMost]uint8
	trial := scratch[:len(x)]
	codes, w = codes[:len(x)], w[:len(x)]
	minimum, maximum := x[0], x[0]
	sumW := w[0]
	sumX := float32(sumW * x[0])
	for i := 1; i < len(x); i++ {
		if x[i] < minimum {
			minimum = x[i]
		}
		if x[i] > maximum {
			maximum = x[i]
		}
		sumW += w[i]
		sumX += float32(w[i] * x[i])
	}
	if minimum > 0 {
		minimum = 0
	}
	if maximum <= minimum {
		clear(codes)
		return 0, -minimum
	}
	iscale := f.Top / (maximum - minimum)
	d = 1 / iscale
	for i, v := range x {
		codes[i] = uint8(max(0, min(int(f.Top), rounded(iscale*(v-minimum)))))
	}
	best := f.error(codes, x, w, d, minimum, float32(math.NaN())) // NaN: to the end
	for i := 0; i <= f.Steps; i++ {
		// minimum is the best so far; it may have come near maximum.
		iscale = (f.First + float32(f.Step*float32(i)) + f.Top) / (maximum - minimum)
		changed := uint8(0)
		for j, v := range x {
			c := affineCode(v, minimum, iscale, f.Top)
			changed |= trial[j] ^ c
			trial[j] = c
		}
		if changed == 0 && i > 0 {
			continue // the codes of the trial before: what they give is known, and not better than best
		}
		var sumL, sumL2, sumXL float32
		for j, v := range x {
			l, wj := float32(trial[j]), w[j]
			wl := float32(wj * l)
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
		if e := f.error(trial, x, w, trialD, trialMin, best); e < best {
			copy(codes, trial)
			best, d, minimum = e, trialD, trialMin
		}
	}
	return d, -minimum
}

// error is the weighted error of d*code + minimum against x; once it has reached enough, any value from there on (no term is
// negative).
func (f *AffineFit) error(codes []uint8, x, w []float32, d, minimum, enough float32) (sum float32) {
	codes, w = codes[:len(x)], w[:len(x)]
	for i := 0; i < len(x); {
		for end := min(i+8, len(x)); i < end; i++ {
			diff := float32(d*float32(codes[i])) + minimum - x[i]
			if f.Absolute {
				diff = magnitude(diff)
			} else {
				diff = float32(diff * diff)
			}
			sum += float32(w[i] * diff)
		}
		if sum >= enough {
			break
		}
	}
	return sum
}

// fitSymmetric finds for each group d and codes in [0, 2*half) so that d*(code-half) approximates x with the least weighted
// square error: 19 scales around the one that puts the extreme of x on code 0, each with its least-squares d.
func fitSymmetric(d *[FitLanes]float32, codes []uint8, x, w []float32, half int) {
	var xg, wg [FitMost]float32
	var cg [FitMost]uint8
	group, tries := cg[:len(x)/FitLanes], symmetricTries(half)
	for g := range FitLanes {
		d[g] = fitSymmetricGroup(group, lane(&xg, x, g), lane(&wg, w, g), float32(half), &tries)
		setLane(codes, group, g)
	}
}

// symmetricTries are the products of scale and extreme that are tried: the untouched one first, a later one must beat it.
func symmetricTries(half int) (tries [19]float32) {
	tries[0] = float32(-half)
	i := 1
	for step := -9; step <= 9; step++ {
		if step != 0 {
			tries[i] = -(float32(half) + float32(0.1*float32(step)))
			i++
		}
	}
	return tries
}

func fitSymmetricGroup(codes []uint8, x, w []float32, half float32, tries *[19]float32) (d float32) {
	top := extreme(x)
	if magnitude(top) < fitTiny {
		clear(codes)
		return 0
	}
	code := func(scaled float32) float32 { // of a value times iscale, which is near half at most
		return max(-half, min(half-1, float32(scaled+fitMagic)-fitMagic))
	}
	var best, bestScale float32
	for i, try := range tries {
		iscale := try / top
		var sumLX, sumL2 float32
		for j, v := range x {
			l := code(float32(iscale * v))
			sumLX += float32(float32(w[j]*v) * l)
			sumL2 += float32(float32(w[j]*l) * l)
		}
		switch {
		case i == 0:
			if sumL2 != 0 {
				d = sumLX / sumL2
			}
		case sumL2 > 0 && float32(sumLX*sumLX) > float32(best*sumL2):
			d = sumLX / sumL2
		default:
			continue
		}
		best, bestScale = float32(d*sumLX), iscale
	}
	for j, v := range x {
		codes[j] = uint8(half + code(float32(bestScale*v)))
	}
	return d
}

// extreme is the value of largest magnitude, the first of equals.
func extreme(x []float32) (value float32) {
	var most float32
	for _, v := range x {
		if a := magnitude(v); a > most {
			value, most = v, a
		}
	}
	return value
}

func magnitude(v float32) float32 { return math.Float32frombits(math.Float32bits(v) &^ (1 << 31)) }
