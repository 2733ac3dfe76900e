package distill

import (
	"slices"

	"github.com/freehold-slm/freehold/quant"
)

// rounded is quantisation-aware training: during a step the weights are what the file will hold of them, packed and
// unpacked by the very code that writes it, and their gradient goes to the master weights as if nothing had been
// rounded (straight-through estimator, Bengio et al., arXiv:1308.3432). The optimiser, checkpoints and the written file
// know the master weights alone. nil rounds nothing.
type rounded struct {
	tensors []roundedTensor
	bytes   [][]byte // [workers]
}

type roundedTensor struct {
	p      *Param
	format *quant.Format
	other  []float32 // what is not in p.W: the rounded weights, and between enter and leave the master ones
	done   bool      // frozen, and rounded once
}

// newRounded finds the tensors of s that mix does not keep in F32. mix nil = none.
func newRounded(s *Student, mix *quant.Mix, workers int) (*rounded, error) {
	if mix == nil {
		return nil, nil
	}
	r := &rounded{bytes: make([][]byte, workers)}
	for _, p := range s.Params {
		if projected(p.Name) {
			continue
		}
		f, _, err := s.format(mix, p)
		if err != nil {
			return nil, err
		}
		if f.Name != "F32" {
			r.tensors = append(r.tensors, roundedTensor{p: p, format: f, other: make([]float32, len(p.W))})
		}
	}
	return r, nil
}

// roundedValues are packed and unpacked at a time by one worker.
const roundedValues = 16 << 10

// enter puts the rounded weights in place of the master ones.
func (r *rounded) enter(par Parallel) {
	if r == nil {
		return
	}
	for i := range r.tensors {
		t := &r.tensors[i]
		if !t.done {
			t.round(par, r.bytes)
			t.done = t.p.Frozen()
		}
		t.p.W, t.other = t.other, t.p.W
	}
}

// leave puts the master weights back.
func (r *rounded) leave() {
	if r == nil {
		return
	}
	for i := range r.tensors {
		t := &r.tensors[i]
		t.p.W, t.other = t.other, t.p.W
	}
}

// round writes what the format holds of p.W to other, row by row.
func (t *roundedTensor) round(par Parallel, bytes [][]byte) {
	width := t.p.Shape[0]
	rows := max(1, roundedValues/width)
	par((len(t.p.W)/width+rows-1)/rows, func(worker, i int) {
		lo := i * rows * width
		hi := min(len(t.p.W), lo+rows*width)
		n := (hi - lo) / t.format.Block * t.format.Bytes
		b := slices.Grow(bytes[worker][:0], n)[:n]
		bytes[worker] = b
		t.format.Pack(b, t.p.W[lo:hi], nil, width)
		t.format.Unpack(t.other[lo:hi], b)
	})
}
