package data

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var twoLabels = []string{"up", "down"}

// Rows may have the shapes that other tools write.
func TestDataShapes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "train.jsonl")
	write(t, path, "\ufeff"+strings.Join([]string{
		`{"id": "a", "text": "one", "label": "up"}`,
		`{"id": 7, "text": "two", "label": "down", "source": "kept out"}`,
		``,
		`{"text": "three", "label": null}`,
		`{"prompt": "four", "completion": "down"}`,
		`   `,
		`{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "five"}, {"role": "assistant", "content": "up"}]}`,
		`{"messages": [{"role": "user", "content": "six"}]}`,
		`{"id": null, "text": "sev\u00e9n \ud83d\ude42 \"q\"\n"}`,
		`{"id": "a\"b\u00e9", "text": "three"}`,
	}, "\r\n"))
	rows, err := Read(path, ReadOptions{Split: "train", Labels: twoLabels})
	if err != nil {
		t.Fatal(err)
	}
	want := []Row{{ID: "a", Text: "one", Gold: 0, Line: 1}, {ID: "7", Text: "two", Gold: 1, Line: 2}, {Text: "three", Gold: -1, Line: 4}, {Text: "four", Gold: 1, Line: 5},
		{Text: "five", Gold: 0, Line: 7}, {Text: "six", Gold: -1, Line: 8}, {Text: "sevén 🙂 \"q\"\n", Gold: -1, Line: 9}, {ID: `a"bé`, Text: "three", Gold: -1, Line: 10}}
	if len(rows) != len(want) {
		t.Fatalf("%d rows, want %d", len(rows), len(want))
	}
	ids := map[string]bool{}
	for i, r := range rows {
		if w := want[i]; r.Text != w.Text || r.Gold != w.Gold || r.Line != w.Line || r.File != path || w.ID != "" && r.ID != w.ID {
			t.Errorf("row %d is %+v, want %+v", i, r, w)
		}
		if r.ID == "" || ids[r.ID] {
			t.Errorf("row %d has the id %q, which is empty or another's", i, r.ID)
		}
		ids[r.ID] = true
	}
}

// Every mistake in a data file is named with file and line.
func TestDataMistakes(t *testing.T) {
	good := `{"text": "fine", "label": "up"}` + "\n"
	for _, c := range []struct{ line, want string }{
		{`{"text": "x", "label": "upp"}`, `:2: unknown label "upp" in the row; did you mean "up"?`},
		{`{"text": "x", "label": "sideways"}`, `:2: unknown label "sideways" in the row; known: up, down`},
		{`{"text": "x", "label": "Up"}`, `unknown label "Up"`},
		{`{"text": "x", "label": 1}`, `:2: "label" is a number, want a string`},
		{`{"text": ["x"], "label": "up"}`, `:2: "text" is an array, want a string`},
		{`{"text": "", "label": "up"}`, `:2: the row has no text; want "text", "prompt" or "messages"`},
		{`{"txt": "x", "label": "up"}`, `:2: the row has no text`},
		{`{"text": "x"}`, `:2: a test row needs a gold label`},
		{`{"prompt": "x"}`, `:2: a test row needs a gold label`},
		{"{\"text\": \"x\xff\", \"label\": \"up\"}", `:2: the line is not valid UTF-8`},
		{`{"text": "x"`, `:2: not a JSON object: unexpected end of JSON input`},
		{`"x"`, `:2: not a JSON object`},
		{`[1]`, `:2: not a JSON object`},
		{`text,label`, `:2: not a JSON object`},
		{`{"text": "x", "label": "up"} {}`, `:2: not a JSON object`},
		{`{"messages": [{"role": "user", "content": "x"}, {"role": "user", "content": "y"}]}`, `:2: messages hold several user turns`},
		{`{"messages": [{"role": "usr", "content": "x"}]}`, `:2: messages hold the role "usr", want system, user or assistant`},
		{`{"messages": "x"}`, `:2: "messages" is a string, want a list of messages`},
		{`{"id": {"a": 1}, "text": "x", "label": "up"}`, `:2: "id" is {"a": 1}, want a string or a number`},
		{`{"id": "", "text": "x", "label": "up"}`, `:2: "id" is empty`},
		{`{"text": "` + strings.Repeat("x", maxText) + `"}`, `:2: the line is longer than`},
	} {
		path := filepath.Join(t.TempDir(), "test.jsonl")
		write(t, path, good+c.line+"\n"+good)
		_, err := Read(path, ReadOptions{Split: "test", Labels: twoLabels, NeedGold: true})
		var mistake *Error
		if !errors.As(err, &mistake) || !strings.HasPrefix(err.Error(), path) || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 400 {
			t.Errorf("%.80q: %v\nwant %s", c.line, err, c.want)
		}
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"empty": "", "blank": "\n\r\n  \n"} {
		path := filepath.Join(dir, name)
		write(t, path, text)
		_, err := Read(path, ReadOptions{Split: "train", Labels: twoLabels})
		var mistake *Error
		if !errors.As(err, &mistake) || !strings.Contains(err.Error(), `holds no rows; write one JSON object a line, such as {"text": "...", "label": "up"}`) {
			t.Errorf("%s file: %v", name, err)
		}
	}
	var mistake *Error
	if _, err := Read(filepath.Join(dir, "none"), ReadOptions{Labels: twoLabels}); !errors.As(err, &mistake) || !strings.Contains(err.Error(), "none: cannot be read: no such file") {
		t.Errorf("missing file: %v", err)
	}
}

