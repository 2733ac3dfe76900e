package models

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/models/gguf"
)

// LoRA is a low-rank change of some matrices of a model (Hu et al., arXiv:2106.09685), by the names of their tensors.
type LoRA struct {
	File  string
	Pairs map[string]LowRank
}

// LowRank changes one matrix W [out, in]: y = x·Wᵀ + Scale (x·Aᵀ)·Bᵀ.
type LowRank struct {
	A, B    []float32 // [Rank, in], [out, Rank]
	Rank    int
	In, Out int
	Scale   float32 // the file's alpha / Rank, or 1 where it states no alpha
}

// Suffixes of a pair's tensors, after the name of the matrix.
const (
	loraA = ".lora_a"
	loraB = ".lora_b"
)

// ReadLoRA reads an adapter file as llama.cpp's convert_lora_to_gguf writes them, for the model of s. Every tensor must be half of a
// pair for a matrix that s's program reads as a whole or in parts; what else an adapter may hold (embeddings, norms, stacks of experts,
// tokens that switch it on) is refused.
func ReadLoRA(f *gguf.File, s *Spec) (*LoRA, error) {
	for _, k := range []struct{ key, want string }{{"general.type", "adapter"}, {"adapter.type", "lora"}, {"general.architecture", s.Arch}} {
		got, err := f.String(k.key)
		if err != nil {
			return nil, err
		}
		if got != k.want {
			return nil, &gguf.Error{File: f.Name, Field: "key " + gguf.Quote(k.key), Got: gguf.Quote(got), Want: fmt.Sprintf("%q, as an adapter of this model has", k.want)}
		}
	}
	const tokens = "adapter.alora.invocation_tokens"
	if f.Has(tokens) {
		return nil, &gguf.Error{File: f.Name, Field: "key " + gguf.Quote(tokens), Got: "tokens that switch the adapter on", Want: "an adapter that is always on; others are not supported"}
	}
	alpha := 0.0
	if f.Has("adapter.lora.alpha") {
		var err error
		if alpha, err = f.Float("adapter.lora.alpha"); err != nil {
			return nil, err
		}
	}
	if !(alpha >= 0) || alpha > math.MaxFloat32 {
		return nil, &gguf.Error{File: f.Name, Field: `key "adapter.lora.alpha"`, Got: fmt.Sprint(alpha), Want: "a positive number, or 0 for none"}
	}
	if len(f.Tensors) == 0 {
		return nil, &gguf.Error{File: f.Name, Field: "tensors", Got: "none", Want: "pairs ending in .lora_a and .lora_b"}
	}
	l := &LoRA{File: f.Name, Pairs: map[string]LowRank{}}
	shapes := s.linear()
	for i := range f.Tensors {
		name, ok := strings.CutSuffix(f.Tensors[i].Name, loraA)
		if !ok {
			name, ok = strings.CutSuffix(f.Tensors[i].Name, loraB)
		}
		if !ok {
			return nil, &gguf.Error{File: f.Name, Field: "tensor " + gguf.Quote(f.Tensors[i].Name), Got: "a change that is no pair", Want: "names that end in .lora_a or .lora_b; others are not supported"}
		}
		if _, done := l.Pairs[name]; done {
			continue
		}
		shape, ok := shapes[name]
		if !ok {
			return nil, &gguf.Error{File: f.Name, Field: "tensor " + gguf.Quote(f.Tensors[i].Name), Got: "a change of " + gguf.Quote(name),
				Want: fmt.Sprintf("one of a matrix that a %d-layer %s model multiplies with", s.Layers, s.Arch)}
		}
		pair, err := readPair(f, name, shape[0], shape[1], alpha)
		if err != nil {
			return nil, err
		}
		l.Pairs[name] = pair
	}
	return l, nil
}

// linear gives the shape [in, out] of every tensor that the program reads by MatMul alone.
func (s *Spec) linear() map[string][]int {
	p, shapes := s.Program(), map[string][]int{}
	for _, t := range p.Tensors() {
		shapes[t.Name] = t.Shape
	}
	read := map[string]bool{}
	for _, o := range p.Ops {
		if o.Kind == MatMul && o.Out != p.Class && o.Out != p.Vector {
			read[o.W] = true
		}
	}
	for _, o := range p.Ops {
		if o.Kind != MatMul {
			delete(read, o.W)
		}
	}
	for name := range shapes {
		if !read[name] {
			delete(shapes, name)
		}
	}
	return shapes
}

func readPair(f *gguf.File, name string, in, out int, alpha float64) (LowRank, error) {
	a, okA := f.Tensor(name + loraA)
	b, okB := f.Tensor(name + loraB)
	if !okA || !okB {
		return LowRank{}, &gguf.Error{File: f.Name, Field: "tensor " + gguf.Quote(name), Got: "one of .lora_a and .lora_b", Want: "both"}
	}
	if len(a.Shape) != 2 || len(b.Shape) != 2 || a.Shape[0] != in || b.Shape[1] != out || a.Shape[1] != b.Shape[0] {
		return LowRank{}, &gguf.Error{File: f.Name, Field: "tensor " + gguf.Quote(name), Got: fmt.Sprintf("a pair of shapes %v and %v", a.Shape, b.Shape),
			Want: fmt.Sprintf("[%d rank] and [rank %d]; is it an adapter of another model?", in, out)}
	}
	p := LowRank{A: make([]float32, a.Elements()), B: make([]float32, b.Elements()), Rank: a.Shape[1], In: in, Out: out, Scale: 1}
	if alpha > 0 {
		p.Scale = float32(alpha / float64(p.Rank))
	}
	for _, t := range []struct {
		to   []float32
		from *gguf.Tensor
	}{{p.A, a}, {p.B, b}} {
		if err := unpackF32(t.to, t.from); err != nil {
			return LowRank{}, fmt.Errorf("%s: %w", f.Name, err)
		}
		if slices.ContainsFunc(t.to, func(x float32) bool { return x-x != 0 }) {
			return LowRank{}, &gguf.Error{File: f.Name, Field: "tensor " + gguf.Quote(t.from.Name), Got: "a NaN or an infinity", Want: "finite weights"}
		}
	}
	return p, nil
}
