package engine

import (
	"fmt"
	"math"
	"slices"
)

// Calibration takes a model's habitual preference for some labels out of its answers: batch calibration (Zhou et al.,
// arXiv:2309.17249), the typical log-probability of each label over unlabelled rows, subtracted.
type Calibration struct {
	Kind string    `json:"kind"` // "mean" or "median"
	Rows int       `json:"rows"` // how many rows it was estimated from
	Bias []float64 `json:"bias"` // [labels]
}

// Calibrate estimates a calibration from rows of LogProbs of unlabelled training texts. Each row is first normalised
// over the labels, so that texts to which the model would rather say something else count like others.
func Calibrate(kind string, rows [][]float64) (*Calibration, error) {
	if kind != "mean" && kind != "median" {
		return nil, fmt.Errorf("engine: calibration %q is not known (known: mean, median)", kind)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("engine: calibration needs at least one row")
	}
	n := len(rows[0])
	c := &Calibration{Kind: kind, Rows: len(rows), Bias: make([]float64, n)}
	column := make([]float64, len(rows))
	norms := make([]float64, len(rows))
	for i, r := range rows {
		if len(r) != n {
			return nil, fmt.Errorf("engine: row %d has %d labels, want %d", i, len(r), n)
		}
		if norms[i] = logSum(r); math.IsInf(norms[i], 0) || math.IsNaN(norms[i]) {
			return nil, fmt.Errorf("engine: row %d has no probability on any label", i)
		}
	}
	for l := range n {
		for i, r := range rows {
			column[i] = max(r[l]-norms[i], -100) // a label at zero probability must not make the mean infinite
		}
		if kind == "mean" {
			sum := 0.0
			for _, v := range column {
				sum += v
			}
			c.Bias[l] = sum / float64(len(column))
			continue
		}
		slices.Sort(column)
		mid := len(column) / 2
		c.Bias[l] = column[mid]
		if len(column)%2 == 0 {
			c.Bias[l] = float64(0.5*column[mid-1]) + float64(0.5*column[mid])
		}
	}
	return c, nil
}
