package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/distill"
)

type errorsCmd struct {
	Run_    string   `arg:"" name:"run" optional:"" default:"runs/latest" help:"Run folder."`
	Recipe  string   `env:"FREEHOLD_RECIPE" help:"Recipe of the run; default: freehold.yaml beside the folder that holds the run." placeholder:"FILE"`
	Kind    string   `help:"Only disagreements of this kind: student-gold, student-teacher or teacher-gold." placeholder:"KIND"`
	Limit   int      `short:"n" default:"20" help:"Rows at most; 0 = all." placeholder:"N"`
	JSONL   bool     `name:"jsonl" help:"Print one JSON object a row."`
	Accept  []string `sep:"none" help:"Record that the gold label of this row is right; may be repeated." placeholder:"ID"`
	Correct []string `sep:"none" help:"Record the right label, or answer, of a row; may be repeated." placeholder:"ID=LABEL"`
	By      string   `help:"Who says so; kept in the corrections file." placeholder:"NAME"`
	To      string   `help:"Corrections file; default: data.corrections of the recipe, else corrections.jsonl beside it." placeholder:"FILE"`
}

// errorsDoc is freehold/errors/1.
type errorsDoc struct {
	Schema string                 `json:"schema"`
	Run    string                 `json:"run"`
	Found  int                    `json:"found"`  // before --limit
	Judged int                    `json:"judged"` // left out, for a corrections file speaks of them
	Rows   []distill.Disagreement `json:"rows"`
}

// correctedDoc is freehold/corrections/1.
type correctedDoc struct {
	Schema string `json:"schema"`
	File   string `json:"file"`
	Rows   int    `json:"rows"`
}

func (c *errorsCmd) Run(a *app) error {
	if a.json && c.JSONL {
		return usagef("--json and --jsonl are both given; keep one")
	}
	if known := distill.ErrorKinds(); c.Kind != "" && !slices.Contains(known, c.Kind) {
		return usagef("unknown kind %q, want one of: %s", c.Kind, strings.Join(known, ", "))
	}
	if c.Limit < 0 {
		return usagef("--limit is %d, want 0 (all) or more", c.Limit)
	}
	said, err := c.judgements()
	if err != nil {
		return err
	}
	if c.Recipe == "" {
		c.Recipe = filepath.Join(c.Run_, "..", "..", "freehold.yaml")
		if _, err := os.Stat(c.Recipe); errors.Is(err, fs.ErrNotExist) {
			return usagef("the recipe of %s is not at %s; name it with --recipe", c.Run_, c.Recipe)
		}
	}
	r, err := distill.LoadRecipe(c.Recipe)
	if err != nil {
		return err
	}
	to := c.To
	if to == "" {
		to = r.CorrectionsFile()
	}
	list, err := distill.Errors(a.ctx, c.Run_, r, c.Kind, to)
	if err != nil {
		return err
	}
	if said != nil {
		n, err := list.Record(to, r, c.By, said)
		if err != nil {
			return err
		}
		if r.Data.Corrections == "" {
			a.note("write corrections: %s under data of the recipe, so that the next apply takes it in", filepath.Base(to))
		}
		if a.json {
			return a.emit(correctedDoc{"freehold/corrections/1", to, n})
		}
		a.write("%s: %d rows\n", to, n)
		return nil
	}
	found := len(list.Rows)
	if c.Limit > 0 {
		list.Rows = list.Rows[:min(found, c.Limit)]
	}
	switch {
	case a.json:
		return a.emit(errorsDoc{"freehold/errors/1", c.Run_, found, list.Judged, list.Rows})
	case c.JSONL:
		for _, row := range list.Rows {
			if err := a.emitLine(row); err != nil {
				return err
			}
		}
		return nil
	}
	rows := [][]string{{"P", "SPLIT", "GOLD", "STUDENT", "TEACHER", "ID", "TEXT"}}
	for _, d := range list.Rows {
		rows = append(rows, []string{fmt.Sprintf("%.3f", d.Confidence), d.Split, brief(d.Gold, 24), brief(d.Student, 24), brief(d.Teacher, 24), d.ID, brief(d.Text, 60)})
	}
	a.columns(rows)
	a.note("%d of %d rows, the surest first; %d judged already", len(list.Rows), found, list.Judged)
	return nil
}

// judgements reads --accept and --correct.
func (c *errorsCmd) judgements() (said []distill.Judgement, err error) {
	for _, id := range c.Accept {
		said = append(said, distill.Judgement{ID: id})
	}
	for _, text := range c.Correct {
		id, label, ok := strings.Cut(text, "=")
		if !ok || id == "" || label == "" {
			return nil, usagef("--correct is %q, want ID=LABEL", text)
		}
		said = append(said, distill.Judgement{ID: id, Label: label})
	}
	for i, s := range said {
		if slices.ContainsFunc(said[:i], func(o distill.Judgement) bool { return o.ID == s.ID }) {
			return nil, usagef("row %q is judged twice; keep one", s.ID)
		}
	}
	if said == nil && (c.By != "") {
		return nil, usagef("--by goes with --accept and --correct")
	}
	return said, nil
}

// brief is a text on one line, cut at n characters.
func brief(s string, n int) string {
	r := []rune(strings.Join(strings.Fields(s), " "))
	if len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return string(r)
}
