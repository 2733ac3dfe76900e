package models

import "fmt"

// Layers that carry a state of fixed size from token to token in place of keys and values.

// Mixer is what mixes tokens in the layers without attention.
type Mixer uint8

const (
	NoMixer   Mixer = iota // all layers have attention
	ShortConv              // LFM2's gated convolution over a few tokens
	Mamba                  // selective state space, Gu and Dao, arXiv:2312.00752
	Mamba2                 // its form with heads, Dao and Gu, arXiv:2405.21060
)

// Bounds on sizes of states, far above any real model.
const (
	maxConv  = 256
	maxState = 1024
)

// Attends tells whether a layer has attention.
func (s *Spec) Attends(layer int) bool {
	return s.Mixer == NoMixer || layer < len(s.Attention) && s.Attention[layer]
}

// firstAttention is the first layer with attention, 0 where there is none.
func (s *Spec) firstAttention() int {
	for l := range s.Layers {
		if s.Attends(l) {
			return l
		}
	}
	return 0
}

// recurrent tells whether the file states sizes of a layer without attention.
func (r *reader) recurrent() bool { return r.has("ssm.conv_kernel") || r.has("shortconv.l_cache") }

// perLayer reads a count for each layer, from a list or one value for all; 0, and no key at all, say that there is none.
func (r *reader) perLayer(k string, layers int, most int64) []int {
	counts := make([]int, layers)
	if !r.has(k) {
		return counts
	}
	vs, err := r.f.Ints(r.key(k))
	if err != nil {
		v, err := r.f.Int(r.key(k))
		r.note(err)
		vs = make([]int64, layers)
		for l := range vs {
			vs[l] = v
		}
	}
	if len(vs) != layers {
		r.note(fmt.Errorf("%s: %s has %d values, want one for each of %d layers", r.f.Name, r.key(k), len(vs), layers))
		return counts
	}
	for l, v := range vs {
		if v < 0 || v > most {
			r.note(fmt.Errorf("%s: %s is %d in layer %d, want 0 to %d", r.f.Name, r.key(k), v, l, most))
			return counts
		}
		counts[l] = int(v)
	}
	return counts
}

// one is the count that those of counts have which are not 0; 0 where all are.
func (r *reader) one(k string, counts []int) int {
	n := 0
	for l, c := range counts {
		if n == 0 {
			n = c
		}
		if c != 0 && c != n && r.err == nil {
			r.note(fmt.Errorf("%s: %s is %d in layer %d and %d before; layers of different sizes are not supported for %s", r.f.Name, r.key(k), c, l, n, r.arch))
		}
	}
	return n
}

// heads reads the numbers of heads of a model of which some layers have no attention: those without key heads.
func (r *reader) heads(s *Spec) {
	const query, kv = "attention.head_count", "attention.head_count_kv"
	counts := r.perLayer(query, s.Layers, maxHeads)
	s.Heads = r.one(query, counts)
	if r.has(kv) {
		counts = r.perLayer(kv, s.Layers, maxHeads)
	}
	s.KVHeads = r.one(kv, counts)
	s.Attention = make([]bool, s.Layers)
	for l, n := range counts {
		s.Attention[l] = n > 0
	}
	if s.KVHeads > 0 && s.Heads == 0 {
		r.note(fmt.Errorf("%s: %s is 0, but %s is %d", r.f.Name, r.key(query), r.key(kv), s.KVHeads))
	}
}

// unattended says that no layer has attention, whatever the file says of heads.
func (s *Spec) unattended() {
	s.Heads, s.KVHeads, s.HeadDim, s.Rope.Dims, s.Attention = 0, 0, 0, 0, make([]bool, s.Layers)
}

// feedForward refuses a model whose layers should have a feed-forward block and have none.
func (r *reader) feedForward(s *Spec) {
	if s.FFN == 0 && s.Experts == 0 {
		r.note(fmt.Errorf("%s: %s is 0, want the width of a layer's block", r.f.Name, r.key("feed_forward_length")))
	}
}

// refuse gives an error for a switch that is on, for what it says is not computed here.
func (r *reader) refuse(k, what string) {
	on, err := r.f.BoolOr(r.key(k), false)
	if r.note(err); on {
		r.note(fmt.Errorf("%s: %s is true; %s are not supported for %s", r.f.Name, r.key(k), what, r.arch))
	}
}

// stateSpace reads the sizes of a state space.
func (r *reader) stateSpace(s *Spec, m Mixer) {
	s.Mixer = m
	s.Conv = r.size("ssm.conv_kernel", maxConv)
	s.Inner = r.size("ssm.inner_size", maxWidth)
	s.State = r.size("ssm.state_size", maxState)
	s.StateHeads, s.Groups = s.Inner, 1
	if m == Mamba {
		s.TimeRank = r.size("ssm.time_step_rank", maxWidth)
		r.refuse("ssm.dt_b_c_rms", "norms of time steps, B and C")
		return
	}
	s.StateHeads = r.size("ssm.time_step_rank", maxWidth)
	s.Groups = r.size("ssm.group_count", maxWidth)
	bad := func(k string, got int, want string, of int) {
		r.note(fmt.Errorf("%s: %s is %d, want a divisor of %s %d", r.f.Name, r.key(k), got, want, of))
	}
	switch {
	case r.err != nil:
	case s.Inner%s.StateHeads != 0:
		bad("ssm.time_step_rank", s.StateHeads, "ssm.inner_size", s.Inner)
	case s.StateHeads%s.Groups != 0:
		bad("ssm.group_count", s.Groups, "ssm.time_step_rank", s.StateHeads)
	}
}