// Every format gives the same rows.
func TestFormats(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.jsonl"), `{"text": "one, \"two\"", "label": "up"}`+"\n"+`{"text": "three\nfour", "label": "down"}`+"\n"+`{"text": "five"}`+"\n")
	write(t, filepath.Join(dir, "a.csv"), "\ufefflabel,text\r\nup,\"one, \"\"two\"\"\"\r\ndown,\"three\nfour\"\r\n,five\r\n")
	write(t, filepath.Join(dir, "b.csv"), "label;text\r\nup;\"one, \"\"two\"\"\"\r\ndown;\"three\nfour\"\r\n;five\r\n")
	write(t, filepath.Join(dir, "c.csv"), "label\ttext\nup\t\"one, \"\"two\"\"\"\ndown\t\"three\nfour\"\n\tfive\n")
	write(t, filepath.Join(dir, "a.tsv"), "label\ttext\nup\tone, \"two\"\ndown\t\"three\nfour\"\n\tfive\n")
	write(t, filepath.Join(dir, "texts", "up", "1.txt"), "one, \"two\"\n")
	write(t, filepath.Join(dir, "texts", "down", "1.txt"), "three\nfour\n")
	write(t, filepath.Join(dir, "texts", "1.txt"), "five")
	write(t, filepath.Join(dir, "texts", ".hidden"), "")
	want := map[string]int{"one, \"two\"": 0, "three\nfour": 1, "five": -1}
	for _, name := range []string{"a.jsonl", "a.csv", "b.csv", "c.csv", "a.tsv", "texts"} {
		rows, err := Read(filepath.Join(dir, name), ReadOptions{Split: "train", Labels: twoLabels})
		if err != nil || len(rows) != 3 {
			t.Fatalf("%s: %v %v", name, rows, err)
		}
		ids := map[string]bool{}
		for _, r := range rows {
			if gold, ok := want[r.Text]; !ok || r.Gold != gold || r.ID == "" || ids[r.ID] {
				t.Errorf("%s: %+v", name, r)
			}
			ids[r.ID] = true
		}
	}
	write(t, filepath.Join(dir, "b.txt"), "one\n\n two \r\n")
	if texts, err := Texts(filepath.Join(dir, "b.txt")); err != nil || fmt.Sprintf("%q", texts) != `["one" " two "]` {
		t.Errorf("%q %v", texts, err)
	}
}

// Columns may have names of their own.
func TestColumns(t *testing.T) {
	dir := t.TempDir()
	c := Columns{Text: "review", Label: "stars", ID: "key", Group: "author"}
	write(t, filepath.Join(dir, "a.csv"), "key,author,stars,review,text\nk1,ann,1,good,no\n")
	write(t, filepath.Join(dir, "a.jsonl"), `{"key": "k1", "author": "ann", "stars": 1, "review": "good", "text": "no"}`+"\n")
	for _, name := range []string{"a.csv", "a.jsonl"} {
		rows, err := Read(filepath.Join(dir, name), ReadOptions{Labels: []string{"0", "1"}, Columns: c})
		if err != nil || len(rows) != 1 || rows[0].ID != "k1" || rows[0].Group != "ann" || rows[0].Gold != 1 || rows[0].Text != "good" {
			t.Errorf("%s: %+v %v", name, rows, err)
		}
	}
}

// Mistakes in tables and folders are named with what to do.
func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "nested", "up", "deep", "1.txt"), "x")
	write(t, filepath.Join(dir, "other", "1.pdf"), "x")
	write(t, filepath.Join(dir, "none", ".keep"), "")
	for _, c := range []struct{ name, text, want string }{
		{"a.csv", "txt,label\nx,up\n", `a.csv:1: unknown column "text" in the first line; did you mean "txt"?; name it in the recipe, data.columns: {text: ...}`},
		{"a.csv", "text,text\nx,up\n", `a.csv:1: two columns are called "text"`},
		{"a.csv", "text\nx\n", `a.csv:1: unknown column "label" in the first line; known: text`},
		{"a.csv", "text,label\nx\n", `a.csv:2: the row has another number of fields`},
		{"a.csv", "text,label\nx \"y\",up\n", `a.csv:2: bare \" in non-quoted`},
		{"a.csv", "text,label\ny,up\n\"x", `a.csv:3: extraneous or missing`},
		{"a.csv", "text,label\n,up\n", `a.csv:2: the row's "text" is empty; give it a text, or take the row out`},
		{"a.csv", "text,label\nx,upp\n", `a.csv:2: unknown label "upp"`},
		{"a.csv", "text,label\nx,\n", `a.csv:2: a test row needs a gold label`},
		{"a.csv", "text,label\n\xff,up\n", `a.csv:2: the row is not valid UTF-8; save it as UTF-8 (spreadsheets call that "CSV UTF-8"), or: iconv -f WINDOWS-1252 -t UTF-8 "a.csv" > "utf8-a.csv"`},
		{"a.csv", "\xff\xfet\x00e\x00x\x00t\x00\n\x00", `a.csv: is UTF-16; save it as UTF-8 (spreadsheets call that "CSV UTF-8"), or: iconv -f UTF-16`},
		{"a.csv", "label;text,\nup;x\n", `a.csv:1: unknown column "text"`}, // a comma there is what separates
		{"a.csv", "text,label\n", `a.csv: holds no rows`},
		{"a.csv", "", `a.csv: holds no rows; write a first line with the names of the columns`},
		{"a.parquet", "PAR1", `a.parquet: is Parquet, which is not read; write it as JSONL or CSV, in Python: pandas.read_parquet("a.parquet").to_json("a.jsonl", orient="records", lines=True)`},
		{"a.xlsx", "PK", `a.xlsx: is a spreadsheet, which is not read; write it as JSONL or CSV`},
		{"nested", "", `deep: is a folder within a label's folder`},
		{"other", "", `1.pdf: is no .txt file`},
		{"none", "", `none: holds no rows; put .txt files into it`},
	} {
		path := filepath.Join(dir, c.name)
		if filepath.Ext(path) != "" {
			write(t, path, c.text)
		}
		_, err := Read(path, ReadOptions{Split: "test", Labels: twoLabels, NeedGold: true})
		var mistake *Error
		if !errors.As(err, &mistake) || !strings.Contains(strings.ReplaceAll(err.Error(), `"`, `\"`), strings.ReplaceAll(strings.ReplaceAll(c.want, `\"`, `"`), `"`, `\"`)) {
			t.Errorf("%s %q: %v\nwant %s", c.name, c.text, err, c.want)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}
