package bench

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/freehold-slm/freehold/distill/stats"
)

// Comparison is freehold/bench-compare/1: two results, test by test.
type Comparison struct {
	Schema string     `json:"schema"`
	Notes  []string   `json:"notes"` // in what else the two differ
	Tests  []Compared `json:"tests"`
}

// Compared is a test that both results hold. The two were not measured in turn, so the interval knows nothing of what
// else the machine did: Verdict is careful, and the regression gate is the judge of changes.
type Compared struct {
	Name    string  `json:"name"`
	A       float64 `json:"a_tok_s"`
	B       float64 `json:"b_tok_s"`
	Ratio   float64 `json:"ratio"` // B over A: above 1 = B is faster
	Lo      float64 `json:"ratio_lo"`
	Hi      float64 `json:"ratio_hi"`
	Verdict string  `json:"verdict"` // faster, slower, "same" (within 3 %) or inconclusive
}

// alike is how near to 1 a ratio is that counts as no difference.
const alike = 0.03

// ReadResult reads what `freehold bench --json` has written.
func ReadResult(path string) (*ModelResult, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var r ModelResult
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%s: not a result of freehold bench --json: %w", path, err)
	}
	if r.Schema != "freehold/bench/1" {
		return nil, fmt.Errorf("%s: schema %q, want \"freehold/bench/1\", as freehold bench --json writes it", path, r.Schema)
	}
	for _, t := range r.Tests {
		if len(t.Samples) == 0 || !(t.TokS > 0) {
			return nil, fmt.Errorf("%s: test %q has %d samples and %v tokens/s", path, t.Name, len(t.Samples), t.TokS)
		}
	}
	return &r, nil
}

// Compare holds b against a.
func Compare(a, b *ModelResult) (*Comparison, error) {
	c := &Comparison{Schema: "freehold/bench-compare/1", Notes: []string{}}
	differ := func(what string, x, y any) {
		if x != y {
			c.Notes = append(c.Notes, fmt.Sprintf("%s: %v and %v", what, x, y))
		}
	}
	differ("model bytes", a.Bytes, b.Bytes)
	differ("architecture", a.Arch, b.Arch)
	differ("CPU", a.CPU, b.CPU)
	differ("CPU level", a.CPULevel, b.CPULevel)
	differ("threads", a.Threads, b.Threads)
	differ("numeric mode", a.Numeric, b.Numeric)
	differ("KV cache", a.KV, b.KV)
	if x, y := a.Limits.ReadGBs, b.Limits.ReadGBs; x > 0 && y > 0 && (x/y > 1.1 || y/x > 1.1) {
		c.Notes = append(c.Notes, fmt.Sprintf("read bandwidth: %.1f and %.1f GB/s, so the machine was not the same", x, y))
	}
	for i := range a.Tests {
		for j := range b.Tests {
			if a.Tests[i].Name != b.Tests[j].Name {
				continue
			}
			x, y := &a.Tests[i], &b.Tests[j]
			t := Compared{Name: x.Name, A: x.TokS, B: y.TokS, Verdict: "inconclusive"}
			t.Ratio, t.Lo, t.Hi = stats.RatioOfMediansApart(y.Samples, x.Samples)
			switch {
			case len(x.Samples) < 3 || len(y.Samples) < 3:
			case t.Lo > 1+alike:
				t.Verdict = "faster"
			case t.Hi < 1-alike:
				t.Verdict = "slower"
			case t.Lo > 1-alike && t.Hi < 1+alike:
				t.Verdict = "same"
			}
			c.Tests = append(c.Tests, t)
		}
	}
	if len(c.Tests) == 0 {
		return nil, fmt.Errorf("bench: the two results have no test in common")
	}
	return c, nil
}
