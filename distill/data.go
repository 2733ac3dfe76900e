package distill

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/freehold-slm/freehold/models"
)

// Row is one row of task data.
type Row struct {
	ID   string // unique; given, or made from split, line and text
	Text string
	Gold int // index of the gold label; -1 = none

	file string // where it was read
	line int
}

// Dataset is the task data, split.
type Dataset struct {
	Train, Valid, Test []Row
	Hash               string // of all rows and their split
	Licence            string
	Note               string // what was left out, for the report
}

// loadData reads the recipe's data files, or splits a catalogue source.
func loadData(ctx context.Context, r *Recipe) (*Dataset, error) {
	d := &Dataset{Licence: "declared by the recipe's owner"}
	if r.Data.Source != "" {
		if err := d.fromSource(ctx, r); err != nil {
			return nil, err
		}
	} else {
		for _, part := range []struct {
			name, file string
			to         *[]Row
			gold       bool
		}{{"train", r.Data.Train, &d.Train, false}, {"valid", r.Data.Valid, &d.Valid, false}, {"test", r.Data.Test, &d.Test, true}} {
			if part.file == "" {
				continue
			}
			rows, err := readJSONL(r.path(part.file), part.name, r.Task.Labels, part.gold)
			if err != nil {
				return nil, err
			}
			*part.to = rows
		}
	}
	return d, d.seal()
}

// seal refuses ids that occur twice, hashes the rows and notes how many test texts the student will have seen.
func (d *Dataset) seal() error {
	ids, texts, both := map[string]Row{}, map[string]bool{}, 0
	h := sha256.New()
	for _, part := range []struct {
		name string
		rows []Row
	}{{"train", d.Train}, {"valid", d.Valid}, {"test", d.Test}} {
		for _, row := range part.rows {
			if first, ok := ids[row.ID]; ok {
				return &DataError{File: row.file, Line: row.line, Msg: fmt.Sprintf("row id %.40q is already that of %s:%d", row.ID, first.file, first.line), Fix: "give every row its own id, or none"}
			}
			ids[row.ID] = row
			switch {
			case part.name == "train":
				texts[row.Text] = true
			case part.name == "test" && texts[row.Text]:
				both++
			}
			fmt.Fprintf(h, "%s %q %q %d\n", part.name, row.ID, row.Text, row.Gold)
		}
	}
	if both > 0 {
		d.Note = strings.TrimPrefix(fmt.Sprintf("%s; %d of %d test texts are also training texts", d.Note, both, len(d.Test)), "; ")
	}
	d.Hash = hex.EncodeToString(h.Sum(nil))
	return nil
}

// jsonRow is a line of a data file, in the shapes that other tools write.
type jsonRow struct {
	ID         json.RawMessage `json:"id"`
	Text       string          `json:"text"`
	Label      *string         `json:"label"`
	Prompt     string          `json:"prompt"`
	Completion *string         `json:"completion"`
	Messages   []struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	} `json:"messages"`
}

// maxLine bounds a line of a data file, in bytes.
const maxLine = 16 << 20

// ReadTexts reads the texts of a data file, in the shapes a recipe's data may have; labels may be any, or missing.
func ReadTexts(path string) ([]string, error) {
	rows, err := readJSONL(path, "", nil, false)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(rows))
	for i, r := range rows {
		texts[i] = r.Text
	}
	return texts, nil
}

// readJSONL reads rows of text/label, prompt/completion or messages.
func readJSONL(path, split string, labels []string, needGold bool) ([]Row, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &DataError{File: path, Msg: "cannot be read: " + errText(err)}
	}
	defer f.Close()
	var rows []Row
	line := 0
	sc := bufio.NewScanner(f)
	sc.Buffer(make([]byte, 64<<10), maxLine)
	for sc.Scan() {
		line++
		b := sc.Bytes()
		if line == 1 {
			b = bytes.TrimPrefix(b, []byte("\ufeff"))
		}
		if len(bytes.TrimSpace(b)) == 0 {
			continue
		}
		row, err := parseRow(b, labels)
		if err == nil && row.Gold < 0 && needGold {
			err = errors.New("a test row needs a gold label")
		}
		if err != nil {
			return nil, &DataError{File: path, Line: line, Msg: err.Error()}
		}
		if row.ID == "" {
			row.ID = hashOf(split, row.Text, strconv.Itoa(line))[:16]
		}
		row.file, row.line = path, line
		rows = append(rows, row)
	}
	if err := sc.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, &DataError{File: path, Line: line + 1, Msg: fmt.Sprintf("the line is longer than %d bytes", maxLine)}
	} else if err != nil {
		return nil, &DataError{File: path, Msg: "cannot be read: " + errText(err)}
	}
	if len(rows) == 0 {
		label := "..."
		if labels != nil {
			label = labels[0]
		}
		return nil, &DataError{File: path, Msg: "holds no rows", Fix: "write one JSON object a line, such as {\"text\": \"...\", \"label\": \"" + label + "\"}"}
	}
	return rows, nil
}

