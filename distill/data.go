package distill

import (
	"bufio"
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
	ID   string // unique; given, or the hash of the text
	Text string
	Gold int // index of the gold label; -1 = none
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
			file string
			to   *[]Row
			gold bool
		}{{r.Data.Train, &d.Train, false}, {r.Data.Valid, &d.Valid, false}, {r.Data.Test, &d.Test, true}} {
			if part.file == "" {
				continue
			}
			rows, err := readJSONL(r.path(part.file), r.Task.Labels, part.gold)
			if err != nil {
				return nil, err
			}
			*part.to = rows
		}
	}
	seen := map[string]string{}
	h := sha256.New()
	for _, part := range []struct {
		name string
		rows []Row
	}{{"train", d.Train}, {"valid", d.Valid}, {"test", d.Test}} {
		for _, row := range part.rows {
			if other, ok := seen[row.ID]; ok {
				return nil, &DataError{File: r.file, Msg: fmt.Sprintf("data: row id %.40q is in %s and again in %s", row.ID, other, part.name), Fix: "give every row its own id"}
			}
			seen[row.ID] = part.name
			fmt.Fprintf(h, "%s\x00%s\x00%s\x00%d\n", part.name, row.ID, row.Text, row.Gold)
		}
	}
	d.Hash = hex.EncodeToString(h.Sum(nil))
	return d, nil
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

// readJSONL reads rows of text/label, prompt/completion or messages.
func readJSONL(path string, labels []string, needGold bool) ([]Row, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &DataError{File: path, Msg: "cannot be read: " + errText(err)}
	}
	defer f.Close()
	var rows []Row
	sc := bufio.NewScanner(f)
	sc.Buffer(make([]byte, 64<<10), 16<<20)
	for line := 1; sc.Scan(); line++ {
		if strings.TrimSpace(sc.Text()) == "" {
			continue
		}
		bad := func(format string, args ...any) error {
			return &DataError{File: path, Line: line, Msg: fmt.Sprintf(format, args...)}
		}
		var j jsonRow
		if err := json.Unmarshal(sc.Bytes(), &j); err != nil {
			return nil, bad("not a JSON object: %v", err)
		}
		row := Row{Text: j.Text, Gold: -1}
		label := j.Label
		switch {
		case j.Text != "":
		case j.Prompt != "":
			row.Text, label = j.Prompt, j.Completion
		case len(j.Messages) > 0:
			for _, m := range j.Messages {
				switch m.Role {
				case "user":
					row.Text = m.Content
				case "assistant":
					c := m.Content
					label = &c
				}
			}
		}
		if row.Text == "" || !utf8.ValidString(row.Text) {
			return nil, bad("the row has no text; want \"text\", \"prompt\" or \"messages\"")
		}
		if label != nil {
			if row.Gold = slices.Index(labels, *label); row.Gold < 0 {
				return nil, bad("label %.40q is none of the recipe's: %s", *label, strings.Join(labels, ", "))
			}
		} else if needGold {
			return nil, bad("a test row needs a gold label")
		}
		row.ID = strings.Trim(string(j.ID), `"`)
		if row.ID == "" || row.ID == "null" {
			row.ID = hashOf(row.Text, strconv.Itoa(line))[:16]
		}
		rows = append(rows, row)
	}
	if err := sc.Err(); err != nil {
		return nil, &DataError{File: path, Msg: err.Error()}
	}
	if len(rows) == 0 {
		return nil, &DataError{File: path, Msg: "holds no rows", Fix: "write one JSON object a line, such as {\"text\": \"...\", \"label\": \"" + labels[0] + "\"}"}
	}
	return rows, nil
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
		row := Row{ID: p[0], Text: text}
		if score > 0 {
			row.Gold = 1
		}
		rows = append(rows, row)
	}
	return rows, fmt.Sprintf("%d rows with score 0 and %d repeated texts left out", zero, double), nil
}
