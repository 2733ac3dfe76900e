package distill

import (
	"fmt"
	"math"
	"runtime"

	"gonum.org/v1/gonum/mat"
)

// anchorRows is how many training rows' vectors others are held against at most.
const anchorRows = 1024

// pcaRows is how many training rows' vectors tell at most which directions to keep.
const pcaRows = 16384

// pcaArch names what the bits of an eigendecomposition rest on: gonum's is each architecture's own.
const pcaArch = "pca " + runtime.GOARCH

// embedTarget is what a student of embeddings learns from: the teacher's vectors, cut to fewer numbers where the recipe says so.
type embedTarget struct {
	basis   [][]float32 // [student's width] directions, [teacher's width] each; nil = vectors stay as they are
	kept    float64     // share of the vectors' squared length that lies along them; 1 = all
	anchors [][]float32 // targets of training rows, spread evenly over them
	at      map[string]int32
	spread  float64 // standard deviation of how alike anchors are: the unit of train.temperature
}

// aim makes the target of the teacher's vectors of the training rows.
func (w *embedWork) aim() error {
	if w.target != nil {
		return nil
	}
	rows := w.j.learns().Train
	t := &embedTarget{kept: 1, at: map[string]int32{}}
	if w.narrows() {
		all := make([][]float32, min(pcaRows, len(rows)))
		for i := range all {
			all[i] = w.vectors[rows[i*len(rows)/len(all)].ID]
		}
		var err error
		if t.basis, t.kept, err = principalAxes(all, w.width()); err != nil {
			return err
		}
	}
	n := min(anchorRows, len(rows))
	for k := range n {
		r := rows[k*len(rows)/n]
		t.anchors, t.at[r.ID] = append(t.anchors, t.of(w.vectors[r.ID])), int32(k)
	}
	if t.spread = spreadOf(t.anchors); !(t.spread > 0) {
		return &DataError{File: w.j.recipe.file, Msg: "the teacher's vectors of all training rows are the same", Fix: "look at teacher.pooling and task.prompt"}
	}
	w.target = t
	return nil
}

// of is the vector, of length 1, that a student learns for one of the teacher's.
func (t *embedTarget) of(v []float32) []float32 {
	if t.basis == nil {
		return v
	}
	out := make([]float32, len(t.basis))
	for k, axis := range t.basis {
		out[k] = float32(dot(axis, v))
	}
	direct(out)
	return out
}

// spreadOf is the standard deviation of the cosines of all pairs of vectors of length 1.
func spreadOf(x [][]float32) float64 {
	n, sum, squares := 0.0, 0.0, 0.0
	for i := range x {
		for k := range i {
			c := dot(x[i], x[k])
			n, sum, squares = n+1, sum+c, squares+float64(c*c)
		}
	}
	if n < 2 {
		return 1 // one pair says nothing of a spread
	}
	mean := sum / n
	return math.Sqrt(max(0, squares/n-float64(mean*mean)))
}

func dot(a, b []float32) float64 {
	sum := 0.0
	for i, v := range a {
		sum += float64(float64(v) * float64(b[i]))
	}
	return sum
}

// principalAxes are the directions along which most of the vectors' squared length lies: the largest eigenvectors of the mean of x·xᵀ. The mean of x is not taken
// out, so that the cosine of two vectors stays what it is, as nearly as so few numbers can hold it.
func principalAxes(x [][]float32, keep int) (axes [][]float32, kept float64, err error) {
	dim := len(x[0])
	moment := mat.NewSymDense(dim, nil)
	raw := moment.RawSymmetric()
	for _, v := range x {
		for i, a := range v {
			row := raw.Data[i*raw.Stride:]
			for k := i; k < dim; k++ {
				row[k] += float64(float64(a) * float64(v[k]))
			}
		}
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(moment, true) {
		return nil, 0, fmt.Errorf("the teacher's vectors have no principal axes: the eigendecomposition of their second moments did not converge")
	}
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	values, total := eigen.Values(nil), 0.0 // rising
	for _, v := range values {
		total += max(0, v)
	}
	for k := range keep {
		col := dim - 1 - k
		axis, largest := make([]float32, dim), 0.0
		for i := range axis {
			if v := vectors.At(i, col); math.Abs(v) > math.Abs(largest) {
				largest = v
			}
		}
		for i := range axis { // an eigenvector has no sign of its own: its largest number is positive
			axis[i] = float32(vectors.At(i, col) * math.Copysign(1, largest))
		}
		axes, kept = append(axes, axis), kept+max(0, values[col])/total
	}
	return axes, min(1, kept), nil
}
