//go:build (amd64 || arm64) && !purego

package kernels

import (
	"math"
	"unsafe"
)

// softmaxRow makes of one query's dots with keys lo to hi of a page their probabilities, a block of 16 keys at each step of o.
type softmaxRow func(p *float32, lo, hi int, scale float32, o asked) (max, sum float32)

// attend is Level.AttendPage. Scores and weighted sums are the level's tiles: a tile of queries shares each load (and
// conversion) of K and V. softmaxRow turns one query's dots into probabilities.
func (t *floatTiles) attend(l *Level, a *AttnPage, softmaxRow softmaxRow) {
	if a.HeadDim%8 != 0 {
		attendPage(a)
		return
	}
	if a.K8 != nil {
		t.q8.attend(l, a, softmaxRow)
		return
	}
	if t.manyFor(a) {
		t.attendMany(l, a, softmaxRow)
		return
	}
	few, most := t.few, t.rows
	if few != nil {
		values := few.values
		if len(a.Next) > 0 {
			values = few.known
		}
		if a.NQ > few.queries || a.NQ*a.HeadDim > values || a.K32 != nil {
			few = nil
		}
	}
	if few != nil {
		most = few.rows
	}
	for i := 0; i < a.NQ; {
		rows := split(a.NQ-i, most)
		var ahead asking
		if few != nil {
			ahead = a.ahead(i, 2*PageKeys*a.HeadDim/few.cols+rows*PageKeys/16)
		}
		t.attendScores(few, a, i, rows, &ahead)
		a.softmax(l, i, rows, softmaxRow, &ahead)
		t.attendValues(few, a, i, rows, &ahead)
		i += rows
	}
}

// softmax turns the dots of queries i to i+rows into probabilities.
func (a *AttnPage) softmax(l *Level, i, rows int, softmaxRow softmaxRow, ahead *asking) {
	for q := i; q < i+rows; q++ {
		lo, hi := a.Lo[q], a.Hi[q]
		if lo >= hi {
			a.Max[q], a.Sum[q] = float32(math.Inf(-1)), 0
			continue
		}
		p, scale := a.P[q*PageKeys:(q+1)*PageKeys], a.Scale
		if a.Cap > 0 {
			l.softCap(p[lo:hi], scale, a.Cap)
			scale = 1
		}
		if a.Slope != nil {
			Distance(p[lo:hi], scale, a.Slope[q], int(a.At[q])-int(lo))
			scale = 1
		}
		a.Max[q], a.Sum[q] = softmaxRow(&p[0], int(lo), int(hi), scale, ahead.during(int((hi+15)/16-lo/16)))
	}
}

// attendScores writes the dots of queries i to i+rows with every block of keys that one of them sees.
func (t *floatTiles) attendScores(few *fewTiles, a *AttnPage, i, rows int, ahead *asking) {
	lo, hi := a.seen(i, rows)
	lo, hi = lo&^15, (hi+15)&^15
	for j := lo; j < hi; {
		if few != nil && hi-j >= few.cols {
			few.dots(a, i, rows, j, ahead)
			j += few.cols
		} else {
			n := min(hi-j, t.cols)
			t.dots(a, i, rows, j, n)
			j += n
		}
	}
}

// dots writes the dots of queries i to i+rows with n keys from j.
func (t *floatTiles) dots(a *AttnPage, i, rows, j, n int) {
	hd := a.HeadDim
	q, p := a.Q[i*hd:(i+rows)*hd], &a.P[i*PageKeys+j : (i+rows)*PageKeys][0]
	b1 := t.cols / 2
	if t.cols == 32 { // two blocks of keys, one in each vector
		b1 = hd * 16
	}
	if a.K32 != nil {
		t.f32(p, PageKeys, &q[0], hd, 1, &a.K32[j*hd : (j+n)*hd][0], 16, b1, rows, n, hd, false)
	} else {
		t.f16(p, PageKeys, &q[0], hd, 1, &a.K16[j*hd : (j+n)*hd][0], 16, b1, rows, n, hd, false)
	}
}

// dots writes the dots of queries i to i+rows with cols keys from j.
func (t *fewTiles) dots(a *AttnPage, i, rows, j int, ahead *asking) {
	hd := a.HeadDim
	q, p := a.Q[i*hd:(i+rows)*hd], &a.P[i*PageKeys+j : (i+rows)*PageKeys][0]
	t.f16(p, PageKeys, &q[0], hd, 1, &a.K16[j*hd : (j+t.cols)*hd][0], 16, hd*16, rows, hd, false, ahead.during(hd))
}

