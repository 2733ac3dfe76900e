package distill

import (
	"math"

	"github.com/freehold-slm/freehold/distill/stats"
	"github.com/freehold-slm/freehold/kernels"
)

// Scores are the metrics of one classifier on the test rows.
type Scores struct {
	Accuracy  float64    `json:"accuracy"`
	CI95      [2]float64 `json:"accuracy_ci95"` // bootstrap over rows
	MacroF1   float64    `json:"macro_f1"`
	ECE       float64    `json:"ece"` // expected calibration error, 15 equal bins
	ECECI95   [2]float64 `json:"ece_ci95"`
	Confusion [][]int    `json:"confusion"` // [gold][predicted]

	Calibration []CalibrationBin `json:"calibration"` // what ECE is the sum of; bins without rows are left out
	Rows        int              `json:"rows"`
}

// score compares probabilities [rows][labels] with gold.
func score(probs [][]float64, gold []int, labels int, seed uint64) Scores {
	s := Scores{Rows: len(gold), Confusion: make([][]int, labels)}
	for i := range s.Confusion {
		s.Confusion[i] = make([]int, labels)
	}
	for i, p := range probs {
		s.Confusion[gold[i]][argmax(p)]++
	}
	tops, hits := topsOf(probs, gold)
	s.Accuracy, s.CI95[0], s.CI95[1] = stats.OfRows(len(hits), seed, shareOf(hits))
	s.ECE, s.ECECI95[0], s.ECECI95[1] = stats.OfRows(len(hits), seed, func(rows []int) float64 {
		ece, bins := calibration(tops, hits, rows)
		if s.Calibration == nil { // the first are the rows themselves
			s.Calibration = bins
		}
		return ece
	})
	for l := range labels {
		tp, pred, have := float64(s.Confusion[l][l]), 0.0, 0.0
		for o := range labels {
			pred += float64(s.Confusion[o][l])
			have += float64(s.Confusion[l][o])
		}
		if pred+have > 0 {
			s.MacroF1 += 2 * tp / (pred + have) / float64(labels)
		}
	}
	return s
}

func argmax(p []float64) int {
	k := 0
	for i, v := range p {
		if v > p[k] {
			k = i
		}
	}
	return k
}

func rate(hits []bool) float64 {
	n := 0
	for _, h := range hits {
		if h {
			n++
		}
	}
	return float64(n) / float64(max(1, len(hits)))
}

// shareOf is the share of hits, as a statistic of rows.
func shareOf(hits []bool) func(rows []int) float64 {
	return func(rows []int) float64 {
		n := 0
		for _, r := range rows {
			if hits[r] {
				n++
			}
		}
		return float64(n) / float64(max(1, len(rows)))
	}
}

// CalibrationBin are the rows whose predicted label has a probability from From to below To.
type CalibrationBin struct {
	From       float64 `json:"from"`
	To         float64 `json:"to"`
	Rows       int     `json:"rows"`
	Confidence float64 `json:"confidence"` // mean probability of the predicted label
	Accuracy   float64 `json:"accuracy"`
}

// calibration is the expected calibration error of the predicted label's probability over 15 equal bins
// (Guo et al., arXiv:1706.04599) of some rows, and the bins that have any.
func calibration(tops []float64, hits []bool, rows []int) (ece float64, bins []CalibrationBin) {
	const parts = 15
	var all [parts]CalibrationBin
	for _, i := range rows {
		b := &all[min(parts-1, int(tops[i]*parts))]
		b.Rows++
		b.Confidence += tops[i]
		if hits[i] {
			b.Accuracy++
		}
	}
	for i, b := range all {
		if b.Rows == 0 {
			continue
		}
		ece += math.Abs(b.Accuracy-b.Confidence) / float64(len(rows))
		b.From, b.To = float64(i)/parts, float64(i+1)/parts
		b.Confidence /= float64(b.Rows)
		b.Accuracy /= float64(b.Rows)
		bins = append(bins, b)
	}
	return ece, bins
}

// agreement is the share of rows on which two classifiers choose the same label.
func agreement(a, b [][]float64) float64 {
	same := make([]bool, len(a))
	for i := range a {
		same[i] = argmax(a[i]) == argmax(b[i])
	}
	return rate(same)
}

func logSoftmax(x []float64) []float64 {
	m := math.Inf(-1)
	for _, v := range x {
		m = max(m, v)
	}
	sum := 0.0
	for _, v := range x {
		sum += kernels.Exp(v - m)
	}
	lse := m + kernels.Log(sum)
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = v - lse
	}
	return out
}

func expAll(x []float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = kernels.Exp(v)
	}
	return out
}
