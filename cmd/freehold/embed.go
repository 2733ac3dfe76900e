package main

import (
	"errors"
	"strconv"
	"strings"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
)

type embedCmd struct {
	Model string `arg:"" complete:"model" help:"GGUF file or catalogue name."`
	textFlags
	modelFlags
	Pooling string `enum:",mean,cls,last" default:"" help:"How the states of a text's tokens become one: mean, cls (the first token's) or last; the default is what the file states." placeholder:"HOW"`
	Raw     bool   `help:"Leave vectors as long as they come; otherwise their length is 1."`
}

func (*embedCmd) Help() string {
	return "Prints a vector for each text, its numbers separated by spaces, one text a line. Models for embeddings (bert, nomic-bert, students of a task embed) state their pooling; " +
		"for one that generates give --pooling."
}

// embeddings is freehold/embed/1.
type embeddings struct {
	Schema  string     `json:"schema"`
	Model   string     `json:"model"`
	Pooling string     `json:"pooling"`
	Width   int        `json:"width"`
	Rows    []embedRow `json:"rows"`
}

type embedRow struct {
	Text      string    `json:"text"`
	Embedding []float32 `json:"embedding"`
}

// embedTogether is how many lines of standard input are embedded in one go.
const embedTogether = 64

func (c *embedCmd) Run(a *app) error {
	if err := c.check(a); err != nil {
		return err
	}
	m, err := a.openModel(c.Model, &c.modelFlags)
	if err != nil {
		return err
	}
	defer m.Close()
	if m.Spec.Tags != nil {
		return marksTokens(c.Model, "embeddings")
	}
	o := engine.EmbedOptions{Pooling: m.Spec.Pooling, Raw: c.Raw}
	if c.Pooling != "" {
		if o.Pooling, err = models.ParsePooling(c.Pooling); err != nil {
			return usagef("%v", err)
		}
	}
	if o.Pooling == models.PoolNone {
		return usagef("%s does not state how states are pooled; say so with --pooling (mean, cls or last)", c.Model)
	}
	if _, err := m.LoadTokenizer(); err != nil {
		return asInput(err)
	}
	doc := embeddings{Schema: "freehold/embed/1", Model: c.Model, Pooling: o.Pooling.String(), Width: m.Spec.Embedding(), Rows: []embedRow{}}
	put := func(texts []string, first int) error {
		all, err := m.Embed(a.ctx, texts, o)
		if err != nil {
			var long *engine.ContextError
			if errors.As(err, &long) {
				return usagef("a text near number %d needs %d tokens, and the context of %s holds %d; shorten it", first, long.Tokens, c.Model, m.Context())
			}
			return err
		}
		for i, v := range all {
			switch row := (embedRow{texts[i], v}); {
			case a.json:
				doc.Rows = append(doc.Rows, row)
			case c.JSONL:
				if err := a.emitLine(row); err != nil {
					return err
				}
			default:
				a.write("%s\n", numbers(v))
			}
		}
		return a.out.Flush()
	}
	if err := c.each(embedTogether, put); err != nil || !a.json {
		return err
	}
	return a.emit(doc)
}

// numbers are the shortest decimals that give v back.
func numbers(v []float32) string {
	var b strings.Builder
	for i, x := range v {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.FormatFloat(float64(x), 'g', -1, 32))
	}
	return b.String()
}
