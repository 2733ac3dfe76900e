package engine

import (
	"unsafe"

	"github.com/freehold-slm/freehold/kernels"
)

// matTask is the region of matrix products that read the same input. Every output is one chain of operations over
// rising k, so how rows and tokens are cut into chunks changes no bit.
type matTask struct {
	r      *runner
	s      *step
	t0, t1 int       // rows of the pass
	out    []float32 // instead of the step's buffer (one matrix only); row t0 first
	*cut
	own cut // for more tokens than one
}

// maxMats bounds the products of one region; more of them run in several.
const maxMats = 8

// gemvTokens is up to how many tokens one-token kernels are run in turn over rows that stay in L1, instead of unpacking them
// to a tile by way of codes (measured: the ways meet at 3 to 4; with an Unpack kernel at 2, bench/LOG.md 2026-11-22).
const gemvTokens = 3

// runTokens is the same for kernels that read 16 runs of rows at once (measured: two tokens 1.05 to 1.4 times as fast as by tiles, three 0.95 to 1.15).
const runTokens = 2

// chunkTokens is up to how many tokens a chunk is a run of the file that is longer than a tile: what is prefetched at
// the end of a tile is then used by the same worker.
const chunkTokens = 64

// joinTiles is the fewest tiles of a chunk of joined products: two or three blocks of a token that are quantised together, since every
// one of them touches some eight lines (measured: 32 rows are 1-3 % slower than 64, 128 the same).
const joinTiles = 2

// partTokens is the fewest tokens a worker gets of its own where there are tokens for all: unpacking a tile costs as much
// as some 20 tokens.
const partTokens = 128

// chunkBytes are the weights of a chunk of few tokens: about 100 µs.
const chunkBytes = 256 << 10

// The float product decodes so many rows and steps of k at a time and meets them with all tokens while they are in L1. Every
// level's register tile divides floatRows.
const (
	floatRows  = 48
	floatSteps = 128
)

// floatTokens is how many tokens the float product takes between two looks ahead, a multiple of the rows of the register tiles of
// AVX-512: what is asked for at once stays well below what a core can have under way.
const floatTokens = 126

func (t *matTask) start(s *step, t0, t1 int, out []float32) error {
	if len(s.mats) > maxMats {
		panic("engine: too many matrix products in one region")
	}
	t.s, t.t0, t.t1, t.out = s, t0, t1, out
	n := t1 - t0
	if s.codes {
		t.r.acts[1-s.acts].SetK(s.mats[0].rows, s.gemmOnly && n > chunkTokens)
	}
	if t.rounds() {
		if err := t.r.roundT.start(s.in, s.mats[0].k, t0, t1); err != nil {
			return err
		}
	}
	if t.cut = &s.one.cut; n != 1 || s.then == nil {
		t.own = s.cut(n, t.r.m.pool.threads())
		t.cut = &t.own
	}
	return t.r.m.pool.run(t, t.each*t.parts)
}

// byGemv tells whether a matrix runs through its one-token kernel for n tokens.
func (w *matrix) byGemv(n int) bool {
	if w.ints == nil {
		return w.dot != nil && n <= gemvTokens
	}
	return w.gemv != nil && (n == 1 || n <= gemvTokens && w.unpack == nil || n <= runTokens && w.runs)
}

// tileRows is the rows that the product takes at a time for more tokens than byGemv.
func (w *matrix) tileRows() int {
	if w.fast {
		return kernels.BF16Cols
	} else if w.ints == nil {
		return floatRows
	}
	return kernels.TileRows
}

// upcoming is what a worker reads after a chunk of one token: its next chunk, or its first of the attention or of the region of products
// that follows; none = unknown. Whoever takes over others' chunks goes on elsewhere, which is no harm.
func (t *matTask) upcoming(worker, chunk int) kernels.Next {
	s := t.s
	if s.then == nil {
		return kernels.Next{}
	}
	if from := s.one.from; from[worker] <= chunk && chunk+1 < from[worker+1] {
		return s.chunkAt(t.cut, chunk+1)
	}
	if s.attend != nil {
		if chunk, end := t.r.attT.begins(s.attend, worker); chunk+1 < end {
			if second := t.r.attT.ahead(s.attend.layer, chunk+1); second != nil {
				return kernels.Next{At: (*byte)(unsafe.Pointer(&second[0]))}
			}
		}
	}
	return s.then.one.at[worker]
}

