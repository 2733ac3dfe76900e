package quant

import (
	"encoding/binary"

	"github.com/freehold-slm/freehold/kernels"
)

// Signed little-endian integers, for index tensors; unpacking rounds those that
// f32 cannot hold. Weights are never packed to them.
var (
	_ = define(Format{Name: "I8", Type: kernels.I8, Block: 1, Bytes: 1}, unpackI8, nil)
	_ = define(Format{Name: "I16", Type: kernels.I16, Block: 1, Bytes: 2}, unpackI16, nil)
	_ = define(Format{Name: "I32", Type: kernels.I32, Block: 1, Bytes: 4}, unpackI32, nil)
	_ = define(Format{Name: "I64", Type: kernels.I64, Block: 1, Bytes: 8}, unpackI64, nil)
)

func unpackI8(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = float32(int8(src[i]))
	}
}

func unpackI16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = float32(int16(binary.LittleEndian.Uint16(src[2*i:])))
	}
}

func unpackI32(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = float32(int32(binary.LittleEndian.Uint32(src[4*i:])))
	}
}

func unpackI64(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = float32(int64(binary.LittleEndian.Uint64(src[8*i:])))
	}
}
