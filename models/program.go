package models

import "fmt"

// Kind is a kind of op. Every op reads values [rows, width] and writes one new value (static single assignment), so
// that training can keep them and walk the list backwards; engine reuses their memory by last use.
type Kind uint8

const (
	Embed   Kind = iota // out[r] = row of W for token r
	MatMul              // out = in0 · Wᵀ (+ B); W [width(in0), width(out)] in GGUF order
	RMSNorm             // out = in0 / rms(in0) * W
	Rotate              // out = in0 with rotary embedding on Heads heads of HeadDim
	Attend              // out = attention of queries in0 over keys in1 and values in2; Layer's KV cache grows by in1, in2
	SwiGLU              // out = silu(in0) * in1
	Add                 // out = in0 + in1
	Select              // out = the rows of in0 whose result is wanted (all of them when states are pooled)
	Pool                // out = one row a sequence: mean or last row of in0
)

var kindNames = [...]string{"embed", "matmul", "rmsnorm", "rotate", "attend", "swiglu", "add", "select", "pool"}

func (k Kind) String() string { return kindNames[k] }

// Value numbers a result of the program; its width is Program.Width[value].
type Value int

// Op is one step. Unused fields are zero.
type Op struct {
	Kind  Kind
	Out   Value
	In    []Value
	W, B  string // tensor names; B "" = no bias
	Layer int
	Heads int // Rotate: heads in the row; Attend: query heads
}

// Program is a model as a flat list of ops.
type Program struct {
	Spec   *Spec
	Ops    []Op
	Width  []int // [values] width of a row
	Logits Value // [wanted rows, Vocab]
	Hidden Value // [wanted rows, Dim] after the final norm
	Class  Value // [sequences, labels]; -1 when the model has no classification head
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

func (b builder) matmul(x Value, width int, layer int, name string, bias bool) Value {
	o := Op{Kind: MatMul, W: name + ".weight", Layer: layer}
	if bias {
		o.B = name + ".bias"
	}
	return b.op(o, width, x)
}

func (b builder) norm(x Value, layer int, name string) Value {
	return b.op(Op{Kind: RMSNorm, W: name + ".weight", Layer: layer}, b.p.Width[x], x)
}

// lower writes the program of a pre-norm transformer:
//
//	x = embed
//	x += wo·attend(rope(wq·norm(x)), rope(wk·norm(x)), wv·norm(x))     each layer
//	x += down·(silu(gate·norm(x)) * up·norm(x))
//	logits = head·norm(x)
//
// After the last attention only the wanted rows go on.
func lower(s *Spec) *Program {
	p := &Program{Spec: s, Class: -1}
	b := builder{p}
	qDim, kvDim := s.Heads*s.HeadDim, s.KVHeads*s.HeadDim
	x := b.op(Op{Kind: Embed, W: "token_embd.weight"}, s.Dim)
	for l := 0; l < s.Layers; l++ {
		blk := func(n string) string { return fmt.Sprintf("blk.%d.%s", l, n) }
		h := b.norm(x, l, blk("attn_norm"))
		q := b.matmul(h, qDim, l, blk("attn_q"), s.QKVBias)
		k := b.matmul(h, kvDim, l, blk("attn_k"), s.QKVBias)
		v := b.matmul(h, kvDim, l, blk("attn_v"), s.QKVBias)
		if s.Rope.Dims > 0 {
			q = b.op(Op{Kind: Rotate, Layer: l, Heads: s.Heads}, qDim, q)
			k = b.op(Op{Kind: Rotate, Layer: l, Heads: s.KVHeads}, kvDim, k)
		}
		att := b.op(Op{Kind: Attend, Layer: l, Heads: s.Heads}, qDim, q, k, v)
		if l == s.Layers-1 {
			att = b.op(Op{Kind: Select, Layer: l}, qDim, att)
			x = b.op(Op{Kind: Select, Layer: l}, s.Dim, x)
		}
		x = b.op(Op{Kind: Add, Layer: l}, s.Dim, x, b.matmul(att, s.Dim, l, blk("attn_output"), s.OutBias))
		h = b.norm(x, l, blk("ffn_norm"))
		gate := b.matmul(h, s.FFN, l, blk("ffn_gate"), s.FFNBias)
		up := b.matmul(h, s.FFN, l, blk("ffn_up"), s.FFNBias)
		act := b.op(Op{Kind: SwiGLU, Layer: l}, s.FFN, gate, up)
		x = b.op(Op{Kind: Add, Layer: l}, s.Dim, x, b.matmul(act, s.Dim, l, blk("ffn_down"), s.FFNBias))
	}
	p.Hidden = b.norm(x, s.Layers, "output_norm")
	head := "output"
	if s.Tied {
		head = "token_embd"
	}
	p.Logits = b.matmul(p.Hidden, s.Vocab, s.Layers, head, false)
	if len(s.Labels) > 0 && s.Pooling != PoolNone {
		pooled := b.op(Op{Kind: Pool, Layer: s.Layers}, s.Dim, p.Hidden)
		p.Class = b.op(Op{Kind: MatMul, W: "cls.output.weight", B: "cls.output.bias", Layer: s.Layers}, len(s.Labels), pooled)
	}
	return p
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
		case MatMul:
			add(o.W, p.Width[o.In[0]], w)
			add(o.B, w)
		case RMSNorm:
			add(o.W, w)
		}
	}
	return list
}
