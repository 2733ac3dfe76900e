package models

import (
	"fmt"
	"strings"

	"github.com/freehold-slm/freehold/kernels"
)

// Kind is a kind of op. Every op reads values [rows, width] and writes one new value (static single assignment), so
// that training can keep them and walk the list backwards; engine reuses their memory by last use.
type Kind uint8

const (
	Embed         Kind = iota // out[r] = row of W for token r
	Position                  // out[r] = row of W for row r's position
	Row                       // out = in0 + the first row of W [width, Stack]
	MatMul                    // out = in0 · Wᵀ (+ B); W [width(in0), rows] in GGUF order, of whose rows it is width(out) from Row on
	StackMatMul               // the same for each of Parts parts of a row, by one of the Stack matrices of W; see Op
	Route                     // out = the Parts experts that the logits in0 choose, rising, and then their weights; see Router
	Mix                       // out = sum of the Parts parts of in0, each times its weight of in1, a Route, in that order
	RMSNorm                   // out = in0 / rms(in0) * W
	LayerNorm                 // out = (in0 - mean(in0)) / std(in0) * W + B; without them where they are ""
	Rotate                    // out = in0 with rotary embedding on its Heads heads, by the layer's Rope
	Attend                    // out = attention of queries in0 over keys in1 and values in2; Layer's KV cache grows by in1, in2
	SwiGLU                    // out = silu(in0) * in1
	ClampedSwiGLU             // out = a*sigmoid(1.702a) * (b+1), a = min(in0, 7), b = in1 within ±7
	GeGLU                     // out = gelu(in0) * in1
	GELU                      // out = gelu(in0), in its tanh form
	ReLU2                     // out = relu(in0)²
	Clamp                     // out = in0 within ±Factor
	Gate                      // out = in0 * sigmoid(in1), in1 one number a row
	Add                       // out = in0 + in1
	Scale                     // out = in0 * Factor
	SoftCap                   // out = Factor * tanh(in0 / Factor)
	Mul                       // out = in0 * in1
	SiLU                      // out = silu(in0)
	Softplus                  // out = log(1 + exp(in0 + B))
	Conv                      // out = causal convolution of each column of in0 over Cols tokens; W [Cols, columns], rows from Row on; B
	Scan                      // out = scan of a state space over in0, with time steps in1 and both of B and C in in2; see Op
	Select                    // out = the rows of in0 whose result is wanted (all of them when states are pooled)
	Pool                      // out = one row a sequence: mean, first or last row of in0
)

var kindNames = [...]string{"embed", "position", "row", "matmul", "stackmatmul", "route", "mix", "rmsnorm", "layernorm", "rotate", "attend",
	"swiglu", "clampedswiglu", "geglu", "gelu", "relu2", "clamp", "gate", "add", "scale", "softcap", "mul", "silu", "softplus", "conv", "scan", "select", "pool"}

func (k Kind) String() string { return kindNames[k] }

// Value numbers a result of the program; its width is Program.Width[value].
type Value int

// Op is one step. Unused fields are zero.
type Op struct {
	Kind   Kind
	Out    Value
	In     []Value
	W, B   string // tensor names; B "" = no bias
	Row    int    // MatMul, Conv: first row of W and B
	Rows   int    // MatMul, Conv: rows of W and B, where they are more than width(out); 0 = width(out)
	Layer  int
	Heads  int // Rotate: heads in the row; Attend: query heads; norms: parts of the row that are normed alone, 0 = one
	Window int // Attend: keys a query sees, its own included; 0 = all
	Factor float32
	Each   bool // norms of several parts: each part has a row of its own in W

	// StackMatMul: W is [Cols, rows, Stack]. Part s of out is, with in1 a Route, the matrix of the expert s of the row, else
	// (Stack = Parts) matrix s, times the first Cols columns of part s of in0, or with Shared of all of in0. Tail columns
	// that follow them in in0 are copied behind the product. B is [rows, Stack].
	//
	// Scan: a channel c of in0 has a state of Cols values and belongs to one of Heads heads, and this to one of Parts groups.
	// in1 [Heads] holds dt, in2 [2, Parts, Cols] B and C, W is A ([Cols, Heads], with Shared [1, Heads]) and B is D [Heads].
	// From token to token: s_n = exp(dt*A_n) s_n + dt*x_c*B_n; out_c = sum over n of C_n s_n, and D*x_c.
	Parts, Stack int
	Cols, Tail   int // RMSNorm: the first Cols columns are normed and the rest copied, 0 = all; Rotate: the last Tail of a head rotate, 0 = the first
	Shared       bool

	Router *kernels.Router // Route: how; B is added to what experts are chosen by
}

