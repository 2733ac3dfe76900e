package distill

import (
	"math"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
)

// ColumnScores says of each axis how much its columns, or heads, do (see ScoreColumns).
type ColumnScores map[axis][]float64

// ScoreColumns scores a student's columns by what texts of the task make of them (Muralidharan et al., "Minitron",
// arXiv:2407.14679, section 2.2), without any gradient. A column's score is the mean of its magnitude over a text's
// tokens, then the root of the sum of squares over texts (their L2 of means), of the values that matrices read:
//
//	channel of the residual stream   sum over all layers of the scores of the normed states
//	channel of a feed-forward block  its activation, before the matrix down
//	query head                       the L2 norm of its output, before the matrix wo
//
// Texts are read batch tokens at a time.
func ScoreColumns(s *Student, level *kernels.Level, workers int, par Parallel, texts [][]int32, batch int) (ColumnScores, error) {
	axes, err := axesOf(s.Program)
	if err != nil {
		return nil, err
	}
	var read []models.Value // each once
	seen := map[models.Value]bool{}
	g := NewGraph(s, level, workers, par)
	for _, o := range g.ops {
		if o.Kind == models.MatMul && !g.pooled[o.In[0]] && !seen[o.In[0]] && axes[o.In[0]] != (axis{}) {
			seen[o.In[0]] = true
			read = append(read, o.In[0])
		}
	}
	sums := map[models.Value][]float64{} // of squares over texts
	var b Batch
	for i := 0; i < len(texts); {
		b.Reset()
		for first := i; i < len(texts) && (i == first || len(b.Tokens)+len(texts[i]) <= batch); i++ {
			b.Add(texts[i])
		}
		g.Forward(&b)
		for _, v := range read {
			part := 1 // columns that are scored together
			if axes[v].kind == axisHeads {
				part = s.Spec.HeadDim
			}
			width := s.Program.Width[v]
			if sums[v] == nil {
				sums[v] = make([]float64, width/part)
			}
			addText(sums[v], g.Value(v), &b, width, part)
		}
	}
	scores := ColumnScores{}
	for _, v := range read {
		if scores[axes[v]] == nil {
			scores[axes[v]] = make([]float64, len(sums[v]))
		}
		for i, sum := range sums[v] {
			scores[axes[v]][i] += math.Sqrt(sum)
		}
	}
	return scores, nil
}

// addText adds, for each sequence of b, the squares of the mean magnitudes of x [tokens, width] by parts of a row.
func addText(sums []float64, x []float32, b *Batch, width, part int) {
	mean := make([]float64, len(sums))
	for s := range b.Seqs() {
		lo, hi := b.Start[s], b.Start[s+1]
		clear(mean)
		for r := lo; r < hi; r++ {
			row := x[r*width : (r+1)*width]
			for i := range mean {
				if part == 1 {
					mean[i] += math.Abs(float64(row[i]))
					continue
				}
				square := 0.0
				for _, v := range row[i*part : (i+1)*part] {
					square += float64(float64(v) * float64(v))
				}
				mean[i] += math.Sqrt(square)
			}
		}
		for i, m := range mean {
			m /= float64(hi - lo)
			sums[i] += float64(m * m)
		}
	}
}

// choose keeps the columns with the highest scores. Key-value heads go by the sum of their query heads; of each that
// stays, the same number of query heads stays.
func (scores ColumnScores) choose(s *models.Spec, w Widths) kept {
	k := kept{}
	if w.Dim < s.Dim {
		k[axis{axisDim, 0}] = strongest(scores[axis{axisDim, 0}], w.Dim)
	}
	group := s.Heads / s.KVHeads
	for l := range s.Layers {
		if w.FFN < s.FFN {
			k[axis{axisFFN, l}] = strongest(scores[axis{axisFFN, l}], w.FFN)
		}
		if w.Heads == s.Heads && w.KVHeads == s.KVHeads {
			continue
		}
		heads := scores[axis{axisHeads, l}]
		kv := make([]float64, s.KVHeads)
		for h, score := range heads {
			kv[h/group] += score
		}
		keepKV := strongest(kv, w.KVHeads)
		k[axis{axisKV, l}] = columns(keepKV, s.HeadDim)
		var keepQ []int32
		for _, h := range keepKV {
			for _, q := range strongest(heads[int(h)*group:(int(h)+1)*group], w.Heads/w.KVHeads) {
				keepQ = append(keepQ, h*int32(group)+q)
			}
		}
		k[axis{axisHeads, l}] = columns(keepQ, s.HeadDim)
	}
	return k
}

// columns are those of the given heads.
func columns(heads []int32, headDim int) []int32 {
	list := make([]int32, 0, len(heads)*headDim)
	for _, h := range heads {
		for i := range headDim {
			list = append(list, h*int32(headDim)+int32(i))
		}
	}
	return list
}
