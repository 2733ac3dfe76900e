package data

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/models/spell"
)

// csvFile and tsvFile have a line of column names first (RFC 4180; quotes within TSV fields are text where they do not enclose one). In a CSV file whose first line has no comma, a semicolon or
// a tab there is what separates, as spreadsheets write it where commas are decimal points.
var (
	csvFile = format{"CSV", []string{".csv"}, func(path string, o *ReadOptions, add func(int, raw) error) error { return readTable(path, ',', o, add) }}
	tsvFile = format{"TSV", []string{".tsv", ".tab"}, func(path string, o *ReadOptions, add func(int, raw) error) error {
		return readTable(path, '\t', o, add)
	}}
)

func readTable(path string, comma rune, o *ReadOptions, add func(line int, r raw) error) error {
	file, err := os.Open(path)
	if err != nil {
		return &Error{File: path, Msg: "cannot be read: " + errText(err)}
	}
	defer file.Close()
	in := bufio.NewReaderSize(file, 64<<10)
	if bom, _ := in.Peek(3); string(bom) == "\ufeff" {
		in.Discard(3)
	}
	head, _ := in.Peek(64 << 10) // less where the file is shorter
	if h := string(head[:min(2, len(head))]); h == "\xff\xfe" || h == "\xfe\xff" {
		return &Error{File: path, Msg: "is UTF-16", Fix: toUTF8("UTF-16", path)}
	}
	if head, _, _ = bytes.Cut(head, []byte("\n")); comma == ',' && !bytes.ContainsRune(head, ',') {
		for _, other := range ";\t" {
			if bytes.ContainsRune(head, other) {
				comma = other
				break
			}
		}
	}
	r := csv.NewReader(in)
	r.Comma, r.LazyQuotes, r.ReuseRecord = comma, comma == '\t', true
	names, err := r.Read()
	if err == io.EOF {
		return nil
	} else if err != nil {
		return tableError(path, err)
	}
	for i, n := range names {
		names[i] = strings.Clone(strings.TrimSpace(n))
	}
	names = append([]string{}, names...)
	if o.Form == OnePair {
		return readPairTable(path, r, names, o, add)
	}
	c := o.Columns.usual()
	find := func(key, name string, asked, must bool) (int, error) {
		at := -1
		for i, n := range names {
			if n == name && at >= 0 {
				return 0, &Error{File: path, Line: 1, Msg: fmt.Sprintf("two columns are called %q", name)}
			} else if n == name {
				at = i
			}
		}
		if at < 0 && key == "label" && !asked && (o.Form == OneAnswer || o.Form == SeveralLabels) {
			at = slices.Index(names, o.otherLabel())
		}
		if at < 0 && (asked || must) {
			return 0, &Error{File: path, Line: 1, Msg: spell.Unknown("column", name, "the first line", names), Fix: "name it in the recipe, data.columns: {" + key + ": ...}"}
		}
		return at, nil
	}
	var at [4]int
	for i, f := range []struct {
		key, name   string
		asked, must bool
	}{{"text", c.Text, true, true}, {"label", c.Label, o.Columns.Label != "", o.needsGold()}, {"id", c.ID, o.Columns.ID != "", false}, {"group", c.Group, o.Columns.Group != "", false}} {
		if at[i], err = find(f.key, f.name, f.asked, f.must); err != nil {
			return err
		}
	}
	also := make([]int, len(o.Slices))
	for i, name := range o.Slices {
		if also[i] = slices.Index(names, name); also[i] < 0 {
			return &Error{File: path, Line: 1, Msg: spell.Unknown("column", name, "the first line", names), Fix: "name a column of the file in eval.slices"}
		}
	}
	for {
		fields, err := r.Read()
		if err == io.EOF {
			return nil
		} else if err != nil {
			return tableError(path, err)
		}
		line, _ := r.FieldPos(0)
		var row raw
		row.text = strings.Clone(fields[at[0]])
		if at[1] >= 0 && fields[at[1]] != "" {
			label := strings.Clone(fields[at[1]])
			row.label = &label
		}
		if at[2] >= 0 {
			row.id = strings.Clone(fields[at[2]])
		}
		if at[3] >= 0 {
			row.group = strings.Clone(fields[at[3]])
		}
		for _, at := range also {
			row.slices = append(row.slices, strings.Clone(fields[at]))
		}
		if row.text == "" {
			return &Error{File: path, Line: line, Msg: fmt.Sprintf("the row's %q is empty", c.Text), Fix: "give it a text, or take the row out"}
		}
		if err := add(line, row); err != nil {
			return err
		}
	}
}

// tableError says what the CSV reader found, with its line.
func tableError(path string, err error) error {
	e := &Error{File: path, Msg: err.Error()}
	var p *csv.ParseError
	if errors.As(err, &p) {
		e.Line, e.Msg = p.Line, p.Err.Error()
		if errors.Is(p.Err, csv.ErrFieldCount) {
			e.Msg, e.Fix = "the row has another number of fields than the first line", "put quotes around fields that hold the separator"
		}
	}
	return e
}
