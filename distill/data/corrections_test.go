package data

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A corrections file is read strictly, and written the same whatever the order that its lines came in.
func TestCorrections(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.jsonl")
	read := func(text string) ([]Correction, error) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return ReadCorrections(path)
	}
	const a, b = `{"id":"a","hash":"1","label":"<x> & y"}` + "\n", `{"id":"b","hash":"2","label":"z","by":"ana"}` + "\n"
	list, err := read(b + a)
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	if out, err := EncodeCorrections(list); err != nil || string(out) != a+b {
		t.Errorf("written again: %s (%v)", out, err)
	}
	if list, err := read(""); err != nil || len(list) != 0 {
		t.Errorf("an empty file: %v, %v", list, err)
	}
	for text, says := range map[string]string{
		a + a:                               `c.jsonl:2: row "a" is corrected in line 1 too`,
		a + "\n" + b:                        "c.jsonl:2: the line is empty",
		`{"id":"a","label":"z"}`:            "id, hash or label is missing",
		`{"id":"a","hash":"1","lable":"z"}`: `unknown field "lable"`,
		`{"id":"a","hash":"1","label":3}`:   "cannot unmarshal number",
		strings.TrimSpace(a) + a:            "more than one JSON value",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: error %v, want %q", text, err, says)
		}
	}
	set := Set{Train: []Row{{ID: "a", Text: "t", Gold: -1}}, Test: []Row{{ID: "b", Text: "u"}}}
	set.Sum()
	before := set.Hash
	if _, err := read(`{"id":"b","hash":"` + HashText("u") + `","label":"no"}`); err != nil {
		t.Fatal(err)
	}
	if err := set.Correct(path, TidyOptions{Labels: []string{"yes", "no"}}, false); err != nil {
		t.Fatal(err)
	}
	set.Sum()
	if r := set.Test[0]; r.Gold != 1 || !r.Corrected || set.Train[0].Corrected || set.Hash == before || set.Report.Corrected != 1 {
		t.Errorf("%+v, hash %s", set, set.Hash)
	}
	if err := set.Correct(path, TidyOptions{Labels: []string{"yes", "non"}}, false); err == nil || !strings.Contains(err.Error(), `did you mean "non"`) {
		t.Errorf("an unknown label: %v", err)
	}
}