// Program is a model as a flat list of ops. The output head, from Hidden to Logits, is a MatMul and what follows it one
// by one; its values are numbered from Hidden+1 to Logits.
type Program struct {
	Spec   *Spec
	Ops    []Op
	Width  []int // [values] width of a row
	Logits Value // [wanted rows, Vocab]; -1 for an encoder
	Hidden Value // [wanted rows, Dim] after the final norm
	Class  Value // [sequences, labels], or [wanted rows, tags]; -1 when the model has no classification head
	Vector Value // [sequences, Spec.Embedding()] before it is made a vector of length 1; -1 when the file states no pooling, or has a classification head
}

// builder appends ops.
type builder struct{ p *Program }

func (b builder) value(width int) Value {
	b.p.Width = append(b.p.Width, width)
	return Value(len(b.p.Width) - 1)
}

func (b builder) op(o Op, width int, in ...Value) Value {
	o.In, o.Out = in, b.value(width)
	b.p.Ops = append(b.p.Ops, o)
	return o.Out
}

// matmul fills in the kind, and the bias beside the weight where there is one.
func (b builder) matmul(x Value, width int, o Op, bias bool) Value {
	o.Kind = MatMul
	if bias {
		o.B = strings.TrimSuffix(o.W, "weight") + "bias"
	}
	return b.op(o, width, x)
}

// norm is the Spec's norm by the tensor name; name "" = none. heads parts of the row are normed alone.
func (b builder) norm(x Value, layer int, name string, heads int) Value {
	if name == "" {
		return x
	}
	o := Op{Kind: RMSNorm, W: name + ".weight", Layer: layer, Heads: heads}
	if b.p.Spec.Norm != RMS {
		o.Kind = LayerNorm
	}
	switch b.p.Spec.Norm {
	case Layer:
		o.B = name + ".bias"
	case LayerPlain:
		o.W = ""
	}
	return b.op(o, b.p.Width[x], x)
}

// normEach norms heads parts of the row alone, each by a weight of its own.
func (b builder) normEach(x Value, layer int, name string, heads int) Value {
	x = b.norm(x, layer, name, heads)
	o := &b.p.Ops[len(b.p.Ops)-1]
	o.B, o.Each = "", true
	return x
}

// scale multiplies by a factor; 0 = 1.
func (b builder) scale(x Value, layer int, factor float32) Value {
	if factor == 0 || factor == 1 {
		return x
	}
	return b.op(Op{Kind: Scale, Layer: layer, Factor: factor}, b.p.Width[x], x)
}

func (b builder) add(layer int, x, y Value) Value {
	return b.op(Op{Kind: Add, Layer: layer}, b.p.Width[x], x, y)
}

// lower writes the program of a transformer:
//
//	x = embed
//	x += wo·attend(rope(wq·norm(x)), rope(wk·norm(x)), wv·norm(x))     each layer
//	x += down·(act(gate·norm(x)) * up·norm(x))
//	logits = head·norm(x)
//
// with what the Spec adds to it, leaves out, or has in place of attention; an encoder ends with the last layer. After the last that mixes
// tokens only the wanted rows go on.
func lower(s *Spec) *Program {
	p := &Program{Spec: s, Logits: -1, Class: -1, Vector: -1}
	b := builder{p}
	x := b.op(Op{Kind: Embed, W: "token_embd.weight"}, s.Dim)
	if s.Types > 0 {
		x = b.op(Op{Kind: Row, W: "token_types.weight", Stack: s.Types}, s.Dim, x)
	}
	if s.Positions {
		x = b.add(0, x, b.op(Op{Kind: Position, W: "position_embd.weight"}, s.Dim))
	}
	x = b.norm(b.scale(x, 0, s.EmbedScale), 0, s.EmbNorm, 0)
	for l := 0; l < s.Layers; l++ {
		x = b.block(x, l)
	}
	p.Hidden = b.norm(x, s.Layers, s.OutputNorm, 0)
	if s.Tags != nil {
		p.Class = b.class(p.Hidden, len(s.Tags))
	}
	if !s.Encoder {
		b.logits()
	}
	if len(s.Labels) > 0 && s.Pooling != PoolNone {
		p.Class = b.class(b.op(Op{Kind: Pool, Layer: s.Layers}, s.Dim, p.Hidden), len(s.Labels))
		return p
	}
	b.vector()
	return p
}

