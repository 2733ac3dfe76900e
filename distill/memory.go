package distill

import (
	"slices"

	"github.com/freehold-slm/freehold/models"
)

// Memory of values and gradients. A gradient's memory is free for the next as soon as its op has gone back. With Recompute
// the values inside a layer are given up too when the layer is done, and computed again, to the same bits, when Backward
// comes to it (gradient checkpointing, Chen et al., arXiv:1604.06174).

// layerOps are the ops of one layer, from lo on up to the op that again names it for, and the values that no other op reads.
type layerOps struct {
	lo    int
	inner []models.Value
}

// Recompute makes Forward keep only what goes from layer to layer. The last layer, where Backward starts, stays whole.
func (g *Graph) Recompute() {
	p := g.student.Program
	kept := make([]bool, len(p.Width)) // read in another layer, by the head, or by the caller
	kept[p.Hidden] = true
	layer := make([]int, len(p.Width))
	for _, o := range g.ops {
		layer[o.Out] = o.Layer
		for _, in := range o.In {
			kept[in] = kept[in] || layer[in] != o.Layer
		}
	}
	for lo := 0; lo < len(g.ops); {
		l := &layerOps{lo: lo}
		hi := lo
		for ; hi < len(g.ops) && g.ops[hi].Layer == g.ops[lo].Layer; hi++ {
			if v := g.ops[hi].Out; !kept[v] {
				l.inner = append(l.inner, v)
			}
		}
		if g.ops[lo].Layer < g.student.Spec.Layers-1 {
			g.again[hi-1] = l
		}
		lo = hi
	}
}

// drop gives up the values inside a layer.
func (g *Graph) drop(l *layerOps) {
	for _, v := range l.inner {
		x := g.val[v]
		g.val[v] = nil
		g.release(x)
	}
}

// restore computes them again, up to op hi.
func (g *Graph) restore(l *layerOps, hi int) {
	for i := l.lo; i <= hi; i++ {
		if g.val[g.ops[i].Out] == nil {
			g.forward(i)
		}
	}
}

// renew gives a slice of n elements: s itself if it has room, else free memory, else new. Contents are undefined.
func (g *Graph) renew(s []float32, n int) []float32 {
	if cap(s) >= n {
		return s[:n]
	}
	g.release(s)
	best := -1
	for i, f := range g.free {
		if cap(f) >= n && (best < 0 || cap(f) < cap(g.free[best])) {
			best = i
		}
	}
	if best >= 0 && cap(g.free[best]) <= 4*n {
		s = g.free[best]
		g.free = slices.Delete(g.free, best, best+1)
		return s[:n]
	}
	return make([]float32, n, n+n/8)
}

// release frees the memory of a slice that nothing reads any more.
func (g *Graph) release(s []float32) {
	if cap(s) > 0 {
		g.free = append(g.free, s)
	}
}

// spanChunk values go to a worker at a time where rows do not matter.
const spanChunk = 64 << 10

// zero clears x.
func (g *Graph) zero(x []float32) {
	g.par((len(x)+spanChunk-1)/spanChunk, func(_, i int) { clear(x[i*spanChunk : min(len(x), (i+1)*spanChunk)]) })
}

// copy copies x to dst.
func (g *Graph) copy(dst, x []float32) {
	g.par((len(x)+spanChunk-1)/spanChunk, func(_, i int) {
		lo, hi := i*spanChunk, min(len(x), (i+1)*spanChunk)
		copy(dst[lo:hi], x[lo:hi])
	})
}
