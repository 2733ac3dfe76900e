package quant

import (
	"encoding/binary"
	"math"

	"github.com/freehold-slm/freehold/kernels"
)

// The formats that hold each value by itself, little-endian, without a scale.
var (
	_ = define(Format{Name: "F32", Type: kernels.F32, Block: 1, Bytes: 4, Float: true}, unpackF32, packF32)
	_ = define(Format{Name: "F16", Type: kernels.F16, Block: 1, Bytes: 2, Float: true}, unpackF16, packF16)
	_ = define(Format{Name: "BF16", Type: kernels.BF16, Block: 1, Bytes: 2, Float: true}, unpackBF16, packBF16)
	_ = define(Format{Name: "F64", Type: kernels.F64, Block: 1, Bytes: 8, Float: true}, unpackF64, packF64)
)

func unpackF32(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

func packF32(dst []byte, row, _ []float32) {
	for i, v := range row {
		binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
	}
}

func unpackF16(dst []float32, src []byte) {
	var halves [256]uint16
	for len(dst) > 0 {
		n := min(len(dst), len(halves))
		for i := range halves[:n] {
			halves[i] = binary.LittleEndian.Uint16(src[2*i:])
		}
		cpu().F16ToF32(dst[:n], halves[:n])
		dst, src = dst[n:], src[2*n:]
	}
}

func packF16(dst []byte, row, _ []float32) {
	var halves [256]uint16
	for len(row) > 0 {
		n := min(len(row), len(halves))
		cpu().F32ToF16(halves[:n], row[:n])
		for i, h := range halves[:n] {
			binary.LittleEndian.PutUint16(dst[2*i:], h)
		}
		dst, row = dst[2*n:], row[n:]
	}
}

func unpackBF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = kernels.BF16ToF32(binary.LittleEndian.Uint16(src[2*i:]))
	}
}

func packBF16(dst []byte, row, _ []float32) {
	for i, v := range row {
		binary.LittleEndian.PutUint16(dst[2*i:], kernels.F32ToBF16(v))
	}
}

// Values beyond the range of f32 become infinite.
func unpackF64(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
	}
}

func packF64(dst []byte, row, _ []float32) {
	for i, v := range row {
		binary.LittleEndian.PutUint64(dst[8*i:], math.Float64bits(float64(v)))
	}
}
