// Package quant says what the bytes of a tensor mean: one file a number format,
// with a drawing of its block, unpacking to f32 and packing from it. The block
// layouts are those of ggml (ggml/src/ggml-common.h); packing gives the bytes
// that llama.cpp's reference quantisers give.
package quant

import (
	"fmt"
	"math"
	"strings"

	"github.com/freehold-slm/freehold/kernels"
)

// Format is one number format: a row of values is a whole number of blocks.
type Format struct {
	Name  string       // as ggml prints it in capitals: "Q4_K"
	Type  kernels.Type // id in GGUF files
	Block int          // values a block
	Bytes int          // bytes a block
	Float bool         // each value is an IEEE-like float of its own (F64, F32, F16, BF16)

	// Unpack decodes len(dst) values, a multiple of Block, from
	// exactly len(dst)/Block*Bytes bytes of src. Any bytes are accepted; what
	// they decode to may be infinite or NaN. Nil: freehold cannot decode this format.
	Unpack func(dst []float32, src []byte)

	// Pack encodes rows of width values: len(src) is a multiple of width, width
	// a multiple of Block, len(dst) = len(src)/Block*Bytes. importance is nil
	// or one weight a column (len = width), the mean of the squared activations
	// that meet it; formats that have no use for it ignore it. Values must be
	// finite. Nil: freehold cannot encode this format.
	Pack func(dst []byte, src []float32, importance []float32, width int)
}

// CanUnpack tells whether the format can be decoded.
func (f *Format) CanUnpack() bool { return f.Unpack != nil }

// CanPack tells whether the format can be encoded.
func (f *Format) CanPack() bool { return f.Pack != nil }

func (f *Format) String() string { return f.Name }

// BitsPerValue is the storage cost, scales included.
func (f *Format) BitsPerValue() float64 { return float64(8*f.Bytes) / float64(f.Block) }

// RowBytes is the number of bytes that a row of width values takes. A width
// that is negative, no multiple of the block or too large is an error.
func (f *Format) RowBytes(width int) (int, error) {
	if width < 0 {
		return 0, fmt.Errorf("quant: %s: row width %d is negative", f.Name, width)
	}
	if width%f.Block != 0 {
		return 0, fmt.Errorf("quant: %s: row width %d is not a multiple of its block of %d values", f.Name, width, f.Block)
	}
	blocks := width / f.Block
	if blocks > math.MaxInt/f.Bytes {
		return 0, fmt.Errorf("quant: %s: a row of %d values is too large to address", f.Name, width)
	}
	return blocks * f.Bytes, nil
}

// byType is filled by define, called once for each format by the file that holds it.
var byType [64]*Format

// define enters a format. unpack decodes whole blocks; pack encodes one row,
// importance as in Format.Pack. Either may be nil. The lengths are checked here,
// once, so that codecs may rely on them.
func define(f Format, unpack func(dst []float32, src []byte), pack func(dst []byte, row, importance []float32)) *Format {
	if byType[f.Type] != nil {
		panic("quant: " + f.Name + " is defined twice")
	}
	if unpack != nil {
		f.Unpack = func(dst []float32, src []byte) {
			if len(dst)%f.Block != 0 || len(src) != len(dst)/f.Block*f.Bytes {
				panic(fmt.Sprintf("quant: %s: unpacking %d bytes to %d values; a block is %d bytes for %d values",
					f.Name, len(src), len(dst), f.Bytes, f.Block))
			}
			unpack(dst, src)
		}
	}
	if pack != nil {
		f.Pack = func(dst []byte, src, importance []float32, width int) {
			if width <= 0 || width%f.Block != 0 || len(src)%width != 0 || len(dst) != len(src)/f.Block*f.Bytes ||
				importance != nil && len(importance) != width {
				panic(fmt.Sprintf("quant: %s: packing %d values to %d bytes, rows of %d, %d importances; a block is %d values in %d bytes",
					f.Name, len(src), len(dst), width, len(importance), f.Block, f.Bytes))
			}
			rowBytes := width / f.Block * f.Bytes
			for len(src) > 0 {
				pack(dst[:rowBytes], src[:width], importance)
				dst, src = dst[rowBytes:], src[width:]
			}
		}
	}
	byType[f.Type] = &f
	return &f
}

// ByType finds a format by its ggml id.
func ByType(t kernels.Type) (*Format, bool) {
	if int64(t) >= int64(len(byType)) || byType[t] == nil {
		return nil, false
	}
	return byType[t], true
}

// ByName finds a format by its name, in capitals or not.
func ByName(name string) (*Format, error) {
	formats := Formats()
	known := make([]string, len(formats))
	for i, f := range formats {
		if strings.EqualFold(f.Name, name) {
			return f, nil
		}
		known[i] = f.Name
	}
	return nil, fmt.Errorf("quant: unknown format %q; known: %s", name, strings.Join(known, " "))
}

// Formats lists every known format, those that cannot be decoded too, by rising id.
func Formats() []*Format {
	var formats []*Format
	for _, f := range byType {
		if f != nil {
			formats = append(formats, f)
		}
	}
	return formats
}
