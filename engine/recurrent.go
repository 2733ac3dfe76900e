package engine

import (
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
)

// Steps that read and write a session's state: causal convolutions and scans of state spaces. Channels do not meet in them,
// so they are split over workers by channels; tokens of a sequence follow one another, and any cut of them into passes
// gives the same bits.

// convolution is what a plan knows of a causal convolution.
type convolution struct {
	at    int       // in the state: [steps-1, width] the inputs of the last tokens, oldest first
	steps int       // tokens it sees
	w     []float32 // [steps, width]
	bias  []float32 // [width], nil = none
}

// stateSpace is what a plan knows of a scan. The block of n channels from channel c on has the values [state, n] at state*c
// of its part of the state.
type stateSpace struct {
	at, state     int // in the state: [state, width]
	heads, groups int
	dt, bc        int // buffers
	blocks        []kernels.ScanBlock
}

// channels is a run of n channels from the first on.
type channels struct{ first, n int }

// scanBlock channels have states of up to 128 values each in L1.
const scanBlock = 64

// convBlock channels at least go to a worker at a time.
const convBlock = 64

// stateful compiles a convolution or a scan.
func (c *compiler) stateful(o *models.Op, i int, sp space) error {
	width := c.m.Program.Width[o.Out]
	c.flush()
	s := step{space: sp, layer: o.Layer, in: c.at[o.In[0]], width: width}
	var err error
	if o.Kind == models.Conv {
		s.kind = stepConv
		s.conv, err = c.m.convolution(o, width)
	} else {
		s.kind = stepScan
		s.scan, err = c.m.stateSpace(o, width)
	}
	if err != nil {
		return err
	}
	if s.conv != nil {
		s.conv.at = c.p.state
		c.p.state += (s.conv.steps - 1) * width
	} else {
		s.scan.at, s.scan.dt, s.scan.bc = c.p.state, c.at[o.In[1]], c.at[o.In[2]]
		c.p.state += s.scan.state * width
	}
	s.out = c.buffer(o.Out, sp)
	for _, v := range o.In {
		c.release(v, i)
	}
	c.emit(s)
	return nil
}

// convolution binds the weights of a convolution, with tokens as rows.
func (m *Model) convolution(o *models.Op, width int) (*convolution, error) {
	w, err := m.vector(o.W) // [rows, steps]
	if err != nil {
		return nil, err
	}
	c := &convolution{steps: o.Cols, w: make([]float32, o.Cols*width)}
	m.level.Transpose(c.w, width, w[o.Row*o.Cols:], o.Cols, width, o.Cols)
	if o.B != "" {
		if c.bias, err = m.vector(o.B); err != nil {
			return nil, err
		}
		c.bias = c.bias[o.Row:][:width]
	}
	return c, nil
}

// stateSpace binds the weights of a scan.
func (m *Model) stateSpace(o *models.Op, width int) (*stateSpace, error) {
	a, err := m.vector(o.W) // [heads, state], or with shared [heads]
	if err != nil {
		return nil, err
	}
	d, err := m.vector(o.B) // [heads]
	if err != nil {
		return nil, err
	}
	return &stateSpace{state: o.Cols, heads: o.Heads, groups: o.Parts,
		blocks: kernels.ScanBlocks(a, d, width, o.Cols, o.Parts, scanBlock, o.Shared)}, nil
}

// stateTask runs a convolution or a scan over the sequences of the pass: an item is a block of channels of one of them,
// and a chunk a run of items.
type stateTask struct {
	r      *runner
	s      *step
	blocks int // of channels, of a sequence
	per    int // items of a chunk
}

func (t *stateTask) start(s *step) error {
	t.s = s
	work := t.r.n * s.width
	if s.scan != nil {
		t.blocks = len(s.scan.blocks)
		work *= s.scan.state
	} else {
		t.blocks = max(1, min(s.width/convBlock, 2*t.r.m.pool.threads()))
		work *= s.conv.steps
	}
	items := t.blocks * len(t.r.parts)
	t.per = 1
	if work <= inlineRows {
		t.per = items
	}
	return t.r.m.pool.run(t, (items+t.per-1)/t.per)
}

func (t *stateTask) run(worker, chunk int) {
	for i, end := chunk*t.per, min(t.blocks*len(t.r.parts), (chunk+1)*t.per); i < end; i++ {
		p := &t.r.parts[i/t.blocks]
		if b := i % t.blocks; t.s.scan != nil {
			t.scan(p, &t.s.scan.blocks[b], worker)
		} else {
			from := b * t.s.width / t.blocks
			t.conv(p, channels{from, (b+1)*t.s.width/t.blocks - from}, worker)
		}
	}
}

// conv computes a block of channels of one sequence's tokens, and its state after them.
func (t *stateTask) conv(p *passPart, b channels, worker int) {
	r, l, c, width := t.r, t.r.m.level, t.s.conv, t.s.width
	row := func(buf, i int) []float32 { return r.buf[buf][(p.row+i)*width+b.first:][:b.n] }
	past := c.steps - 1
	state := p.line.session.rec.state.x[c.at:][:past*width]
	// The first tokens see some of those before the pass.
	head := min(p.n, past)
	seen := r.scratch[worker].room((past + head) * b.n)
	for i := range past {
		copy(seen[i*b.n:(i+1)*b.n], state[i*width+b.first:])
	}
	for i := range head {
		copy(seen[(past+i)*b.n:], row(t.s.in, i))
	}
	for i := range p.n {
		x, ldx := seen[min(i, head)*b.n:], b.n
		if i >= past {
			x, ldx = r.buf[t.s.in][(p.row+i-past)*width+b.first:], width
		}
		dst := row(t.s.out, i)
		l.Conv(dst, x, ldx, c.w[b.first:], width, c.steps)
		if c.bias != nil {
			l.Add(dst, c.bias[b.first:][:b.n])
		}
	}
	for i := range past {
		dst := state[i*width+b.first:][:b.n]
		if p.n >= past {
			copy(dst, row(t.s.in, p.n-past+i))
		} else {
			copy(dst, seen[(p.n+i)*b.n:])
		}
	}
}

// scan computes a block of channels of one sequence's tokens, and its state after them.
func (t *stateTask) scan(p *passPart, b *kernels.ScanBlock, worker int) {
	r, c, width := t.r, t.s.scan, t.s.width
	n := c.state
	state := p.line.session.rec.state.x[c.at+b.First*n:][:b.N*n]
	tmp := r.scratch[worker].room(b.N * (n + 1))
	for i := p.row; i < p.row+p.n; i++ {
		x, dt := r.buf[t.s.in][i*width+b.First:][:b.N], r.buf[c.dt][i*c.heads:][:c.heads]
		bc := r.buf[c.bc][i*2*c.groups*n:][:2*c.groups*n]
		r.m.level.ScanToken(b, r.buf[t.s.out][i*width+b.First:][:b.N], state, x, dt, bc[b.Group*n:][:n], bc[(c.groups+b.Group)*n:][:n], tmp)
	}
}
