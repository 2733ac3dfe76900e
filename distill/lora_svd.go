package distill

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/freehold-slm/freehold/kernels"
)

// An adapter that starts from the singular vectors of its weight (PiSSA, Meng et al., arXiv:2404.02948):
//
//	W = U·S·Vᵀ [out, in],  A = sqrt(S/Scale)·Vᵀ,  B = U·sqrt(S/Scale), both of the Rank largest S,  W' = W - Scale B·A
//
// What the student computes is the same at first; what learns is the part of W that does most, and W' stays as it is.
const (
	svdSpare  = 8 // columns of the sketch beyond the rank
	svdRounds = 4 // of power iteration
)

// startFromSVD takes the principal part of each adapted weight out of the weight and into its adapter. Weights are shared out to workers whole, so
// their number changes no bit; gonum's SVD of thin matrices is the same on every CPU of one architecture.
func (s *Student) startFromSVD(level *kernels.Level, par Parallel, seed uint64) error {
	var names []string
	for _, p := range s.Params {
		if s.adapters[p.Name] != nil {
			names = append(names, p.Name)
		}
	}
	errs := make([]error, len(names))
	par(len(names), func(_, i int) {
		w, a := s.byName[names[i]], s.adapters[names[i]]
		if err := a.takeFrom(level, w, seed, uint32(i)); err != nil {
			errs[i] = fmt.Errorf("%s: %w", names[i], err)
		}
	})
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// takeFrom moves the principal part of w into the adapter. Pairs whose singular value is nothing stay as Adapt made them: with
// both sides 0 they would never learn.
func (a *Adapter) takeFrom(level *kernels.Level, w *Param, seed uint64, n uint32) error {
	in, out := w.Shape[0], w.Shape[1]
	u, sizes, v, err := principal(level, w.W, out, in, a.Rank, seed, n)
	if err != nil {
		return err
	}
	for r, size := range sizes {
		if size <= 1e-6*sizes[0] {
			break
		}
		root := math.Sqrt(size / float64(a.Scale))
		for i := range in {
			a.A.W[r*in+i] = float32(float64(root * v.At(i, r)))
		}
		for o := range out {
			a.B.W[o*a.Rank+r] = float32(float64(root * u.At(o, r)))
		}
	}
	a.startA, a.startB = slices.Clone(a.A.W), slices.Clone(a.B.W)
	negative := slices.Clone(a.B.W)
	level.Scale(negative, -a.Scale)
	level.GemmF32(w.W, in, negative, a.Rank, 1, a.A.W, in, out, in, a.Rank, true)
	return nil
}

// principal is the truncated SVD of w [out, in]: its largest singular values, at most rank, and their vectors u [out, .] and
// v [in, .] as columns. By a random sketch and power iteration (Halko, Martinsson, Tropp, arXiv:0909.4061, algorithm 4.4):
// products with w are f32, and only matrices of rank+svdSpare columns are decomposed.
func principal(level *kernels.Level, w []float32, out, in, rank int, seed uint64, n uint32) (u *mat.Dense, sizes []float64, v *mat.Dense, err error) {
	rank = min(rank, in, out)
	k := min(rank+svdSpare, in, out)
	right, left := make([]float32, in*k), make([]float32, out*k)
	for i := range right {
		r := kernels.Philox(seed, [4]uint32{kernels.PurposeInit, n, uint32(i / 4), 2})[i%4]
		right[i] = float32(float64(r)/(1<<31) - 1)
	}
	var q, vectors, small mat.Dense
	var svd mat.SVD
	for range svdRounds {
		level.GemmF32(left, k, w, in, 1, right, k, out, k, in, false) // W·right
		if err := thinSVD(&svd, left, out, k); err != nil {
			return nil, nil, nil, err
		}
		q.Reset()
		svd.UTo(&q)
		for i, x := range q.RawMatrix().Data {
			left[i] = float32(x)
		}
		level.GemmF32(right, k, w, 1, in, left, k, in, k, out, false) // Wᵀ·left
	}
	// W ≈ left·rightᵀ, right = vectors·S·smallᵀ, so W ≈ (left·small)·S·vectorsᵀ.
	if err := thinSVD(&svd, right, in, k); err != nil {
		return nil, nil, nil, err
	}
	svd.UTo(&vectors)
	svd.VTo(&small)
	u = new(mat.Dense)
	u.Mul(&q, &small)
	return u, svd.Values(nil)[:rank], &vectors, nil
}

// thinSVD decomposes x [rows, cols].
func thinSVD(svd *mat.SVD, x []float32, rows, cols int) error {
	wide := make([]float64, len(x))
	for i, v := range x {
		if wide[i] = float64(v); !finite(wide[i]) {
			return fmt.Errorf("holds values that are not finite, or too large for a singular value decomposition")
		}
	}
	if !svd.Factorize(mat.NewDense(rows, cols, wide), mat.SVDThin) {
		return fmt.Errorf("the singular value decomposition found no end; leave student.lora.init out")
	}
	return nil
}
