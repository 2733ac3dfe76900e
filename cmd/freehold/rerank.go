package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/freehold-slm/freehold/engine"
)

type rerankCmd struct {
	Model     string   `arg:"" complete:"model" help:"GGUF file or catalogue name."`
	Documents []string `arg:"" optional:"" help:"Documents; without any, each line of --file or of standard input is one."`
	modelFlags
	Query  string `required:"" help:"What is asked." placeholder:"TEXT"`
	File   string `type:"path" help:"File of documents, one a line." placeholder:"FILE"`
	Top    int    `short:"n" help:"Print so many at most; 0 = all." placeholder:"N"`
	Prompt string `help:"Prompt with {query} and {document} in it, to ask a model that generates for yes or no."`
	System string `help:"System turn before the prompt."`
	Raw    bool   `help:"Feed the prompt as plain text, without the chat template."`
	JSONL  bool   `name:"jsonl" help:"Print one JSON object a document."`
}

func (*rerankCmd) Help() string {
	return "Orders documents by how well they answer the query, the best first, with their scores: of a reranker that a recipe made (task type rerank) the probability that a document " +
		"answers the query; of a model for embeddings (bert, nomic-bert) the cosine of both; of a model that generates, where --prompt says how it is asked, its probability of yes."
}

// reranking is freehold/rerank/1.
type reranking struct {
	Schema  string      `json:"schema"`
	Model   string      `json:"model"`
	By      string      `json:"by"` // head, words or cosine
	Query   string      `json:"query"`
	Results []rankedDoc `json:"results"`
}

type rankedDoc struct {
	Index    int     `json:"index"` // of the document as it was given, from 0
	Score    float64 `json:"score"`
	Document string  `json:"document"`
}

func (c *rerankCmd) Run(a *app) error {
	documents, err := c.documents(a)
	if err != nil {
		return err
	}
	m, err := a.openModel(c.Model, &c.modelFlags)
	if err != nil {
		return err
	}
	defer m.Close()
	if _, err := m.LoadTokenizer(); err != nil {
		return asInput(err)
	}
	if c.Prompt != "" && !c.Raw && !m.file.Has("tokenizer.chat_template") {
		return usagef("%s has no chat template (a base model?); give --raw with a plain-text --prompt", c.Model)
	}
	r, err := m.NewRanker(engine.RankTask{Prompt: c.Prompt, System: c.System, Raw: c.Raw})
	if err != nil {
		return usagef("%s", errorText(err))
	}
	all, err := r.Rank(a.ctx, c.Query, documents)
	if long := (*engine.ContextError)(nil); errors.As(err, &long) {
		return usagef("a document with its query needs %d tokens, and the context of %s holds %d; shorten it", long.Tokens, c.Model, m.Context())
	} else if err != nil {
		return err
	}
	if c.Top > 0 {
		all = all[:min(len(all), c.Top)]
	}
	doc := reranking{Schema: "freehold/rerank/1", Model: c.Model, By: r.By(), Query: c.Query}
	for _, one := range all {
		row := rankedDoc{one.Index, one.Score, documents[one.Index]}
		if err := addRow(a, c.JSONL, &doc.Results, row, fmt.Sprintf("%.4f\t%s", row.Score, row.Document)); err != nil {
			return err
		}
	}
	if a.json {
		return a.emit(doc)
	}
	return a.out.Flush()
}

// documents are those of the command line, of the file, or of standard input.
func (c *rerankCmd) documents(a *app) (all []string, err error) {
	switch {
	case a.json && c.JSONL:
		return nil, usagef("--json and --jsonl are both given; keep one")
	case strings.TrimSpace(c.Query) == "":
		return nil, usagef("--query is empty")
	case c.Top < 0:
		return nil, usagef("--top is %d, want 0 (all) or more", c.Top)
	case c.Prompt == "" && (c.System != "" || c.Raw):
		return nil, usagef("--system and --raw are for a --prompt; give one, or leave them out")
	case len(c.Documents) > 0 && c.File != "":
		return nil, usagef("documents are given on the command line and by --file; keep one")
	case len(c.Documents) > 0:
		for i, d := range c.Documents {
			if strings.TrimSpace(d) == "" {
				return nil, usagef("document %d is empty", i+1)
			}
		}
		return c.Documents, nil
	}
	in, name := os.Stdin, "standard input"
	if c.File != "" {
		if in, err = os.Open(c.File); err != nil {
			return nil, asInput(err)
		}
		defer in.Close()
		name = c.File
	} else if isTerminal(in) {
		return nil, usagef("no documents: give them as arguments, by --file, or one a line on standard input")
	}
	err = eachLine(in, name, 256, func(lines []string, _ int) error {
		all = append(all, lines...)
		return nil
	})
	return all, err
}
