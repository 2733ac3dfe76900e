package distill

import (
	"fmt"
	"path"
	"slices"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/quant"
)

// Param is one tensor of a student: master weights in f32 and, unless frozen, its gradient and what the optimiser keeps.
type Param struct {
	Name  string
	Shape []int // GGUF order: row width first
	W     []float32
	G     []float32 // nil when frozen

	Moments []Moment  // by Optimizer.Prepare
	Average []float32 // of W over the steps; nil without Optimizer.EMA
	Best    []float32 // W when the validation loss was least; nil without Trainer.Valid
}

// Moment is one value that an optimiser keeps for each weight.
type Moment struct {
	Name string
	Data []float32
}

// state lists what a checkpoint holds of p, by the prefixes of its tensors.
func (p *Param) state() []Moment {
	s := append([]Moment{{"w", p.W}}, p.Moments...)
	if p.Average != nil {
		s = append(s, Moment{"a", p.Average})
	}
	if p.Best != nil {
		s = append(s, Moment{"b", p.Best})
	}
	return s
}

// Frozen says that the tensor does not learn.
func (p *Param) Frozen() bool { return p.G == nil }

// Student is a model that learns: the program of its Spec and its weights in f32.
type Student struct {
	Spec    *models.Spec
	Program *models.Program
	Params  []*Param // in the program's order of first use
	byName  map[string]*Param

	adapters map[string]*Adapter // by the weight's name; see Adapt
}

// NewStudent unpacks the tensors that spec's program reads from f to f32. All learn until Freeze says otherwise.
func NewStudent(spec *models.Spec, f *gguf.File) (*Student, error) {
	if err := learnable(f.Name, spec); err != nil {
		return nil, err
	}
	s := newStudent(spec)
	for _, p := range s.Params {
		t, ok := models.Tensor(f, p.Name)
		if !ok {
			return nil, fmt.Errorf("%s: tensor %q is missing", f.Name, p.Name)
		}
		format, ok := quant.ByType(t.Type)
		if !ok || !format.CanUnpack() {
			return nil, fmt.Errorf("%s: tensor %q has type %v, which cannot be decoded", f.Name, p.Name, t.Type)
		}
		if n := elements(t.Shape); n != len(p.W) {
			return nil, fmt.Errorf("%s: tensor %q has %d values, want %d", f.Name, p.Name, n, len(p.W))
		}
		format.Unpack(p.W, t.Data)
	}
	return s, nil
}

// newStudent allocates zero weights and gradients for every tensor of spec's program.
func newStudent(spec *models.Spec) *Student {
	s := &Student{Spec: spec, Program: spec.Program(), byName: map[string]*Param{}}
	for _, ts := range s.Program.Tensors() {
		n := elements(ts.Shape)
		p := &Param{Name: ts.Name, Shape: ts.Shape, W: make([]float32, n), G: make([]float32, n)}
		s.Params = append(s.Params, p)
		s.byName[p.Name] = p
	}
	return s
}

// Param returns the named tensor, nil when the program has none of that name.
func (s *Student) Param(name string) *Param { return s.byName[name] }

// weightOf is the weight of an op; its slices are nil when there is none.
func (s *Student) weightOf(o *models.Op) *Param {
	if o.W == "" {
		return &Param{}
	}
	return s.byName[o.W]
}

// biasOf is the bias of an op; its slices are nil when there is none.
func (s *Student) biasOf(o *models.Op) *Param {
	if o.B == "" {
		return &Param{}
	}
	return s.byName[o.B]
}

// Freeze stops the tensors whose name matches one of the patterns (path.Match, as in "blk.0.*") from learning.
// A pattern that matches nothing is an error.
func (s *Student) Freeze(patterns ...string) error {
	names := make([]string, len(s.Params))
	for i, p := range s.Params {
		names[i] = p.Name
	}
	frozen, err := matching(names, patterns)
	for _, name := range frozen {
		p := s.byName[name]
		p.G, p.Moments, p.Average, p.Best = nil, nil, nil, nil
	}
	return err
}

// matching lists the names that match one of the freeze patterns, each of which must match something.
func matching(names, patterns []string) (hits []string, err error) {
	for _, pat := range patterns {
		before := len(hits)
		for _, name := range names {
			ok, err := path.Match(pat, name)
			if err != nil {
				return nil, fmt.Errorf("freeze pattern %q: %v", pat, err)
			}
			if ok {
				hits = append(hits, name)
			}
		}
		if len(hits) == before {
			return nil, fmt.Errorf("freeze pattern %q matches no tensor; tensors are named like %q", pat, names[len(names)-1])
		}
	}
	return hits, nil
}

// ZeroGrad clears all gradients.
func (s *Student) ZeroGrad() {
	for _, p := range s.Params {
		clear(p.G)
	}
}

// Size is the number of weights; Learning of those that learn.
func (s *Student) Size() (size, learning int) {
	for _, p := range s.Params {
		size += len(p.W)
		learning += len(p.G)
	}
	return size, learning
}

func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// KeepAverage gives every weight that learns a place for its average, which starts at the weight.
func (s *Student) KeepAverage() {
	for _, p := range s.Params {
		if !p.Frozen() {
			p.Average = slices.Clone(p.W)
		}
	}
}

// UseAverage makes the average of the weights, where one is kept, the weights.
func (s *Student) UseAverage() {
	for _, p := range s.Params {
		if p.Average != nil {
			copy(p.W, p.Average)
		}
	}
}
