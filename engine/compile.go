package engine

import (
	"fmt"
	"slices"

	"github.com/freehold-slm/freehold/models"
)

// compiler holds what compile builds up.
type compiler struct {
	m       *Model
	p       *plan
	lastUse []int // [values] index of the last op that reads it
	at      []int // [values] buffer, -1 = none
	spaceOf []space
	free    []int // buffers free from the next step on
	dying   []int // buffers that become free at the end of the step
	rows    []rowOp
	rowsIn  space
	acts    models.Value // the value that was quantised last, -1 = none
	actsAt  int          // which of the runner's activations holds it
}

// compile lowers the program. Every op kind that is not known here is an error.
func compile(m *Model) (*plan, error) {
	ops := m.Program.Ops
	c := &compiler{m: m, p: &plan{}, acts: -1}
	n := len(m.Program.Width)
	c.lastUse, c.at, c.spaceOf = make([]int, n), make([]int, n), make([]space, n)
	for i := range c.at {
		c.at[i], c.lastUse[i] = -1, -1
	}
	for i, o := range ops {
		for _, v := range o.In {
			c.lastUse[v] = i
		}
	}
	c.lastUse[m.Program.Hidden] = len(ops)
	for i := 0; i < len(ops); i++ {
		o := &ops[i]
		switch {
		case m.Program.InHead(o.Out):
			if err := c.head(o); err != nil {
				return nil, err
			}
		case o.Kind == models.Pool:
			if o.In[0] != m.Program.Hidden {
				return nil, fmt.Errorf("%s: the program pools something other than its hidden state", m.file.Name)
			}
		case o.Out == m.Program.Class || o.Out == m.Program.Vector:
			w, err := c.matrix(o)
			if err != nil {
				return nil, err
			}
			if c.p.quantizes(&w); o.Out == m.Program.Class {
				c.p.class = &w
			} else {
				c.p.dense = &w
			}
		case o.Kind == models.StackMatMul:
			last, err := c.stacked(i)
			if err != nil {
				return nil, err
			}
			i = last
		case o.Kind == models.MatMul:
			// All products that follow one another and read the same value.
			j := i + 1
			for j < len(ops) && ops[j].Kind == models.MatMul && ops[j].In[0] == o.In[0] && !m.Program.InHead(ops[j].Out) {
				j++
			}
			if act, ok := c.joins(i, j); ok {
				j++
				if err := c.joined(i, j, act); err != nil {
					return nil, err
				}
			} else if err := c.matmuls(ops[i:j], j-1); err != nil {
				return nil, err
			}
			i = j - 1
		default:
			if err := c.op(o, i); err != nil {
				return nil, err
			}
		}
	}
	c.flush()
	c.p.readers(m.level)
	c.p.hidden = c.at[m.Program.Hidden]
	if c.p.hidden < 0 || (c.p.head.mats == nil) != m.Spec.Encoder {
		return nil, fmt.Errorf("%s: the program has no result", m.file.Name)
	}
	if c.p.state > maxStateValues {
		return nil, fmt.Errorf("%s: the layers without attention leave a state of %d values behind a token, want at most %d", m.file.Name, c.p.state, maxStateValues)
	}
	c.p.follow(m.cfg.threads)
	return c.p, nil
}

// head compiles the output head: the product, and what follows it on each part of the logits.
func (c *compiler) head(o *models.Op) error {
	if o.Kind == models.MatMul && o.In[0] == c.m.Program.Hidden {
		w, err := c.matrix(o)
		c.p.head = step{kind: stepMat, space: wantedRows, layer: o.Layer, in: c.at[o.In[0]], width: w.k, mats: []matrix{w}}
		c.p.quantizes(&w)
		if err == nil && len(c.m.adapters[o.W]) > 0 {
			c.p.lows = c.lows([]models.Op{*o}, &c.p.head)
		}
		return err
	}
	if len(c.p.head.mats) == 0 {
		return fmt.Errorf("%s: the program's logits do not come from its hidden state", c.m.file.Name)
	}
	w, level, factor := &c.p.head.mats[0], c.m.level, o.Factor
	switch o.Kind {
	case models.Scale:
		w.after = append(w.after, func(x []float32) { level.Scale(x, factor) })
	case models.SoftCap:
		w.after = append(w.after, func(x []float32) { level.SoftCap(x, factor) })
	default:
		return fmt.Errorf("%s: op %v of the program is not known to the engine on logits", c.m.file.Name, o.Kind)
	}
	return nil
}

