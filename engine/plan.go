package engine

import "github.com/freehold-slm/freehold/kernels"

// A plan is the program compiled for evaluation. Values get buffers by last use, matrix products that read the same
// value share one parallel region, and the elementwise ops between them run row by row in one region (or inline, for
// few rows).
type plan struct {
	steps   []step
	buffers []int // width of each buffer
	embed   matrix
	place   matrix // rows by position, where the model has learnt ones
	maxK    int    // widest input of a matrix
	maxInt  int    // widest input of a matrix on the integer path; 0 = none
	acts    [4]int // widest values that each of the runner's activations holds; 0 = none. The last two are in pairs; see groups
	slots   int    // most parts of a row that stacks of matrices read
	stacked int    // most matrices of a stack
	experts int    // most logits of a router
	state   int    // values of the state that recurrent layers leave behind a token
	hidden  int    // buffer of Program.Hidden
	lows    step   // of head, before it; no matrices = none
	head    step
	class   *matrix
	dense   *matrix // of embeddings; nil = the pooled state is one
}

// space is the set of rows a step runs over.
type space uint8

const (
	allRows    space = iota // every token of the pass
	wantedRows              // the rows whose result is wanted
)

type stepKind uint8

const (
	stepRows   stepKind = iota // row by row: rows
	stepMat                    // mats read buffer in
	stepAttend                 // queries in buffer in, out to buffer out
	stepSelect                 // wanted rows of buffer in to buffer out
	stepGather                 // pairs of buffer in, in the order of their matrices, to buffer out or the activations
	stepStack                  // mats read pairs
	stepConv                   // causal convolution of buffer in to buffer out
	stepScan                   // scan of a state space over buffer in to buffer out
)

type step struct {
	kind     stepKind
	space    space
	layer    int
	rows     []rowOp
	in, out  int
	width    int
	window   int       // stepAttend: keys a query sees; 0 = all
	sinks    []float32 // stepAttend: [heads] scores without a value; nil = none
	slopes   []float32 // stepAttend: [heads] of ALiBi; nil = none
	stack    *stack    // stepGather, stepStack
	conv     *convolution
	scan     *stateSpace
	mats     []matrix
	outs     []int // buffer of each matrix product, or of what they are joined to
	acts     int   // which of the runner's activations the products read
	low      bool  // the products are by adapters' A
	join     bool  // the products are gate and up, or up alone, of an activation that is computed with them, by act
	act      rowKind
	codes    bool   // of that only the other activations are wanted, not a buffer
	gemmOnly bool   // those are read by integer products for which Level.GemmAlone holds
	name     string // of the tensor that reads them, for errors
	one      oneCut // stepMat: for one token
	then     *step  // stepMat, stepAttend: the next products of a token that is decoded
	attend   *step  // stepMat: the attention that comes before then; nil = none
}

type rowKind uint8

const (
	rowEmbed         rowKind = iota
	rowPosition              // out = the position's row of plan.place
	rowRow                   // out = a + w
	rowAdd                   // out = a + b
	rowScale                 // out = a * factor
	rowNorm                  // out = rmsnorm(a) * w
	rowLayerNorm             // out = layernorm(a) * w + bias
	rowRotate                // out = a rotated by rope, in place
	rowSwiGLU                // out = silu(a) * b
	rowGeGLU                 // out = gelu(a) * b
	rowGELU                  // out = gelu(a)
	rowReLU2                 // out = relu(a)²
	rowClamp                 // out = a within ±factor
	rowQuantize              // acts = a
	rowStore                 // KV cache of layer += keys a, values b
	rowClampedSwiGLU         // out = clampedswiglu(a, b); b is lost
	rowGate                  // out = a * sigmoid(b)
	rowRoute                 // out = experts and weights of logits a
	rowMix                   // out = sum of the pairs a of a row by the weights of b
	rowMul                   // out = a * b
	rowSiLU                  // out = silu(a)
	rowSoftplus              // out = softplus(a + bias)
	rowTail                  // what follows the columns that a stack reads of each part of a, behind its products in out
)

type rowOp struct {
	kind      rowKind
	out, a, b int // buffers
	width     int
	w, bias   []float32 // of norms; nil = ones, zeros
	layer     int
	heads     int // rotated; of norms: parts of the row that are normed alone
	factor    float32
	rope      *ropeTables
	name      string // of the tensor that follows, for errors
	gemmOnly  bool   // rowQuantize: read by integer products for which Level.GemmAlone holds
	each      bool   // norms: w has a row for each part
	cols      int    // norms: columns of a part that are normed; 0 = all
	tail      int    // rowRotate: columns of a head that rotate, its last; 0 = its first
	stack     *stack
	router    *kernels.Router
}

// follow cuts the regions of products for one token and tells which follows which; the first follows the last, the head. It tells too
// where attention comes between.
func (p *plan) follow(threads int) {
	var all []*step
	for i := range p.steps {
		if s := &p.steps[i]; s.kind == stepMat {
			all = append(all, s)
		}
	}
	if p.head.mats != nil {
		all = append(all, &p.head)
	}
	for i, s := range all {
		s.then = all[(i+1)%len(all)]
		s.cutOne(threads)
	}
	var last *step
	for i := range p.steps {
		switch s := &p.steps[i]; {
		case s.kind == stepMat:
			last = s
		case s.kind == stepAttend && last != nil:
			last.attend, s.then = s, last.then
		}
	}
}

// readers finds out what reads each value that is quantised.
func (p *plan) readers(l *kernels.Level) {
	var gemmOnly [2]*bool // of what the activations hold
	for i := range p.steps {
		s := &p.steps[i]
		if s.stack != nil {
			continue
		}
		for j := range s.rows {
			if o := &s.rows[j]; o.kind == rowQuantize {
				o.gemmOnly = true
				gemmOnly[0] = &o.gemmOnly
			}
		}
		for j := range s.mats {
			if w := s.mats[j].ints; w != nil && !l.GemmAlone(w) {
				*gemmOnly[s.acts] = false
			}
		}
		if s.codes {
			s.gemmOnly = true
			gemmOnly[1-s.acts] = &s.gemmOnly
		}
	}
}

// quantizes makes room for the input of a product that is quantised for it alone.
func (p *plan) quantizes(w *matrix) {
	if w.ints != nil {
		p.acts[0] = max(p.acts[0], w.k)
	}
}
