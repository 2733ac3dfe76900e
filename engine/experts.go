package engine

import (
	"slices"

	"github.com/freehold-slm/freehold/models"
)

// Products by a stack of matrices: of experts, of which a router gives each row some, or of heads, of which a row has all.
// A pair is a row and a matrix. Pairs are computed in the order of their matrices, and those of a matrix in the order of
// rows: they are neighbours then, and run as the tokens of a dense product do. An output is one chain over k as there, so
// which rows a matrix is shared with changes no bit.

// stack is what a plan knows of such products.
type stack struct {
	parts    int  // of a row
	matrices int  // in the stack
	route    int  // buffer of experts and weights; -1 = part s goes with matrix s
	shared   bool // all parts of a row are the whole row
	width    int  // of a row that is gathered from, or that heads are written to
	stride   int  // from part to part of it; 0 = shared
	cols     int  // of a part, that the matrices read
	tail     int  // columns that are copied behind each product
}

// of is the matrix of a stack with one number; w.rows are its rows.
func (w *matrix) of(e int) matrix {
	one := *w
	one.data = w.data[e*w.rows*w.rowBytes:][:w.rows*w.rowBytes]
	if w.bias != nil {
		one.bias = w.bias[e*w.rows:][:w.rows]
	}
	return one
}

// stacked compiles the products by stacks that begin at op i, and their activation, and returns the last op compiled.
func (c *compiler) stacked(i int) (last int, err error) {
	ops := c.m.Program.Ops
	o := &ops[i]
	j := i + 1
	for j < len(ops) && ops[j].Kind == models.StackMatMul && slices.Equal(ops[j].In, o.In) {
		j++
	}
	in := o.In[0]
	st := &stack{parts: o.Parts, matrices: o.Stack, route: -1, shared: o.Shared, cols: o.Cols, tail: o.Tail, width: c.m.Program.Width[in]}
	if len(o.In) > 1 {
		st.route = c.at[o.In[1]]
	}
	if !o.Shared {
		st.stride = st.width / o.Parts
	}
	c.p.slots, c.p.stacked = max(c.p.slots, st.parts), max(c.p.stacked, st.matrices)
	s := step{kind: stepStack, space: c.spaceOf[in], layer: o.Layer, stack: st}
	ints, floats := false, false
	for k := range ops[i:j] {
		w, err := c.matrix(&ops[i+k])
		if err != nil {
			return 0, err
		}
		w.rows /= o.Stack
		w.fast = false // pairs are not rounded to bf16
		ints, floats = ints || w.ints != nil, floats || w.ints == nil
		s.mats = append(s.mats, w)
	}
	read := j - 1 // the last op that reads in
	if st.route >= 0 && !o.Shared {
		c.flush()
		s.in, s.acts = c.at[in], 3 // in pairs already, as values or as codes
	} else {
		c.gather(&s, in, ints, floats, o.W)
	}
	if act, ok := c.joins(i, j); ok {
		s.join, s.act = true, act
		out := ops[j].Out
		next := j + 1
		if next < len(ops) && ops[next].Kind == models.StackMatMul && ops[next].In[0] == out && c.lastUse[out] == next {
			w, err := c.m.bind(&ops[next])
			if err != nil {
				return 0, err
			}
			s.codes, s.name = w.ints != nil, ops[next].W
		}
		if s.codes {
			c.spaceOf[out] = s.space
			c.p.acts[3] = max(c.p.acts[3], s.mats[0].rows)
		} else {
			s.outs = []int{c.buffer(out, s.space)}
		}
		j++
	} else {
		for k := range ops[i:j] {
			s.outs = append(s.outs, c.buffer(ops[i+k].Out, s.space))
		}
	}
	if st.tail == 0 {
		c.release(in, read)
		c.emit(s)
		return j - 1, nil
	}
	c.emit(s)
	c.row(s.space, rowOp{kind: rowTail, out: s.outs[0], a: c.at[in], width: c.m.Program.Width[o.Out], layer: o.Layer, stack: st})
	c.release(in, read)
	return j - 1, nil
}

