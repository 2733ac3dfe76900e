package distill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/models"
)

// Row is one row of task data, DataError a mistake in a data file.
type (
	Row       = data.Row
	DataError = data.Error
)

// loadData reads the recipe's data files, or splits one file or a catalogue source, and tidies them.
func loadData(ctx context.Context, r *Recipe) (*data.Set, error) {
	d, from := &data.Set{Licence: "declared by the recipe's owner"}, fromFiles
	switch {
	case r.Data.Source != "":
		from = fromSource
	case r.Data.Test == "":
		from = fromOneFile
	}
	if r.Data.Licence != "" {
		d.Licence = r.Data.Licence
	}
	if err := from(ctx, r, d); err != nil {
		return nil, err
	}
	if err := fromCollected(r, d); err != nil {
		return nil, err
	}
	if err := d.Unique(); err != nil {
		return nil, err
	}
	d.Tidy(r.tidy())
	if r.pairs() {
		d.Apart(r.tidy().Labels)
	}
	for _, row := range d.Train {
		if row.Corrected { // in the file of collected rows
			d.Report.Corrected++
		}
	}
	if len(d.Train) == 0 || len(d.Test) == 0 {
		return nil, &DataError{File: r.path(r.Data.Train + r.Data.Source), Msg: fmt.Sprintf("leaves %d train and %d test rows; %s", len(d.Train), len(d.Test), &d.Report),
			Fix: "give more rows, or look at data.split, data.duplicates, data.min_chars, data.max_chars and data.language"}
	}
	if r.Data.Corrections != "" {
		if err := d.Correct(r.path(r.Data.Corrections), r.tidy(), r.answers()); err != nil {
			return nil, err
		}
	}
	d.Sum()
	return d, checkSlices(r, d)
}

// tidy says what the recipe wants left out and masked.
func (r *Recipe) tidy() data.TidyOptions {
	labels := r.Task.Labels
	if r.pairs() {
		labels = []string{"not relevant", "relevant"}
	}
	if r.answers() {
		labels = []string{"gold answer"}
	}
	if r.embeds() {
		labels = []string{"label or group"}
	}
	return data.TidyOptions{Labels: labels, Form: r.form(), Mask: r.Data.Mask, MinChars: r.Data.MinChars, MaxChars: r.Data.MaxChars,
		Language: r.Data.Language, Duplicates: r.Data.Duplicates, Near: r.Data.Near}
}

// fromFiles reads a file for each split.
func fromFiles(_ context.Context, r *Recipe, d *data.Set) error {
	for _, part := range []struct {
		name, file string
		to         *[]Row
		gold       bool
	}{{"train", r.Data.Train, &d.Train, false}, {"valid", r.Data.Valid, &d.Valid, false}, {"test", r.Data.Test, &d.Test, true}} {
		if part.file == "" {
			continue
		}
		o := data.ReadOptions{Split: part.name, Labels: r.Task.Labels, NeedGold: part.gold, Form: r.form(), Columns: r.Data.Columns}
		if part.name == "test" { // the others may lack the columns
			o.Slices = r.Eval.Slices
		}
		rows, err := data.Read(r.path(part.file), o)
		if err != nil {
			return err
		}
		*part.to = rows
	}
	return nil
}

// fromOneFile sets validation and test rows apart from the training file.
func fromOneFile(_ context.Context, r *Recipe, d *data.Set) error {
	rows, err := data.Read(r.path(r.Data.Train), data.ReadOptions{Split: "row", Labels: r.Task.Labels, Form: r.form(), Columns: r.Data.Columns, Slices: r.Eval.Slices})
	if err != nil {
		return err
	}
	d.Split(rows, r.Data.Split)
	return nil
}

// fromCollected adds the rows that a server kept to those that are learnt from: what a student was not sure of says nothing of how often it is right. A label
// there is a person's word, as in a corrections file; the teacher labels the others. Labelled ones come first, so that of repeated texts they stay.
func fromCollected(r *Recipe, d *data.Set) error {
	if r.Data.Collected == "" {
		return nil
	}
	rows, err := data.Read(r.path(r.Data.Collected), data.ReadOptions{Split: "collected", Labels: r.Task.Labels, Form: r.form()})
	var said, open []Row
	for _, row := range rows {
		if row.Corrected = row.Gold >= 0; row.Corrected {
			said = append(said, row)
		} else {
			open = append(open, row)
		}
	}
	d.Train = slices.Concat(said, d.Train, open)
	return err
}

// fromSource reads a catalogue data set and splits it by the hash of the row id: test first, then valid, then train.
func fromSource(ctx context.Context, r *Recipe, d *data.Set) error {
	e, err := models.LookupData(r.Data.Source)
	if err != nil {
		return err
	}
	path, err := r.sourceFile(ctx, e)
	if err != nil {
		return err
	}
	d.Licence = e.Licence.ID
	from, ok := sources[e.Name]
	if !ok {
		return fmt.Errorf("internal: data set %s of the catalogue has no reader", e.Name)
	}
	if !slices.Contains(from.tasks, r.Task.Type) {
		return &RecipeError{File: r.file, Msg: fmt.Sprintf("data.source %s is for task type %s, this one is %s", e.Name, strings.Join(from.tasks, " or "), r.Task.Type)}
	}
	var all data.Set
	if all.Train, err = from.read(path, r, &all.Report); err != nil {
		return err
	}
	all.Tidy(r.tidy()) // as a whole, so that the splits have as many rows as the recipe asks for
	rows := all.Train
	d.Report = all.Report
	return splitSource(path, rows, r.Data, d)
}

