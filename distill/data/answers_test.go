package data

import (
	"path/filepath"
	"strings"
	"testing"
)

// Gold answers come from any of the usual shapes; JSON stays as it stands.
func TestAnswers(t *testing.T) {
	dir := t.TempDir()
	jsonl := filepath.Join(dir, "a.jsonl")
	write(t, jsonl, strings.Join([]string{
		`{"text": "one", "completion": "first"}`,
		`{"text": "two", "label": "second"}`,
		`{"prompt": "three", "completion": {"b": 1.50, "a": ["x", null]}}`,
		`{"messages": [{"role": "user", "content": "four"}, {"role": "assistant", "content": "fourth\n"}]}`,
		`{"text": "five"}`,
		`{"text": "six", "completion": "[1]"}`,
	}, "\n"))
	csv := filepath.Join(dir, "a.csv")
	write(t, csv, "text,completion\none,first\nfive,\n")
	named := filepath.Join(dir, "b.csv")
	write(t, named, "q,a\none,first\n")
	for _, c := range []struct {
		path    string
		columns Columns
		want    []Row
	}{
		{jsonl, Columns{}, []Row{{Text: "one", Answer: "first"}, {Text: "two", Answer: "second"}, {Text: "three", Answer: `{"b": 1.50, "a": ["x", null]}`}, {Text: "four", Answer: "fourth\n"}, {Text: "five", Gold: -1}, {Text: "six", Answer: "[1]"}}},
		{csv, Columns{}, []Row{{Text: "one", Answer: "first"}, {Text: "five", Gold: -1}}},
		{named, Columns{Text: "q", Label: "a"}, []Row{{Text: "one", Answer: "first"}}},
	} {
		rows, err := Read(c.path, ReadOptions{Form: OneAnswer, Columns: c.columns})
		if err != nil || len(rows) != len(c.want) {
			t.Fatalf("%s: %d rows, want %d (%v)", c.path, len(rows), len(c.want), err)
		}
		for i, r := range rows {
			if w := c.want[i]; r.Text != w.Text || r.Answer != w.Answer || r.Gold != w.Gold {
				t.Errorf("%s: row %d is %+v, want %+v", c.path, i, r, w)
			}
		}
	}
	for line, want := range map[string]string{
		`{"text": "x", "label": "a", "completion": "b"}`: "has a label and a completion",
		`{"text": "x", "completion": 7}`:                 `"completion" is a number, want a string`,
		`{"text": "x"}`:                                  "a test row needs a gold answer",
	} {
		write(t, jsonl, line)
		if _, err := Read(jsonl, ReadOptions{Form: OneAnswer, NeedGold: true}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}

	// Masks cover answers, and other answers to a text that stands there twice are counted.
	s := Set{Train: []Row{{ID: "a", Text: "x", Answer: "write to me@example.org"}, {ID: "b", Text: "x", Answer: "no"}}}
	s.Tidy(TidyOptions{Mask: []string{"email"}, Duplicates: "exact"})
	if len(s.Train) != 1 || s.Train[0].Answer != "write to [EMAIL]" || s.Report.Unsure != 1 {
		t.Errorf("%+v", s)
	}
	s.Sum()
	before := s.Hash
	s.Train[0].Answer = "other"
	if s.Sum(); s.Hash == before {
		t.Error("another answer is the same set")
	}
}
