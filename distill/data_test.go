package distill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill/data"
)

func TestDataSplits(t *testing.T) {
	dir := t.TempDir()
	load := func(train, valid, test string) (*data.Set, error) {
		t.Helper()
		text := strings.Replace(goodRecipe, "[waste, housing]", "[up, down]", 1)
		for name, rows := range map[string]string{"train": train, "valid": valid, "test": test} {
			write(t, filepath.Join(dir, name+".jsonl"), rows)
		}
		if valid != "" {
			text = strings.Replace(text, "train: train.jsonl", "train: train.jsonl, valid: valid.jsonl", 1)
		}
		r, err := ParseRecipe(filepath.Join(dir, "freehold.yaml"), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return loadData(context.Background(), r)
	}
	a, b := `{"id": "a", "text": "x", "label": "up"}`+"\n", `{"id": "b", "text": "y", "label": "up"}`+"\n"
	bare, other := `{"text": "x", "label": "up"}`+"\n", `{"text": "z", "label": "up"}`+"\n"
	d, err := load(a, "", b)
	if err != nil || len(d.Train) != 1 || len(d.Test) != 1 || len(d.Hash) != 64 || d.Report.String() != "" {
		t.Fatalf("%+v %v", d, err)
	}
	for name, parts := range map[string][3]string{"another label": {a, "", strings.Replace(b, "up", "down", 1)}, "another text": {a, "", strings.Replace(b, "y", "z", 1)},
		"the splits swapped": {b, "", a}, "a row more": {a + other, "", b}, "a valid part": {a, other, b}} {
		if e, err := load(parts[0], parts[1], parts[2]); err != nil || e.Hash == d.Hash {
			t.Errorf("%s: the data's hash is the same (%v)", name, err)
		}
	}
	var mistake *DataError
	for _, c := range [][4]string{{a, "", a, "test.jsonl:1: row id \"a\" is already that of " + filepath.Join(dir, "train.jsonl") + ":1"}, {b + a + a, "", bare, "train.jsonl:3: row id \"a\" is already that of"}, {bare, b, b, "test.jsonl:1: row id \"b\""}} {
		if _, err := load(c[0], c[1], c[2]); !errors.As(err, &mistake) || !strings.Contains(err.Error(), c[3]) || !strings.Contains(err.Error(), "its own id") {
			t.Errorf("doubled id: %v\nwant %s", err, c[3])
		}
	}
	// Repeated texts are learnt from once, and never when they are test texts.
	if d, err := load(bare+other+other, "", bare+b); err != nil || len(d.Train) != 1 || d.Report.String() != "1 train rows left out (repeats a test text); 1 train rows left out (repeats a train text)" {
		t.Errorf("%+v %v", d, err)
	}
	if _, err := load(bare, "", bare); !errors.As(err, &mistake) || !strings.Contains(err.Error(), "train.jsonl: leaves 0 train and 1 test rows; 1 train rows left out (repeats a test text)") {
		t.Errorf("nothing to learn from: %v", err)
	}
}

// The tab-separated source: labels by sign, rows without an opinion left out.
func TestSnippets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "snippets.txt")
	write(t, path, "1\t2.5\tgood\r\n2\t-0.1\tbad\tand tabs\r\n3\t0\tneither\r\n4\t1\tgood\r\n5\t-3\tna\xefve\r\n")
	var report data.Report
	rows, err := readSnippets(path, 2, &report)
	if err != nil || report.String() != "1 source rows left out (score 0)" {
		t.Fatalf("%s %v", &report, err)
	}
	if got := fmt.Sprintln(len(rows), rows[0].Text, rows[0].Gold, rows[1].Text, rows[1].Gold, rows[3].Text, rows[3].ID); got != "4 good 1 bad\tand tabs 0 na\uFFFDve 5\n" {
		t.Errorf("rows: %s", got)
	}
	for text, want := range map[string]string{"1\t2": ":1: has 2 tab-separated fields, want 3", "1\t1\ta\r\n2\tx\ty": ":2: score is \"x\", want a number"} {
		write(t, path, text)
		if _, err := readSnippets(path, 2, &report); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, err := readSnippets(path, 3, &report); err == nil {
		t.Error("three labels for a source with two")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := readSnippets(path, 2, &report); err == nil {
		t.Error("a missing source")
	}
}

// A source is split by a hash of its rows' ids; rows of a group stay in one split.
func TestSourceSplit(t *testing.T) {
	var rows []Row
	for g := range 40 {
		for i := range 1 + g%5 {
			rows = append(rows, Row{ID: fmt.Sprintf("%d-%d", g, i), Group: fmt.Sprint("g", g)})
		}
	}
	r := DataRecipe{TestRows: 21, ValidRows: 20, TrainRows: 40}
	var d, again data.Set
	if err := splitSource("x", rows, r, &d); err != nil || len(d.Test) != 21 || len(d.Valid) != 20 || len(d.Train) != 40 {
		t.Fatalf("%d test, %d valid, %d train rows: %v", len(d.Test), len(d.Valid), len(d.Train), err)
	}
	of := map[string]string{}
	for name, part := range map[string][]Row{"test": d.Test, "valid": d.Valid, "train": d.Train} {
		for _, r := range part {
			if was := of[r.Group]; was != "" && was != name {
				t.Errorf("group %s is in %s and %s", r.Group, was, name)
			}
			of[r.Group] = name
		}
	}
	if d.Report.String() == "" {
		t.Error("no group was cut; the test shows nothing")
	}
	slices.Reverse(rows)
	if err := splitSource("x", rows, r, &again); err != nil || again.Test[0].Group != d.Test[0].Group {
		t.Errorf("in another order the splits are others: %v", err)
	}
	r.TrainRows = 120
	if err := splitSource("x", rows, r, &again); err == nil || !strings.Contains(err.Error(), "lower train_rows") {
		t.Errorf("too many rows: %v", err)
	}
}

// Rows that a server kept are learnt from and never judged by. A label that a person gave there is kept before an unlabelled row of the same text, and counts as a correction.
func TestCollectedRows(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "rows.csv"), "body,label\nfirst,no\nsecond,yes\nthird,no\nfourth,yes\nfifth,no\nsixth,yes\nseventh,no\neighth,\n")
	write(t, filepath.Join(dir, "kept.jsonl"), `{"id":"a","text":"ninth","label":null,"suggested":"yes","student":"no","student_p":0.5,"time":"2026-01-01T00:00:00Z","model":"m"}
{"id":"b","text":"ninth","label":"yes","suggested":"no"}
{"id":"c","text":"eighth","label":"yes"}
{"id":"d","text":"tenth","label":null}
`)
	load := func(more string) (*data.Set, error) {
		t.Helper()
		path := filepath.Join(dir, "freehold.yaml")
		write(t, path, `version: 1
name: tiny
task: {type: classify, labels: [no, yes], prompt: "{text}"}
teacher: {model: x.gguf}
student: {layers: 1}
data: {train: rows.csv, columns: {text: body}, split: {test: 0.4}`+more+`}
train: {steps: 1}
`)
		r, err := LoadRecipe(path)
		if err != nil {
			t.Fatal(err)
		}
		return loadData(t.Context(), r)
	}
	before, err := load("")
	if err != nil {
		t.Fatal(err)
	}
	with, err := load(", collected: kept.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if len(with.Test) == 0 || fmt.Sprint(with.Test) != fmt.Sprint(before.Test) || with.Hash == before.Hash || with.Report.Corrected != 2 {
		t.Errorf("test rows %v, before %v; %s", with.Test, before.Test, &with.Report)
	}
	got := map[string]string{}
	for _, r := range with.Train {
		got[r.Text] = fmt.Sprint(r.Gold, r.Corrected) + " " + r.ID
	}
	if got["ninth"] != "1 true b" || got["eighth"] != "1 true c" || got["tenth"] != "-1 false d" || len(with.Train) != len(before.Train)+2 {
		t.Errorf("train rows: %v", got)
	}
	write(t, filepath.Join(dir, "kept.jsonl"), `{"text":"ninth","label":"yess"}`)
	if _, err := load(", collected: kept.jsonl"); err == nil || !strings.Contains(err.Error(), `kept.jsonl:1: unknown label "yess"`) {
		t.Errorf("an unknown label: %v", err)
	}
}