// gather emits the step that puts the pairs of value in into order, quantised where integer products read them.
func (c *compiler) gather(s *step, in models.Value, ints, floats bool, name string) {
	c.flush()
	g := step{kind: stepGather, space: s.space, layer: s.layer, stack: s.stack, in: c.at[in], out: -1, codes: ints, name: name}
	s.acts = 2
	if ints {
		c.p.acts[2] = max(c.p.acts[2], s.stack.cols)
	}
	if floats {
		g.out = c.room(s.stack.parts * s.stack.cols)
		s.in = g.out
	}
	c.emit(g)
	if floats {
		c.dying = append(c.dying, g.out)
	}
}

// routed compiles a router, or the sum of what its experts gave.
func (c *compiler) routed(o *models.Op, i int, sp space) error {
	width := c.m.Program.Width[o.Out]
	r := rowOp{layer: o.Layer, a: c.at[o.In[0]], width: width, heads: o.Parts, router: o.Router, name: o.W}
	if o.Kind == models.Mix {
		r.kind, r.b = rowMix, c.at[o.In[1]]
		r.out = c.buffer(o.Out, sp)
		c.row(sp, r)
		c.release(o.In[1], i)
	} else {
		r.kind, r.cols = rowRoute, c.m.Program.Width[o.In[0]]
		c.p.experts = max(c.p.experts, r.cols)
		if o.B != "" {
			var err error
			if r.bias, err = c.m.vector(o.B); err != nil {
				return err
			}
		}
		r.out = c.buffer(o.Out, sp)
		c.row(sp, r)
	}
	c.release(o.In[0], i)
	return nil
}

// stackRow runs the row ops that belong to stacks.
func (t *rowsTask) stackRow(o *rowOp, worker, i int) {
	r, l, w := t.r, t.r.m.level, o.width
	out := r.buf[o.out]
	switch o.kind {
	case rowGate:
		g := r.scratch[worker].gate[:1]
		l.Sigmoid(g, r.buf[o.b][i:i+1])
		if o.out != o.a {
			copy(out[i*w:i*w+w], r.buf[o.a][i*w:i*w+w])
		}
		l.Scale(out[i*w:i*w+w], g[0])
	case rowRoute:
		l.Route(out[i*w:i*w+w], r.buf[o.a][i*o.cols:(i+1)*o.cols], o.bias, o.router, r.scratch[worker].gate)
	case rowMix:
		sum, weights := out[i*w:i*w+w], r.buf[o.b][(2*i+1)*o.heads:]
		clear(sum)
		for k, p := range r.groups.at[i*o.heads : (i+1)*o.heads] {
			l.Axpy(sum, weights[k], r.buf[o.a][int(p)*w:int(p)*w+w])
		}
	case rowTail:
		st, dst, src := o.stack, out[i*w:i*w+w], r.buf[o.a][i*o.stack.width:]
		for h := range st.parts {
			to := (h + 1) * (w / st.parts)
			copy(dst[to-st.tail:to], src[h*st.stride+st.cols:])
		}
	}
}

// groups is the pairs of a pass in order.
type groups struct {
	n      int     // pairs that were gathered
	first  []int32 // [matrices+1] first pair of each matrix
	row    []int32 // [pairs]
	part   []int32 // [pairs] part of the row
	at     []int32 // [rows, parts] pair
	active []int32 // matrices that have pairs, rising
	most   int     // pairs of the matrix that has most
	alone  bool    // one row: its one gathered copy serves all
}

// grow makes room for pairs of stacks of matrices.
func (g *groups) grow(pairs, matrices int) {
	if matrices == 0 {
		return
	}
	g.row, g.part, g.at = make([]int32, pairs), make([]int32, pairs), make([]int32, pairs)
	g.first, g.active = make([]int32, matrices+1), make([]int32, 0, matrices)
}

// build orders the pairs of n rows; route holds their experts, nil = each part goes with the matrix of its number.
func (g *groups) build(st *stack, n int, route []float32) {
	expert := func(row, part int) int {
		if route == nil {
			return part
		}
		return int(route[row*2*st.parts+part])
	}
	first := g.first[:st.matrices+1]
	clear(first)
	for row := range n {
		for part := range st.parts {
			first[expert(row, part)+1]++
		}
	}
	g.active, g.most = g.active[:0], 0
	for e := range st.matrices {
		if c := int(first[e+1]); c > 0 {
			g.active = append(g.active, int32(e))
			g.most = max(g.most, c)
		}
		first[e+1] += first[e]
	}
	for row := range n {
		for part := range st.parts {
			e := expert(row, part)
			p := first[e]
			first[e]++
			g.row[p], g.part[p], g.at[row*st.parts+part] = int32(row), int32(part), p
		}
	}
	copy(first[1:], first[:st.matrices]) // each is where the next begins
	first[0] = 0
	g.n, g.alone = n*st.parts, st.shared && n == 1
	if g.alone {
		g.n = 1
	}
}

