package engine

import (
	"github.com/freehold-slm/freehold/kernels"
)

// matTask is the region of matrix products that read the same input. Every output is one chain of operations over
// rising k, so how rows and tokens are cut into chunks changes no bit.
type matTask struct {
	r      *runner
	s      *step
	t0, t1 int       // rows of the pass
	out    []float32 // instead of the step's buffer (one matrix only); row t0 first
	bytes  int       // of weights a chunk, about; 0 = one tile
	parts  int       // pieces the tokens are cut into
	ends   [maxMats]int
}

// maxMats bounds the products of one region; more of them run in several.
const maxMats = 8

// gemvTokens is up to how many tokens one-token kernels are run in turn over rows that stay in L1, instead of unpacking them
// to a tile by way of codes (measured: the ways meet at 3 to 4; with an Unpack kernel at 2, bench/LOG.md 2026-11-22).
const gemvTokens = 3

// chunkTokens is up to how many tokens a chunk is a run of the file that is longer than a tile: what is prefetched at
// the end of a tile is then used by the same worker.
const chunkTokens = 64

// Sizes that bound a chunk for one token, and each kernel call, to about 100 µs.
const (
	chunkBytes = 256 << 10 // weights of a chunk of few tokens
	callMACs   = 8 << 20   // multiply-adds of a GemmInt8 call
	floatMACs  = 2 << 20   // the same of a GemmF32 call
)

func (t *matTask) start(s *step, t0, t1 int, out []float32) error {
	if len(s.mats) > maxMats {
		panic("engine: too many matrix products in one region")
	}
	t.s, t.t0, t.t1, t.out = s, t0, t1, out
	n, threads := t1-t0, t.r.m.pool.threads()
	t.bytes, t.parts = 0, 1
	if n <= chunkTokens {
		total := 0
		for i := range s.mats {
			total += s.mats[i].rows * s.mats[i].rowBytes
		}
		t.bytes = min(chunkBytes, max(1, total/(4*threads)))
	} else if threads > 1 {
		tiles := 0
		for i := range s.mats {
			tiles += t.chunks(&s.mats[i])
		}
		// Enough chunks to share out; each part unpacks the tile anew, so parts of at least 32 tokens.
		for tiles*t.parts < 4*threads && n/(t.parts*2) >= 32 {
			t.parts *= 2
		}
	}
	chunks := 0
	for i := range s.mats {
		chunks += t.chunks(&s.mats[i])
		t.ends[i] = chunks
	}
	return t.r.m.pool.run(t, chunks)
}

// byGemv tells whether a matrix runs through its one-token kernel.
func (t *matTask) byGemv(w *matrix) bool {
	n := t.t1 - t.t0
	return w.ints != nil && w.gemv != nil && (n == 1 || n <= gemvTokens && w.unpack == nil)
}

// chunkRows is the rows of a chunk, a multiple of 16 or of a tile.
func (t *matTask) chunkRows(w *matrix) int {
	unit := kernels.TileRows
	if t.byGemv(w) {
		unit = 16
	}
	return max(unit, t.bytes/w.rowBytes/unit*unit)
}

func (t *matTask) chunks(w *matrix) int {
	per := t.chunkRows(w)
	return (w.rows + per - 1) / per * t.parts
}

func (t *matTask) run(worker, chunk int) {
	i, first := 0, 0
	for chunk >= t.ends[i] {
		first = t.ends[i]
		i++
	}
	w, chunk := &t.s.mats[i], chunk-first
	var dst []float32 // [t1-t0, w.rows]
	if t.out != nil {
		dst = t.out
	} else {
		dst = t.r.buf[t.s.outs[i]][t.t0*w.rows:]
	}
	ws := &t.r.scratch[worker]
	rows, part, n := t.chunkRows(w), chunk%t.parts, t.t1-t.t0
	row0 := chunk / t.parts * rows
	row1 := min(w.rows, row0+rows)
	per := ((n+t.parts-1)/t.parts + 15) &^ 15 // whole blocks of tokens
	ta, tb := min(t.t1, t.t0+part*per), min(t.t1, t.t0+(part+1)*per)
	if ta == tb {
		return
	}
	if t.byGemv(w) {
		t.gemvChunk(w, ws, dst, row0, row1)
	} else {
		for r := row0; r < row1; r += kernels.TileRows {
			if e := min(row1, r+kernels.TileRows); w.ints != nil {
				t.intTile(w, ws, dst, r, e, ta, tb)
			} else {
				t.floatTile(w, ws, dst, r, e, ta, tb)
			}
		}
	}
	if w.bias != nil {
		for i := ta; i < tb; i++ {
			at := (i - t.t0) * w.rows
			t.r.m.level.Add(dst[at+row0:at+row1], w.bias[row0:row1])
		}
	}
	for _, f := range w.after {
		for i := ta; i < tb; i++ {
			at := (i - t.t0) * w.rows
			f(dst[at+row0 : at+row1])
		}
	}
}

// gemvChunk multiplies rows with each token in turn, 16 rows at a time where there are several tokens, so that the
// later ones find the rows in L1.
func (t *matTask) gemvChunk(w *matrix, ws *workerScratch, dst []float32, row0, row1 int) {
	a := t.r.acts
	if t.t1-t.t0 == 1 {
		w.gemv(dst[row0:row1], w.data[row0*w.rowBytes:row1*w.rowBytes], a, t.t0, ws.s)
		return
	}
	for r := row0; r < row1; r += 16 {
		e := min(row1, r+16)
		for i := t.t0; i < t.t1; i++ {
			at := (i - t.t0) * w.rows
			w.gemv(dst[at+r:at+e], w.data[r*w.rowBytes:e*w.rowBytes], a, i, ws.s)
		}
	}
}

// intTile unpacks up to 32 rows to integer codes and multiplies them with tokens ta..tb.
func (t *matTask) intTile(w *matrix, ws *workerScratch, dst []float32, row0, row1, ta, tb int) {
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
	per := max(48, callMACs/(kernels.TileRows*k)/48*48) // a multiple of every level's block of tokens
	for ta < tb {
		e := min(tb, ta+per)
		l.GemmInt8(dst[(ta-t.t0)*w.rows+row0:], w.rows, ws.tile, t.r.acts, ta, e)
		ta = e
	}
}

// floatTile decodes up to 32 rows to f32, lays them side by side and multiplies them with tokens ta..tb.
func (t *matTask) floatTile(w *matrix, ws *workerScratch, dst []float32, row0, row1, ta, tb int) {
	t.r.floatScratch(ws)
	l, k, rows := t.r.m.level, w.k, row1-row0
	for r := row0; r < row1; r++ {
		w.row(ws.f[(r-row0)*k:(r-row0+1)*k], r)
	}
	const cols = 4096 // bounds a call
	for j := 0; j < k; j += cols {
		l.Transpose(ws.fk[j*kernels.TileRows:], kernels.TileRows, ws.f[j:], k, rows, min(cols, k-j))
	}
	x := t.r.buf[t.s.in]
	per := max(1, floatMACs/(kernels.TileRows*k))
	for ta < tb {
		e := min(tb, ta+per)
		l.GemmF32(dst[(ta-t.t0)*w.rows+row0:], w.rows, x[ta*k:], k, 1, ws.fk, kernels.TileRows, e-ta, rows, k, false)
		ta = e
	}
}