// mix writes what mixes tokens in layer l, up to the matrix that brings its result back to Dim columns, which it names.
func (b builder) mix(h Value, l int, name func(string) string) (v Value, project string) {
	switch s := b.p.Spec; {
	case s.Attends(l):
		return b.attention(h, l, name), "attn_output"
	case s.Mixer == ShortConv:
		return b.shortConv(h, l, name), "shortconv.out_proj"
	case s.Mixer == Mamba:
		return b.mamba(h, l, name), "ssm_out"
	default:
		return b.mamba2(h, l, name), "ssm_out"
	}
}

// parts multiplies h by one matrix whose rows are cut into parts of the given widths.
func (b builder) parts(h Value, l int, w string, widths ...int) []Value {
	rows := 0
	for _, n := range widths {
		rows += n
	}
	out, row := make([]Value, len(widths)), 0
	for i, n := range widths {
		out[i] = b.matmul(h, n, Op{W: w + ".weight", Layer: l, Row: row, Rows: rows}, false)
		row += n
	}
	return out
}

// conv writes a causal convolution, by rows from row on of a tensor of so many.
func (b builder) conv(x Value, l int, w string, bias bool, row, rows int) Value {
	o := Op{Kind: Conv, W: w + ".weight", Layer: l, Cols: b.p.Spec.Conv, Row: row, Rows: rows}
	if bias {
		o.B = w + ".bias"
	}
	return b.op(o, b.p.Width[x], x)
}

// shortConv writes LFM2's convolution:
//
//	b, c, x = in·h;  out = c * conv(b*x)
func (b builder) shortConv(h Value, l int, name func(string) string) Value {
	d := b.p.Spec.Dim
	in := b.parts(h, l, name("shortconv.in_proj"), d, d, d)
	x := b.op(Op{Kind: Mul, Layer: l}, d, in[0], in[2])
	x = b.conv(x, l, name("shortconv.conv"), false, 0, 0)
	return b.op(Op{Kind: Mul, Layer: l}, d, x, in[1])
}

// mamba writes Mamba's layer:
//
//	x, z = in·h;  x = silu(conv(x));  t, B, C = x_proj·x;  dt = softplus(dt_proj·t + bias)
//	out = scan(x, dt, B, C) * silu(z)
func (b builder) mamba(h Value, l int, name func(string) string) Value {
	s := b.p.Spec
	in := b.parts(h, l, name("ssm_in"), s.Inner, s.Inner)
	x := b.silu(b.conv(in[0], l, name("ssm_conv1d"), true, 0, 0), l)
	proj := b.parts(x, l, name("ssm_x"), s.TimeRank, 2*s.State)
	dt := b.matmul(proj[0], s.Inner, Op{W: name("ssm_dt") + ".weight", Layer: l}, false)
	return b.scan(x, dt, proj[1], in[1], l, name)
}

// mamba2 writes Mamba-2's layer, with B and C for each of Groups groups of heads:
//
//	z, x, BC, dt = in·h;  x, BC = silu(conv(x, BC));  dt = softplus(dt + bias)
//	out = norm of each group of (scan(x, dt, BC) * silu(z))
func (b builder) mamba2(h Value, l int, name func(string) string) Value {
	s := b.p.Spec
	bc := 2 * s.Groups * s.State
	in := b.parts(h, l, name("ssm_in"), s.Inner, s.Inner, bc, s.StateHeads)
	conv := func(v Value, row int) Value {
		return b.silu(b.conv(v, l, name("ssm_conv1d"), true, row, s.Inner+bc), l)
	}
	x, mixed := conv(in[1], 0), conv(in[2], s.Inner)
	y := b.scan(x, in[3], mixed, in[0], l, name)
	return b.normEach(y, l, name("ssm_norm"), s.Groups)
}

// scan writes the recurrence over x with the time steps dt before their bias, gated by z.
func (b builder) scan(x, dt, bc, z Value, l int, name func(string) string) Value {
	s := b.p.Spec
	dt = b.op(Op{Kind: Softplus, B: name("ssm_dt") + ".bias", Layer: l}, s.StateHeads, dt)
	y := b.op(Op{Kind: Scan, W: name("ssm_a"), B: name("ssm_d"), Layer: l, Heads: s.StateHeads, Parts: s.Groups, Cols: s.State, Shared: s.Mixer == Mamba2}, s.Inner, x, dt, bc)
	return b.op(Op{Kind: SwiGLU, Layer: l}, s.Inner, z, y)
}

func (b builder) silu(x Value, l int) Value {
	return b.op(Op{Kind: SiLU, Layer: l}, b.p.Width[x], x)
}
