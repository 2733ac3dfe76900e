//go:build (amd64 || arm64) && !purego

package kernels

import "unsafe"

// manyTiles is the tile for the attention of many queries: C[i,j] as floatTiles has it, of at most rows rows and just cols columns,
// a multiple of 16, with k > 0. Row p of B is cols/16 vectors of 16, b1 elements apart.
type manyTiles struct {
	rows, cols int
	queries    int // from so many queries on
	f32        func(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, b1 int, m, k int, acc bool)
	half       func(dst *float32, src *uint16, stride, rows int) // dst[r*cols+j] = src[r*stride+j] for j < cols
}

// manySteps is how many keys or values are decoded and met by all queries at a time, while they are in the first-level cache.
const manySteps = ManyRoom / 64

// manyMost bounds the queries that meet a block of keys or values together.
const manyMost = 96

// manyRows is a tile's queries, i to i+n: their keys are lo to hi, and all of them see those from to end.
type manyRows struct{ i, n, lo, hi, from, end int }

// manyFor tells whether there are tiles for the queries of a.
func (t *floatTiles) manyFor(a *AttnPage) bool {
	return t.many != nil && a.NQ >= t.many.queries && (a.K32 != nil || a.K16 != nil && a.B != nil)
}

// attendMany is attend of many queries.
func (t *floatTiles) attendMany(l *Level, a *AttnPage, softmaxRow softmaxRow) {
	var room [manyMost]manyRows
	for i := 0; i < a.NQ; i += manyMost {
		n, tiles := min(manyMost, a.NQ-i), room[:0]
		for q := i; q < i+n; q += t.many.rows {
			r := manyRows{i: q, n: min(t.many.rows, i+n-q), end: PageKeys}
			r.lo, r.hi = a.seen(q, r.n)
			for o := q; o < q+r.n; o++ {
				r.from, r.end = max(r.from, int(a.Lo[o])), min(r.end, int(a.Hi[o]))
			}
			tiles = append(tiles, r)
		}
		lo, hi := a.seen(i, n)
		t.manyScores(l, a, tiles, lo, hi)
		a.softmax(l, i, n, softmaxRow, &asking{at: uintptr(unsafe.Pointer(&a.Q[0]))})
		clear(a.Out[i*a.HeadDim : (i+n)*a.HeadDim])
		t.manyValues(l, a, tiles, lo, hi)
	}
}

// manyScores writes the dots of the queries of tiles with keys lo to hi.
func (t *floatTiles) manyScores(l *Level, a *AttnPage, tiles []manyRows, lo, hi int) {
	m, hd := t.many, a.HeadDim
	for j := lo &^ (m.cols - 1); j < hi; j += m.cols {
		for d := 0; d < hd; d += manySteps {
			steps := min(manySteps, hd-d)
			b, b1 := a.manyKeys(l, j, min(m.cols, (hi-j+15)&^15), d, steps)
			for i := range tiles {
				r := &tiles[i]
				if r.lo >= j+m.cols || r.hi <= j {
					continue
				}
				c, q := &a.P[r.i*PageKeys+j], &a.Q[r.i*hd+d]
				if n := (r.hi - j + 15) &^ 15; n <= t.cols && n < m.cols {
					t.f32(c, PageKeys, q, hd, 1, b, 16, b1, r.n, n, steps, d > 0)
				} else {
					m.f32(c, PageKeys, q, hd, 1, b, 16, b1, r.n, steps, d > 0)
				}
			}
		}
	}
}

// manyKeys gives elements d to d+steps of keys j to j+n, blocks of 16 keys b1 apart.
func (a *AttnPage) manyKeys(l *Level, j, n, d, steps int) (b *float32, b1 int) {
	hd := a.HeadDim
	if a.K32 != nil {
		return &a.K32[j*hd+d*16], hd * 16
	}
	b1 = steps * 16
	for at := 0; at < n; at += 16 {
		l.F16ToF32(a.B[at*steps:][:b1], a.K16[(j+at)*hd+d*16:][:b1])
	}
	return &a.B[0], b1
}

// manyValues continues Out of the queries of tiles with keys lo to hi.
func (t *floatTiles) manyValues(l *Level, a *AttnPage, tiles []manyRows, lo, hi int) {
	m, hd := t.many, a.HeadDim
	for d := 0; d < hd; d += m.cols {
		n := min(m.cols, hd-d)
		for j := lo; j < hi; {
			end := min(hi, j&^(manySteps-1)+manySteps)
			v, ldv := m.rowsOf(l, a, j, end, d, n)
			weigh := func(i, rows, from, to int) {
				out, p, b := a.Out[i*hd+d:], &a.P[i*PageKeys+from], v[(from-j)*ldv:]
				if n == m.cols {
					m.f32(&out[0], hd, p, PageKeys, 1, &b[0], ldv, 16, rows, to-from, true)
					return
				}
				for e := 0; e < n; e += t.cols {
					t.f32(&out[e], hd, p, PageKeys, 1, &b[e], ldv, t.cols/2, rows, min(t.cols, n-e), to-from, true)
				}
			}
			for i := range tiles {
				if r := &tiles[i]; r.from <= j && end <= r.end {
					weigh(r.i, r.n, j, end)
				} else if r.lo < end && j < r.hi {
					a.spans(r.i, r.n, max(j, r.lo), min(end, r.hi), weigh)
				}
			}
			j = end
		}
	}
}

// rowsOf gives elements d to d+n of values j to end, ldv apart.
func (t *manyTiles) rowsOf(l *Level, a *AttnPage, j, end, d, n int) (v []float32, ldv int) {
	hd := a.HeadDim
	if a.V32 != nil {
		return a.V32[j*hd+d:], hd
	}
	if v = a.B; n == t.cols {
		t.half(&v[0], &a.V16[j*hd+d : (end-1)*hd+d+n][0], hd, end-j)
		return v, n
	}
	for r := j; r < end; r++ {
		l.F16ToF32(v[(r-j)*n:][:n], a.V16[r*hd+d:][:n])
	}
	return v, n
}

// seen is the span of keys that queries i to i+rows see; lo >= hi: none.
func (a *AttnPage) seen(i, rows int) (lo, hi int) {
	lo, hi = PageKeys, 0
	for q := i; q < i+rows; q++ {
		if a.Lo[q] < a.Hi[q] {
			lo, hi = min(lo, int(a.Lo[q])), max(hi, int(a.Hi[q]))
		}
	}
	return lo, hi
}

// spans cuts keys from to to into spans seen by the same ones of queries i to i+rows (one span but at a causal edge), and calls f for
// each run of neighbouring queries that see a span, keys rising.
func (a *AttnPage) spans(i, rows, from, to int, f func(i, rows, from, to int)) {
	lo, hi := a.Lo[i:i+rows], a.Hi[i:i+rows]
	for j := int32(from); j < int32(to); {
		next := int32(to)
		for q := range lo {
			if lo[q] > j {
				next = min(next, lo[q])
			}
			if hi[q] > j {
				next = min(next, hi[q])
			}
		}
		for q := 0; q < rows; q++ {
			first := q
			for q < rows && lo[q] <= j && j < hi[q] {
				q++
			}
			if first < q {
				f(i+first, q-first, int(j), int(next))
			}
		}
		j = next
	}
}
