package data

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Columns names what a file calls the parts of a row; "" = the usual name (text, label, id, group; of pairs query, document, label or score).
type Columns struct {
	Text  string `yaml:"text" json:"text,omitempty"`
	Label string `yaml:"label" json:"label,omitempty"`
	ID    string `yaml:"id" json:"id,omitempty"`
	Group string `yaml:"group" json:"group,omitempty"`
	Query string `yaml:"query" json:"query,omitempty"` // of pairs, whose document is Text
}

// usual fills in the usual names.
func (c Columns) usual() Columns {
	for _, f := range []struct {
		to   *string
		name string
	}{{&c.Text, "text"}, {&c.Label, "label"}, {&c.ID, "id"}, {&c.Group, "group"}} {
		if *f.to == "" {
			*f.to = f.name
		}
	}
	return c
}

// ReadOptions say what a file's rows must be like.
type ReadOptions struct {
	Split    string   // goes into the ids that are made here
	Labels   []string // nil = any label passes, unread
	NeedGold bool     // a row without a label is a mistake, but for pairs and topics
	Form     Form
	Columns  Columns
	Slices   []string // further columns that are kept
}

// format is a file format of task data.
type format struct {
	name string
	exts []string // of the path; "/" = a folder
	read func(path string, o *ReadOptions, add func(line int, r raw) error) error
}

// formats holds every format; each is defined in its own file. What has no extension of theirs is read as the first.
var formats = []format{jsonl, csvFile, tsvFile, lines, folder}

// raw is a row as it stands in a file.
type raw struct {
	id, text, group string
	label           *string
	slices          []string // values of the columns that are kept, in their order

	query     string   // of a pair
	relevance *float64 // of its document; nil = it was not judged
	part      int      // of the line, where it holds several rows
}

// maxText bounds a row of a data file, in bytes.
const maxText = 16 << 20

// Read reads the rows of a file or folder, whose format its name tells.
func Read(path string, o ReadOptions) ([]Row, error) {
	f := formats[0]
	if st, err := os.Stat(path); err != nil {
		return nil, &Error{File: path, Msg: "cannot be read: " + errText(err)}
	} else if st.IsDir() {
		f = folder
	} else if ext := strings.ToLower(filepath.Ext(path)); ext != "" {
		for _, g := range formats {
			if slices.Contains(g.exts, ext) {
				f = g
			}
		}
		if unread := unreadable[ext]; unread != "" {
			fix := "write it as JSONL or CSV"
			if name := filepath.Base(path); ext == ".parquet" {
				fix += fmt.Sprintf(`, in Python: pandas.read_parquet(%q).to_json(%q, orient="records", lines=True)`, name, strings.TrimSuffix(name, filepath.Ext(name))+".jsonl")
			}
			return nil, &Error{File: path, Msg: "is " + unread + ", which is not read", Fix: fix}
		}
	}
	var rows []Row
	err := f.read(path, &o, func(line int, r raw) error {
		row, err := o.row(r)
		if err != nil {
			bad := &Error{File: path, Line: line, Msg: err.Error()}
			if errors.Is(err, errEncoding) {
				bad.Fix = toUTF8("WINDOWS-1252", path)
			}
			return bad
		}
		if row.ID == "" {
			id := []string{o.Split, row.Text, strconv.Itoa(line)}
			if o.Form == OnePair {
				id = append(id, row.Query, strconv.Itoa(row.part))
			}
			row.ID = hashOf(id...)[:16]
		}
		row.File, row.Line = path, line
		rows = append(rows, row)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		label := "..."
		if o.Labels != nil {
			label = o.Labels[0]
		}
		fix := "write one JSON object a line, such as {\"text\": \"...\", \"label\": \"" + label + "\"}"
		if o.Form == OnePair {
			fix = `write one JSON object a line, such as {"query": "...", "document": "...", "label": 1}`
		}
		switch f.name {
		case csvFile.name, tsvFile.name:
			fix = "write a first line with the names of the columns, such as text and label, and a line a row"
		case folder.name:
			fix = "put .txt files into it, or into one folder a label"
		}
		return nil, &Error{File: path, Msg: "holds no rows", Fix: fix}
	}
	return rows, nil
}

// unreadable are formats that people have and this package does not read, by extension.
var unreadable = map[string]string{".parquet": "Parquet", ".arrow": "Arrow", ".feather": "Feather", ".xlsx": "a spreadsheet", ".xls": "a spreadsheet", ".ods": "a spreadsheet",
	".gz": "compressed", ".zst": "compressed", ".zip": "compressed", ".bz2": "compressed", ".xz": "compressed", ".pdf": "a PDF"}

// Texts reads the texts of a file; labels may be any, or missing.
func Texts(path string) ([]string, error) {
	rows, err := Read(path, ReadOptions{})
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(rows))
	for i, r := range rows {
		texts[i] = r.Text
	}
	return texts, nil
}

var errEncoding = errors.New("the row is not valid UTF-8")

// toUTF8 says how a file in another encoding becomes one that is read.
func toUTF8(from, path string) string {
	name := filepath.Base(path)
	return fmt.Sprintf("save it as UTF-8 (spreadsheets call that \"CSV UTF-8\"), or: iconv -f %s -t UTF-8 %q > %q", from, name, "utf8-"+name)
}

// row checks a row and finds its label.
func (o *ReadOptions) row(r raw) (Row, error) {
	row := Row{ID: r.id, Text: r.text, Group: r.group, Gold: -1, Slices: r.slices}
	if row.Slices == nil && o.Slices != nil { // a format without columns
		row.Slices = make([]string, len(o.Slices))
	}
	switch {
	case !utf8.ValidString(r.text) || !utf8.ValidString(r.query) || !utf8.ValidString(r.id) || !utf8.ValidString(r.group) || r.label != nil && !utf8.ValidString(*r.label):
		return row, errEncoding
	case len(r.text) > maxText || len(r.query) > maxText:
		return row, fmt.Errorf("the text is longer than %d bytes", maxText)
	}
	return row, o.gold(r, &row)
}

// errText is an error without the path that it repeats.
func errText(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// hashOf hashes its parts, told apart.
func hashOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))
}
