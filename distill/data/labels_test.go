package data

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Any number of labels comes from a list or from one column, in any order; none of them is not the same as not labelled.
func TestLabels(t *testing.T) {
	dir := t.TempDir()
	known := []string{"news", "sport", "tech at home"}
	want := []Row{{Text: "one", Labels: []int{0, 2}}, {Text: "two", Labels: []int{1}}, {Text: "three", Labels: []int{}}, {Text: "four", Gold: -1}}
	files := map[string]string{
		"a.jsonl": `{"text": "one", "labels": ["tech at home", "news"]}` + "\n" + `{"text": "two", "label": "sport"}` + "\n" + `{"text": "three", "labels": []}` + "\n" + `{"text": "four", "labels": null}` + "\n",
		"b.jsonl": `{"text": "one", "label": "news; tech at home"}` + "\n" + `{"text": "two", "label": ["sport"]}` + "\n" + `{"text": "three", "label": "(none)"}` + "\n" + `{"text": "four"}` + "\n",
		"c.csv":   "text,labels\none,tech at home;news\ntwo,sport\nthree,(none)\nfour,\n",
		"d.tsv":   "text\tlabel\none\tnews ; tech at home\ntwo\tsport\nthree\t(none)\nfour\t\n",
		"e.jsonl": `{"q": "one", "tags": ["tech at home", "news"]}` + "\n" + `{"q": "two", "tags": ["sport"]}` + "\n" + `{"q": "three", "tags": []}` + "\n" + `{"q": "four"}` + "\n",
		"f.csv":   "q,tags\none,tech at home;news\ntwo,sport\nthree,(none)\nfour,\n",
	}
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
		o := ReadOptions{Labels: known, Form: SeveralLabels}
		if name >= "e" {
			o.Columns = Columns{Text: "q", Label: "tags"}
		}
		rows, err := Read(filepath.Join(dir, name), o)
		if err != nil || len(rows) != len(want) {
			t.Fatalf("%s: %d rows, want %d (%v)", name, len(rows), len(want), err)
		}
		for i, r := range rows {
			if w := want[i]; r.Text != w.Text || r.Gold != w.Gold || !slices.Equal(r.Labels, w.Labels) || (r.Labels == nil) != (w.Labels == nil) {
				t.Errorf("%s: row %d is %+v, want %+v", name, i, r, w)
			}
			if again, err := ParseLabels(FormatLabels(r.Labels, known), known); r.Gold >= 0 && (err != nil || !slices.Equal(again, r.Labels)) {
				t.Errorf("%s: row %d written is %q, and read again %v (%v)", name, i, FormatLabels(r.Labels, known), again, err)
			}
		}
	}
	path := filepath.Join(dir, "a.jsonl")
	for line, want := range map[string]string{
		`{"text": "x", "labels": ["sports"]}`:                 `did you mean "sport"`,
		`{"text": "x", "labels": ["sport", "sport"]}`:         "given twice",
		`{"text": "x", "labels": [7]}`:                        "want a list of strings",
		`{"text": "x", "labels": ["news"], "label": "sport"}`: "want one",
		`{"text": "x", "label": " "}`:                         `"labels": []`,
		`{"text": "x", "label": "sport;"}`:                    "unknown label",
		`{"text": "x", "labels": {"sport": true}}`:            `"label" is an object`,
		`{"text": "x"}`: "a test row needs its gold labels",
	} {
		write(t, path, line)
		if _, err := Read(path, ReadOptions{Labels: known, Form: SeveralLabels, NeedGold: true}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
}

// What a set says of its rows counts each label, the hash and repetitions look at all of them, and a corrections file gives new ones.
func TestLabelsOfASet(t *testing.T) {
	known := []string{"news", "sport"}
	o := TidyOptions{Labels: known, Form: SeveralLabels, Duplicates: "exact"}
	s := Set{Train: []Row{{ID: "a", Text: "x", Labels: []int{0, 1}}, {ID: "b", Text: "X", Labels: []int{0}}, {ID: "c", Text: "y", Labels: []int{}}, {ID: "d", Text: "z", Gold: -1}}}
	s.Tidy(o)
	if got := fmt.Sprint(s.Report.Splits[0].Labels); len(s.Train) != 3 || s.Report.Unsure != 1 || got != "map[:1 (none):1 news:1 sport:1]" {
		t.Errorf("%d rows, %s", len(s.Train), got)
	}
	s.Sum()
	before := s.Hash
	s.Train[0].Labels = []int{1}
	if s.Sum(); s.Hash == before {
		t.Error("other labels are the same set")
	}
	path := filepath.Join(t.TempDir(), "corrections.jsonl")
	list, err := EncodeCorrections([]Correction{{ID: "c", Hash: HashText("y"), Label: "sport;news"}, {ID: "d", Hash: HashText("z"), Label: NoLabels}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, list, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := s.Correct(path, o, false); err != nil {
		t.Fatal(err)
	}
	c, d := s.Train[1], s.Train[2]
	if !slices.Equal(c.Labels, []int{0, 1}) || !c.Corrected || d.Gold != 0 || d.Labels == nil || len(d.Labels) != 0 || !d.Corrected {
		t.Errorf("corrected: %+v, %+v", c, d)
	}
	write(t, path, `{"id": "c", "hash": "`+HashText("y")+`", "label": "sport;nws"}`)
	if err := s.Correct(path, o, false); err == nil || !strings.Contains(err.Error(), "news") {
		t.Errorf("an unknown label in a correction: %v", err)
	}
}
