package data

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/freehold-slm/freehold/models/spell"
)

// Pairs of a query and a document are read in three forms, and each document becomes a row:
//
//	{"query": "...", "document": "...", "label": 2}                     label or score: how relevant it is, 0 = not; may be left out
//	{"query": "...", "positives": ["..."], "negatives": ["...", "..."]} relevance 1 and 0
//	{"query": "...", "documents": ["...", "..."]}                       not judged
//
// A table has the columns query and document, and label or score. Rows of one query are one group unless they name another.

// pairsOfLine reads a line of JSONL.
func pairsOfLine(b []byte, c Columns) (rows []raw, err error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil || all == nil {
		return nil, fmt.Errorf("not a JSON object: %.40s", b)
	}
	text := func(name string) (s string, err error) {
		v := all[name]
		if len(v) == 0 || string(v) == "null" {
			return "", nil
		}
		if v[0] == '-' || v[0] >= '0' && v[0] <= '9' {
			return string(v), nil
		}
		if json.Unmarshal(v, &s) != nil {
			err = fmt.Errorf("%q is %.40s, want a string", name, v)
		}
		return s, err
	}
	c = c.usualPairs()
	var one raw
	for _, f := range []struct {
		name string
		to   *string
	}{{c.Query, &one.query}, {c.Text, &one.text}, {c.ID, &one.id}, {c.Group, &one.group}} {
		if *f.to, err = text(f.name); err != nil {
			return nil, err
		}
	}
	if strings.TrimSpace(one.query) == "" {
		return nil, fmt.Errorf("the row has no %q, which says what is asked", c.Query)
	}
	grade, graded := all[c.Label], c.Label
	if len(grade) == 0 {
		grade, graded = all["score"], "score"
	}
	if len(grade) > 0 && string(grade) != "null" {
		text := strings.Trim(string(grade), `"`)
		if one.relevance, err = relevanceOf(graded, text); err != nil {
			return nil, err
		}
	}
	forms := 0
	if one.text != "" {
		rows, forms = []raw{one}, 1
	}
	yes, no := 1.0, 0.0
	for _, list := range []struct {
		name      string
		relevance *float64
	}{{"positives", &yes}, {"negatives", &no}, {"documents", nil}} {
		v := all[list.name]
		if len(v) == 0 || string(v) == "null" {
			continue
		}
		var texts []string
		if json.Unmarshal(v, &texts) != nil {
			return nil, fmt.Errorf("%q is %.40s, want a list of texts", list.name, v)
		}
		if forms++; list.name == "negatives" && forms == 2 && all["positives"] != nil {
			forms = 1 // they belong together
		}
		for _, t := range texts {
			r := one
			r.text, r.relevance = t, list.relevance
			rows = append(rows, r)
		}
	}
	switch {
	case forms == 0 || len(rows) == 0:
		return nil, fmt.Errorf("the row has no document; want %q, \"positives\" and \"negatives\", or \"documents\"", c.Text)
	case forms > 1:
		return nil, fmt.Errorf("the row has documents in several forms; want %q, \"positives\" and \"negatives\", or \"documents\"", c.Text)
	case all["negatives"] != nil && all["positives"] == nil:
		return nil, errors.New(`the row has "negatives" and no "positives"; give what is relevant too, or a row each with its label`)
	case one.text == "" && one.relevance != nil:
		return nil, fmt.Errorf("%q is of one document, and the row has a list of them", graded)
	}
	for i := range rows {
		if rows[i].part = i; one.id != "" && one.text == "" {
			rows[i].id = fmt.Sprintf("%s#%d", one.id, i+1)
		}
		if strings.TrimSpace(rows[i].text) == "" {
			return nil, fmt.Errorf("document %d of the row is empty", i+1)
		}
	}
	return rows, nil
}

