package engine

import "github.com/freehold-slm/freehold/kernels"

// Mode Fast: float weights meet more than a few tokens as bf16, sums in f32, where the CPU level has a unit that gains by it
// (kernels.Level.FastBF16). Both sides are rounded, the unit has an order of its own, and its results are its own.

// FastUnit is the unit that computes products of float weights in mode Fast; "" where the mode is another, or the CPU
// level has nothing faster than what Normal does.
func (m *Model) FastUnit() string {
	if m.cfg.numeric != Fast || !m.level.FastBF16 {
		return ""
	}
	return m.level.BF16Unit
}

// roundTask rounds the input of a region of products to bf16: chunk = roundRows rows.
type roundTask struct {
	r      *runner
	in, k  int
	t0, t1 int
	ld     int      // between rows of x16
	x16    []uint16 // [rows, ld]
}

const roundRows = 16

func (t *roundTask) start(in, k, t0, t1 int) error {
	t.in, t.k, t.t0, t.t1 = in, k, t0, t1
	t.ld = k + kernels.BF16Step // an odd multiple of 64 bytes spreads the rows over the cache's sets
	if k/kernels.BF16Step%2 == 1 {
		t.ld = k
	}
	if n := (t1 + 31) &^ 15 * t.ld; len(t.x16) < n { // GemmBF16 reads blocks of 16 rows
		t.x16 = make([]uint16, n)
	}
	return t.r.m.pool.run(t, (t1-t0+roundRows-1)/roundRows)
}

func (t *roundTask) run(_, chunk int) {
	for i := t.t0 + chunk*roundRows; i < min(t.t1, t.t0+(chunk+1)*roundRows); i++ {
		t.r.m.level.BF16Row(t.x16[i*t.ld:i*t.ld+t.k], t.r.buf[t.in][i*t.k:i*t.k+t.k])
	}
}

// rounds tells whether the region has products in bf16.
func (t *matTask) rounds() bool {
	for i := range t.s.mats {
		if t.s.mats[i].fast && !t.s.mats[i].byGemv(t.t1-t.t0) {
			return true
		}
	}
	return false
}

// fastTile is floatTile in bf16: up to BF16Cols rows to a panel [k/2, BF16Cols, 2].
func (t *matTask) fastTile(w *matrix, ws *workerScratch, dst []float32, ldd, row0, row1, ta, tb int) {
	const width = kernels.BF16Cols
	t.r.floatScratch(ws, false)
	l, k, rows := t.r.m.level, w.k, row1-row0
	if len(ws.panel) < k*width {
		ws.panel = make([]uint16, t.r.m.plan.maxK*width)
	}
	for p := 0; p < k; p += floatSteps {
		steps := min(floatSteps, k-p)
		w.floats(ws.fk, width, w.data[row0*w.rowBytes+p*w.format.Bytes:], w.rowBytes, rows, steps)
		for q := 0; q < steps; q += 2 {
			l.BF16Pairs(ws.panel[(p+q)*width:(p+q+2)*width], ws.fk[q*width:(q+1)*width], ws.fk[(q+1)*width:(q+2)*width])
		}
	}
	x := &t.r.roundT
	l.GemmBF16(dst, ldd, x.x16[ta*x.ld:], x.ld, ws.panel, tb-ta, rows, k, false)
}