// parseRow reads one line; nil labels let any pass, unread. Without an id of its own the row's ID is "".
func parseRow(b []byte, labels []string) (Row, error) {
	row := Row{Gold: -1}
	if !utf8.Valid(b) {
		return row, errors.New("the line is not valid UTF-8")
	}
	var j jsonRow
	var kind *json.UnmarshalTypeError
	if err := json.Unmarshal(b, &j); errors.As(err, &kind) && kind.Field != "" {
		return row, fmt.Errorf("%q is %s %s, want %s", kind.Field, map[bool]string{true: "an", false: "a"}[kind.Value == "array" || kind.Value == "object"], kind.Value, map[string]string{"string": "a string", "slice": "a list of messages"}[kind.Type.Kind().String()])
	} else if err != nil {
		return row, fmt.Errorf("not a JSON object: %v", err)
	}
	label := j.Label
	switch {
	case j.Text != "":
		row.Text = j.Text
	case j.Prompt != "":
		row.Text, label = j.Prompt, j.Completion
	default:
		for _, m := range j.Messages {
			switch m.Role {
			case "user":
				if row.Text != "" {
					return row, errors.New("messages hold several user turns, want one")
				}
				row.Text = m.Content
			case "assistant":
				label = &m.Content
			case "system":
			default:
				return row, fmt.Errorf("messages hold the role %.40q, want system, user or assistant", m.Role)
			}
		}
	}
	if row.Text == "" {
		return row, errors.New("the row has no text; want \"text\", \"prompt\" or \"messages\"")
	}
	if label != nil && labels != nil {
		if row.Gold = slices.Index(labels, *label); row.Gold < 0 {
			return row, errors.New(unknown("label", *label, "the row", labels))
		}
	}
	switch {
	case len(j.ID) == 0 || string(j.ID) == "null":
	case j.ID[0] == '"':
		if err := json.Unmarshal(j.ID, &row.ID); err != nil || row.ID == "" {
			return row, errors.New("\"id\" is empty; leave it out or give every row its own")
		}
	case j.ID[0] == '-' || j.ID[0] >= '0' && j.ID[0] <= '9':
		row.ID = string(j.ID)
	default:
		return row, fmt.Errorf("\"id\" is %.40s, want a string or a number", j.ID)
	}
	return row, nil
}

// fromSource reads a catalogue data set and splits it by the hash of the row id: test first, then valid, then train.
func (d *Dataset) fromSource(ctx context.Context, r *Recipe) error {
	e, err := models.LookupData(r.Data.Source)
	if err != nil {
		return err
	}
	path, err := models.PullData(ctx, e, models.PullOptions{Offline: true, AcceptLicence: r.Data.Licence})
	var offline *models.OfflineError
	if errors.As(err, &offline) {
		path, _ = e.Path()
		return &models.NotPulledError{Kind: "data set", Name: e.Name, Path: path}
	}
	if err != nil {
		return err
	}
	d.Licence = e.Licence.ID
	rows, note, err := readSnippets(path, len(r.Task.Labels))
	if err != nil {
		return err
	}
	d.Note = note
	sort.SliceStable(rows, func(i, j int) bool { return hashOf(rows[i].ID) < hashOf(rows[j].ID) })
	want := r.Data.TestRows + r.Data.ValidRows + r.Data.TrainRows
	if len(rows) < want {
		return &DataError{File: path, Msg: fmt.Sprintf("has %d usable rows, the recipe asks for %d", len(rows), want), Fix: "lower train_rows"}
	}
	cut := func(n int) []Row { part := rows[:n]; rows = rows[n:]; return part }
	d.Test, d.Valid, d.Train = cut(r.Data.TestRows), cut(r.Data.ValidRows), cut(r.Data.TrainRows)
	return nil
}

// readSnippets reads tab-separated id, mean score, text (CRLF); the gold label is 0 for a negative, 1 for a positive
// score. Rows with score 0 have no gold label and are left out, as are repeated texts after their first.
func readSnippets(path string, labels int) (rows []Row, note string, err error) {
	if labels != 2 {
		return nil, "", &DataError{File: path, Msg: fmt.Sprintf("this source has two labels (negative, positive), the recipe has %d", labels)}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, "", &DataError{File: path, Msg: errText(err)}
	}
	seen := map[string]bool{}
	zero, double := 0, 0
	for i, line := range strings.Split(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n") {
		if line == "" {
			continue
		}
		p := strings.SplitN(line, "\t", 3)
		if len(p) != 3 {
			return nil, "", &DataError{File: path, Line: i + 1, Msg: fmt.Sprintf("has %d tab-separated fields, want 3: id, score, text", len(p))}
		}
		score, err := strconv.ParseFloat(p[1], 64)
		if err != nil {
			return nil, "", &DataError{File: path, Line: i + 1, Msg: fmt.Sprintf("score is %.20q, want a number", p[1])}
		}
		text := strings.ToValidUTF8(p[2], "\uFFFD")
		switch {
		case score == 0:
			zero++
			continue
		case seen[text]:
			double++
			continue
		}
		seen[text] = true
		row := Row{ID: p[0], Text: text, file: path, line: i + 1}
		if score > 0 {
			row.Gold = 1
		}
		rows = append(rows, row)
	}
	return rows, fmt.Sprintf("%d rows with score 0 and %d repeated texts left out", zero, double), nil
}
