package bench

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// Law is how the time of a kind of test grows with one number: seconds = Terms[0] + Terms[1]·n + Terms[2]·n², fitted to the
// tests of a result by least squares of relative errors.
type Law struct {
	Of    string    `json:"of"`    // "prompt", "token" or "step", whose time it is
	Over  string    `json:"over"`  // n: "tokens", "depth" or "sequences"
	From  int       `json:"from"`  // the smallest and the largest n measured: the law holds between them
	To    int       `json:"to"`    //
	Terms []float64 `json:"terms"` // seconds
	Error float64   `json:"error"` // the largest relative difference to a measured time
}

// lawKind is a family of tests that differ in one number.
type lawKind struct {
	of, over string
	powers   int                              // terms fitted
	in       func(t *Test) (n int, held bool) // n, where the test belongs to the family
	seconds  func(t *Test) float64
}

var lawKinds = []lawKind{
	{"prompt", "tokens", 3, func(t *Test) (int, bool) { return t.Tokens, !t.alone && t.Depth == 0 && t.Batch == 1 },
		func(t *Test) float64 { return float64(t.Tokens) / t.TokS }},
	{"token", "depth", 2, func(t *Test) (int, bool) { return t.Depth + t.Tokens/2, t.alone && t.Batch == 1 }, // the mean of what it meets
		func(t *Test) float64 { return 1 / t.TokS }},
	{"step", "sequences", 2, func(t *Test) (int, bool) { return t.Batch, t.alone && t.Depth == 0 },
		func(t *Test) float64 { return float64(t.Batch) / t.TokS }},
}

// laws fits what the tests allow: a family needs a test more than its law has terms.
func laws(tests []Test) []Law {
	var all []Law
	for _, k := range lawKinds {
		var n, y []float64
		seen := map[int]bool{}
		for i := range tests {
			if x, held := k.in(&tests[i]); held {
				n, y = append(n, float64(x)), append(y, k.seconds(&tests[i]))
				seen[x] = true
			}
		}
		if len(seen) <= k.powers {
			continue
		}
		l := Law{Of: k.of, Over: k.over, From: math.MaxInt}
		for x := range seen {
			l.From, l.To = min(l.From, x), max(l.To, x)
		}
		if l.fit(n, y, k.powers) {
			all = append(all, l)
		}
	}
	return all
}

// fit finds the terms; false where the points do not tell them.
func (l *Law) fit(n, y []float64, powers int) bool {
	a, b := mat.NewDense(len(n), powers, nil), mat.NewVecDense(len(n), nil)
	for i := range n {
		for p := range powers { // a row divided by its time: relative errors
			a.Set(i, p, math.Pow(n[i], float64(p))/y[i])
		}
		b.SetVec(i, 1)
	}
	var x mat.VecDense
	if err := x.SolveVec(a, b); err != nil {
		return false
	}
	l.Terms = append(l.Terms, x.RawVector().Data...)
	for i := range n {
		l.Error = max(l.Error, math.Abs(l.Seconds(n[i])/y[i]-1))
	}
	return true
}

// Seconds is what the law says for n.
func (l *Law) Seconds(n float64) float64 {
	s := 0.0
	for p := len(l.Terms) - 1; p >= 0; p-- {
		s = s*n + l.Terms[p]
	}
	return s
}