// beforeAttention asks for a part of what a worker reads first in the attention that follows: all its chunks together ask for all of it, while
// the memory is busy anyway. Nothing asked for it in time else.
func (t *matTask) beforeAttention(worker, chunk int) {
	from, end := t.s.one.from[worker], t.s.one.from[worker+1]
	if first, last := t.r.attT.begins(t.s.attend, worker); from <= chunk && chunk < end && first < last {
		words := t.r.attT.ahead(t.s.attend.layer, first)
		n := len(words)
		askAhead(words[(chunk-from)*n/(end-from) : (chunk-from+1)*n/(end-from)])
	}
}

func (t *matTask) run(worker, chunk int) {
	ws, n := &t.r.scratch[worker], t.t1-t.t0
	if ws.next, ws.asked = (kernels.Next{}), 0; n == 1 {
		ws.next = t.upcoming(worker, chunk)
		if t.s.attend != nil {
			t.beforeAttention(worker, chunk)
		}
	}
	part, chunk := chunk/t.each, chunk%t.each
	i, row0, row1 := t.s.chunk(t.cut, chunk)
	w := &t.s.mats[i]
	per := ((n+t.parts-1)/t.parts + 15) &^ 15 // whole blocks of tokens
	ta, tb := min(t.t1, t.t0+part*per), min(t.t1, t.t0+(part+1)*per)
	switch {
	case ta == tb:
	case t.s.join:
		t.joined(ws, row0, row1, ta, tb)
	case t.out != nil:
		t.product(w, ws, t.out[(ta-t.t0)*w.rows+row0:], w.rows, row0, row1, ta, tb)
	default:
		t.product(w, ws, t.r.buf[t.s.outs[i]][ta*w.rows+row0:], w.rows, row0, row1, ta, tb)
	}
}

// joined computes rows row0..row1 of every product and of the activation for tokens ta..tb.
func (t *matTask) joined(ws *workerScratch, row0, row1, ta, tb int) {
	s, l, width := t.s, t.r.m.level, row1-row0
	size := (tb - ta) * width
	values := ws.room(len(s.mats) * size)
	next := ws.next
	for i := range s.mats {
		if ws.next = next; i+1 < len(s.mats) {
			ws.next = s.mats[i+1].at(row0, row1)
		}
		t.product(&s.mats[i], ws, values[i*size:(i+1)*size], width, row0, row1, ta, tb)
	}
	x, up := values[:size], values[size:]
	s.act.activate(l, x, x, up)
	if s.codes {
		if !l.Quantize(t.r.acts[1-s.acts], ta, tb, row0, x) {
			t.r.failInput(s.name)
		}
		return
	}
	all := s.mats[0].rows
	for i := ta; i < tb; i++ {
		copy(t.r.buf[s.outs[0]][i*all+row0:][:width], x[(i-ta)*width:])
	}
}

// product computes rows row0..row1 of w for tokens ta..tb: dst[(t-ta)*ldd + r-row0].
func (t *matTask) product(w *matrix, ws *workerScratch, dst []float32, ldd, row0, row1, ta, tb int) {
	if w.byGemv(t.t1 - t.t0) {
		t.gemvRows(w, ws, dst, ldd, row0, row1, ta, tb)
	} else {
		per := w.tileRows()
		for r := row0; r < row1; r += per {
			switch e := min(row1, r+per); {
			case w.ints != nil:
				t.intTile(w, ws, dst[r-row0:], ldd, r, e, ta, tb)
			case w.fast:
				t.fastTile(w, ws, dst[r-row0:], ldd, r, e, ta, tb)
			default:
				t.floatTile(w, ws, dst[r-row0:], ldd, r, e, ta, tb)
			}
		}
	}
	if w.lows != nil {
		t.adapt(w, dst, ldd, row0, row1-row0, ta, tb)
	}
	if w.bias == nil && w.after == nil {
		return
	}
	for i := range tb - ta {
		row := dst[i*ldd:][:row1-row0]
		if w.bias != nil {
			t.r.m.level.Add(row, w.bias[row0:row1])
		}
		for _, f := range w.after {
			f(row)
		}
	}
}

// gemvRows multiplies rows with each token in turn, 16 rows at a time where there are several tokens, so that the
// later ones find the rows in L1; in runs all rows of the chunk, which the second token finds in L2.
func (t *matTask) gemvRows(w *matrix, ws *workerScratch, dst []float32, ldd, row0, row1, ta, tb int) {
	if tb-ta == 1 {
		ws.s.Next = ws.next
		t.gemv(w, ws, dst[:row1-row0], row0, row1, ta)
		return
	}
	ws.s.Next = kernels.Next{}
	each := 16
	if w.runs {
		each = row1 - row0
	}
	for r := row0; r < row1; r += each {
		e := min(row1, r+each)
		for i := ta; i < tb; i++ {
			t.gemv(w, ws, dst[(i-ta)*ldd+r-row0:][:e-r], r, e, i)
		}
	}
}

