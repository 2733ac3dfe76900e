package models

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
)

// The classification head's weights as metadata arrays of f32: ClassifierWeight [labels, Dim] row by row,
// ClassifierBias [labels]. llama.cpp refuses a llama file that holds a tensor its architecture does not list
// (cls.output.weight is listed for few), but passes over unknown keys: so the file still loads there.
const (
	ClassifierWeight = "freehold.classifier.weight"
	ClassifierBias   = "freehold.classifier.bias"
)

// ClassifierKeys maps the head's tensors to the keys that may stand for them.
var ClassifierKeys = map[string]string{"cls.output.weight": ClassifierWeight, "cls.output.bias": ClassifierBias}

// Tensor finds a tensor that a program reads: in the file, or for a classification head in its metadata.
func Tensor(f *gguf.File, name string) (*gguf.Tensor, bool) {
	if t, ok := f.Tensor(name); ok {
		return t, true
	}
	key, ok := ClassifierKeys[name]
	if !ok || !f.Has(key) {
		return nil, false
	}
	x, err := f.Floats(key)
	if err != nil {
		return nil, false
	}
	labels, err := f.Strings(archKey(f, "classifier.output_labels"))
	if f.Has(TagsKey) {
		labels, err = f.Strings(TagsKey)
	}
	if err != nil || len(labels) == 0 || len(x)%len(labels) != 0 {
		return nil, false
	}
	t := &gguf.Tensor{Name: name, Type: kernels.F32, Shape: []int{len(x)}, Data: make([]byte, 4*len(x))}
	if key == ClassifierWeight {
		t.Shape = []int{len(x) / len(labels), len(labels)}
	}
	for i, v := range x {
		binary.LittleEndian.PutUint32(t.Data[4*i:], math.Float32bits(v))
	}
	return t, true
}

// DenseTensor makes an embedding of the pooled state: llama.cpp's name for the first linear layer behind the pooling of sentence-transformers.
// llama.cpp looks for it in gemma-embedding alone and refuses other files that hold it, which is better than vectors that are others.
const DenseTensor = "dense_2.weight"

func archKey(f *gguf.File, k string) string {
	arch, _ := f.StringOr("general.architecture", "")
	return arch + "." + k
}

// classifier reads the pooled classification head: llama.cpp's keys <arch>.pooling_type and
// <arch>.classifier.output_labels, and tensors cls.output.weight [Dim, labels] and cls.output.bias [labels].
func (r *reader) classifier(s *Spec) {
	if r.f.Has(TagsKey) {
		r.tags(s)
		return
	}
	if r.err != nil || !r.has("classifier.output_labels") {
		r.pooling(s)
		return
	}
	if s.Encoder {
		r.note(fmt.Errorf("%s: %s is set; classification heads of encoders are not supported", r.f.Name, r.key("classifier.output_labels")))
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
	if len(labels) == 0 {
		r.note(fmt.Errorf("%s: %s has no labels, want one (of a reranker) or more", r.f.Name, r.key("classifier.output_labels")))
	}
}

// pooling reads how states are pooled for embeddings, where the file states it, and how wide the projection of the pooled state is.
func (r *reader) pooling(s *Spec) {
	if r.err != nil || !r.has("pooling_type") {
		return
	}
	n, err := r.f.Uint(r.key("pooling_type"))
	r.note(err)
	if err == nil && n > uint64(PoolLast) {
		r.note(fmt.Errorf("%s: %s is %d, want 0 (none), 1 (mean), 2 (the first token's) or 3 (the last token's)", r.f.Name, r.key("pooling_type"), n))
		return
	}
	s.Pooling = Pooling(n)
	if t, ok := r.f.Tensor(DenseTensor); ok && s.Pooling != PoolNone && len(t.Shape) == 2 {
		s.Dense = t.Shape[1]
	}
}