// logits is the output head.
func (b builder) logits() {
	s, p := b.p.Spec, b.p
	head := Op{Kind: MatMul, W: "output.weight", Layer: s.Layers}
	if s.HeadBias {
		head.B = "output.bias"
	}
	if s.Tied {
		head.W = "token_embd.weight"
	}
	p.Logits = b.scale(b.op(head, s.Vocab, p.Hidden), s.Layers, s.LogitScale)
	if s.LogitCap > 0 {
		p.Logits = b.op(Op{Kind: SoftCap, Layer: s.Layers, Factor: s.LogitCap}, s.Vocab, p.Logits)
	}
}

// vector pools the hidden states to an embedding, where the model is one for embeddings.
func (b builder) vector() {
	s := b.p.Spec
	if s.Pooling == PoolNone {
		return
	}
	b.p.Vector = b.op(Op{Kind: Pool, Layer: s.Layers}, s.Dim, b.p.Hidden)
	if s.Dense > 0 {
		b.p.Vector = b.op(Op{Kind: MatMul, W: DenseTensor, Layer: s.Layers}, s.Dense, b.p.Vector)
	}
}

// class is the classification head.
func (b builder) class(x Value, labels int) Value {
	return b.op(Op{Kind: MatMul, W: "cls.output.weight", B: "cls.output.bias", Layer: b.p.Spec.Layers}, labels, x)
}

// block writes layer l and returns what it makes of x.
func (b builder) block(x Value, l int) Value {
	s := b.p.Spec
	name := func(n string) string {
		if n == "" {
			return ""
		}
		return fmt.Sprintf("blk.%d.%s", l, n)
	}
	h := b.norm(x, l, name(s.AttnNorm), 0)
	att, project := b.mix(h, l, name)
	if l == s.Layers-1 {
		wanted := func(v Value) Value { return b.op(Op{Kind: Select, Layer: l}, b.p.Width[v], v) }
		att = wanted(att)
		x = wanted(x)
		if s.Parallel && s.FFNNorm == s.AttnNorm {
			h = wanted(h)
		}
	}
	out := b.matmul(att, s.Dim, Op{W: name(project) + ".weight", Layer: l}, s.OutBias && s.Attends(l))
	out = b.scale(b.norm(out, l, name(s.AttnPost), 0), l, s.ResidualScale)
	if s.Parallel && s.FFNNorm != s.AttnNorm {
		h = b.norm(x, l, name(s.FFNNorm), 0)
	}
	x = b.norm(b.add(l, x, out), l, name(s.AttnSum), 0)
	if s.FFN == 0 && !s.Sparse(l) {
		return x
	}
	if !s.Parallel {
		h = b.norm(x, l, name(s.FFNNorm), 0)
	}
	ffn := b.feedForward(h, l, name)
	ffn = b.scale(b.norm(ffn, l, name(s.FFNPost), 0), l, s.ResidualScale)
	return b.norm(b.add(l, x, ffn), l, name(s.FFNSum), 0)
}

func (b builder) attention(h Value, l int, name func(string) string) Value {
	s := b.p.Spec
	if s.KVRank > 0 {
		return b.latent(h, l, name)
	}
	qDim, kvDim := s.Heads*s.HeadDim, s.KVHeads*s.HeadDim
	part := func(n string, row, width int) Value {
		o := Op{W: name(n) + ".weight", Layer: l}
		if s.QKVFused {
			o.W, o.Row, o.Rows = name("attn_qkv")+".weight", row, qDim+2*kvDim
		}
		return b.matmul(h, width, o, s.QKVBias)
	}
	q := part("attn_q", 0, qDim)
	k := part("attn_k", qDim, kvDim)
	v := part("attn_v", qDim+kvDim, kvDim)
	if s.QKVClamp > 0 {
		for _, x := range []*Value{&q, &k, &v} {
			*x = b.op(Op{Kind: Clamp, Layer: l, Factor: s.QKVClamp}, b.p.Width[*x], *x)
		}
	}
	if !s.QKLast {
		q, k = b.qkNorm(q, k, l, name)
	}
	if s.Rotates(l) {
		q = b.op(Op{Kind: Rotate, Layer: l, Heads: s.Heads}, qDim, q)
		k = b.op(Op{Kind: Rotate, Layer: l, Heads: s.KVHeads}, kvDim, k)
	}
	if s.QKLast {
		q, k = b.qkNorm(q, k, l, name)
	}
	return b.attend(l, name, q, k, v)
}

