package bench

import (
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/quant"
)

// shape is how tokens are computed: each of Batch sequences holds Depth tokens and gets Tokens more, all in one pass
// or, with alone, one a pass.
type shape struct {
	Tokens int `json:"tokens"`
	Batch  int `json:"batch"`
	Depth  int `json:"depth"`
	alone  bool
}

// total is the tokens of all sequences.
func (s shape) total() int { return s.Tokens * s.Batch }

// work is what a shape costs at least: bytes of weights and cached keys and values read, each once a pass, and
// operations by kind.
type work struct {
	bytes        int
	ints, floats float64
}

// newWork adds up the matrix products and attention of a shape. Norms, rotations and activations are left out: they
// are a few operations a value. So is the cache of a prompt, which is read from a processor's own caches for the most
// part.
func newWork(m *engine.Model, s shape) work {
	var w work
	spec, rows := m.Spec, float64(s.total())
	passes := 1
	if s.alone {
		passes = s.Tokens
	}
	weights := 0
	for _, op := range m.Program.Ops {
		switch op.Kind {
		case models.Select:
			if !s.alone {
				rows = float64(s.Batch) // only the last token of each goes on
			}
		case models.Attend: // a token meets itself and those before: two products of HeadDim for each pair
			pairs := 0.0
			for i := range s.Tokens {
				seen := s.Depth + i + 1
				if op.Window > 0 {
					seen = min(seen, op.Window)
				}
				pairs += float64(seen)
			}
			w.floats += float64(s.Batch) * pairs * float64(op.Heads*spec.HeadDim) * 4
			if s.alone {
				w.bytes += int(float64(s.Batch) * pairs * float64(2*spec.KVHeads*spec.HeadDim) * kvBytes[m.KV()])
			}
		case models.Scan: // a product, a sum of products and one of the output for each value of the states, which are read and written
			values := float64(m.Program.Width[op.Out] * op.Cols)
			w.floats += rows * values * 5
			if s.alone {
				w.bytes += int(rows * values * 8)
			}
		case models.MatMul, models.StackMatMul:
			if op.Out == m.Program.Class || op.Out == m.Program.Vector {
				continue
			}
			t, ok := m.File().Tensor(op.W)
			if !ok {
				continue
			}
			// Of a stack a row reads Parts matrices. A pass reads as many as all its rows together have, if there are so many.
			stack, parts, inPass := 1, 1, int(rows)
			if op.Kind == models.StackMatMul {
				stack, parts = op.Stack, op.Parts
			}
			if s.alone {
				inPass = s.Batch
			}
			weights += len(t.Data) / stack * min(stack, parts*inPass)
			ops := 2 * float64(t.Elements()/stack*parts) * rows
			if f, ok := quant.ByType(t.Type); ok && !f.Float && m.Numeric() != engine.Reference {
				w.ints += ops
			} else {
				w.floats += ops
			}
		}
	}
	w.bytes += weights * passes
	return w
}

// kvBytes is what a cached value takes, by number type.
var kvBytes = [...]float64{engine.KVF16: 2, engine.KVF32: 4, engine.KVQ8_0: 34.0 / 32}