// gemv multiplies rows with one token.
func (t *matTask) gemv(w *matrix, ws *workerScratch, dst []float32, row0, row1, token int) {
	if rows := w.data[row0*w.rowBytes : row1*w.rowBytes]; w.ints != nil {
		w.gemv(dst, rows, t.r.acts[t.s.acts], token, ws.s)
	} else {
		w.dot(dst, rows, t.r.buf[t.s.in][token*w.k:token*w.k+w.k], ws.s)
	}
}

// intTile unpacks up to 32 rows to integer codes and multiplies them with tokens ta..tb.
func (t *matTask) intTile(w *matrix, ws *workerScratch, dst []float32, ldd, row0, row1, ta, tb int) {
	t.r.tileScratch(ws)
	l, k := t.r.m.level, w.k
	ws.tile.Reset(w.ints, k)
	if w.unpack != nil && row1-row0 == kernels.TileRows {
		w.unpack(ws.tile, w.data[row0*w.rowBytes:row1*w.rowBytes])
	} else {
		groups := k / w.ints.Group
		for r := row0; r < row1; r++ {
			i := r - row0
			w.codes(ws.q[i*k:i*k+k], ws.sc[i*groups:(i+1)*groups], ws.mn[i*groups:(i+1)*groups], w.data[r*w.rowBytes:(r+1)*w.rowBytes])
		}
		l.PackTile(ws.tile, ws.q, ws.sc, ws.mn, row1-row0)
	}
	l.GemmInt8(dst, ldd, ws.tile, t.r.acts[t.s.acts], ta, tb)
}

// floatTile decodes up to floatRows rows to f32, side by side, and multiplies them with tokens ta..tb.
func (t *matTask) floatTile(w *matrix, ws *workerScratch, dst []float32, ldd, row0, row1, ta, tb int) {
	t.r.floatScratch(ws, w.floats == nil)
	l, k, rows := t.r.m.level, w.k, row1-row0
	if w.floats == nil {
		for r := row0; r < row1; r++ {
			w.row(ws.f[(r-row0)*k:(r-row0+1)*k], r)
		}
	}
	x := t.r.buf[t.s.in][ta*k:]
	for p := 0; p < k; p += floatSteps {
		steps := min(floatSteps, k-p)
		if w.floats != nil {
			w.floats(ws.fk, floatRows, w.data[row0*w.rowBytes+p*w.format.Bytes:], w.rowBytes, rows, steps)
		} else {
			l.Transpose(ws.fk, floatRows, ws.f[p:], k, rows, steps)
		}
		for i := 0; i < tb-ta; i += floatTokens {
			n := min(floatTokens, tb-ta-i)
			if w.floats != nil {
				w.ahead(row0, row1, p+steps, i*rows/(tb-ta), (i+n)*rows/(tb-ta))
			}
			l.GemmF32(dst[i*ldd:], ldd, x[i*k+p:], k, 1, ws.fk, floatRows, n, rows, steps, p > 0)
		}
	}
}

// ahead asks for what floatTile decodes after steps up to p: of rows row0+from..row0+to the steps from p on; after the last steps, the first
// of as many rows behind row1.
func (w *matrix) ahead(row0, row1, p, from, to int) {
	if p == w.k {
		row0, row1, p = row1, min(w.rows, 2*row1-row0), 0
	}
	lines := min(floatSteps, w.k-p) * w.format.Bytes / 64
	for r := row0 + from; r < min(row1, row0+to); r++ {
		kernels.Ahead(&w.data[r*w.rowBytes+p*w.format.Bytes], lines)
	}
}

// restLines is how many lines (of 64 bytes) a worker with nothing to do asks for at a time, restMost in all: a part of
// a small second-level cache.
const (
	restLines = 16
	restMost  = 4096
)

// rest is what a worker does that waits while one token is decoded: it asks for what it will read next, so that the memory
// does not rest with it.
func (r *runner) rest(worker int) {
	if ws := &r.scratch[worker]; ws.next.At != nil && ws.asked < restMost {
		line, run := ws.asked, 0
		if ws.next.Step > 0 { // of each run in turn
			turn := ws.asked / restLines
			line, run = turn/16*restLines, turn%16
		}
		kernels.AheadAt(uintptr(unsafe.Pointer(ws.next.At))+uintptr(run*ws.next.Step+line*64), restLines)
		ws.asked += restLines
	}
}
