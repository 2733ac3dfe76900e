package data

import (
	"fmt"
	"maps"
	"slices"
)

// Made says how a model made a row. Such rows are learnt from, and nothing is judged by them.
type Made struct {
	Kind     string   `json:"kind"`               // one of MadeKinds
	Of       string   `json:"of,omitempty"`       // paraphrase: id of the row
	Label    string   `json:"label,omitempty"`    // that was meant: asked for, or the gold one of the row; "" = any
	Examples []string `json:"examples,omitempty"` // label: ids of the rows that were shown
	Number   int      `json:"number"`             // among those of the same row or label, from 1
	Prompt   string   `json:"prompt_sha256"`      // of what was said to the model
	Model    string   `json:"model"`
	SHA256   string   `json:"model_sha256"`
	Seed     uint64   `json:"seed"`
	Licence  string   `json:"licence"` // the strictest of model and data
}

// Kinds of made rows.
const (
	Paraphrase = "paraphrase" // of a training row
	ForLabel   = "label"      // written for a label
)

// MadeReport counts the rows that a model made.
type MadeReport struct {
	Model string          `json:"model"`
	Asked int             `json:"asked"`
	Kept  int             `json:"kept"`
	Kinds []MadeKindCount `json:"kinds"`
}

// Says is the report in words.
func (m *MadeReport) Says() string {
	return fmt.Sprintf("%d training rows were made by %s, of %d texts asked for", m.Kept, m.Model, m.Asked)
}

// MadeKindCount counts those of a kind and label.
type MadeKindCount struct {
	Kind  string `json:"kind"`
	Label string `json:"label,omitempty"`
	Asked int    `json:"asked"`
	Kept  int    `json:"kept"`
}

// MadeSplit stands for the split in what a report says was left out of the made rows.
const MadeSplit = "made"

// madeCount finds the counter of a row's kind and label.
func (r *Report) madeCount(m *Made) *MadeKindCount {
	at := slices.IndexFunc(r.Made.Kinds, func(k MadeKindCount) bool { return k.Kind == m.Kind && k.Label == m.Label })
	if at < 0 {
		r.Made.Kinds, at = append(r.Made.Kinds, MadeKindCount{Kind: m.Kind, Label: m.Label}), len(r.Made.Kinds)
	}
	return &r.Made.Kinds[at]
}

// With is the set with rows that a model made among those that are learnt from. Masks and bounds hold for them as for others; one that has a fault (by its
// id), does not fit (fits gives the reason) or repeats or nearly repeats a row of any split or a made row before it is left out and counted. The set itself
// stays as it is, and so does Hash: it is of the rows that were read.
func (s *Set) With(rows []Row, faults map[string]string, fits func(Row) string, o TidyOptions) *Set {
	out := *s
	out.Train, out.Report.Out, out.Report.Masked = slices.Clone(s.Train), slices.Clone(s.Report.Out), maps.Clone(s.Report.Masked)
	out.Report.Made = &MadeReport{}
	o.Duplicates = "near"
	mask, same, wanted := masker(o.Mask), repeats(o), newWanted(o.Language)
	for _, p := range s.parts() {
		for _, row := range *p.rows {
			same.add(row, p.name, same.look(row.Text))
		}
	}
	for _, row := range rows {
		made := out.Report.Made
		made.Model, made.Asked = row.Made.Model, made.Asked+1
		out.Report.madeCount(row.Made).Asked++
		reason := faults[row.ID]
		if reason == "" {
			row.Text = mask(row.Text, &out.Report)
			reason = o.unfit(row.Text, wanted)
		}
		if reason == "" {
			reason = fits(row)
		}
		if reason == "" {
			l := same.look(row.Text)
			if _, where := same.find(l); where == "" {
				same.add(row, MadeSplit, l)
			} else {
				reason = "repeats or nearly repeats a " + where + " text"
			}
		}
		if reason != "" {
			out.Report.leaveOut(MadeSplit, reason, row)
			continue
		}
		out.Train = append(out.Train, row)
	}
	out.describe(o.Labels)
	return &out
}

// countMade fills in how many made rows there are now.
func (s *Set) countMade() {
	if s.Report.Made == nil {
		return
	}
	made := *s.Report.Made // a set that this one was made from keeps its own
	made.Kinds, made.Kept = slices.Clone(made.Kinds), 0
	for i := range made.Kinds {
		made.Kinds[i].Kept = 0
	}
	s.Report.Made = &made
	for _, row := range s.Train {
		if row.Made != nil {
			made.Kept++
			s.Report.madeCount(row.Made).Kept++
		}
	}
}
