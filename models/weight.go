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

// classifier reads the pooled classification head: llama.cpp's keys <arch>.pooling_type and
// <arch>.classifier.output_labels, and tensors cls.output.weight [Dim, labels] and cls.output.bias [labels].
func (r *reader) classifier(s *Spec) {
	if r.err != nil || !r.has("classifier.output_labels") {
		return
	}
	labels, err := r.f.Strings(r.key("classifier.output_labels"))
	r.note(err)
	pooling, err := r.f.Uint(r.key("pooling_type"))
	r.note(err)
	s.Labels, s.Pooling = labels, Pooling(pooling)
	if s.Pooling != PoolMean && s.Pooling != PoolLast {
		r.note(fmt.Errorf("%s: %s is %d, want 1 (mean) or 3 (last)", r.f.Name, r.key("pooling_type"), pooling))
	}
	if len(labels) < 2 {
		r.note(fmt.Errorf("%s: %s has %d labels, want at least 2", r.f.Name, r.key("classifier.output_labels"), len(labels)))
	}
}
