//go:build (amd64 || arm64) && !purego

package kernels

import "unsafe"

// q8Tiles are what a level's attention over q8_0 is made of.
type q8Tiles struct {
	rows, cols int // of dot: at most so many queries, just so many columns (16 or 32)

	// round is round16 of blocks of 32 of x.
	round func(codes *int16, d, x *float32, blocks int)

	// weights is round16 of weight16 of p[j] and s[j] for lo <= j < hi, where 0 <= lo < hi <= PageKeys. The codes beside them in the blocks of
	// 16 that [lo, hi) touches become 0; nothing outside these blocks is read or written. A block is a step of o.
	weights func(codes *int16, d, p, s *float32, lo, hi int, o asked)

	// dot: C[i,j] = the chain over rising g < groups of fma(float32(sum_p A(i,p)*B[p,j] over the group's p), float32(d[i,g]*s[g,j]), .)
	// from +0. A group is rounds*32 values of p. Columns 16 to 31 of B lie b1 bytes after columns 0 to 15; of two p a column's codes are
	// neighbours, and the next two follow ldb bytes later. A row of s is snext elements after the one before. Four p are a step of o.
	dot func(c *float32, ldc int, a *int16, lda int, d *float32, ldd int, b *int8, ldb, b1 int, s *float32, snext, m, rounds, groups int, o asked)
}

// noScale are scales of what has none.
var noScale = func() (s [32]float32) {
	for i := range s {
		s[i] = 1
	}
	return s
}()

// attend is Level.AttendPage over q8_0.
func (t *q8Tiles) attend(l *Level, a *AttnPage, softmaxRow softmaxRow) {
	n := a.scales()
	l.F16ToF32(a.D[:n], a.KD[:n])
	l.F16ToF32(a.D[n:2*n], a.VD[:n])
	for i := 0; i < a.NQ; {
		rows := split(a.NQ-i, t.rows)
		ahead := a.ahead(i, PageKeys*a.HeadDim/t.cols/2+rows*PageKeys/16*(1+a.HeadDim/ActBlock))
		t.scores(a, i, rows, &ahead)
		a.softmax(l, i, rows, softmaxRow, &ahead)
		t.values(a, i, rows, &ahead)
		i += rows
	}
}

// room8 is the part of D for codes and scales of queries.
func (a *AttnPage) room8() (codes []int16, scales []float32) {
	room := a.D[2*a.scales() : Q8Room(a.HeadDim)]
	n := q8Rows * a.HeadDim / ActBlock
	return unsafe.Slice((*int16)(unsafe.Pointer(&room[n])), 2*(len(room)-n)), room[:n]
}

// scores writes the dots of queries i to i+rows with every block of keys that one of them sees.
func (t *q8Tiles) scores(a *AttnPage, i, rows int, ahead *asking) {
	hd, blocks := a.HeadDim, a.HeadDim/ActBlock
	lo, hi := a.seen(i, rows)
	if lo >= hi {
		return
	}
	codes, scales := a.room8()
	for q := range rows {
		t.round(&codes[q*hd], &scales[q*blocks], &a.Q[(i+q)*hd], blocks)
	}
	for j := lo &^ (t.cols - 1); j < hi; j += t.cols {
		t.dot(&a.P[i*PageKeys+j], PageKeys, &codes[0], hd, &scales[0], blocks, &a.K8[j*hd], 32, 16*hd, &a.D[j], PageKeys, rows, 1, blocks, ahead.during(hd/4))
	}
}

// values: out = the values of queries i to i+rows, each times its probability.
func (t *q8Tiles) values(a *AttnPage, i, rows int, ahead *asking) {
	hd := a.HeadDim
	lo, hi := a.seen(i, rows)
	if lo >= hi {
		clear(a.Out[i*hd : (i+rows)*hd])
		return
	}
	lo, hi = lo&^(ActBlock-1), (hi+ActBlock-1)&^(ActBlock-1)
	codes, scales := a.room8()
	for b := 0; b < hd; b += ActBlock {
		vd := &a.D[a.scales()+b/ActBlock*PageKeys]
		for q := range rows {
			w, from, to := codes[q*PageKeys:][:PageKeys], int(a.Lo[i+q]), int(a.Hi[i+q])
			if from >= to {
				clear(w[lo:hi])
				scales[q] = 0
				continue
			}
			clear(w[lo : from&^15])
			clear(w[(to+15)&^15 : hi])
			t.weights(&w[0], &scales[q], &a.P[(i+q)*PageKeys], vd, from, to, ahead.during((to+15)/16-from/16))
		}
		for d := b; d < b+ActBlock; d += t.cols {
			t.dot(&a.Out[i*hd+d], hd, &codes[lo], PageKeys, &scales[0], 1, &a.V8[lo*hd+2*d], 2*hd, 32, &noScale[0], 0, rows, (hi-lo)/ActBlock, 1, ahead.during((hi-lo)/4))
		}
	}
}
