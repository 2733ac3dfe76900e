package data

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/models/spell"
)

// Correction is a line of a corrections file: what a person holds to be the label, or the answer, of a row.
type Correction struct {
	ID    string `json:"id"`
	Hash  string `json:"hash"` // HashText of the row's text; a text that has changed since is not corrected
	Label string `json:"label"`
	By    string `json:"by,omitempty"` // who says so; when is for the file's history in git to say

	line int
}

// HashText names a text in a corrections file.
func HashText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// ReadCorrections reads a corrections file: JSON objects, a line each. Unknown keys and ids that stand there twice are
// mistakes.
func ReadCorrections(path string) ([]Correction, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, &Error{File: path, Msg: "cannot be read: " + errText(err), Fix: "`freehold errors` writes it"}
	}
	var list []Correction
	first := map[string]int{}
	for i, text := range bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n")) {
		bad := func(format string, args ...any) error {
			return &Error{File: path, Line: i + 1, Msg: fmt.Sprintf(format, args...), Fix: `want {"id": "...", "hash": "...", "label": "..."}, as freehold errors writes it`}
		}
		if len(bytes.TrimSpace(text)) == 0 {
			if len(b) == 0 {
				break
			}
			return nil, bad("the line is empty")
		}
		c := Correction{line: i + 1}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&c); err != nil {
			return nil, bad("%s", strings.TrimPrefix(err.Error(), "json: "))
		}
		if _, err := d.Token(); err != io.EOF {
			return nil, bad("more than one JSON value")
		}
		if c.ID == "" || c.Hash == "" || c.Label == "" {
			return nil, bad("id, hash or label is missing")
		}
		if at := first[c.ID]; at > 0 {
			return nil, bad("row %.40q is corrected in line %d too", c.ID, at)
		}
		first[c.ID] = i + 1
		list = append(list, c)
	}
	return list, nil
}

// EncodeCorrections is a corrections file, ordered by id.
func EncodeCorrections(list []Correction) ([]byte, error) {
	list = slices.SortedFunc(slices.Values(list), func(a, b Correction) int { return strings.Compare(a.ID, b.ID) })
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	for _, c := range list {
		if err := enc.Encode(c); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// Correct gives rows the labels, or answers, of a corrections file. A row that the set does not hold, or whose text is
// another, is a mistake: the correction would be lost.
func (s *Set) Correct(path string, o TidyOptions, answers bool) error {
	list, err := ReadCorrections(path)
	if err != nil {
		return err
	}
	rows := map[string]*Row{}
	for _, p := range s.parts() {
		for i := range *p.rows {
			rows[(*p.rows)[i].ID] = &(*p.rows)[i]
		}
	}
	for _, c := range list {
		bad := func(fix, format string, args ...any) error {
			return &Error{File: path, Line: c.line, Msg: fmt.Sprintf(format, args...), Fix: fix}
		}
		r := rows[c.ID]
		if r == nil {
			return bad("take the line out", "row %.40q is not in the data, or is left out of it", c.ID)
		}
		if h := HashText(r.Text); h != c.Hash {
			return bad("look at the row again and correct it anew, or take the line out", "row %.40q has another text now (hash %s, corrected was %.16s)", c.ID, h, c.Hash)
		}
		r.Corrected = true
		if answers {
			r.Gold, r.Answer = 0, c.Label
			continue
		}
		if o.Form == SeveralLabels {
			if r.Labels, err = ParseLabels(c.Label, o.Labels); err != nil {
				return bad("", "%v", err)
			}
			r.Gold = 0
			continue
		}
		if r.Gold = slices.Index(o.Labels, c.Label); r.Gold < 0 {
			return bad("", "%s", spell.Unknown("label", c.Label, "the correction", o.Labels))
		}
	}
	s.Report.Corrected += len(list)
	s.describe(o.Labels)
	return nil
}