// splitSource cuts rows, in the order of a hash of their ids, into test, valid and train rows. Rows of one group lie together
// and are not torn apart: what is left of a group at a cut is left out.
func splitSource(file string, rows []Row, r DataRecipe, d *data.Set) error {
	place := func(r Row) string {
		if r.Group == "" {
			return hashOf(r.ID)
		}
		return hashOf("group", r.Group) + hashOf(r.ID)
	}
	sort.SliceStable(rows, func(i, j int) bool { return place(rows[i]) < place(rows[j]) })
	have, want := len(rows), r.TestRows+r.ValidRows+r.TrainRows
	cut := func(n int) []Row {
		n = min(n, len(rows))
		part := rows[:n]
		for rows = rows[n:]; n > 0 && len(rows) > 0 && rows[0].Group != "" && rows[0].Group == part[n-1].Group; rows = rows[1:] {
			d.Report.LeaveOut("source", "group that is in another split", 1, rows[0].ID)
		}
		return part
	}
	d.Test, d.Valid, d.Train = cut(r.TestRows), cut(r.ValidRows), cut(r.TrainRows)
	if n := len(d.Test) + len(d.Valid) + len(d.Train); n < want {
		return &DataError{File: file, Msg: fmt.Sprintf("has %d usable rows, %d of them for splits without torn groups; the recipe asks for %d", have, n, want), Fix: "lower train_rows"}
	}
	return nil
}

// sourceFile finds a data set of the catalogue: in the bundle or in the cache, which checks it.
func (r *Recipe) sourceFile(ctx context.Context, e models.DataEntry) (string, error) {
	if path, ok := r.bundle[e.Name]; ok {
		if err := e.Licence.Check(e.Name, r.Data.Licence); err != nil {
			return "", sourceError("data", err)
		}
		if got, err := hashed(path); err != nil || got.SHA256 != e.SHA256 {
			return "", &DataError{File: path, Msg: fmt.Sprintf("has sha256 %.12s, want %.12s", got.SHA256, e.SHA256), Fix: "unpack the bundle again"}
		}
		return path, nil
	}
	path, err := models.PullData(ctx, e, models.PullOptions{Offline: true, AcceptLicence: r.Data.Licence})
	var offline *models.OfflineError
	if errors.As(err, &offline) {
		path, _ = e.Path()
		return "", &models.NotPulledError{Kind: "data set", Name: e.Name, Path: path}
	}
	if err != nil {
		return "", sourceError("data", err)
	}
	return path, nil
}

// dataSource is how a data set of the catalogue is read.
type dataSource struct {
	tasks []string                                                         // types of task that it is for
	read  func(path string, r *Recipe, report *data.Report) ([]Row, error) // what it leaves out or cuts it counts
}

// sources are the readers of the catalogue's data sets, by name.
var sources = map[string]dataSource{
	"movie-review-snippets": {[]string{"classify", "embed"}, func(path string, r *Recipe, report *data.Report) ([]Row, error) {
		if r.embeds() {
			rows, err := readSnippets(path, 2, report)
			for i := range rows {
				rows[i].Gold = -1 // what it says is good or bad, not what it is about
			}
			return rows, err
		}
		return readSnippets(path, len(r.Task.Labels), report)
	}},
	"us-addresses": {[]string{"extract"}, func(path string, _ *Recipe, report *data.Report) ([]Row, error) { return readAddresses(path, report) }},
	"home-intents": {[]string{"classify", "embed", "extract"}, func(path string, r *Recipe, report *data.Report) ([]Row, error) {
		return readIntents(path, r.form(), r.Task.Labels, report)
	}},
	"spam": {[]string{"classify"}, func(path string, r *Recipe, report *data.Report) ([]Row, error) {
		return readMails(path, len(r.Task.Labels), report)
	}},
}

// readSnippets reads tab-separated id, mean score, text (CRLF); the gold label is 0 for a negative, 1 for a positive
// score. Rows with score 0 have no gold label and are left out and counted.
func readSnippets(path string, labels int, report *data.Report) (rows []Row, err error) {
	if labels != 2 {
		return nil, &DataError{File: path, Msg: fmt.Sprintf("this source has two labels (negative, positive), the recipe has %d", labels)}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, &DataError{File: path, Msg: errText(err)}
	}
	for i, line := range strings.Split(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n") {
		if line == "" {
			continue
		}
		p := strings.SplitN(line, "\t", 3)
		if len(p) != 3 {
			return nil, &DataError{File: path, Line: i + 1, Msg: fmt.Sprintf("has %d tab-separated fields, want 3: id, score, text", len(p))}
		}
		score, err := strconv.ParseFloat(p[1], 64)
		if err != nil {
			return nil, &DataError{File: path, Line: i + 1, Msg: fmt.Sprintf("score is %.20q, want a number", p[1])}
		}
		text := strings.ToValidUTF8(p[2], "\uFFFD")
		if score == 0 {
			report.LeaveOut("source", "score 0", 1)
			continue
		}
		row := Row{ID: p[0], Text: text, File: path, Line: i + 1}
		if score > 0 {
			row.Gold = 1
		}
		rows = append(rows, row)
	}
	return rows, nil
}
