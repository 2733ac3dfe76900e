package engine

import (
	"fmt"
	"math"
	"slices"

	"github.com/freehold-slm/freehold/kernels"
)

// Calibration puts a model's probabilities of labels right. A bias takes out its habitual preference for some labels: batch calibration
// (Zhou et al., arXiv:2309.17249), the typical log-probability of each label over unlabelled rows, subtracted. A temperature makes it as
// sure as it is right (Guo et al., arXiv:1706.04599): what is left is divided by it, which changes no answer.
type Calibration struct {
	Kind        string    `json:"kind"`                  // "mean" or "median" of unlabelled rows, or "temperature"
	Rows        int       `json:"rows"`                  // how many rows it was estimated from
	Bias        []float64 `json:"bias,omitempty"`        // [labels]; nil = none
	Temperature float64   `json:"temperature,omitempty"` // 0 = 1
	Labels      string    `json:"labels,omitempty"`      // whose labels a temperature was fitted to, as words for people
}

// maxTemperature bounds temperatures, and 1/maxTemperature too.
const maxTemperature = 100

// check holds a calibration against a task's labels.
func (c *Calibration) check(labels int) error {
	if c.Bias != nil && len(c.Bias) != labels || c.Bias == nil && c.Temperature == 0 {
		return fmt.Errorf("the calibration is for %d labels, the task has %d", len(c.Bias), labels)
	}
	if t := c.Temperature; t != 0 && !(t >= 1./maxTemperature && t <= maxTemperature) {
		return fmt.Errorf("the calibration's temperature is %v, want %v to %d", t, 1./maxTemperature, maxTemperature)
	}
	return nil
}

// apply calibrates log-probabilities over labels in place; they are not normalised then.
func (c *Calibration) apply(x []float64) {
	if c == nil {
		return
	}
	for i := range c.Bias {
		x[i] -= c.Bias[i]
	}
	if c.Temperature > 0 {
		for i := range x {
			x[i] /= c.Temperature
		}
	}
}

// Calibrate estimates a calibration from rows of LogProbs of unlabelled training texts. Each row is first normalised
// over the labels, so that texts to which the model would rather say something else count like others.
func Calibrate(kind string, rows [][]float64) (*Calibration, error) {
	even := make([][]float64, len(rows))
	for i, r := range rows {
		if len(r) != len(rows[0]) {
			return nil, fmt.Errorf("engine: row %d has %d labels, want %d", i, len(r), len(rows[0]))
		}
		norm := logSum(r)
		if math.IsInf(norm, 0) || math.IsNaN(norm) {
			return nil, fmt.Errorf("engine: row %d has no probability on any label", i)
		}
		even[i] = make([]float64, len(r))
		for l := range r {
			even[i][l] = max(r[l]-norm, -100) // a label at zero probability must not make the mean infinite
		}
	}
	return typical(kind, even)
}

// typical is the mean or median of each column, as a bias.
func typical(kind string, rows [][]float64) (*Calibration, error) {
	if kind != "mean" && kind != "median" {
		return nil, fmt.Errorf("engine: calibration %q is not known (known: mean, median)", kind)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("engine: calibration needs at least one row")
	}
	n := len(rows[0])
	c := &Calibration{Kind: kind, Rows: len(rows), Bias: make([]float64, n)}
	column := make([]float64, len(rows))
	for l := range n {
		for i, r := range rows {
			if len(r) != n || math.IsNaN(r[l]) {
				return nil, fmt.Errorf("engine: row %d has %d labels, want %d, or holds what is no number", i, len(r), n)
			}
			column[i] = min(max(r[l], -100), 100)
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

// FitTemperature finds the temperature at which rows of LogProbs give their labels the highest probability: the least mean log loss, which has
// one minimum. labels[i] is a probability for each label: 1 for the right one, or what a teacher says. Of n rows each label's probability is
// first mixed with an equal one, 1/(n+2) of it (Platt's prior), so that rows that are all right make no model sure of everything.
func FitTemperature(rows, labels [][]float64) (*Calibration, error) {
	if len(rows) == 0 || len(rows) != len(labels) {
		return nil, fmt.Errorf("engine: a temperature needs rows with their labels, got %d and %d", len(rows), len(labels))
	}
	prior := 1 / float64(len(rows)+2)
	x := make([][]float64, len(rows))
	for i, r := range rows {
		if len(r) != len(rows[0]) || len(labels[i]) != len(r) {
			return nil, fmt.Errorf("engine: row %d has %d labels and %d probabilities, want %d", i, len(r), len(labels[i]), len(rows[0]))
		}
		norm := logSum(r)
		if math.IsInf(norm, 0) || math.IsNaN(norm) {
			return nil, fmt.Errorf("engine: row %d has no probability on any label", i)
		}
		x[i] = make([]float64, len(r))
		for l := range r {
			x[i][l] = max(r[l]-norm, -100)
		}
	}
	// slope is the derivative of the loss by 1/T, which rises: what the model expects of its scores less what the labels are worth.
	scaled := make([]float64, len(x[0]))
	slope := func(inverse float64) (sum float64) {
		for i, r := range x {
			for l := range r {
				scaled[l] = inverse * r[l]
			}
			norm := logSum(scaled)
			for l := range r {
				want := float64((1-prior)*labels[i][l]) + prior/float64(len(r))
				sum += float64((kernels.Exp(scaled[l]-norm) - want) * r[l])
			}
		}
		return sum
	}
	lo, hi := 1./maxTemperature, float64(maxTemperature)
	for range 100 {
		if mid := math.Sqrt(lo * hi); slope(mid) > 0 {
			hi = mid
		} else {
			lo = mid
		}
	}
	return &Calibration{Kind: "temperature", Rows: len(rows), Temperature: 1 / math.Sqrt(lo*hi)}, nil
}
