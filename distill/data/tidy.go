package data

import (
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// TidyOptions say what to leave out of a set and what to mask in it.
type TidyOptions struct {
	Labels     []string
	Form       Form
	Mask       []string // kinds of personal data, see Masks
	MinChars   int      // 0 = no bound
	MaxChars   int      // 0 = no bound
	Language   []string // that texts may be in, of Languages; nil = any
	Duplicates string   // "keep", "exact" (same words) or "near"
	Near       float64  // with "near": similarity from which a text is a repetition, 0.5 to 1
}

// Report counts what a set holds, and what was left out of it and changed in it.
type Report struct {
	Schema string         `json:"schema"`
	Splits []SplitReport  `json:"splits"`
	Out    []OutReport    `json:"left_out"`
	Masked map[string]int `json:"masked"` // places, by kind
	Unsure int            `json:"unsure"` // texts left out as repetitions whose label was another than the kept one's

	Cut   int `json:"cut,omitempty"`    // texts of a source that its reader shortened
	CutAt int `json:"cut_at,omitempty"` // to so many characters at most

	Confidence *ConfidenceReport `json:"confidence,omitempty"` // of the teacher, where rows are left out by it

	Corrected int `json:"corrected,omitempty"` // rows of the corrections file

	Made *MadeReport `json:"made,omitempty"` // rows that a model made; nil = none
}

// SplitReport is what one split holds.
type SplitReport struct {
	Name   string         `json:"name"`
	Rows   int            `json:"rows"`
	Labels map[string]int `json:"labels"` // rows by gold label; "" = not labelled
	Chars  [3]int         `json:"chars"`  // smallest, median and largest length of a text, in characters
}

// OutReport counts rows of one split that were left out for one reason.
type OutReport struct {
	Split  string   `json:"split"`
	Reason string   `json:"reason"`
	Rows   int      `json:"rows"`
	IDs    []string `json:"ids"`              // some of them, as they stand in their file
	Places []string `json:"places,omitempty"` // of these, as file:line, where a row is a line
}

// ConfidenceReport tells how sure the teacher is of the training rows whose label or answer is its own.
type ConfidenceReport struct {
	Min     float64           `json:"min"` // rows under it are left out
	Rows    int               `json:"rows"`
	LeftOut int               `json:"left_out"`
	Under   []UnderReport     `json:"under"`
	Labels  []LabelConfidence `json:"labels,omitempty"` // of a classifier
}

// Says is the report in words.
func (c *ConfidenceReport) Says() string {
	return fmt.Sprintf("%d training rows are left out, of %d that would teach what the teacher says: it is less sure of them than %g", c.LeftOut, c.Rows, c.Min)
}

// UnderReport counts the rows that the teacher is less sure of.
type UnderReport struct {
	Confidence float64 `json:"confidence"`
	Rows       int     `json:"rows"`
}

// LabelConfidence counts the rows that the teacher gives a label.
type LabelConfidence struct {
	Label   string `json:"label"`
	Rows    int    `json:"rows"` // that stay
	LeftOut int    `json:"left_out"`
}

// someIDs is how many ids an OutReport names.
const someIDs = 20

// LeaveOut counts rows that are not in the set.
func (r *Report) LeaveOut(split, reason string, n int, ids ...string) {
	if n == 0 {
		return
	}
	at := slices.IndexFunc(r.Out, func(o OutReport) bool { return o.Split == split && o.Reason == reason })
	if at < 0 {
		r.Out, at = append(r.Out, OutReport{Split: split, Reason: reason, IDs: []string{}}), len(r.Out)
	}
	o := &r.Out[at]
	o.Rows += n
	o.IDs = append(o.IDs, ids[:min(len(ids), someIDs-len(o.IDs))]...)
}

// leaveOut counts a row and says where it stands.
func (r *Report) leaveOut(split, reason string, row Row) {
	r.LeaveOut(split, reason, 1, row.ID)
	at := slices.IndexFunc(r.Out, func(o OutReport) bool { return o.Split == split && o.Reason == reason })
	if o := &r.Out[at]; row.Line > 0 && len(o.Places) < someIDs {
		o.Places = append(o.Places, fmt.Sprintf("%s:%d", filepath.Base(row.File), row.Line))
	}
}

// String is the report in a line: what was left out and changed; "" = nothing.
func (r *Report) String() string {
	var all []string
	for _, o := range r.Out {
		all = append(all, fmt.Sprintf("%d %s rows left out (%s)", o.Rows, o.Split, o.Reason))
	}
	for _, kind := range sortedKeys(r.Masked) {
		all = append(all, fmt.Sprintf("%d times %s masked", r.Masked[kind], kind))
	}
	if r.Cut > 0 {
		all = append(all, fmt.Sprintf("%d texts of the source cut at %d characters", r.Cut, r.CutAt))
	}
	if r.Unsure > 0 {
		all = append(all, fmt.Sprintf("%d texts stand there twice with different labels", r.Unsure))
	}
	if r.Corrected > 0 {
		all = append(all, fmt.Sprintf("%d rows corrected by hand", r.Corrected))
	}
	if r.Made != nil {
		all = append(all, r.Made.Says())
	}
	return strings.Join(all, "; ")
}

// Tidy masks, then leaves out what is too short or too long or in another language, then repetitions: within a split, and of test and valid
// rows in the rows that are learnt from. Rows keep their order.
func (s *Set) Tidy(o TidyOptions) {
	mask := masker(o.Mask)
	same, wanted := repeats(o), newWanted(o.Language)
	for _, p := range s.parts() {
		kept := (*p.rows)[:0:0]
		for _, row := range *p.rows {
			row.Text, row.Answer, row.Query = mask(row.Text, &s.Report), mask(row.Answer, &s.Report), mask(row.Query, &s.Report)
			unfit, l := o.unfit(row.Text, wanted), same.look(row.whole())
			switch first, where := same.find(l); {
			case unfit != "":
				s.Report.leaveOut(p.name, unfit, row)
			case where != "":
				reason := "repeats a " + where + " text"
				s.Report.leaveOut(p.name, reason, row)
				if row.Gold >= 0 && first.Gold >= 0 && (row.Gold != first.Gold || row.Answer != first.Answer || !slices.Equal(row.Labels, first.Labels)) {
					s.Report.Unsure++
				}
			default:
				same.add(row, p.name, l)
				kept = append(kept, row)
			}
		}
		*p.rows = kept
	}
	s.describe(o.Labels)
}

// unfit is why a text is left out by itself; "" = it is not.
func (o *TidyOptions) unfit(text string, wanted *wantedLanguages) string {
	switch chars := utf8.RuneCountInString(text); {
	case o.MinChars > 0 && chars < o.MinChars:
		return fmt.Sprintf("under %d characters", o.MinChars)
	case o.MaxChars > 0 && chars > o.MaxChars:
		return fmt.Sprintf("over %d characters", o.MaxChars)
	case o.Language != nil && wanted.other(text):
		return "in another language than " + strings.Join(o.Language, ", ")
	}
	return ""
}

// Without is the set without those of its training rows for which there is a reason ("" = none), which its report gives; made rows are counted apart.
// The set itself stays as it is.
func (s *Set) Without(why func(Row) string, labels []string) *Set {
	out := *s
	out.Train, out.Report.Out = nil, slices.Clone(s.Report.Out)
	for _, row := range s.Train {
		if reason := why(row); reason != "" {
			split := "train"
			if row.Made != nil {
				split = MadeSplit
			}
			out.Report.leaveOut(split, reason, row)
		} else {
			out.Train = append(out.Train, row)
		}
	}
	out.describe(labels)
	return &out
}

// describe fills in what the splits hold.
func (s *Set) describe(labels []string) {
	s.countMade()
	r := &s.Report
	r.Schema, r.Splits = "freehold/data/1", nil
	for _, p := range []part{{"train", &s.Train}, {"valid", &s.Valid}, {"test", &s.Test}} {
		d := SplitReport{Name: p.name, Rows: len(*p.rows), Labels: map[string]int{}}
		var chars []int
		for _, row := range *p.rows {
			for _, label := range row.goldOf(labels) {
				d.Labels[label]++
			}
			chars = append(chars, utf8.RuneCountInString(row.Text))
		}
		if n := len(chars); n > 0 {
			sort.Ints(chars)
			d.Chars = [3]int{chars[0], chars[n/2], chars[n-1]}
		}
		r.Splits = append(r.Splits, d)
	}
	if r.Out == nil {
		r.Out = []OutReport{}
	}
	if r.Masked == nil {
		r.Masked = map[string]int{}
	}
}

func sortedKeys(m map[string]int) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
