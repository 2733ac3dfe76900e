package distill

import (
	"fmt"
	"math"
	"strings"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
)

// Adapter is a low-rank change of one weight, which stays as it is (LoRA, Hu et al., arXiv:2106.09685):
//
//	y = x·Wᵀ + Scale (x·Aᵀ)·Bᵀ,  A [Rank, in], B [out, Rank]
type Adapter struct {
	A, B  *Param
	M     *Param // [out] sizes of the rows (DoRA, see Decompose); nil = LoRA
	Rank  int
	Scale float32 // alpha / Rank

	startA, startB []float32 // what was taken out of the weight, see startFromSVD; nil = nothing
}

// Adapt freezes every tensor but those of a classification head and gives those that match one of the patterns (see Freeze) an adapter that learns, in the
// order of the program. A starts uniform within ±1/sqrt(in), as in PEFT, and B at zero, so that at first nothing changes.
func (s *Student) Adapt(patterns []string, rank int, alpha float64, seed uint64) error {
	if rank < 1 || !(alpha > 0) {
		return fmt.Errorf("an adapter has rank %d and alpha %v, want both above 0", rank, alpha)
	}
	names := adaptable(s.Program)
	hits, err := matching(names, patterns)
	if err != nil {
		return err
	}
	want := map[string]bool{}
	for _, h := range hits {
		want[h] = true
	}
	for _, p := range s.Params {
		if !pooledHead(p.Name) {
			p.G = nil
		}
	}
	s.adapters = map[string]*Adapter{}
	for n, name := range names {
		w := s.byName[name]
		if !want[name] {
			continue
		}
		in, out := w.Shape[0], w.Shape[1]
		a := &Adapter{Rank: rank, Scale: float32(alpha / float64(rank)),
			A: &Param{Name: name + ".lora_a", Shape: []int{in, rank}, W: make([]float32, in*rank), G: make([]float32, in*rank)},
			B: &Param{Name: name + ".lora_b", Shape: []int{rank, out}, W: make([]float32, out*rank), G: make([]float32, out*rank)}}
		bound := 1 / math.Sqrt(float64(in))
		for i := range a.A.W {
			r := kernels.Philox(seed, [4]uint32{kernels.PurposeInit, uint32(n), uint32(i / 4), 0})[i%4]
			a.A.W[i] = float32(float64(bound * (float64(r)/(1<<31) - 1)))
		}
		s.adapters[name] = a
		s.Params = append(s.Params, a.A, a.B)
		s.byName[a.A.Name], s.byName[a.B.Name] = a.A, a.B
	}
	return nil
}

// adaptable lists the weights of linear layers that one op reads, all rows at once, in the order of the program.
func adaptable(p *models.Program) (names []string) {
	dims := map[string]int{}
	for _, t := range p.Tensors() {
		dims[t.Name] = len(t.Shape)
	}
	for _, o := range p.Ops {
		if o.Kind == models.MatMul && o.Rows == 0 && !p.InHead(o.Out) && dims[o.W] == 2 {
			names = append(names, o.W)
		}
	}
	return names
}

// pooledHead tells what is new in a student and learns whole: a classification head, or the projection to an embedding.
func pooledHead(tensor string) bool {
	return strings.HasPrefix(tensor, "cls.") || tensor == models.DenseTensor
}

// Merge adds the adapters to their weights, W += Scale B·A (and gives the rows their sizes, see Decompose), and removes
// them. The student then has the tensors of its program alone, and none learns.
func (s *Student) Merge(level *kernels.Level) {
	if s.adapters == nil {
		return
	}
	adapter := map[*Param]bool{}
	for _, a := range s.adapters {
		adapter[a.A], adapter[a.B], adapter[a.M] = true, true, true
	}
	kept := s.Params[:0]
	for _, p := range s.Params {
		if !adapter[p] {
			kept = append(kept, p)
		}
	}
	for name, a := range s.adapters {
		w := s.byName[name]
		in, out := w.Shape[0], w.Shape[1]
		v := make([]float32, len(w.W))
		a.merged(level, v, w.W, in, 0, out)
		if w.W = v; a.M != nil {
			a.giveSizes(level, v)
			delete(s.byName, a.M.Name)
		}
		delete(s.byName, a.A.Name)
		delete(s.byName, a.B.Name)
	}
	s.Params, s.adapters = kept, nil
}

// adaptedMatMul is matmul with the adapter of op i beside the weight.
func (g *Graph) adaptedMatMul(i int, a *Adapter, y []float32, out int, x []float32, in int, w, bias []float32, n int) {
	g.low[i] = resize(g.low[i], n*a.Rank)
	g.productBeside(y, operand{x, in, 1}, operand{w, 1, in}, &lowRank{
		down: operand{a.A.W, 1, in}, up: operand{a.B.W, 1, a.Rank}, rank: a.Rank, scale: a.Scale, low: g.low[i]}, n, out, in, false)
	if a.M != nil {
		g.resizeRows(i, a, y, w, bias, in, n)
	} else if bias != nil {
		g.eachRow(n, func(r int) { g.level.Add(y[r*out:r*out+out], bias) })
	}
}

// adaptedBack is matmulBackX with the adapter of op i beside the weight w, and adds to the adapter's gradients. It needs no
// dx where nothing before the op learns.
func (g *Graph) adaptedBack(i int, a *Adapter, dx []float32, in int, dy []float32, out int, w, x []float32, n int, acc bool) {
	// dBᵀ = lowᵀ·dy: few rows by many columns; the other way round most of a panel would be empty.
	g.thin = resize(g.thin, a.Rank*out)
	g.level.Transpose(g.thin, out, a.B.G, a.Rank, out, a.Rank)
	g.matmulBackW(g.thin, out, g.low[i], a.Rank, dy, n)
	g.level.Transpose(a.B.G, a.Rank, g.thin, out, a.Rank, out)
	g.dlow = resize(g.dlow, n*a.Rank)
	if dx != nil {
		g.productBeside(dx, operand{dy, out, 1}, operand{w, in, 1}, &lowRank{
			down: operand{a.B.W, a.Rank, 1}, up: operand{a.A.W, in, 1}, rank: a.Rank, scale: a.Scale, low: g.dlow}, n, in, out, acc)
	} else {
		g.matmulBackX(g.dlow, a.Rank, dy, out, a.B.W, n, false)
		g.level.Scale(g.dlow, a.Scale)
	}
	g.matmulBackW(a.A.G, in, g.dlow, a.Rank, x, n)
}
