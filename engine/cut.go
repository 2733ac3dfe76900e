package engine

import (
	"math"
	"slices"

	"github.com/freehold-slm/freehold/kernels"
)

// cut is how a region of products is cut into chunks.
type cut struct {
	bytes int // of weights a chunk, about; 0 = one tile
	parts int // pieces the tokens are cut into
	each  int // chunks of a part
	ends  [maxMats]int
	rows  [maxMats]int // of a chunk
}

// oneCut is how a region is cut for one token, and what is read when.
type oneCut struct {
	cut
	from []int          // [threads + 1] the first chunk of each worker's share
	at   []kernels.Next // [threads] its weights
}

// cut cuts the region for n tokens.
func (s *step) cut(n, threads int) cut {
	mats := s.mats
	if s.join {
		mats = mats[:1] // its chunks are those of all
	}
	c := cut{parts: 1}
	if n <= chunkTokens {
		total := 0
		for i := range mats {
			total += mats[i].rows * mats[i].rowBytes
		}
		c.bytes = min(chunkBytes, max(1, total/(4*threads)))
	} else if threads > 1 {
		tiles := 0
		for i := range mats {
			tiles += s.chunks(&mats[i], n, c.bytes)
		}
		// A part a worker, so that a worker goes on with tokens that are in its caches; and enough chunks to share out.
		// Each part unpacks the tile anew.
		c.parts = max(1, min(threads, n/partTokens))
		for tiles*c.parts < 4*threads && n/(c.parts*2) >= 32 {
			c.parts *= 2
		}
	}
	for i := range mats {
		c.each += s.chunks(&mats[i], n, c.bytes)
		c.ends[i], c.rows[i] = c.each, s.chunkRows(&mats[i], n, c.bytes)
	}
	return c
}

// Chunks of products that read 16 runs of rows (measured: bench/LOG.md 2026-11-22).
const (
	runsBytes = 512 << 10 // weights of a chunk at most
	runsStart = 18 << 10  // what could be read while the runs of a chunk begin
)

// cutRuns cuts a region of such products for one token: into few chunks, for each has runs that begin anew, and as even among the
// workers as that leaves it.
func (s *step) cutRuns(threads int) cut {
	mats, total := s.mats, 0
	if s.join {
		mats = mats[:1]
	}
	for i := range mats {
		total += mats[i].rows * mats[i].rowBytes
	}
	var best cut
	least := math.MaxInt
	for n := threads; n <= 4*threads; n++ {
		c := cut{parts: 1, bytes: min(runsBytes, max(1, total/n))}
		for i := range mats {
			w, unit := &mats[i], s.unit(&mats[i], 1)
			chunks := s.chunks(w, 1, c.bytes)
			c.rows[i] = apart(((w.rows+chunks-1)/chunks+unit-1)/unit*unit, unit, w.rowBytes)
			c.each += (w.rows + c.rows[i] - 1) / c.rows[i]
			c.ends[i] = c.each
		}
		if cost := s.cost(&c, threads); cost < least {
			best, least = c, cost
		}
	}
	return best
}

// cost is what the worker with the largest share reads, in bytes, with what the beginnings of its chunks cost.
func (s *step) cost(c *cut, threads int) (most int) {
	for i := range threads {
		sum := 0
		for chunk := i * c.each / threads; chunk < (i+1)*c.each/threads; chunk++ {
			i, row0, row1 := s.chunk(c, chunk)
			sum += runsStart + (row1-row0)*s.mats[i].rowBytes
		}
		most = max(most, sum)
	}
	return most
}

// chunkRows is the rows of a chunk of about so many bytes, a multiple of 16 or of a tile.
func (s *step) chunkRows(w *matrix, n, bytes int) int {
	unit := s.unit(w, n)
	rows := max(unit, bytes/w.rowBytes/unit*unit)
	if w.runs && w.byGemv(n) {
		rows = apart(rows, unit, w.rowBytes)
	}
	return rows
}

// unit divides the rows of all chunks but the last.
func (s *step) unit(w *matrix, n int) int {
	unit := w.tileRows()
	if s.join {
		return unit * joinTiles
	} else if w.byGemv(n) {
		return 16
	}
	return unit
}

// apart takes a unit off rows that would make 16 runs meet in the nearest cache.
func apart(rows, unit, rowBytes int) int {
	if rows > unit && aliased(rows/16*rowBytes) {
		rows -= unit
	}
	return rows
}

// aliased tells whether 16 runs of rows, so many bytes apart, meet in the same few sets of a nearest cache, which holds 8 or 12 lines a set
// of 4 KiB: of each run 1 KB is asked for, so runs 128 bytes apart or more leave a set to 8 of them, and those closer together would
// drive one another out before they are read.
func aliased(step int) bool {
	off := (step + 2048) % 4096
	return 2048-128 < off && off < 2048+128
}

func (s *step) chunks(w *matrix, n, bytes int) int {
	per := s.chunkRows(w, n, bytes)
	return (w.rows + per - 1) / per
}

// chunk tells the matrix of a chunk of a part, and its rows.
func (s *step) chunk(c *cut, chunk int) (i, row0, row1 int) {
	first := 0
	for chunk >= c.ends[i] {
		first = c.ends[i]
		i++
	}
	row0 = (chunk - first) * c.rows[i]
	return i, row0, min(s.mats[i].rows, row0+c.rows[i])
}

// chunkAt is where the weights of a chunk begin.
func (s *step) chunkAt(c *cut, chunk int) kernels.Next {
	i, row0, row1 := s.chunk(c, chunk)
	return s.mats[i].at(row0, row1)
}

// at is where some rows begin for a one-token product.
func (w *matrix) at(row0, row1 int) kernels.Next {
	next := kernels.Next{At: &w.data[row0*w.rowBytes]}
	if w.runs {
		next.Step = (row1 - row0) / 16 * w.rowBytes
	}
	return next
}

// cutOne cuts the region for one token.
func (s *step) cutOne(threads int) {
	o := &s.one
	*o = oneCut{cut: s.cut(1, threads), from: make([]int, threads+1), at: make([]kernels.Next, threads)}
	if !slices.ContainsFunc(s.mats, func(w matrix) bool { return !w.runs }) {
		o.cut = s.cutRuns(threads)
	}
	for i := range o.from {
		o.from[i] = i * o.each / threads
	}
	for i := range o.at {
		o.at[i] = s.chunkAt(&o.cut, min(o.from[i], o.each-1))
	}
}
