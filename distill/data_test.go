package distill

import (
	"context"
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
	rows, err := readJSONL(path, "train", twoLabels, false)
	if err != nil {
		t.Fatal(err)
	}
	want := []Row{{ID: "a", Text: "one", Gold: 0, line: 1}, {ID: "7", Text: "two", Gold: 1, line: 2}, {Text: "three", Gold: -1, line: 4}, {Text: "four", Gold: 1, line: 5},
		{Text: "five", Gold: 0, line: 7}, {Text: "six", Gold: -1, line: 8}, {Text: "sevén 🙂 \"q\"\n", Gold: -1, line: 9}, {ID: `a"bé`, Text: "three", Gold: -1, line: 10}}
	if len(rows) != len(want) {
		t.Fatalf("%d rows, want %d", len(rows), len(want))
	}
	ids := map[string]bool{}
	for i, r := range rows {
		if w := want[i]; r.Text != w.Text || r.Gold != w.Gold || r.line != w.line || r.file != path || w.ID != "" && r.ID != w.ID {
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
		{`{"text": "` + strings.Repeat("x", maxLine) + `"}`, `:2: the line is longer than`},
	} {
		path := filepath.Join(t.TempDir(), "test.jsonl")
		write(t, path, good+c.line+"\n"+good)
		_, err := readJSONL(path, "test", twoLabels, true)
		var data *DataError
		if !errors.As(err, &data) || !strings.HasPrefix(err.Error(), path) || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 400 {
			t.Errorf("%.80q: %v\nwant %s", c.line, err, c.want)
		}
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"empty": "", "blank": "\n\r\n  \n"} {
		path := filepath.Join(dir, name)
		write(t, path, text)
		_, err := readJSONL(path, "train", twoLabels, false)
		var data *DataError
		if !errors.As(err, &data) || !strings.Contains(err.Error(), `holds no rows; write one JSON object a line, such as {"text": "...", "label": "up"}`) {
			t.Errorf("%s file: %v", name, err)
		}
	}
	var data *DataError
	if _, err := readJSONL(filepath.Join(dir, "none"), "train", twoLabels, false); !errors.As(err, &data) || !strings.Contains(err.Error(), "none: cannot be read: no such file") {
		t.Errorf("missing file: %v", err)
	}
	if _, err := readJSONL(dir, "train", twoLabels, false); !errors.As(err, &data) || !strings.Contains(err.Error(), "directory") {
		t.Errorf("a folder as file: %v", err)
	}
}

func TestDataSplits(t *testing.T) {
	dir := t.TempDir()
	load := func(train, valid, test string) (*Dataset, error) {
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
	bare := `{"text": "x", "label": "up"}` + "\n"
	d, err := load(a, "", b)
	if err != nil || len(d.Train) != 1 || len(d.Test) != 1 || len(d.Hash) != 64 || d.Note != "" {
		t.Fatalf("%+v %v", d, err)
	}
	for name, other := range map[string][3]string{"another label": {a, "", strings.Replace(b, "up", "down", 1)}, "another text": {a, "", strings.Replace(b, "y", "z", 1)},
		"the splits swapped": {b, "", a}, "a row more": {a + bare, "", b}, "a valid part": {a, bare, b}} {
		if e, err := load(other[0], other[1], other[2]); err != nil || e.Hash == d.Hash {
			t.Errorf("%s: the data's hash is the same (%v)", name, err)
		}
	}
	var data *DataError
	for _, c := range [][4]string{{a, "", a, "test.jsonl:1: row id \"a\" is already that of " + filepath.Join(dir, "train.jsonl") + ":1"}, {b + a + a, "", bare, "train.jsonl:3: row id \"a\" is already that of"}, {bare, b, b, "test.jsonl:1: row id \"b\""}} {
		if _, err := load(c[0], c[1], c[2]); !errors.As(err, &data) || !strings.Contains(err.Error(), c[3]) || !strings.Contains(err.Error(), "its own id") {
			t.Errorf("doubled id: %v\nwant %s", err, c[3])
		}
	}
	// Rows without ids may hold the same text anywhere; that test texts were trained on is said.
	if d, err := load(bare+bare, "", bare+b); err != nil || len(d.Train) != 2 || !strings.Contains(d.Note, "1 of 2 test texts are also training texts") {
		t.Errorf("%+v %v", d, err)
	}
}

// The tab-separated source: labels by sign, rows without an opinion and repeated texts left out.
func TestSnippets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "snippets.txt")
	write(t, path, "1\t2.5\tgood\r\n2\t-0.1\tbad\tand tabs\r\n3\t0\tneither\r\n4\t1\tgood\r\n5\t-3\tna\xefve\r\n")
	rows, note, err := readSnippets(path, 2)
	if err != nil || note != "1 rows with score 0 and 1 repeated texts left out" {
		t.Fatalf("%q %v", note, err)
	}
	if got := fmt.Sprintln(len(rows), rows[0].Text, rows[0].Gold, rows[1].Text, rows[1].Gold, rows[2].Text, rows[2].ID); got != "3 good 1 bad\tand tabs 0 na\uFFFDve 5\n" {
		t.Errorf("rows: %s", got)
	}
	for text, want := range map[string]string{"1\t2": ":1: has 2 tab-separated fields, want 3", "1\t1\ta\r\n2\tx\ty": ":2: score is \"x\", want a number"} {
		write(t, path, text)
		if _, _, err := readSnippets(path, 2); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, _, err := readSnippets(path, 3); err == nil {
		t.Error("three labels for a source with two")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readSnippets(path, 2); err == nil {
		t.Error("a missing source")
	}
}