func (c *compiler) matrix(o *models.Op) (matrix, error) {
	w, err := c.m.bind(o)
	if err == nil {
		c.p.maxK = max(c.p.maxK, w.k)
		if w.ints != nil {
			c.p.maxInt = max(c.p.maxInt, w.k)
		}
	}
	return w, err
}

// products binds products of the same input and sees that the input is quantised where one of them wants it so.
func (c *compiler) products(ops []models.Op) (step, error) {
	in := ops[0].In[0]
	s := step{kind: stepMat, space: c.spaceOf[in], layer: ops[0].Layer, in: c.at[in], width: c.m.Program.Width[in]}
	quantize := false
	for i := range ops {
		w, err := c.matrix(&ops[i])
		if err != nil {
			return s, err
		}
		quantize = quantize || w.ints != nil
		s.mats = append(s.mats, w)
	}
	if quantize && c.acts != in {
		c.row(s.space, rowOp{kind: rowQuantize, a: s.in, width: s.width, layer: s.layer, name: ops[0].W})
		c.acts, c.actsAt = in, 0
		c.p.acts[0] = max(c.p.acts[0], s.width)
	}
	s.acts = c.actsAt
	c.flush()
	c.adapted(ops, &s)
	return s, nil
}

// matmuls emits one region for products of the same input; last is the index of the last op.
func (c *compiler) matmuls(ops []models.Op, last int) error {
	s, err := c.products(ops)
	if err != nil {
		return err
	}
	for i := range ops {
		s.outs = append(s.outs, c.buffer(ops[i].Out, s.space))
	}
	c.release(ops[0].In[0], last)
	c.emit(s)
	return nil
}

// joins tells whether op j is an activation of the products ops i..j and of nothing else, and which.
func (c *compiler) joins(i, j int) (rowKind, bool) {
	ops := c.m.Program.Ops
	if j == len(ops) {
		return 0, false
	}
	act, ok := map[models.Kind]rowKind{models.SwiGLU: rowSwiGLU, models.GeGLU: rowGeGLU, models.GELU: rowGELU, models.ReLU2: rowReLU2, models.ClampedSwiGLU: rowClampedSwiGLU}[ops[j].Kind]
	if !ok || len(ops[j].In) != j-i {
		return 0, false
	}
	for k, v := range ops[j].In {
		if ops[i+k].Out != v || c.lastUse[v] != j {
			return 0, false
		}
	}
	return act, true
}

// joined emits one region for products and their activation, ops i..j. What the activation gives is quantised in it as
// well where integer products follow and nothing else reads it: neither the products nor the activation go through memory.
func (c *compiler) joined(i, j int, act rowKind) error {
	ops := c.m.Program.Ops
	s, err := c.products(ops[i : j-1])
	if err != nil {
		return err
	}
	s.join, s.act = true, act
	in, out := ops[i].In[0], ops[j-1].Out
	next := j
	for next < len(ops) && ops[next].Kind == models.MatMul && ops[next].In[0] == out {
		w, err := c.m.bind(&ops[next])
		if err != nil {
			return err
		}
		if w.ints == nil || len(c.m.adapters[ops[next].W]) > 0 { // adapters read f32
			break
		}
		next++
	}
	if s.codes = next > j && c.lastUse[out] == next-1; s.codes {
		s.name = ops[j].W
		c.spaceOf[out] = s.space
		c.acts, c.actsAt = out, 1-s.acts
		c.p.acts[c.actsAt] = max(c.p.acts[c.actsAt], c.m.Program.Width[out])
	} else {
		s.outs = []int{c.buffer(out, s.space)}
	}
	c.release(in, j-2)
	c.emit(s)
	return nil
}

