package engine

import (
	"fmt"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/quant"
)

// matrix is a weight [rows, k] as the file holds it, bound to the kernels that read it.
type matrix struct {
	name     string
	rows, k  int
	data     []byte // view of the mapping
	rowBytes int
	format   *quant.Format
	dot      func(dst []float32, w []byte, x []float32, s *kernels.Scratch) // F32, F16 and BF16 only, as is:
	floats   func(dst []float32, ldd int, w []byte, stride, rows, k int)    // to a tile
	ints     *kernels.IntFormat                                             // nil: the float path
	gemv     func(dst []float32, w []byte, a *kernels.Acts, t int, s *kernels.Scratch)
	codes    func(q []int8, sc, mn []float32, row []byte)
	unpack   func(tile *kernels.Tile, rows []byte) // nil: by codes
	fast     bool                                  // bf16 products of more than a few tokens
	bias     []float32                             // nil = none
	lows     []low                                 // what adapters add, before bias
	after    []func(x []float32)                   // run on each part of the result, elementwise
}

// bind finds the tensor of an op, or the rows of it that the op reads, and the path its format takes: integers where the
// format has codes and the mode is normal, else decoded to f32.
func (m *Model) bind(o *models.Op) (matrix, error) {
	name := o.W
	t, err := m.tensor(name, 1) // a vector is a matrix of one row
	if err != nil {
		return matrix{}, err
	}
	w := matrix{name: name, rows: t.Rows(), k: t.Shape[0], data: t.Data}
	f, err := m.format(t)
	if err != nil {
		return matrix{}, err
	}
	w.format = f
	if w.rowBytes, err = f.RowBytes(w.k); err != nil {
		return matrix{}, fmt.Errorf("%s: tensor %q: %w", m.file.Name, name, err)
	}
	first, rows := o.Row, w.rows
	if o.Rows > 0 {
		w.rows = m.Program.Width[o.Out]
		w.data = w.data[first*w.rowBytes : (first+w.rows)*w.rowBytes]
	}
	if int(t.Type) < kernels.NumTypes {
		w.dot, w.floats = m.level.GemvFloat[t.Type], m.level.UnpackFloat[t.Type]
	}
	w.fast = m.FastUnit() != "" && w.floats != nil && w.k%kernels.BF16Step == 0
	if m.cfg.numeric != Reference && int(t.Type) < kernels.NumTypes && kernels.IntFormats[t.Type] != nil && w.k%kernels.ActBlock == 0 {
		w.ints = kernels.IntFormats[t.Type]
		w.gemv, w.codes, w.unpack = m.level.Gemv[t.Type], m.level.Codes[t.Type], m.level.Unpack[t.Type]
	}
	if o.B != "" {
		if w.bias, err = m.vector(o.B); err != nil {
			return matrix{}, err
		}
		if len(w.bias) != rows {
			return matrix{}, fmt.Errorf("%s: tensor %q has %d values, want %d", m.file.Name, o.B, len(w.bias), rows)
		}
		w.bias = w.bias[first : first+w.rows]
	}
	return w, nil
}

// vector decodes a whole one-dimensional tensor (norm weights, biases) and refuses NaN and infinities.
func (m *Model) vector(name string) ([]float32, error) {
	t, err := m.tensor(name, 1)
	if err != nil {
		return nil, err
	}
	f, err := m.format(t)
	if err != nil {
		return nil, err
	}
	v := make([]float32, t.Elements())
	f.Unpack(v, t.Data)
	if !m.level.AllFinite(v) {
		return nil, &NumberError{m.file.Name, fmt.Sprintf("tensor %q", name), "holds a NaN or an infinity; the file is damaged, pull it again"}
	}
	return v, nil
}

// format finds how to decode a weight. Plain integers can be decoded too, but are no weights.
func (m *Model) format(t *gguf.Tensor) (*quant.Format, error) {
	f, ok := quant.ByType(t.Type)
	if !ok || !f.CanUnpack() {
		return nil, fmt.Errorf("%s: tensor %q has type %v, which cannot be decoded to weights", m.file.Name, t.Name, t.Type)
	}
	if f.Block == 1 && !f.Float {
		return nil, fmt.Errorf("%s: tensor %q has type %s, want floats or a block format", m.file.Name, t.Name, f.Name)
	}
	return f, nil
}

func (m *Model) tensor(name string, dims int) (*gguf.Tensor, error) {
	t, ok := models.Tensor(m.file, name)
	if !ok {
		return nil, fmt.Errorf("%s: tensor %q is missing", m.file.Name, name)
	}
	if len(t.Shape) < dims {
		return nil, fmt.Errorf("%s: tensor %q has shape %v, want %d dimensions", m.file.Name, name, t.Shape, dims)
	}
	return t, nil
}

// row decodes one row to f32.
func (w *matrix) row(dst []float32, i int) {
	w.format.Unpack(dst, w.data[i*w.rowBytes:(i+1)*w.rowBytes])
}
