package hf

import (
	"fmt"
	"math"
	"slices"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/safetensors"
	"github.com/freehold-slm/freehold/quant"
)

// pieceValues is about how many values of a tensor are in memory at once; a multiple of the blocks of all formats.
const pieceValues = 1 << 18

// rewriting is how one tensor is made of those of the other side, a bounded number of values at a time.
type rewriting struct {
	flows []flow
	n     int                   // values
	turn  func(float32) float32 // what becomes of each; nil = it stays
	to    *quant.Format
	width int                          // values of a row
	bad   func(got, want string) error // an error that names the tensor
}

// write gives the tensor's bytes to out, and how much of it is done then, at most 1.
func (r *rewriting) write(out func(b []byte, done float64) error) error {
	values := make([]float32, min(r.n, pieceValues))
	packed := make([]byte, len(values)/r.to.Block*r.to.Bytes)
	at := 0
	return cut(slices.Clone(r.flows), r.n, pieceValues, func(n int, flows []flow) error {
		x, b := values[:n], packed[:n/r.to.Block*r.to.Bytes]
		if err := r.values(x, flows); err != nil {
			return err
		}
		r.to.Pack(b, x, nil, n)
		if err := r.fits(x, b, at/r.width); err != nil {
			return err
		}
		at += n
		return out(b, float64(at)/float64(r.n))
	})
}

func (r *rewriting) values(x []float32, flows []flow) error {
	for i := range flows {
		if err := flows[i].gather(x); err != nil {
			return err
		}
	}
	if r.turn != nil {
		for i, v := range x {
			x[i] = r.turn(v)
		}
	}
	return nil
}

// fits refuses what is no number and what F16, which has less range than the others, cannot hold. packed is what became of x, which is overwritten.
func (r *rewriting) fits(x []float32, packed []byte, row int) error {
	for i, v := range x {
		if v-v != 0 {
			return r.bad(fmt.Sprintf("%v near row %d", v, row+i/r.width), "finite weights")
		}
	}
	if r.to.Type != kernels.F16 {
		return nil
	}
	r.to.Unpack(x, packed)
	for i, v := range x {
		if math.IsInf(float64(v), 0) {
			return r.bad(fmt.Sprintf("a value near row %d that %s cannot hold", row+i/r.width, r.to.Name), "--type bf16 or f32")
		}
	}
	return nil
}

// exact tells whether a format holds every value.
func (r *rewriting) exact(to *quant.Format) (bool, error) {
	same := true
	values, back := make([]float32, min(r.n, pieceValues)), make([]float32, min(r.n, pieceValues))
	packed := make([]byte, len(values)*to.Bytes)
	err := cut(slices.Clone(r.flows), r.n, pieceValues, func(n int, flows []flow) error {
		x, b := values[:n], packed[:n*to.Bytes]
		if err := r.values(x, flows); err != nil {
			return err
		}
		to.Pack(b, x, nil, n)
		to.Unpack(back[:n], b)
		same = same && slices.Equal(x, back[:n])
		return nil
	})
	return same, err
}

// folderSource reads a folder's tensor of floats.
type folderSource struct {
	t      *safetensors.Tensor
	format *quant.Format
	b      []byte
}

func (s *folderSource) read(dst []float32, at int) error {
	n := len(dst) * s.format.Bytes
	if cap(s.b) < n {
		s.b = make([]byte, n)
	}
	if _, err := s.t.ReadAt(s.b[:n], int64(at)*int64(s.format.Bytes)); err != nil {
		return fmt.Errorf("%s: %w", s.t.File().Name, err)
	}
	s.format.Unpack(dst, s.b[:n])
	return nil
}

// packedSource reads a folder's tensor in MXFP4, as gpt-oss has it: blocks [..., n/32, 16] with two values a byte, low half first, and the exponent
// of each block in scales [..., n/32].
type packedSource struct {
	blocks, scales *safetensors.Tensor
	b              []byte
}

func (s *packedSource) read(dst []float32, at int) error {
	const block = 32
	first, last := at/block, (at+len(dst)+block-1)/block
	n := last - first
	s.b = slices.Grow(s.b[:0], 17*n)[:17*n]
	codes, scales := s.b[:16*n], s.b[16*n:]
	if _, err := s.blocks.ReadAt(codes, int64(16*first)); err != nil {
		return fmt.Errorf("%s: %w", s.blocks.File().Name, err)
	}
	if _, err := s.scales.ReadAt(scales, int64(first)); err != nil {
		return fmt.Errorf("%s: %w", s.scales.File().Name, err)
	}
	for i := range dst {
		v := at + i - first*block
		code := codes[v/2] >> (4 * (v % 2)) & 15
		dst[i] = float32(kernels.FP4Values[code]) * kernels.HalfE8M0[scales[v/block]]
	}
	return nil
}

// fileSource reads a tensor of a GGUF file.
type fileSource struct {
	file   *gguf.File
	t      *gguf.Tensor
	format *quant.Format
	block  []float32
}

func (s *fileSource) read(dst []float32, at int) error {
	return s.file.Guard(func() error {
		size := s.format.Block
		for len(dst) > 0 {
			data := s.t.Data[at/size*s.format.Bytes:]
			n := len(dst) / size * size // whole blocks
			if at%size == 0 && n > 0 {
				data = data[:n/size*s.format.Bytes]
				s.format.Unpack(dst[:n], data)
				s.file.Drop(data)
			} else { // part of one
				if s.block == nil {
					s.block = make([]float32, size)
				}
				s.format.Unpack(s.block, data[:s.format.Bytes])
				n = copy(dst, s.block[at%size:])
			}
			dst, at = dst[n:], at+n
		}
		return nil
	})
}
