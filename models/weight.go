package models

import (
	"fmt"

	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/quant"
)

// weightType refuses tensors whose numbers cannot be decoded, and vectors (norms, biases) that are not plain floats.
func weightType(file string, t *gguf.Tensor, dims int) error {
	f, ok := quant.ByType(t.Type)
	if !ok || !f.CanUnpack() {
		return fmt.Errorf("%s: tensor %q has type %v, which cannot be decoded to weights", file, t.Name, t.Type)
	}
	if dims == 1 && !f.Float {
		return fmt.Errorf("%s: tensor %q is a vector of type %s, want F32, F16 or BF16", file, t.Name, f.Name)
	}
	return nil
}

// unpackF32 decodes a whole tensor into dst.
func unpackF32(dst []float32, t *gguf.Tensor) error {
	f, ok := quant.ByType(t.Type)
	if !ok || !f.CanUnpack() {
		return fmt.Errorf("tensor %q has type %v, which cannot be decoded", t.Name, t.Type)
	}
	f.Unpack(dst, t.Data)
	return nil
}
