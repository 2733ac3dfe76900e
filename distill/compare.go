package distill

import (
	"fmt"

	"github.com/freehold-slm/freehold/distill/stats"
)

// What a student is held against beside its teacher.
const (
	byWords  = "linear, words"
	byPairs  = "linear, words and pairs"
	byLikest = "likest training row"
	byBM25   = "BM25"
	byTFIDF  = "TF-IDF"
)

// Comparison is a paired test of two models on the same test rows. Nothing is called better without one.
type Comparison struct {
	First   string `json:"first"`
	Second  string `json:"second"`
	Metric  string `json:"metric"`
	Verdict string `json:"verdict"` // "better": the first is; "worse"; "not told apart"
	stats.Paired
}

// rowScores are a model's scores of the test rows by one metric.
type rowScores struct {
	rows  int
	right []bool                   // where the metric is the share of right rows; else nil
	of    func(rows []int) float64 // the metric of some rows
}

func (s rowScores) all() float64 {
	every := make([]int, s.rows)
	for i := range every {
		every[i] = i
	}
	return s.of(every)
}

// rightRows are the scores of a classifier.
func rightRows(probs [][]float64, gold []int) rowScores {
	right := make([]bool, len(gold))
	for i, p := range probs {
		right[i] = argmax(p) == gold[i]
	}
	return rowScores{len(gold), right, shareOf(right)}
}

// compare tests the first model against the second: McNemar's test of right rows, paired bootstrap of other scores.
func compare(first, second, metric string, a, b rowScores, seed uint64) Comparison {
	c := Comparison{First: first, Second: second, Metric: metric, Verdict: "not told apart"}
	if a.right != nil {
		c.Paired = stats.Right(a.right, b.right, seed)
	} else {
		c.Paired = stats.Bootstrap(a.rows, seed, a.of, b.of)
	}
	switch {
	case c.Better():
		c.Verdict = "better"
	case c.Worse():
		c.Verdict = "worse"
	}
	return c
}

// Says is the verdict as a sentence.
func (c Comparison) Says() string {
	switch c.Verdict {
	case "better":
		return fmt.Sprintf("%s is better than %s", c.First, c.Second)
	case "worse":
		return fmt.Sprintf("%s is worse than %s", c.First, c.Second)
	}
	return fmt.Sprintf("%s and %s are not told apart by %d rows", c.First, c.Second, c.Rows)
}

// Points is the difference with its interval, in percentage points.
func (c Comparison) Points() string {
	return fmt.Sprintf("%+.1f (%+.1f to %+.1f)", 100*c.Difference, 100*c.CI95[0], 100*c.CI95[1])
}

// PValue is p for people.
func (c Comparison) PValue() string {
	if c.P < 0.0001 {
		return "< 0.0001"
	}
	return fmt.Sprintf("%.4f", c.P)
}

// Test finds the comparison of the student with another model; nil = there is none.
func (s *Summary) Test(second string) *Comparison {
	for i := range s.Tests {
		if s.Tests[i].Second == second {
			return &s.Tests[i]
		}
	}
	return nil
}

// Worth says in a sentence whether the student was shown to be better than what costs less than a model.
func (s *Summary) Worth() string {
	for _, name := range []string{byLikest, byTFIDF, byWords, byPairs, byBM25} {
		c := s.Test(name)
		if c == nil || c.Verdict == "better" {
			continue
		}
		than := map[string]string{byWords: "a linear classifier on words", byPairs: "a linear classifier on words and word pairs", byLikest: "the answer of the likest training row", byBM25: "BM25, which counts words", byTFIDF: "the words that texts have in common (TF-IDF)"}[name]
		if c.Verdict == "worse" {
			return fmt.Sprintf("It is worse than %s (p %s): it is not worth having.", than, c.PValue())
		}
		return fmt.Sprintf("It is not shown to be better than %s (p %s, %d rows): more test rows may tell, or the task needs no language model.", than, c.PValue(), c.Rows)
	}
	return ""
}