// gatherTask copies pairs in order: chunk = a block of them.
type gatherTask struct {
	r *runner
	s *step
}

func (t *gatherTask) start(s *step, rows int) error {
	t.s = s
	g, st := &t.r.groups, s.stack
	var route []float32
	if st.route >= 0 {
		route = t.r.buf[st.route]
	}
	g.build(st, rows, route)
	if s.codes {
		t.r.acts[2].SetK(st.cols, false)
	}
	return t.r.m.pool.run(t, (g.n+rowBlock-1)/rowBlock)
}

func (t *gatherTask) run(worker, chunk int) {
	r, s, st, g := t.r, t.s, t.s.stack, &t.r.groups
	from, to := chunk*rowBlock, min(g.n, (chunk+1)*rowBlock)
	var x []float32
	if s.out >= 0 {
		x = r.buf[s.out][from*st.cols : to*st.cols]
	} else {
		x = r.scratch[worker].room((to - from) * st.cols)
	}
	for p := from; p < to; p++ {
		copy(x[(p-from)*st.cols:][:st.cols], r.buf[s.in][int(g.row[p])*st.width+int(g.part[p])*st.stride:])
	}
	if s.codes && !r.m.level.Quantize(r.acts[2], from, to, 0, x) {
		r.failInput(s.name)
	}
}

// stackTask is the region of products of pairs: chunk = rows of one matrix, for all its pairs.
type stackTask struct {
	r    *runner
	s    *step
	rows int // of a chunk
	each int // chunks of a matrix
}

func (t *stackTask) start(s *step) error {
	t.s = s
	g, w := &t.r.groups, &s.mats[0]
	bytes := 0
	if g.most <= chunkTokens {
		bytes = min(chunkBytes, len(g.active)*w.rows*w.rowBytes/(4*t.r.m.pool.threads()))
	}
	t.rows = s.chunkRows(w, g.most, bytes)
	t.each = (w.rows + t.rows - 1) / t.rows
	if s.codes {
		t.r.acts[3].SetK(w.rows, false)
	}
	return t.r.m.pool.run(t, t.each*len(g.active))
}

func (t *stackTask) run(worker, chunk int) {
	r, s, g := t.r, t.s, &t.r.groups
	e := int(g.active[chunk/t.each])
	row0 := chunk % t.each * t.rows
	p0, n := int(g.first[e]), int(g.first[e+1]-g.first[e])
	in := p0
	if g.alone && s.acts == 2 {
		in = 0
	}
	// The pairs of a matrix are the tokens of a dense product.
	mat := matTask{r: r, s: s, t0: in, t1: in + n}
	ws, all := &r.scratch[worker], s.mats[0].rows
	ws.next.At, ws.asked = nil, 0
	row1 := min(all, row0+t.rows)
	width := row1 - row0
	if !s.join {
		for i := range s.mats {
			w := s.mats[i].of(e)
			dst, ldd := r.buf[s.outs[i]][p0*all+row0:], all
			if st := s.stack; st.route < 0 {
				ldd = st.parts * (all + st.tail)
				dst = r.buf[s.outs[i]][e*(all+st.tail)+row0:]
			}
			mat.product(&w, ws, dst, ldd, row0, row1, in, in+n)
		}
		return
	}
	size := n * width
	x := ws.room(len(s.mats) * size)
	for i := range s.mats {
		w := s.mats[i].of(e)
		mat.product(&w, ws, x[i*size:(i+1)*size], width, row0, row1, in, in+n)
	}
	y := x[:size]
	s.act.activate(r.m.level, y, y, x[size:])
	if s.codes {
		if !r.m.level.Quantize(r.acts[3], p0, p0+n, row0, y) {
			r.failInput(s.name)
		}
		return
	}
	for i := range n {
		copy(r.buf[s.outs[0]][(p0+i)*all+row0:], y[i*width:][:width])
	}
}
