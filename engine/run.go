package engine

import (
	"fmt"
	"sync"

	"github.com/freehold-slm/freehold/kernels"
)

// runner holds everything one pass of the model writes: the program's buffers, the rows of the pass and each worker's
// scratch. It belongs to whoever leads (see queue). Nothing in it is allocated per token once it has grown.
type runner struct {
	m    *Model
	rows int              // room of buffers, in rows
	buf  [][]float32      // [buffers][rows*width]
	acts [4]*kernels.Acts // quantised: read by a region of products, and what it gives quantised; then the same in pairs

	// The rows of the pass.
	n      int // rows
	tok    []int32
	pos    []int32
	page   []*page
	wanted []int32 // rows whose result is wanted, those with logits first

	logitRows int // how many of wanted are for logits
	parts     []passPart
	logits    []float32 // [block, vocab]

	quantizeHidden [1]rowOp
	classStep      step

	watch func(name string, x []float32, width int) // sees the input x [rows, width] of each matrix; nil = nobody

	scratch []workerScratch
	rowsT   rowsTask
	matT    matTask
	attT    attendTask
	gatherT gatherTask
	stackT  stackTask
	groups  groups
	roundT  roundTask
	stateT  stateTask

	mu  sync.Mutex
	err error // first NumberError of the pass
}

// workerScratch is one worker's own memory.
type workerScratch struct {
	s     *kernels.Scratch
	tile  *kernels.Tile
	q     []int8 // [TileRows, k] codes of a tile
	sc    []float32
	mn    []float32
	f     []float32     // [floatRows, k] weights decoded to f32, of formats that are not unpacked to fk at once
	fk    []float32     // [floatSteps, floatRows] weights decoded to f32
	h     []uint16      // [headDim]
	kv    *kernels.Acts // one row of keys or values, for a q8_0 cache
	panel []uint16      // [k/2, BF16Cols, 2] weights in bf16
	join  []float32     // [products, tokens, rows] of a chunk of joined products
	next  kernels.Next  // what this worker reads after the weights at hand, while one token is decoded; nil = unknown
	asked int           // lines of it that were asked for while it waited
	gate  []float32     // [2*experts] of a router
	att   attendScratch
}

func newRunner(m *Model) *runner {
	r := &runner{m: m}
	k := m.plan.maxK
	r.scratch = make([]workerScratch, m.cfg.threads)
	for i := range r.scratch {
		w := &r.scratch[i]
		w.s = kernels.NewScratch(k)
		w.h = make([]uint16, m.Spec.HeadDim)
		w.gate = make([]float32, max(1, 2*m.plan.experts))
		if m.cfg.kv == KVQ8_0 {
			w.kv = kernels.NewActs(1, m.Spec.KVHeads*m.Spec.HeadDim)
		}
	}
	r.rowsT.r, r.matT.r, r.attT.r, r.roundT.r, r.gatherT.r, r.stackT.r, r.stateT.r = r, r, r, r, r, r, r
	r.buf = make([][]float32, len(m.plan.buffers))
	return r
}

// room is n values of the memory of joined products.
func (w *workerScratch) room(n int) []float32 {
	if cap(w.join) < n {
		w.join = make([]float32, n)
	}
	return w.join[:n]
}

// grow makes room for n rows.
func (r *runner) grow(n int) {
	if n <= r.rows {
		return
	}
	n = min(r.m.cfg.chunk, max(n, 2*r.rows))
	r.rows = n
	for i, w := range r.m.plan.buffers {
		r.buf[i] = make([]float32, n*w)
	}
	for i, k := range r.m.plan.acts {
		switch {
		case k > 0 && i < 2:
			r.acts[i] = kernels.NewActs(n, k)
		case k > 0:
			r.acts[i] = kernels.NewActs(n*r.m.plan.slots, k)
		}
	}
	r.groups.grow(n*r.m.plan.slots, r.m.plan.stacked)
	r.tok, r.pos = make([]int32, n), make([]int32, n)
	r.page = make([]*page, n)
	r.wanted = make([]int32, 0, n)
}