// relevanceOf reads a gold relevance: a number from 0, true or false.
func relevanceOf(name, text string) (*float64, error) {
	x, err := strconv.ParseFloat(text, 64)
	switch {
	case text == "true":
		x, err = 1, nil
	case text == "false":
		x, err = 0, nil
	}
	if err != nil || !(x >= 0) || math.IsInf(x, 0) {
		return nil, fmt.Errorf("%q is %.40q, want how relevant the document is: a number from 0 (not at all), true or false", name, text)
	}
	return &x, nil
}

// usualPairs fills in the usual names of the columns of pairs.
func (c Columns) usualPairs() Columns {
	if c.Text == "" {
		c.Text = "document"
	}
	if c.Query == "" {
		c.Query = "query"
	}
	return c.usual()
}

// readPairTable reads the rows of a table whose first line, names, is read.
func readPairTable(path string, r *csv.Reader, names []string, o *ReadOptions, add func(line int, r raw) error) error {
	c := o.Columns.usualPairs()
	find := func(name string, must bool) (int, error) {
		at := slices.Index(names, name)
		if at < 0 && must {
			return at, &Error{File: path, Line: 1, Msg: spell.Unknown("column", name, "the first line", names), Fix: "name the columns of query and document in the recipe, data.columns: {query: ..., text: ...}"}
		}
		if at >= 0 && slices.Contains(names[at+1:], name) {
			return at, &Error{File: path, Line: 1, Msg: fmt.Sprintf("two columns are called %q", name)}
		}
		return at, nil
	}
	at := map[string]int{}
	for _, f := range []struct {
		key, name string
		must      bool
	}{{"query", c.Query, true}, {"document", c.Text, true}, {"label", c.Label, o.Columns.Label != ""}, {"score", "score", false}, {"id", c.ID, o.Columns.ID != ""}, {"group", c.Group, o.Columns.Group != ""}} {
		var err error
		if at[f.key], err = find(f.name, f.must); err != nil {
			return err
		}
	}
	grade := c.Label
	if at["label"] < 0 {
		at["label"], grade = at["score"], "score"
	}
	for {
		fields, err := r.Read()
		if err == io.EOF {
			return nil
		} else if err != nil {
			return tableError(path, err)
		}
		line, _ := r.FieldPos(0)
		get := func(key string) string {
			if at[key] < 0 {
				return ""
			}
			return strings.Clone(fields[at[key]])
		}
		row := raw{query: get("query"), text: get("document"), id: get("id"), group: get("group")}
		for _, f := range []struct{ name, text string }{{c.Query, row.query}, {c.Text, row.text}} {
			if strings.TrimSpace(f.text) == "" {
				return &Error{File: path, Line: line, Msg: fmt.Sprintf("the row's %q is empty", f.name)}
			}
		}
		if text := get("label"); text != "" {
			if row.relevance, err = relevanceOf(grade, text); err != nil {
				return &Error{File: path, Line: line, Msg: err.Error()}
			}
		}
		if err := add(line, row); err != nil {
			return err
		}
	}
}

// pair is what a row of query and document is.
func (o *ReadOptions) pair(r raw, row *Row) error {
	if r.query == "" {
		return errors.New("the file has no queries; pairs of query and document are read from JSONL, CSV and TSV")
	}
	if row.Query, row.part = r.query, r.part; row.Group == "" {
		row.Group = r.query
	}
	if r.relevance != nil {
		if row.Relevance = *r.relevance; row.Relevance > 0 {
			row.Gold = 1
		} else {
			row.Gold = 0
		}
	}
	return nil
}

// Apart leaves out the rows whose query is one of another split, which is to be kept clean: a query is learnt from, or judged by.
func (s *Set) Apart(labels []string) {
	where := map[string]string{}
	for _, p := range s.parts() {
		kept := (*p.rows)[:0:0]
		for _, row := range *p.rows {
			if other := where[row.Query]; other != "" && other != p.name {
				s.Report.leaveOut(p.name, "its query is one of the "+other+" rows", row)
				continue
			}
			where[row.Query] = p.name
			kept = append(kept, row)
		}
		*p.rows = kept
	}
	s.describe(labels)
}
