package hf

import (
	"fmt"
	"io"
	"math"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/safetensors"
	"github.com/freehold-slm/freehold/quant"
)

// piece is how one tensor is rewritten, a bounded number of rows at a time.
type piece struct {
	t        *safetensors.Tensor
	from, to *quant.Format
	width    int     // values a row
	add      float32 // to each value
	headDim  int     // rows of a head that change places; 0 = rows stay
	c        *Conversion
}

// pieceBytes is about how much of a tensor is in memory at once.
const pieceBytes = 1 << 20

func (p *piece) write(out io.Writer) error {
	rows := p.t.Elements() / p.width
	step := max(1, pieceBytes/(p.width*p.from.Bytes))
	if p.headDim > 0 {
		step = p.headDim // a head is small, and rows do not leave it
	}
	src, values := make([]byte, step*p.width*p.from.Bytes), make([]float32, step*p.width)
	dst := make([]byte, step*p.width*p.to.Bytes)
	moved := make([]float32, 0)
	if p.headDim > 0 {
		moved = make([]float32, len(values))
	}
	for row := 0; row < rows; row += step {
		n := min(step, rows-row) * p.width
		if _, err := p.t.ReadAt(src[:n*p.from.Bytes], int64(row)*int64(p.width)*int64(p.from.Bytes)); err != nil {
			return fmt.Errorf("%s: %w", p.t.File().Name, err)
		}
		x := values[:n]
		p.from.Unpack(x, src[:n*p.from.Bytes])
		if p.headDim > 0 {
			pairUp(moved, x, p.width)
			x = moved
		}
		if p.add != 0 {
			for i := range x {
				x[i] += p.add
			}
		}
		p.to.Pack(dst[:n*p.to.Bytes], x, nil, n)
		if err := p.check(x, dst[:n*p.to.Bytes], values, row); err != nil {
			return err
		}
		if _, err := out.Write(dst[:n*p.to.Bytes]); err != nil {
			return err
		}
		p.c.done += int64(n * p.from.Bytes)
		if p.c.o.Progress != nil {
			if err := p.c.o.Progress(p.c.done, p.c.Size); err != nil {
				return err
			}
		}
	}
	return nil
}

// check refuses what is not a number, and what the wanted type cannot hold. x are the values, packed what they became;
// scratch is overwritten.
func (p *piece) check(x []float32, packed []byte, scratch []float32, row int) error {
	field := "tensor " + quote(p.t.Name)
	for i, v := range x {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return &Error{p.t.File().Name, field, fmt.Sprintf("%v near row %d", v, row+i/p.width), "finite weights"}
		}
	}
	if p.to.Bytes >= p.from.Bytes && p.to.Type != kernels.F16 { // F16 has less range than the others
		return nil
	}
	back := scratch[:len(x)]
	p.to.Unpack(back, packed)
	for i, v := range back {
		if math.IsInf(float64(v), 0) {
			return &Error{p.t.File().Name, field, fmt.Sprintf("a value near row %d that %s cannot hold", row+i/p.width, p.to.Name), "--type bf16 or f32"}
		}
	}
	return nil
}

// pairUp reorders the rows of one head for rotary embedding of neighbours: transformers keeps the first and second
// values of all pairs in two halves, llama.cpp pair after pair.
//
//	dst[2j + k] = src[k*rows/2 + j]
func pairUp(dst, src []float32, width int) {
	half := len(src) / width / 2
	for j := range half {
		for k := range 2 {
			copy(dst[(2*j+k)*width:][:width], src[(k*half+j)*width:][:width])
		}
	}
}