// tileScratch makes the worker's tile memory on first use; decoding one token may never need it.
func (r *runner) tileScratch(w *workerScratch) {
	if w.tile == nil {
		k := max(r.m.plan.maxInt, 32)
		w.tile = kernels.NewTile(k)
		w.q = make([]int8, kernels.TileRows*k+64)
		w.sc = make([]float32, kernels.TileRows*(k/16)+64)
		w.mn = make([]float32, kernels.TileRows*(k/16)+64)
	}
}

// floatScratch does the same for the float path; decoded tells whether w.f is wanted.
func (r *runner) floatScratch(w *workerScratch, decoded bool) {
	if w.fk == nil {
		w.fk = make([]float32, floatRows*floatSteps)
	}
	if decoded && w.f == nil {
		w.f = make([]float32, floatRows*r.m.plan.maxK)
	}
}

// fail keeps the first number error of the pass.
func (r *runner) fail(where, what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = &NumberError{r.m.file.Name, where, what}
	}
}

// failInput is fail for the input of a named tensor that cannot be quantised.
func (r *runner) failInput(tensor string) {
	r.fail(fmt.Sprintf("input of tensor %q", tensor), "holds a NaN or an infinity; the file's weights are damaged")
}

func (r *runner) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// count is the number of rows in a space.
func (r *runner) count(s space) int {
	if s == wantedRows {
		return len(r.wanted)
	}
	return r.n
}

// step runs one step over the pass.
func (r *runner) step(s *step) error {
	n := r.count(s.space)
	if n == 0 {
		return nil
	}
	var err error
	switch s.kind {
	case stepRows:
		err = r.runRows(s.rows, n)
	case stepMat:
		if r.watch != nil && !s.low {
			r.show(s, n)
		}
		err = r.matT.start(s, 0, n, nil)
	case stepAttend:
		err = r.attT.start(s)
	case stepGather:
		err = r.gatherT.start(s, n)
	case stepStack:
		err = r.stackT.start(s)
	case stepConv, stepScan:
		err = r.stateT.start(s)
	case stepSelect:
		in, out, w := r.buf[s.in], r.buf[s.out], s.width
		for i, t := range r.wanted {
			copy(out[i*w:i*w+w], in[int(t)*w:int(t)*w+w])
		}
	}
	if err == nil {
		err = r.failed()
	}
	return err
}

// rowsTask runs row ops: chunk = a run of rows, taken through all ops block by block.
type rowsTask struct {
	r   *runner
	ops []rowOp
	n   int
	per int
}

// inlineRows is the amount of work, in values, up to which a region is not worth its start.
const inlineRows = 1 << 14

func (r *runner) runRows(ops []rowOp, n int) error {
	t := &r.rowsT
	t.ops, t.n, t.per = ops, n, n
	work := 0
	for i := range ops {
		work += n * ops[i].width
	}
	if w := r.m.pool.threads(); work > inlineRows && w > 1 {
		if t.per = max(1, n/(4*w)); t.per > rowBlock {
			t.per = t.per / rowBlock * rowBlock
		}
	}
	for i := range ops {
		if ops[i].kind == rowQuantize {
			r.acts[0].SetK(ops[i].width, ops[i].gemmOnly && n > chunkTokens)
		}
	}
	return r.m.pool.run(t, (n+t.per-1)/t.per)
}

func (t *rowsTask) run(worker, chunk int) {
	for i, end := chunk*t.per, min(t.n, (chunk+1)*t.per); i < end; i += rowBlock {
		n := min(rowBlock, end-i)
		for ops := t.ops; len(ops) > 0; {
			if ops[0].kind == rowQuantize {
				t.quantize(&ops[0], i, i+n)
				ops = ops[1:]
				continue
			}
			// A row goes through all ops up to there while it is in L1.
			some := 1
			for some < len(ops) && ops[some].kind != rowQuantize {
				some++
			}
			for k := i; k < i+n; k++ {
				for o := range some {
					t.row(&ops[o], worker, k)
				}
			}
			ops = ops[some:]
		}
	}
}

// rowBlock is how many rows are taken through the ops together: as many as kernels quantise at a time.
const rowBlock = 16

// quantize quantises rows i0..i1.
func (t *rowsTask) quantize(o *rowOp, i0, i1 int) {
	if !t.r.m.level.Quantize(t.r.acts[0], i0, i1, 0, t.r.buf[o.a][i0*o.width:i1*o.width]) {
		t.r.failInput(o.name)
	}
}

