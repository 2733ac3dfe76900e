package distill

import (
	"slices"

	"github.com/freehold-slm/freehold/distill/stats"
)

// multilabelMain is the metric that retention, the baselines' distance and the quantised files are measured by.
const multilabelMain = "micro_f1"

// MultilabelScores are the metrics of a model that gives a text any number of labels, by the thresholds that it was given.
type MultilabelScores struct {
	MicroF1 Interval     `json:"micro_f1"` // of all labels of all rows together
	MacroF1 Interval     `json:"macro_f1"` // mean of the labels'
	Exact   Interval     `json:"exact"`    // share of rows with the gold labels, all of them and no other (subset accuracy)
	Hamming Interval     `json:"hamming"`  // share of labels of rows that are wrong, given or not given; less is better
	ECE     Interval     `json:"ece"`      // expected calibration error of all labels' probabilities, 15 equal bins
	Labels  []LabelScore `json:"labels"`
	Rows    int          `json:"rows"`

	marks *marks
	bins  []CalibrationBin
}

// LabelScore is one label's part. Precision and recall without a row to tell are 0.
type LabelScore struct {
	LabelThreshold
	Gold      int     `json:"gold"`      // test rows that have it
	Given     int     `json:"given"`     // test rows to which the model gives it
	Right     int     `json:"right"`     // both
	Precision float64 `json:"precision"` // right of given
	Recall    float64 `json:"recall"`    // right of gold
	F1        float64 `json:"f1"`
}

// marks are what a model says of rows, and what is right.
type marks struct {
	p          [][]float64 // [rows][labels]
	has, gold  [][]bool
	thresholds []float64
}

func newMarks(probs [][]float64, thresholds []float64, rows []Row) *marks {
	m := &marks{p: probs, thresholds: thresholds, has: make([][]bool, len(rows)), gold: make([][]bool, len(rows))}
	for i, r := range rows {
		m.has[i], m.gold[i] = make([]bool, len(thresholds)), make([]bool, len(thresholds))
		for _, l := range decide(probs[i], thresholds) {
			m.has[i][l] = true
		}
		for _, l := range r.Labels {
			m.gold[i][l] = true
		}
	}
	return m
}

// f1 is 2 right/(given + gold), and 0 where there is neither.
func f1(right, given, gold int) float64 {
	if given+gold == 0 {
		return 0
	}
	return 2 * float64(right) / float64(given+gold)
}

// count counts a label in some rows: those that have it, those to which it is given, and both.
func (m *marks) count(label int, rows []int) (gold, given, right int) {
	for _, i := range rows {
		h, g := m.has[i][label], m.gold[i][label]
		if g {
			gold++
		}
		if h {
			given++
		}
		if h && g {
			right++
		}
	}
	return gold, given, right
}

func (m *marks) microF1(rows []int) float64 {
	gold, given, right := 0, 0, 0
	for l := range m.thresholds {
		g, h, r := m.count(l, rows)
		gold, given, right = gold+g, given+h, right+r
	}
	return f1(right, given, gold)
}

func (m *marks) macroF1(rows []int) (sum float64) {
	for l := range m.thresholds {
		gold, given, right := m.count(l, rows)
		sum += f1(right, given, gold) / float64(len(m.thresholds))
	}
	return sum
}

// exact tells which rows have the gold labels.
func (m *marks) exact() []bool {
	right := make([]bool, len(m.has))
	for i := range right {
		right[i] = slices.Equal(m.has[i], m.gold[i])
	}
	return right
}

func (m *marks) hamming(rows []int) float64 {
	wrong := 0
	for _, i := range rows {
		for l, h := range m.has[i] {
			if h != m.gold[i][l] {
				wrong++
			}
		}
	}
	return float64(wrong) / float64(max(1, len(rows)*len(m.thresholds)))
}

// ece is the expected calibration error of the probabilities of all labels of some rows, and the bins that have any.
func (m *marks) ece(rows []int) (float64, []CalibrationBin) {
	n := len(m.thresholds)
	p, has, all := make([]float64, 0, n*len(rows)), make([]bool, 0, n*len(rows)), make([]int, n*len(rows))
	for _, i := range rows {
		p, has = append(p, m.p[i]...), append(has, m.gold[i]...)
	}
	for i := range all {
		all[i] = i
	}
	return calibration(p, has, all)
}

// same is the share of rows to which two models give the same labels.
func (m *marks) same(o *marks) float64 {
	same := make([]bool, len(m.has))
	for i := range same {
		same[i] = slices.Equal(m.has[i], o.has[i])
	}
	return rate(same)
}

// main are the scores for paired tests.
func (m *marks) main() rowScores { return rowScores{rows: len(m.has), of: m.microF1} }

// scoreMarks measures what a model says of the test rows.
func scoreMarks(m *marks, labels []LabelThreshold, seed uint64) MultilabelScores {
	s := MultilabelScores{Rows: len(m.has), marks: m}
	for _, v := range []struct {
		to *Interval
		of func(rows []int) float64
	}{{&s.MicroF1, m.microF1}, {&s.MacroF1, m.macroF1}, {&s.Exact, shareOf(m.exact())}, {&s.Hamming, m.hamming}, {&s.ECE, func(rows []int) float64 {
		ece, bins := m.ece(rows)
		if s.bins == nil { // the first are the rows themselves
			s.bins = bins
		}
		return ece
	}}} {
		v.to.Mean, v.to.CI95[0], v.to.CI95[1] = stats.OfRows(s.Rows, seed, v.of)
	}
	every := make([]int, s.Rows)
	for i := range every {
		every[i] = i
	}
	for l, t := range labels {
		one := LabelScore{LabelThreshold: t}
		one.Gold, one.Given, one.Right = m.count(l, every)
		one.Precision, one.Recall = float64(one.Right)/float64(max(1, one.Given)), float64(one.Right)/float64(max(1, one.Gold))
		one.F1 = f1(one.Right, one.Given, one.Gold)
		s.Labels = append(s.Labels, one)
	}
	return s
}

// scores are what all types of task have.
func (s *MultilabelScores) scores() Scores {
	return Scores{Accuracy: s.Exact.Mean, CI95: s.Exact.CI95, MacroF1: s.MacroF1.Mean, ECE: s.ECE.Mean, ECECI95: s.ECE.CI95, Calibration: s.bins, Rows: s.Rows}
}
