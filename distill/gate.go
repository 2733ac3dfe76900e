package distill

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// parseGate reads ">= 0.90" or "<= 0.05".
func parseGate(cond string) (op string, limit float64, err error) {
	for _, op := range []string{">=", "<=", ">", "<"} {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(cond), op); ok {
			limit, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil || !finite(limit) {
				break
			}
			return op, limit, nil
		}
	}
	return "", 0, fmt.Errorf("condition %q, want an operator and a number such as \">= 0.90\"", cond)
}

// Verdict is one gate's outcome.
type Verdict struct {
	Metric string  `json:"metric"`
	Want   string  `json:"want"`
	Got    float64 `json:"got"`
	Absent bool    `json:"absent,omitempty"` // it could not be measured
	Passed bool    `json:"passed"`
}

// GateError says which gates the student did not pass, and by how much.
type GateError struct{ Failed []Verdict }

func (e *GateError) Error() string {
	var parts []string
	for _, v := range e.Failed {
		if v.Absent {
			parts = append(parts, fmt.Sprintf("%s could not be measured, want %s", v.Metric, v.Want))
			continue
		}
		_, limit, _ := parseGate(v.Want)
		parts = append(parts, fmt.Sprintf("%s is %.4f, want %s (off by %.4f)", v.Metric, v.Got, v.Want, v.Got-limit))
	}
	return "gate failed: " + strings.Join(parts, "; ")
}

// judge holds the metrics against the gates. A gate on a number that was not measured fails.
func judge(gates map[string]string, metrics map[string]float64) []Verdict {
	var names []string
	for n := range gates {
		names = append(names, n)
	}
	sort.Strings(names)
	var out []Verdict
	for _, n := range names {
		v := Verdict{Metric: n, Want: gates[n]}
		op, limit, err := parseGate(gates[n])
		got, ok := metrics[n]
		v.Got, v.Absent = got, !ok
		if err == nil && ok {
			switch op {
			case ">=":
				v.Passed = got >= limit
			case "<=":
				v.Passed = got <= limit
			case ">":
				v.Passed = got > limit
			case "<":
				v.Passed = got < limit
			}
		}
		out = append(out, v)
	}
	return out
}