// attendValues: out = sum of p*v for queries i to i+rows.
func (t *floatTiles) attendValues(few *fewTiles, a *AttnPage, i, rows int, ahead *asking) {
	clear(a.Out[i*a.HeadDim : (i+rows)*a.HeadDim])
	a.spans(i, rows, 0, PageKeys, func(i, rows, lo, hi int) { t.weigh(few, a, i, rows, lo, hi, ahead) })
}

// weigh continues Out of queries i to i+rows with keys lo to hi, which all of them see.
func (t *floatTiles) weigh(few *fewTiles, a *AttnPage, i, rows, lo, hi int, ahead *asking) {
	hd := a.HeadDim
	out, p := a.Out[i*hd:(i+rows)*hd], a.P[i*PageKeys+lo:(i+rows)*PageKeys]
	for d := 0; d < hd; {
		if few != nil && hd-d >= few.cols {
			few.weigh(a, out, p, d, rows, lo, hi, ahead)
			d += few.cols
			continue
		}
		n := min(hd-d, t.cols)
		if a.V32 != nil {
			t.f32(&out[d], hd, &p[0], PageKeys, 1, &a.V32[lo*hd+d : hi*hd][0], hd, t.cols/2, rows, n, hi-lo, true)
		} else {
			t.f16(&out[d], hd, &p[0], PageKeys, 1, &a.V16[lo*hd+d : hi*hd][0], hd, t.cols/2, rows, n, hi-lo, true)
		}
		d += n
	}
}

// weigh continues columns d to d+cols of rows of out with keys lo to hi.
func (t *fewTiles) weigh(a *AttnPage, out, p []float32, d, rows, lo, hi int, ahead *asking) {
	hd := a.HeadDim
	t.f16(&out[d], hd, &p[0], PageKeys, 1, &a.V16[lo*hd+d : hi*hd][0], hd, 16, rows, hi-lo, true, ahead.during(hi-lo))
}

// aheadRuns is how many runs the memory of the next head is cut into, which are asked for by turns: a core's prefetchers follow a run
// within its page of 4 KB and no further.
const aheadRuns = 8

// asked is what a kernel asks for: at each step the lines at at, which goes on by run, and after each round of runs by back too. The last
// round of a kernel is whole.
type asked struct {
	at        uintptr
	run, back int
}

// asking goes through the memory of the next head while this one's first queries meet keys and values: in the steps of the tiles and of what
// is between them, for the memory would rest there.
type asking struct {
	at        uintptr
	run, each int // each bytes of all runs are asked for in a round
}

// ahead asks for a.Next in so many steps.
func (a *AttnPage) ahead(query, steps int) asking {
	if len(a.Next) == 0 || query > 0 {
		return asking{at: uintptr(unsafe.Pointer(&a.Q[0]))}
	}
	run, rounds := 2*len(a.Next)/aheadRuns, steps/aheadRuns
	return asking{uintptr(unsafe.Pointer(&a.Next[0])), run, (run + rounds - 1) / rounds}
}

// during is what a kernel asks for in its steps.
func (k *asking) during(steps int) asked {
	o := asked{k.at + uintptr(-steps&(aheadRuns-1)*k.run), k.run, k.each - aheadRuns*k.run}
	k.at += uintptr((steps + aheadRuns - 1) / aheadRuns * k.each)
	return o
}

// attendMergeBy makes Level.AttendMerge of a function over whole multiples of lanes (a power of two) that gives the
// exponentials of down and pdown, which are no more than 0, and merges with them.
func attendMergeBy(lanes int, f func(out, pout *float32, n int, down, pdown float32) (a, b float32)) func(out []float32, max, sum float32, pout []float32, pmax, psum float32) (float32, float32) {
	return func(out []float32, max, sum float32, pout []float32, pmax, psum float32) (float32, float32) {
		n := len(out) &^ (lanes - 1)
		if psum == 0 || sum == 0 || n == 0 {
			return attendMerge(out, max, sum, pout, pmax, psum)
		}
		pout = pout[:len(out)]
		m, down, pdown := mergeDown(max, pmax)
		a, b := f(&out[0], &pout[0], n, down, pdown)
		for d := n; d < len(out); d++ {
			out[d] = FMA32(pout[d], b, float32(out[d]*a))
		}
		return m, FMA32(psum, b, float32(sum*a))
	}
}
