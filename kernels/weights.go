package kernels

import (
	"encoding/binary"
	"math"
)

// Weights in F32, F16 and BF16 (the float formats) are decoded exactly, in registers, wherever they are read. A row is its
// values one after the other, little-endian, at any address.

// floatPart is the columns that rows left over are decoded by.
const floatPart = 128

// floatBytes is the size of a value of a float format.
func floatBytes(typ Type) int {
	if typ == F32 {
		return 4
	}
	return 2
}

// decodeFloat decodes len(dst) values of a float format.
func decodeFloat(typ Type, dst []float32, src []byte) {
	switch typ {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = half(src[2*i:])
		}
	case BF16:
		for i := range dst {
			dst[i] = BF16ToF32(binary.LittleEndian.Uint16(src[2*i:]))
		}
	}
}

// gemvFloat makes the specification of Level.GemvFloat.
func gemvFloat(typ Type) func(dst []float32, w []byte, x []float32, _ *Scratch) {
	size := floatBytes(typ)
	return func(dst []float32, w []byte, x []float32, _ *Scratch) {
		var v [1]float32
		for i := range dst {
			row := w[i*len(x)*size : (i+1)*len(x)*size]
			var acc float32
			for p, xp := range x {
				decodeFloat(typ, v[:], row[p*size:])
				acc = FMA32(v[0], xp, acc)
			}
			dst[i] = acc
		}
	}
}

// unpackFloat makes the specification of Level.UnpackFloat.
func unpackFloat(typ Type) func(dst []float32, ldd int, w []byte, stride, rows, k int) {
	return func(dst []float32, ldd int, w []byte, stride, rows, k int) {
		unpackFloatFrom(typ, dst, ldd, w, stride, 0, rows, 0, k)
	}
}

// unpackFloatFrom is Level.UnpackFloat without the rows before row and the columns before col.
func unpackFloatFrom(typ Type, dst []float32, ldd int, w []byte, stride, row, rows, col, k int) {
	var v [1]float32
	size := floatBytes(typ)
	for i := row; i < rows; i++ {
		for p := col; p < k; p++ {
			decodeFloat(typ, v[:], w[i*stride+p*size:])
			dst[p*ldd+i] = v[0]
		}
	}
}
