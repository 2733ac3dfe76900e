package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/freehold-slm/freehold/distill"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
)

// explainFlags ask a classifier for its reasons.
type explainFlags struct {
	Explain bool   `help:"Say which words the answer rests on, and which training rows have the likest words."`
	RunDir  string `name:"run" help:"With --explain: run folder that the model was made in; default: the folder of the model's file, if it is one." placeholder:"DIR"`
	Inputs  string `help:"With --explain: folder at which the paths of the run's recipe begin; default: the one that holds runs." placeholder:"DIR"`
	Nearest int    `default:"3" help:"With --explain: how many training rows are named at most; 0 = none." placeholder:"N"`
}

// explanation is why a text got its label.
type explanation struct {
	LogOdds float64             `json:"log_odds"` // of the label against all others, calibrated
	Words   []wordEffect        `json:"words"`    // in the order of the text
	Passes  int                 `json:"forward_passes"`
	Tokens  int                 `json:"tokens"`
	Nearest []distill.Neighbour `json:"nearest,omitempty"`
}

type wordEffect struct {
	Text   string  `json:"text"`
	Start  int     `json:"start"` // bytes
	End    int     `json:"end"`
	Change float64 `json:"change"` // log-odds of the label with the word less those without
}

// shownWords are those that people see; --json has them all.
const shownWords = 8

func (c *classifyCmd) checkExplain() error {
	switch {
	case !c.Explain && (c.RunDir != "" || c.Inputs != ""):
		return usagef("--run and --inputs are for --explain, which is not given")
	case c.Explain && c.Escalate != "":
		return usagef("--explain and --escalate are both given; keep one: an explanation is of one model's answer")
	case c.Nearest < 0:
		return usagef("--nearest is %d, want 0 (none) or more", c.Nearest)
	}
	return nil
}

// explainTexts answers each text with its reasons.
func (c *classifyCmd) explainTexts(a *app, m *opened, k *engine.Classifier) error {
	near, err := c.neighbours(a, m)
	if err != nil {
		return err
	}
	doc := classification{Schema: "freehold/classify/1", Model: c.Model, Labels: k.Labels(), Rows: []classifyRow{}}
	one := func(text string, number int) error {
		e, err := k.Explain(a.ctx, text)
		if err != nil {
			return c.tooLong(err, c.Model, m, number)
		}
		row := rowOf(text, e.Choices)
		row.Abstained = row.P < c.AbstainBelow
		row.Explanation = &explanation{LogOdds: e.LogOdds, Words: []wordEffect{}, Passes: e.Passes, Tokens: e.Tokens}
		for _, w := range e.Words {
			row.Explanation.Words = append(row.Explanation.Words, wordEffect(w))
		}
		if near != nil {
			row.Explanation.Nearest = near.Of(text, c.Nearest)
		}
		switch {
		case a.json:
			doc.Rows = append(doc.Rows, row)
		case c.JSONL:
			if err := a.emitLine(row); err != nil {
				return err
			}
		default:
			a.write("%s\n", row.line())
			a.reasons(e, row.Explanation.Nearest)
		}
		return a.out.Flush()
	}
	err = c.each(1, func(texts []string, first int) error {
		for i, t := range texts {
			if err := one(t, first+i); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || !a.json {
		return err
	}
	return a.emit(doc)
}

// reasons prints an explanation for people.
func (a *app) reasons(e *engine.Explanation, near []distill.Neighbour) {
	words := e.Strongest()
	a.write("  log-odds %+.2f; without each word, in %d forward passes of %d tokens together:\n", e.LogOdds, e.Passes, e.Tokens)
	most := 0.0
	for i, w := range words[:min(len(words), shownWords)] {
		if i == 0 {
			most = max(w.Change, -w.Change, 1e-9)
		}
		bar := strings.Repeat("#", int(10*max(w.Change, -w.Change)/most+0.5))
		a.write("    %+7.3f %-10s %s\n", w.Change, bar, clipText(w.Text, 40))
	}
	if left := len(words) - shownWords; left > 0 {
		a.write("    and %d that do less\n", left)
	}
	if len(near) > 0 {
		a.write("  training rows with the likest words (cosine of TF-IDF; the model was not asked):\n")
	}
	for _, n := range near {
		at := n.File
		if n.Line > 0 {
			at += fmt.Sprintf(":%d", n.Line)
		}
		gold := "no gold label"
		if n.Gold != "" {
			gold = "gold " + n.Gold
		}
		a.write("    %.2f  %s, teacher %s %.2f  %s  %s\n", n.Similarity, gold, n.Teacher, n.TeacherP, at, clipText(n.Text, 70))
	}
}

// clipText is the beginning of a text on one line.
func clipText(s string, n int) string {
	r := []rune(strings.Join(strings.Fields(s), " "))
	if len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return string(r)
}

// neighbours opens the run that the model was made in: the one that is named, else that of the model's folder, where there is one.
func (c *classifyCmd) neighbours(a *app, m *opened) (*distill.Neighbours, error) {
	if c.Nearest == 0 {
		return nil, nil
	}
	dir := c.RunDir
	if dir == "" {
		path, _, err := models.Resolve(c.Model)
		if err != nil {
			return nil, asInput(err)
		}
		dir = filepath.Dir(path)
		if _, err := os.Stat(filepath.Join(dir, "lock.json")); err != nil {
			return nil, nil // no run
		}
	}
	key, err := m.file.StringOr("freehold.run", "")
	if err != nil {
		return nil, asInput(err)
	}
	if key == "" {
		if c.RunDir == "" {
			return nil, nil
		}
		return nil, usagef("%s does not say which run made it, so --run %s cannot be its own", c.Model, c.RunDir)
	}
	near, err := distill.NewNeighbours(a.ctx, dir, c.Inputs, key)
	if err != nil && c.RunDir == "" && c.Inputs == "" {
		a.note("no training rows are named: %s", errorText(err))
		return nil, nil
	}
	return near, err
}
