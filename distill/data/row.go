// Package data reads task data and makes it fit to learn from: rows of any of the known file formats, split, without
// repetitions and with what shall not be learnt masked. What it leaves out or changes, it counts.
//
// A format is one file with an entry in formats.
package data

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Row is one row of task data.
type Row struct {
	ID    string // unique; given, or made from split, place and text
	Text  string
	Gold  int    // index of the gold label; -1 = none
	Group string // rows of one group stay together in a split; "" = the row is by itself

	Query     string  // of a pair, whose document is Text
	Relevance float64 // of a pair's document, where Gold is not -1: 0 = not relevant, and Gold is 0; more is better, and Gold is 1

	Answer string // gold answer of a task that is answered with text, or with ReadOptions.Topics what the text belongs to; Gold is then 0
	Labels []int  // gold labels of a task with several a text, rising; Gold is then 0 where they are known, be they none

	Corrected bool // by a corrections file: Gold is what a person said

	Slices []string // values of the columns that ReadOptions.Slices names; "" = none

	Made *Made // by a model; nil = the row was read

	File string // where it was read
	Line int    // 0 = the file as a whole
	part int    // of the line, from 0, where it holds several
}

// whole is all the text of a row.
func (r *Row) whole() string {
	if r.Query == "" {
		return r.Text
	}
	return r.Query + "\n" + r.Text
}

// Set is task data, split.
type Set struct {
	Train, Valid, Test []Row
	Hash               string // of all rows and their split
	Licence            string
	Report             Report
}

// part is one of a set's splits by name.
type part struct {
	name string
	rows *[]Row
}

// parts lists the splits, the one to be kept clean first: what is in the test rows must not be learnt from.
func (s *Set) parts() []part {
	return []part{{"test", &s.Test}, {"valid", &s.Valid}, {"train", &s.Train}}
}

// Unique refuses ids that occur twice.
func (s *Set) Unique() error {
	ids := map[string]Row{}
	for _, p := range []part{{"train", &s.Train}, {"valid", &s.Valid}, {"test", &s.Test}} {
		for _, row := range *p.rows {
			if first, ok := ids[row.ID]; ok {
				return &Error{File: row.File, Line: row.Line, Msg: fmt.Sprintf("row id %.40q is already that of %s:%d", row.ID, first.File, first.Line),
					Fix: "give every row its own id, or none"}
			}
			ids[row.ID] = row
		}
	}
	return nil
}

// Sum sets Hash.
func (s *Set) Sum() {
	h := sha256.New()
	for _, p := range []part{{"train", &s.Train}, {"valid", &s.Valid}, {"test", &s.Test}} {
		for _, row := range *p.rows {
			fmt.Fprintf(h, "%s %q %q %d\n", p.name, row.ID, row.Text, row.Gold)
			if row.Query != "" {
				fmt.Fprintf(h, "query %q relevance %v\n", row.Query, row.Relevance)
			}
			if row.Answer != "" {
				fmt.Fprintf(h, "answer %q\n", row.Answer)
			}
			if row.Labels != nil {
				fmt.Fprintf(h, "labels %d\n", row.Labels)
			}
			if row.Slices != nil {
				fmt.Fprintf(h, "slices %q\n", row.Slices)
			}
			if row.Corrected {
				fmt.Fprintln(h, "corrected")
			}
		}
	}
	s.Hash = hex.EncodeToString(h.Sum(nil))
}

// Error is a mistake in a data file, with its place.
type Error struct {
	File string
	Line int // 0 = the file as a whole
	Msg  string
	Fix  string // what to do; may be empty
}

func (e *Error) Error() string {
	s := e.File
	if e.Line > 0 {
		s += fmt.Sprintf(":%d", e.Line)
	}
	s += ": " + e.Msg
	if e.Fix != "" {
		s += "; " + e.Fix
	}
	return s
}