// op emits everything but matrix products.
func (c *compiler) op(o *models.Op, i int) error {
	p := c.m.Program
	width := p.Width[o.Out]
	sp := allRows
	if len(o.In) > 0 {
		sp = c.spaceOf[o.In[0]]
	}
	switch o.Kind {
	case models.Embed:
		w, err := c.m.bind(o)
		if err != nil {
			return err
		}
		c.p.embed = w
		c.row(sp, rowOp{kind: rowEmbed, out: c.buffer(o.Out, sp), width: width})
	case models.Position:
		w, err := c.m.bind(o)
		if err != nil {
			return err
		}
		c.p.place = w
		c.row(sp, rowOp{kind: rowPosition, out: c.buffer(o.Out, sp), width: width})
	case models.Row:
		w, err := c.m.bind(o)
		if err != nil {
			return err
		}
		r := rowOp{kind: rowRow, width: width, w: make([]float32, width)}
		w.row(r.w, 0)
		if !c.m.level.AllFinite(r.w) {
			return &NumberError{c.m.file.Name, fmt.Sprintf("tensor %q", o.W), "holds a NaN or an infinity; the file is damaged, pull it again"}
		}
		c.inPlace(o, i, sp, r)
	case models.RMSNorm, models.LayerNorm:
		r := rowOp{kind: rowNorm, width: width, layer: o.Layer, heads: max(1, o.Heads), name: o.W, cols: o.Cols, each: o.Each}
		if o.Kind == models.LayerNorm {
			r.kind = rowLayerNorm
		}
		var err error
		if o.W != "" {
			if r.w, err = c.m.vector(o.W); err != nil {
				return err
			}
		}
		if o.B != "" {
			if r.bias, err = c.m.vector(o.B); err != nil {
				return err
			}
		}
		c.inPlace(o, i, sp, r)
	case models.Scale:
		c.inPlace(o, i, sp, rowOp{kind: rowScale, width: width, layer: o.Layer, factor: o.Factor})
	case models.GELU:
		c.inPlace(o, i, sp, rowOp{kind: rowGELU, width: width, layer: o.Layer})
	case models.SiLU:
		c.inPlace(o, i, sp, rowOp{kind: rowSiLU, width: width, layer: o.Layer})
	case models.Softplus:
		bias, err := c.m.vector(o.B)
		if err != nil {
			return err
		}
		c.inPlace(o, i, sp, rowOp{kind: rowSoftplus, width: width, layer: o.Layer, bias: bias})
	case models.Conv, models.Scan:
		return c.stateful(o, i, sp)
	case models.ReLU2:
		c.inPlace(o, i, sp, rowOp{kind: rowReLU2, width: width, layer: o.Layer})
	case models.Clamp:
		c.inPlace(o, i, sp, rowOp{kind: rowClamp, width: width, layer: o.Layer, factor: o.Factor})
	case models.Rotate:
		if c.lastUse[o.In[0]] != i {
			return fmt.Errorf("%s: the program reads a value after its rotation", c.m.file.Name)
		}
		c.move(o.In[0], o.Out)
		c.row(sp, rowOp{kind: rowRotate, out: c.at[o.Out], a: c.at[o.Out], width: width, heads: o.Heads, layer: o.Layer, rope: c.m.ropeOf(o.Layer), tail: o.Tail})
	case models.Gate:
		b := o.In[1]
		c.inPlace(o, i, sp, rowOp{kind: rowGate, b: c.at[b], width: width, layer: o.Layer})
		c.release(b, i)
	case models.Route, models.Mix:
		return c.routed(o, i, sp)
	case models.Add, models.Mul, models.SwiGLU, models.GeGLU:
		b := o.In[1]
		r := rowOp{kind: rowAdd, b: c.at[b], width: width, layer: o.Layer}
		switch o.Kind {
		case models.Mul:
			r.kind = rowMul
		case models.SwiGLU:
			r.kind = rowSwiGLU
		case models.GeGLU:
			r.kind = rowGeGLU
		}
		c.inPlace(o, i, sp, r)
		c.release(b, i)
	case models.Attend:
		q, k, v := o.In[0], o.In[1], o.In[2]
		c.row(sp, rowOp{kind: rowStore, a: c.at[k], b: c.at[v], width: p.Width[k], layer: o.Layer})
		c.release(k, i)
		c.release(v, i)
		c.flush()
		s := step{kind: stepAttend, space: sp, layer: o.Layer, in: c.at[q], width: width, window: o.Window, slopes: c.m.Spec.Slopes()}
		if o.W != "" {
			var err error
			if s.sinks, err = c.m.vector(o.W); err != nil {
				return err
			}
		}
		s.out = c.buffer(o.Out, sp)
		c.release(q, i)
		c.emit(s)
	case models.Select:
		c.flush()
		s := step{kind: stepSelect, space: wantedRows, layer: o.Layer, in: c.at[o.In[0]], width: width}
		s.out = c.buffer(o.Out, wantedRows)
		c.release(o.In[0], i)
		c.emit(s)
	default:
		return fmt.Errorf("%s: op %v of the program is not known to the engine", c.m.file.Name, o.Kind)
	}
	return nil
}

