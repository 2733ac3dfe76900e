package distill

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/goccy/go-yaml"

	"github.com/freehold-slm/freehold/distill/data"
)

// OwnData is what a recipe for rows of one's own is made from.
type OwnData struct {
	Folder  string   // where the recipe will stand; Data, and Teacher where it is a file, are written relative to it
	Data    string   // a file or folder of rows
	Columns Columns  // what it calls its text and label; "" = the usual names
	Labels  []string // nil = those that the rows have
	Teacher string   // a catalogue name or path
}

// Columns is data.Columns.
type Columns = data.Columns

const (
	mostLabels = 50  // more different labels than that are text, not classes
	leastSteps = 200 // a student of few rows sees them more often
)

//go:embed own.tmpl.yaml
var ownRecipe string

// OwnRecipe writes a recipe of task type classify for rows of one's own. The labels are those of the rows, which have to have some,
// for a student is judged on rows that a person has labelled.
func OwnRecipe(o OwnData) ([]byte, error) {
	rows, err := data.Read(o.Data, data.ReadOptions{Form: data.OneAnswer, Columns: o.Columns})
	if e := (*DataError)(nil); errors.As(err, &e) && strings.Contains(e.Fix, "data.columns") {
		e.Fix = "name it with --text-column or --label-column"
	}
	if err != nil {
		return nil, err
	}
	labelled, found := 0, []string(nil)
	for _, r := range rows {
		if r.Gold < 0 {
			continue
		}
		labelled++
		if !slices.Contains(found, r.Answer) {
			if found = append(found, r.Answer); len(found) > mostLabels && o.Labels == nil {
				return nil, &DataError{File: o.Data, Line: r.Line, Msg: fmt.Sprintf("has more than %d different labels, such as %.40q", mostLabels, r.Answer),
					Fix: "name the column of classes with --label-column; answers that are text are for a task type generate or extract (--template extract)"}
			}
		}
	}
	slices.Sort(found)
	if labelled == 0 {
		return nil, &DataError{File: o.Data, Msg: fmt.Sprintf("has no labels in its %d rows", len(rows)),
			Fix: "label some of them (50 or more) by hand, in a column label: they are what the student is judged on; the teacher labels the rest. Or name the column with --label-column"}
	}
	if o.Labels == nil {
		o.Labels = found
	}
	for _, l := range found {
		if !slices.Contains(o.Labels, l) {
			return nil, &DataError{File: o.Data, Msg: fmt.Sprintf("has a label %.40q, which is not among %s", l, strings.Join(o.Labels, ", ")), Fix: "add it to --labels, or take those rows out"}
		}
	}
	if len(o.Labels) < 2 {
		return nil, &DataError{File: o.Data, Msg: fmt.Sprintf("has the label %q alone, want two or more", o.Labels[0]), Fix: "give rows of the other classes too"}
	}
	name := filepath.Base(filepath.Clean(o.Folder))
	if name == "." || strings.ContainsAny(name, "/\\\x00 ") {
		name = "my-task"
	}
	path := o.Data
	if rel, err := relative(o.Folder, o.Data); err == nil {
		path = filepath.ToSlash(rel)
	}
	if st, err := os.Stat(o.Teacher); err == nil && !st.IsDir() && !filepath.IsAbs(o.Teacher) {
		if rel, err := relative(o.Folder, o.Teacher); err == nil {
			o.Teacher = filepath.ToSlash(rel)
		}
	}
	quoted := func(v any) (string, error) {
		b, err := yaml.MarshalWithOptions(v, yaml.Flow(true), yaml.JSON())
		return strings.TrimSpace(string(b)), err
	}
	t, err := template.New("recipe").Funcs(template.FuncMap{"quoted": quoted}).Parse(ownRecipe)
	if err != nil {
		panic("distill: " + err.Error()) // embedded at build time
	}
	batch := min(32, max(4, len(rows)/20))
	var out bytes.Buffer
	err = t.Execute(&out, map[string]any{"Name": name, "Labels": o.Labels, "Prompt": "Which of these fits the text: " + strings.Join(o.Labels, ", ") + "? Answer with one of them alone.\n\nText: {text}",
		"Teacher": o.Teacher, "Data": path, "Columns": o.Columns, "Rows": len(rows), "Labelled": labelled, "Batch": batch, "Steps": max(leastSteps, 3*len(rows)/batch)})
	return out.Bytes(), err
}

// relative is a path as seen from a folder.
func relative(folder, path string) (string, error) {
	from, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	to, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.Rel(from, to)
}
