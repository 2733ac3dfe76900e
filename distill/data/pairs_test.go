package data

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Pairs come in three forms, and as tables; each document is a row.
func TestPairs(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "rows.jsonl"), strings.Join([]string{
		`{"id": "a", "query": "q1", "document": "d1", "label": 2}`,
		`{"query": "q1", "document": "d2", "score": 0.0}`,
		`{"query": "q1", "document": "d3", "label": true, "group": "g"}`,
		`{"query": "q2", "document": "d4"}`,
		`{"id": 7, "query": "q3", "positives": ["p"], "negatives": ["n1", "n2"]}`,
		`{"query": "q4", "documents": ["x", "x"], "note": "kept out"}`,
	}, "\n"))
	write(t, filepath.Join(dir, "rows.csv"), "id,query,document,label\na,q1,d1,2\n,q1,\"d,2\",0\n,q2,d4,\n")
	write(t, filepath.Join(dir, "named.tsv"), "frage\ttext\tgrade\nq1\td1\t3\n")
	type pair struct {
		id, query, text, group string
		gold                   int
		relevance              float64
	}
	for name, c := range map[string]struct {
		columns Columns
		want    []pair
	}{
		"rows.jsonl": {Columns{}, []pair{{"a", "q1", "d1", "q1", 1, 2}, {"", "q1", "d2", "q1", 0, 0}, {"", "q1", "d3", "g", 1, 1}, {"", "q2", "d4", "q2", -1, 0},
			{"7#1", "q3", "p", "q3", 1, 1}, {"7#2", "q3", "n1", "q3", 0, 0}, {"7#3", "q3", "n2", "q3", 0, 0}, {"", "q4", "x", "q4", -1, 0}, {"", "q4", "x", "q4", -1, 0}}},
		"rows.csv":  {Columns{}, []pair{{"a", "q1", "d1", "q1", 1, 2}, {"", "q1", "d,2", "q1", 0, 0}, {"", "q2", "d4", "q2", -1, 0}}},
		"named.tsv": {Columns{Query: "frage", Text: "text", Label: "grade"}, []pair{{"", "q1", "d1", "q1", 1, 3}}},
	} {
		rows, err := Read(filepath.Join(dir, name), ReadOptions{Split: "train", Form: OnePair, Columns: c.columns})
		if err != nil || len(rows) != len(c.want) {
			t.Fatalf("%s: %d rows (%v), want %d", name, len(rows), err, len(c.want))
		}
		ids := map[string]bool{}
		for i, r := range rows {
			w := c.want[i]
			if r.Query != w.query || r.Text != w.text || r.Group != w.group || r.Gold != w.gold || r.Relevance != w.relevance || w.id != "" && r.ID != w.id {
				t.Errorf("%s: row %d is %+v, want %+v", name, i, r, w)
			}
			if ids[r.ID] || r.ID == "" || r.Line == 0 {
				t.Errorf("%s: row %d has the id %q and the line %d", name, i, r.ID, r.Line)
			}
			ids[r.ID] = true
		}
	}
}

// Mistakes in a file of pairs are named with their line.
func TestPairMistakes(t *testing.T) {
	for _, c := range []struct{ file, text, want string }{
		{"a.jsonl", `{"text": "x", "label": "up"}`, `:1: the row has no "query"`},
		{"a.jsonl", `{"query": "q"}`, `:1: the row has no document; want "document", "positives" and "negatives", or "documents"`},
		{"a.jsonl", `{"query": "q", "positives": [], "negatives": []}`, `has no document`},
		{"a.jsonl", `{"query": "q", "document": "d", "documents": ["e"]}`, `in several forms`},
		{"a.jsonl", `{"query": "q", "positives": ["d"], "documents": ["e"]}`, `in several forms`},
		{"a.jsonl", `{"query": "q", "positive": ["d"], "negatives": ["e"]}`, `has "negatives" and no "positives"`},
		{"a.jsonl", `{"query": "q", "documents": ["e"], "label": 1}`, `"label" is of one document`},
		{"a.jsonl", `{"query": "q", "documents": "e"}`, `"documents" is "e", want a list of texts`},
		{"a.jsonl", `{"query": "q", "documents": ["e", " "]}`, `document 2 of the row is empty`},
		{"a.jsonl", `{"query": ["q"], "document": "d"}`, `"query" is ["q"], want a string`},
		{"a.jsonl", `{"query": "q", "document": "d", "label": "good"}`, `"label" is "good", want how relevant`},
		{"a.jsonl", `{"query": "q", "document": "d", "score": -1}`, `"score" is "-1", want how relevant`},
		{"a.jsonl", `{"query": "q", "document": "d", "score": 1e999}`, `"score" is "1e999", want how relevant`},
		{"a.jsonl", `[]`, `not a JSON object`},
		{"a.jsonl", "\n", `holds no rows; write one JSON object a line, such as {"query"`},
		{"a.csv", "query,text\nq,d\n", `unknown column "document" in the first line; known: query, text`},
		{"a.csv", "query,document\nq,\n", `:2: the row's "document" is empty`},
		{"a.csv", "query,document,label\nq,d,x\n", `:2: "label" is "x"`},
		{"a.txt", "a line\n", "the file has no queries"},
	} {
		path := filepath.Join(t.TempDir(), c.file)
		write(t, path, c.text)
		if _, err := Read(path, ReadOptions{Split: "train", Form: OnePair}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.text, err, c.want)
		}
	}
}

// A query's rows go to one split, judged or not; a training row whose query is tested is left out, and a document may answer several queries.
func TestPairsStayTogether(t *testing.T) {
	var rows []Row
	for i := range 200 {
		for k := range 3 {
			rows = append(rows, Row{ID: string(rune('a'+k)) + string(rune(0x4e00+i)), Query: string(rune(0x4e00 + i)), Group: string(rune(0x4e00 + i)), Text: "same text " + string(rune('a'+k)), Gold: k - 1})
		}
	}
	var s Set
	s.Split(rows, Fractions{Test: 0.3, Valid: 0.1})
	if len(s.Test) < 90 || len(s.Test)+len(s.Valid)+len(s.Train) != 600 || len(s.Test)%3 != 0 || len(s.Train)%3 != 0 {
		t.Errorf("%d test, %d valid, %d train rows", len(s.Test), len(s.Valid), len(s.Train))
	}
	s.Tidy(TidyOptions{Duplicates: "exact"})
	if n := len(s.Test) + len(s.Valid) + len(s.Train); n != 600 {
		t.Errorf("%d of 600 different pairs are left", n)
	}
	s.Train = append(s.Train, Row{ID: "again", Query: s.Test[0].Query, Text: "another", Gold: 1, Line: 9, File: "train.jsonl"})
	was := len(s.Train)
	s.Apart(nil)
	if len(s.Train) != was-1 || slices.ContainsFunc(s.Train, func(r Row) bool { return r.ID == "again" }) || !strings.Contains(s.Report.String(), "1 train rows left out (its query is one of the test rows)") {
		t.Errorf("%d of %d rows are left: %s", len(s.Train), was, &s.Report)
	}
}
