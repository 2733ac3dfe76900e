package distill

import (
	"cmp"
	"slices"
	"sort"

	"github.com/freehold-slm/freehold/kernels"
)

func init() {
	losses["topk_forward_kl"] = func(p LossParams) Loss { return topKLoss{forwardKL{p.invT()}, p.K} }
	losses["topk_rest_kl"] = func(p LossParams) Loss { return topKRest{p.invT(), p.K, false} }
	losses["topk_uniform_kl"] = func(p LossParams) Loss { return topKRest{p.invT(), p.K, true} }
}

// topKLoss is forward KL over the teacher's K largest logits (first index wins ties), both sides renormalised over
// those ids; the other ids get no gradient.
type topKLoss struct {
	kl forwardKL
	k  int
}

func (topKLoss) NeedsTeacher() bool { return true }

func (f topKLoss) Row(l *kernels.Level, z, t []float32, label int32, weight float32, tmp []float32) float64 {
	return wholeRow(f, l, z, Target{Label: label, Teacher: t, Weight: weight}, tmp)
}

// topSums is what it keeps of a row.
type topSums struct {
	ids    []int32   // that count, rising
	t, z   []float32 // the teacher's and the student's logits of ids; z is then their gradient
	next   int       // the first id of the parts to come
	tmp    []float32
	sorted []topLogit
}

type topLogit struct {
	id int32
	t  float32
}

func (f topKLoss) sum(_ *kernels.Level, s *rowSums, z []float32, at int, t *Target, _ []float32) {
	top := &s.top
	if at == 0 {
		top.begin(f.k, t)
	}
	for ; top.next < len(top.ids) && int(top.ids[top.next]) < at+len(z); top.next++ {
		top.z[top.next] = z[int(top.ids[top.next])-at]
	}
}

// begin lists the ids that count: those of the target, else the k largest.
func (s *topSums) begin(k int, t *Target) {
	s.sorted = s.sorted[:0]
	if t.IDs != nil {
		for i, id := range t.IDs {
			s.sorted = append(s.sorted, topLogit{id, t.Teacher[i]})
		}
	} else {
		if k <= 0 || k > len(t.Teacher) {
			k = len(t.Teacher)
		}
		for _, id := range largest(t.Teacher, k) {
			s.sorted = append(s.sorted, topLogit{int32(id), t.Teacher[id]})
		}
	}
	slices.SortFunc(s.sorted, func(a, b topLogit) int { return cmp.Compare(a.id, b.id) })
	s.ids, s.t, s.z, s.next = s.ids[:0], s.t[:0], resize(s.z, len(s.sorted)), 0
	for _, v := range s.sorted {
		s.ids, s.t = append(s.ids, v.id), append(s.t, v.t)
	}
}

func (f topKLoss) end(l *kernels.Level, s *rowSums, _ *Target, weight float32) float64 {
	top := &s.top
	if len(top.ids) == 0 { // a trimmed vocabulary has none of the teacher's tokens
		return 0
	}
	top.tmp, top.next = resize(top.tmp, 3*len(top.z)), 0
	return f.kl.Row(l, top.z, top.t, -1, weight, top.tmp)
}

func (f topKLoss) grad(_ *kernels.Level, s *rowSums, z []float32, at int, _ *Target, _ []float32) {
	clear(z)
	s.top.add(z, at)
}

// add adds the gradient of the ids within a part.
func (s *topSums) add(z []float32, at int) {
	for ; s.next < len(s.ids) && int(s.ids[s.next]) < at+len(z); s.next++ {
		z[int(s.ids[s.next])-at] += s.z[s.next]
	}
}

// largest gives the ids of the k largest values in falling order, the first index where they are equal.
func largest(t []float32, k int) []int {
	ids := make([]int, 0, k+1)
	for i, v := range t {
		if len(ids) == k && !(v > t[ids[k-1]]) {
			continue
		}
		at := sort.Search(len(ids), func(a int) bool { return t[ids[a]] < v })
		ids = slices.Insert(ids, at, i)[:min(k, len(ids)+1)]
	}
	return ids
}

// topKRest is forward KL over the whole vocabulary when only the teacher's K largest probabilities are known. The
// mass that they leave, r, is either one more outcome (topk_rest_kl: r against all the student gives to the other ids)
// or spread evenly over the other ids (topk_uniform_kl).
type topKRest struct {
	invT    float32
	k       int
	uniform bool
}

func (topKRest) NeedsTeacher() bool { return true }

func (f topKRest) Row(l *kernels.Level, z, t []float32, _ int32, weight float32, tmp []float32) float64 {
	n := len(z)
	k := f.k
	if k <= 0 || k > n {
		k = n
	}
	p, q := tmp[:n], tmp[n:2*n]
	tlse, zlse := softmax(l, p, t, f.invT), softmax(l, q, z, f.invT)
	logQ := func(i int) float64 { return float64(float64(z[i])*float64(f.invT)) - zlse }
	loss, rest, out := 0.0, 0.0, tmp[2*n:3*n]
	copy(out, q)
	for _, id := range largest(t, k) {
		loss += float64(float64(p[id]) * (float64(float64(t[id])*float64(f.invT)) - tlse - logQ(id)))
		out[id] -= p[id]
		p[id] = -1 // known
	}
	student := 0.0
	for i, pi := range p {
		if pi >= 0 {
			rest += float64(pi)
			student += float64(q[i])
		}
	}
	switch {
	case rest == 0:
	case f.uniform:
		each := rest / float64(n-k)
		for i, pi := range p {
			if pi >= 0 {
				loss += float64(each * (kernels.Log(each) - logQ(i)))
				out[i] -= float32(each)
			}
		}
	default:
		student = max(student, 1e-30) // all rounded to 0: a large loss, not an infinite one
		loss += float64(rest * kernels.Log(rest/student))
		for i, pi := range p {
			if pi >= 0 {
				out[i] -= float32(float64(q[i]) * rest / student)
			}
		}
	}
	copy(z, out)
	l.Scale(z, float32(weight*f.invT))
	return loss
}
