package distill

import (
	"math"
	"slices"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
)

// StateMatch pulls a value of a student, such as what a layer leaves in the residual stream, towards one of its teacher
// through a projection that is learned with it (Romero et al., "FitNets", arXiv:1412.6550; TinyBERT, arXiv:1909.10351):
//
//	weight / rows * sum over rows of Loss(P·x, y),  x [rows, width], y [rows, teacher's width]
type StateMatch struct {
	Value  models.Value
	P      *Param // [teacher's width, width]
	Loss   Loss   // of a row; "mse" for states
	Weight float64

	z, tmp []float32
}

// NewStateMatch adds the projection to the student's tensors, until Release. It starts as the identity between equal
// widths, else uniform within ±1/sqrt(width), by Philox.
func NewStateMatch(s *Student, v models.Value, teacherWidth int, loss Loss, weight float64, seed uint64) *StateMatch {
	return &StateMatch{Value: v, Loss: loss, Weight: weight, P: s.newProjection("states", int(v), s.Program.Width[v], teacherWidth, seed)}
}

// newProjection adds a tensor [out, in] that learns and is no part of the program.
func (s *Student) newProjection(kind string, value, in, out int, seed uint64) *Param {
	p := &Param{Name: projectionName(kind, value), Shape: []int{in, out}, W: make([]float32, in*out), G: make([]float32, in*out)}
	startProjection(p, uint32(value), seed)
	s.Params = append(s.Params, p)
	s.byName[p.Name] = p
	return p
}

// startProjection makes a projection the identity between equal widths, else uniform within ±1/sqrt(in), by Philox.
func startProjection(p *Param, stream uint32, seed uint64) {
	in, out := p.Shape[0], p.Shape[1]
	bound := 1 / math.Sqrt(float64(in))
	for i := range p.W {
		if in == out {
			if i%in == i/in {
				p.W[i] = 1
			}
			continue
		}
		r := kernels.Philox(seed, [4]uint32{kernels.PurposeInit, stream, uint32(i / 4), 2})[i%4]
		p.W[i] = float32(float64(bound * (float64(r)/(1<<31) - 1)))
	}
}

// Match returns the loss after Forward and, with grad, adds to the gradients of the value and of the projection, before
// Backward. teacher is [rows, teacher's width], the same rows as the value.
func (m *StateMatch) Match(g *Graph, teacher []float32, grad bool) float64 {
	in, out := m.P.Shape[0], m.P.Shape[1]
	x, rows := g.val[m.Value], g.height(m.Value)
	if len(teacher) != rows*out {
		panic("distill: the teacher's states have another number of rows")
	}
	m.z, m.tmp = resize(m.z, rows*out), resize(m.tmp, 3*out)
	g.matmul(m.z, out, x, in, m.P.W, nil, rows)
	weight, total := float32(m.Weight/float64(rows)), 0.0
	for r := range rows {
		total += float64(float64(weight) * m.Loss.Row(g.level, m.z[r*out:(r+1)*out], teacher[r*out:(r+1)*out], -1, weight, m.tmp))
	}
	if grad {
		g.matmulBackW(m.P.G, in, m.z, out, x, rows)
		g.matmulBackX(g.Grad(m.Value), in, m.z, out, m.P.W, rows, true)
	}
	return total
}

// Release takes the projection from the student, whose file has no place for it.
func (m *StateMatch) Release(s *Student) { s.drop(m.P) }

func (s *Student) drop(p *Param) {
	delete(s.byName, p.Name)
	s.Params = slices.DeleteFunc(s.Params, func(q *Param) bool { return q == p })
}
