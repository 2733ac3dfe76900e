package distill

import (
	"errors"
	"fmt"
	"slices"

	"github.com/freehold-slm/freehold/kernels"
)

func init() {
	losses["similarity_kl"] = func(p LossParams) Loss { return similarityKLLoss{p.Anchors, p.Temperature} }
	losses["mixed_similarity"] = func(p LossParams) Loss {
		return mixedSimilarityLoss{similarityKLLoss{p.Anchors, p.Temperature}, float32(p.Alpha)}
	}
}

// similarityKLLoss holds how alike a text is to others against how alike it is to them for the teacher (CompRess, arXiv:2010.14713; SEED, arXiv:2101.04731):
//
//	p = softmax over k of t·a_k / T,  q = softmax over k of z·a_k / T,  sum over k of p_k log(p_k/q_k)
//
// with z, t made vectors of length 1 and a_k the anchors: the teacher's vectors of other texts. These do not change while training goes on, so a row's loss is a
// function of this row alone, whatever else is in its batch. label is the anchor that is the row itself and is left out; -1 = none is.
type similarityKLLoss struct {
	anchors     [][]float32
	temperature float64
}

func (similarityKLLoss) NeedsTeacher() bool { return true }

func (s similarityKLLoss) check() error {
	if len(s.anchors) < 2 {
		return errors.New("needs two anchors or more")
	}
	return nil
}

func (s similarityKLLoss) Row(l *kernels.Level, z, t []float32, label int32, weight float32, tmp []float32) float64 {
	length := direct(z)
	v := tmp[:len(t)]
	copy(v, t)
	direct(v)
	lp, lq := s.logs(l, v, label), s.logs(l, z, label)
	dz, loss := tmp[len(t):2*len(t)], 0.0
	clear(dz)
	for k, a := range s.anchors {
		if int32(k) == label {
			continue
		}
		p, q := kernels.Exp(lp[k]), kernels.Exp(lq[k])
		loss += float64(p * (lp[k] - lq[k]))
		l.Axpy(dz, float32((q-p)/s.over()), a)
	}
	if length == 0 {
		clear(z)
		return max(0, loss)
	}
	along := 0.0 // what would make the vector longer changes nothing
	for i, g := range dz {
		along += float64(float64(g) * float64(z[i]))
	}
	scale := float64(weight) / length
	for i, g := range dz {
		z[i] = float32(float64(scale * (float64(g) - float64(along*float64(z[i])))))
	}
	return max(0, loss) // rounding may leave less
}

func (s similarityKLLoss) over() float64 {
	if s.temperature == 0 {
		return 1
	}
	return s.temperature
}

// logs are the log-probabilities of the anchors by their likeness to x; that of the label is of no meaning.
func (s similarityKLLoss) logs(l *kernels.Level, x []float32, label int32) []float64 {
	lp := make([]float64, len(s.anchors))
	for k, a := range s.anchors {
		lp[k] = float64(l.Dot(x, a)) / s.over()
	}
	if label < 0 || int(label) >= len(lp) {
		return logSoftmax(lp)
	}
	rest := logSoftmax(slices.Delete(slices.Clone(lp), int(label), int(label)+1))
	copy(lp, rest[:label])
	copy(lp[label+1:], rest[label:])
	return lp
}

// mixedSimilarityLoss is Alpha similarity_kl + (1-Alpha) cosine: where a text lies, and what lies near it.
type mixedSimilarityLoss struct {
	similarityKLLoss
	alpha float32
}

func (m mixedSimilarityLoss) check() error {
	if !(m.alpha >= 0 && m.alpha <= 1) {
		return fmt.Errorf("alpha is %v, want 0 to 1", m.alpha)
	}
	return m.similarityKLLoss.check()
}

func (m mixedSimilarityLoss) Row(l *kernels.Level, z, t []float32, label int32, weight float32, tmp []float32) float64 {
	other := slices.Clone(z)
	near := m.similarityKLLoss.Row(l, z, t, label, weight*m.alpha, tmp)
	at := cosineLoss{}.Row(l, other, t, label, weight*(1-m.alpha), nil)
	l.Add(z, other)
	return float64(float64(m.alpha)*near) + float64(float64(1-m.alpha)*at)
}