// activate is dst = the activation of gate, times up where it has one.
func (k rowKind) activate(l *kernels.Level, dst, gate, up []float32) {
	switch k {
	case rowSwiGLU:
		l.SwiGLU(dst, gate, up)
	case rowGeGLU:
		l.GeGLU(dst, gate, up)
	case rowGELU:
		l.GELU(dst, gate)
	case rowReLU2:
		l.ReLU2(dst, gate)
	case rowClampedSwiGLU:
		l.ClampedSwiGLU(dst, gate, up, up)
	}
}

// weights are those of a norm on n columns from column at.
func (o *rowOp) weights(at, n int) []float32 {
	if o.each {
		return o.w[at : at+n]
	}
	return o.w
}

func (t *rowsTask) row(o *rowOp, worker, i int) {
	r, w := t.r, o.width
	l := r.m.level
	at := func(b int) []float32 { return r.buf[b][i*w : i*w+w] }
	switch o.kind {
	case rowEmbed:
		r.m.plan.embed.row(at(o.out), int(r.tok[i]))
	case rowPosition:
		r.m.plan.place.row(at(o.out), int(r.pos[i]))
	case rowRow:
		if o.out != o.a {
			copy(at(o.out), at(o.a))
		}
		l.Add(at(o.out), o.w)
	case rowAdd:
		if o.out != o.a {
			copy(at(o.out), at(o.a))
		}
		l.Add(at(o.out), at(o.b))
	case rowNorm:
		dst, x, n := at(o.out), at(o.a), w/o.heads
		if o.cols > 0 {
			copy(dst[o.cols:], x[o.cols:])
			dst, x, w, n = dst[:o.cols], x[:o.cols], o.cols, o.cols
		}
		for h := 0; h < w; h += n {
			l.RMSNorm(dst[h:h+n], x[h:h+n], o.weights(h, n), r.m.Spec.NormEps)
		}
	case rowLayerNorm:
		dst, x, n := at(o.out), at(o.a), w/o.heads
		for h := 0; h < w; h += n {
			l.LayerNorm(dst[h:h+n], x[h:h+n], o.weights(h, n), o.bias, r.m.Spec.NormEps)
		}
	case rowScale:
		if o.out != o.a {
			copy(at(o.out), at(o.a))
		}
		l.Scale(at(o.out), o.factor)
	case rowSwiGLU, rowGeGLU:
		o.kind.activate(l, at(o.out), at(o.a), at(o.b))
	case rowMul:
		if o.out != o.a {
			copy(at(o.out), at(o.a))
		}
		l.Mul(at(o.out), at(o.b))
	case rowSiLU:
		l.SiLU(at(o.out), at(o.a))
	case rowSoftplus:
		if o.out != o.a {
			copy(at(o.out), at(o.a))
		}
		l.Add(at(o.out), o.bias)
		l.Softplus(at(o.out), at(o.out), r.scratch[worker].room(w))
	case rowGELU, rowReLU2:
		o.kind.activate(l, at(o.out), at(o.a), nil)
	case rowClamp:
		l.Clamp(at(o.out), at(o.a), o.factor)
	case rowRotate:
		cos, sin := o.rope.at(int(r.pos[i]))
		x, hd, from := at(o.out), w/o.heads, 0
		if o.tail > 0 {
			from = hd - o.tail
		}
		for h := 0; h < o.heads; h++ {
			l.Rope(x[h*hd+from:h*hd+hd], cos, sin, r.m.Spec.Rope.Neox)
		}
	case rowGate, rowRoute, rowMix, rowTail:
		t.stackRow(o, worker, i)
	case rowStore:
		if !r.m.store(r.page[i], o.layer, int(r.pos[i]), at(o.a), at(o.b), &r.scratch[worker]) {
			what := "holds a NaN or an infinity; the file's weights are damaged"
			if l.AllFinite(at(o.a)) && l.AllFinite(at(o.b)) {
				what = fmt.Sprintf("holds a number beyond %s, too large for the %v KV cache; open the model with F32 KV",
					map[KV]string{KVF16: "65504", KVQ8_0: "127*65504"}[r.m.cfg.kv], r.m.cfg.kv)
			}
			r.fail(fmt.Sprintf("keys and values of layer %d", o.layer), what)
		}
	}
}
