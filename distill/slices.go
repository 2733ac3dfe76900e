package distill

import (
	_ "embed"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/distill/stats"
)

// Slice is how the student does on a part of the test rows: those with one value of a column, or a quarter of them by the length of their texts.
type Slice struct {
	Column   string     `json:"column"` // of the data, or "length"
	Value    string     `json:"value"`
	Rows     int        `json:"rows"`
	Accuracy float64    `json:"accuracy"`      // share of right answers
	CI95     [2]float64 `json:"accuracy_ci95"` // Wilson's, which is wide where rows are few and all right
	Rest     float64    `json:"accuracy_rest"` // of all other test rows
	Teacher  float64    `json:"accuracy_teacher"`
	P        float64    `json:"p"`       // of Fisher's exact test of the slice against the rest
	PHolm    float64    `json:"p_holm"`  // corrected for the number of slices
	Verdict  string     `json:"verdict"` // "worse" than the rest, "better", or "not told apart"
}

// byLength is the column that every data set has.
const byLength = "length"

// Of a column the sliceMost values with the most rows are looked at, if they have sliceLeast rows; the others together.
const (
	sliceMost  = 12
	sliceLeast = 10
)

// slices cuts the test rows by the recipe's columns and by the length of texts; student and teacher tell which rows each has right.
func (j *Job) slices(student, teacher []bool) []Slice {
	rows := j.data.Test
	names := append([]string{byLength}, j.recipe.Eval.Slices...)
	var all []Slice
	for c, name := range names {
		values := make([]string, len(rows))
		for i, r := range rows {
			if c > 0 {
				values[i] = r.Slices[c-1]
			}
		}
		if c == 0 {
			for i, r := range rows {
				values[i] = strconv.Itoa(utf8.RuneCountInString(r.Text))
			}
		}
		order, in := cutSlices(values, c == 0)
		for _, value := range order {
			all = append(all, oneSlice(name, value, in[value], student, teacher))
		}
	}
	p := make([]float64, len(all))
	for i, s := range all {
		p[i] = s.P
	}
	for i, v := range stats.Holm(p) {
		s := &all[i]
		s.PHolm, s.Verdict = v, "not told apart"
		if v < stats.Alpha && s.Accuracy < s.Rest {
			s.Verdict = "worse"
		} else if v < stats.Alpha {
			s.Verdict = "better"
		}
	}
	return all
}

// cutSlices groups rows by their values, in the order to be shown: quarters of numbers where there are too many values, else the most frequent
// values and the others.
func cutSlices(values []string, numbers bool) (order []string, in map[string][]int) {
	in = map[string][]int{}
	for i, v := range values {
		in[v] = append(in[v], i)
	}
	x := make([]float64, len(values))
	if len(in) > sliceMost || numbers {
		numbers = true
		for i, v := range values {
			var err error
			if x[i], err = strconv.ParseFloat(v, 64); err != nil || !finite(x[i]) {
				numbers = false
				break
			}
		}
	}
	if numbers {
		return quarters(x)
	}
	order = sortedKeys(in)
	slices.SortStableFunc(order, func(a, b string) int { return len(in[b]) - len(in[a]) })
	var few []int
	kept := order[:0:0]
	others := 0
	for i, v := range order {
		if i >= sliceMost || len(in[v]) < sliceLeast {
			few = append(few, in[v]...)
			delete(in, v)
			others++
			continue
		}
		kept = append(kept, v)
	}
	if others > 0 {
		name := fmt.Sprintf("(%d other values)", others)
		kept, in[name] = append(kept, name), few
	}
	if rows, ok := in[""]; ok {
		delete(in, "")
		in["(none)"] = append(in["(none)"], rows...)
		kept[slices.Index(kept, "")] = "(none)"
	}
	return kept, in
}

// quarters cuts rows by numbers into four parts of about as many rows; rows of one number stay together.
func quarters(x []float64) (order []string, in map[string][]int) {
	sorted := slices.Sorted(slices.Values(x))
	var part [4][]int
	for i, v := range x {
		q := 0
		for k := 1; k < 4; k++ {
			if v >= sorted[k*len(x)/4] {
				q = k
			}
		}
		part[q] = append(part[q], i)
	}
	in = map[string][]int{}
	for _, rows := range part {
		if len(rows) == 0 {
			continue
		}
		lo, hi := x[rows[0]], x[rows[0]]
		for _, i := range rows {
			lo, hi = min(lo, x[i]), max(hi, x[i])
		}
		name := fmt.Sprintf("%g to %g", lo, hi)
		order, in[name] = append(order, name), rows
	}
	return order, in
}

func oneSlice(column, value string, rows []int, student, teacher []bool) Slice {
	inside := make(map[int]bool, len(rows))
	hits, taught := 0, 0
	for _, i := range rows {
		inside[i] = true
		if student[i] {
			hits++
		}
		if teacher[i] {
			taught++
		}
	}
	others := 0
	for i, right := range student {
		if right && !inside[i] {
			others++
		}
	}
	left := len(student) - len(rows)
	s := Slice{Column: column, Value: value, Rows: len(rows), Accuracy: float64(hits) / float64(max(1, len(rows))), Rest: float64(others) / float64(max(1, left)), Teacher: float64(taught) / float64(max(1, len(rows))),
		P: stats.Fisher(hits, len(rows), others, left)}
	s.CI95[0], s.CI95[1] = stats.Wilson(hits, len(rows))
	return s
}

// Worse lists the slices that the student is worse on than on the rest, beyond chance.
func (s *Summary) Worse() (bad []Slice) {
	for _, one := range s.Slices {
		if one.Verdict == "worse" {
			bad = append(bad, one)
		}
	}
	return bad
}

// PValue is the corrected p for people.
func (s Slice) PValue() string { return Comparison{Paired: stats.Paired{P: s.PHolm}}.PValue() }

//go:embed report_slices.tmpl.html
var slicesSource string

// checkSlices refuses a column that no test row has.
func checkSlices(r *Recipe, set *data.Set) error {
	for c, name := range r.Eval.Slices {
		if !slices.ContainsFunc(set.Test, func(row Row) bool { return row.Slices[c] != "" }) {
			file := r.Data.Test
			if file == "" {
				file = r.Data.Train
			}
			return &DataError{File: r.path(filepath.FromSlash(file)), Msg: fmt.Sprintf("no test row has a value of %q, by which eval.slices cuts them", name), Fix: "name a column of the rows, or leave it out"}
		}
	}
	return nil
}

// checkSliceNames holds eval.slices of a recipe together.
func checkSliceNames(r *Recipe, at func(msg string, path ...string) error) error {
	for i, name := range r.Eval.Slices {
		switch {
		case strings.TrimSpace(name) == "" || slices.Contains(r.Eval.Slices[:i], name):
			return at(fmt.Sprintf("eval.slices names %q, which is empty or given twice", name), "eval", "slices")
		case name == byLength:
			return at(fmt.Sprintf("eval.slices names %q, which is always there; leave it out", name), "eval", "slices")
		case r.Data.Source != "":
			return at("eval.slices are columns of files, and data.source has none; leave it out", "eval", "slices")
		}
	}
	return nil
}