// inPlace adds the row op of o, which reads in0 as a and may write where it reads if nothing reads in0 later.
func (c *compiler) inPlace(o *models.Op, i int, sp space, r rowOp) {
	a := o.In[0]
	r.a = c.at[a]
	if c.lastUse[a] == i {
		c.move(a, o.Out)
		r.out = r.a
	} else {
		r.out = c.buffer(o.Out, sp)
	}
	c.row(sp, r)
}

// row adds an op to the region of row ops being gathered.
func (c *compiler) row(sp space, r rowOp) {
	if len(c.rows) > 0 && c.rowsIn != sp {
		c.flush()
	}
	c.rowsIn = sp
	c.rows = append(c.rows, r)
}

// flush emits the gathered row ops as a step.
func (c *compiler) flush() {
	if len(c.rows) == 0 {
		return
	}
	s := step{kind: stepRows, space: c.rowsIn, layer: c.rows[0].layer, rows: c.rows}
	c.rows = nil
	c.emit(s)
}

// emit appends a step. Buffers that died in it may be used from the next step on, not before: rows of different
// widths overlap.
func (c *compiler) emit(s step) {
	c.p.steps = append(c.p.steps, s)
	c.free = append(c.free, c.dying...)
	c.dying = c.dying[:0]
}

// buffer gives a value a buffer.
func (c *compiler) buffer(v models.Value, sp space) int {
	c.at[v], c.spaceOf[v] = c.room(c.m.Program.Width[v]), sp
	return c.at[v]
}

// room takes a buffer for rows of width w: a free one of the best width, else a new one.
func (c *compiler) room(w int) int {
	best := -1
	for i, b := range c.free {
		if best < 0 || fit(c.p.buffers[b], w) < fit(c.p.buffers[c.free[best]], w) {
			best = i
		}
	}
	var b int
	if best >= 0 {
		b = c.free[best]
		c.free = slices.Delete(c.free, best, best+1)
		c.p.buffers[b] = max(c.p.buffers[b], w)
	} else {
		b = len(c.p.buffers)
		c.p.buffers = append(c.p.buffers, w)
	}
	return b
}

// fit is how badly a buffer of width have serves width want: waste, or growth, which is worse.
func fit(have, want int) int {
	if have >= want {
		return have - want
	}
	return 4 * (want - have)
}

// move hands a dying value's buffer on to out, which is computed in place.
func (c *compiler) move(v, out models.Value) {
	c.at[out], c.spaceOf[out] = c.at[v], c.spaceOf[v]
	c.at[v] = -1
}

// release frees v's buffer at the end of the step if op i was the last to read it.
func (c *compiler) release(v models.Value, i int) {
	if c.lastUse[v] == i && c.at[v] >= 0 {
		c.dying = append(c.dying, c.at[v])
		c.at[v] = -1
	}
}