func (b builder) qkNorm(q, k Value, l int, name func(string) string) (Value, Value) {
	s := b.p.Spec
	switch s.QKNorm {
	case QKHead:
		return b.norm(q, l, name("attn_q_norm"), s.Heads), b.norm(k, l, name("attn_k_norm"), s.KVHeads)
	case QKRow:
		return b.norm(q, l, name("attn_q_norm"), 0), b.norm(k, l, name("attn_k_norm"), 0)
	case QKEach:
		return b.normEach(q, l, name("attn_q_norm"), s.Heads), b.normEach(k, l, name("attn_k_norm"), s.KVHeads)
	}
	return q, k
}

func (b builder) attend(l int, name func(string) string, q, k, v Value) Value {
	s := b.p.Spec
	o := Op{Kind: Attend, Layer: l, Heads: s.Heads}
	if s.Windowed(l) && !s.Encoder {
		o.Window = s.Window
	}
	if s.Sinks {
		o.W = name("attn_sinks") + ".weight"
	}
	return b.op(o, b.p.Width[q], q, k, v)
}

func (b builder) feedForward(h Value, l int, name func(string) string) Value {
	s := b.p.Spec
	if s.Sparse(l) {
		return b.experts(h, l, name)
	}
	return b.dense(h, l, name, "", s.FFN)
}

// dense writes a feed-forward block of the given width; its tensors' names end in suffix.
func (b builder) dense(h Value, l int, name func(string) string, suffix string, width int) Value {
	s := b.p.Spec
	gate := Op{W: name("ffn_gate"+suffix) + ".weight", Layer: l}
	up := Op{W: name("ffn_up"+suffix) + ".weight", Layer: l}
	if s.FFNFused {
		gate.W, gate.Rows, up.Rows, up.Row = up.W, 2*width, 2*width, width
	}
	var in []Value
	if s.Act.gated() {
		in = append(in, b.matmul(h, width, gate, s.FFNBias))
	}
	in = append(in, b.matmul(h, width, up, s.FFNBias))
	v := b.op(Op{Kind: s.Act.kind(), Layer: l}, width, in...)
	return b.matmul(v, s.Dim, Op{W: name("ffn_down"+suffix) + ".weight", Layer: l}, s.FFNBias)
}

// InHead tells whether v is a value of the output head.
func (p *Program) InHead(v Value) bool { return v > p.Hidden && v <= p.Logits }

// Rope is the rotary embedding of a layer.
func (p *Program) Rope(layer int) *Rope {
	if p.Spec.WindowRope != nil && p.Spec.Windowed(layer) {
		return p.Spec.WindowRope
	}
	return &p.Spec.Rope
}

// Tensors lists the tensors the program reads, each once, in order of first use.
func (p *Program) Tensors() []TensorSpec {
	var list []TensorSpec
	seen := map[string]bool{}
	add := func(name string, shape ...int) {
		if name != "" && !seen[name] {
			seen[name] = true
			list = append(list, TensorSpec{name, shape})
		}
	}
	for _, o := range p.Ops {
		w := p.Width[o.Out]
		switch o.Kind {
		case Embed:
			add(o.W, w, p.Spec.Vocab)
		case Position:
			add(o.W, w, p.Spec.Context)
		case Row:
			add(o.W, w, o.Stack)
		case MatMul:
			rows := max(w, o.Rows)
			add(o.W, p.Width[o.In[0]], rows)
			add(o.B, rows)
		case StackMatMul:
			rows := w/o.Parts - o.Tail
			add(o.W, o.Cols, rows, o.Stack)
			add(o.B, rows, o.Stack)
		case Route:
			add(o.B, p.Width[o.In[0]])
		case Attend:
			add(o.W, o.Heads)
		case Softplus:
			add(o.B, w)
		case Conv:
			rows := max(w, o.Rows)
			add(o.W, o.Cols, rows)
			add(o.B, rows)
		case Scan:
			if o.Shared {
				add(o.W, 1, o.Heads)
				add(o.B, 1, o.Heads)
			} else {
				add(o.W, o.Cols, o.Heads)
				add(o.B, o.Heads)
			}
		case RMSNorm, LayerNorm:
			n := w / max(1, o.Heads)
			if o.Cols > 0 {
				n = o.Cols
			}
			if o.Each {
				add(o.W, n, o.Heads)
				continue
			}
			add(o.W, n)
			add(o.B, n)
		}
	}
	return list
}
