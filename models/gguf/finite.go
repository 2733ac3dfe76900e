package gguf

import (
	"fmt"
	"math"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/quant"
)

// CheckFinite decodes the whole tensor, a piece at a time, and names the first value that is NaN or infinite.
// A format that cannot be decoded is an error. Run it inside File.Guard.
func (t *Tensor) CheckFinite() error {
	field := "tensor " + Quote(t.Name)
	format, ok := quant.ByType(t.Type)
	switch {
	case t.Type == kernels.I8 || t.Type == kernels.I16 || t.Type == kernels.I32 || t.Type == kernels.I64:
		return nil // integers are finite
	case !ok || !format.CanUnpack():
		return &Error{File: t.file, Field: field, Got: "type " + typeName(t.Type), Want: "a format that can be decoded"}
	}
	const piece = 1024 // values; a multiple of every block
	var values [piece]float32
	width := t.Shape[0]
	rowBytes := width / format.Block * format.Bytes
	for row := range t.Rows() {
		data := t.Data[row*rowBytes : (row+1)*rowBytes]
		for at := 0; at < width; at += piece {
			part := values[:min(piece, width-at)]
			format.Unpack(part, data[at/format.Block*format.Bytes:][:len(part)/format.Block*format.Bytes])
			for i, x := range part {
				const exponent = 0x7f800000 // all ones in Inf and NaN only
				if math.Float32bits(x)&exponent == exponent {
					return &Error{File: t.file, Field: field, Got: fmt.Sprintf("%v in row %d, column %d", x, row, at+i), Want: "finite values"}
				}
			}
		}
	}
	return nil
}

func typeName(t kernels.Type) string {
	if format, ok := quant.ByType(t); ok {
		return format.Name
	}
	return fmt.Sprintf("id %d", uint32(t))
}
