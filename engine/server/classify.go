package server

import (
	"fmt"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/engine"
)

// classifyRequest is the body of /v1/classify.
type classifyRequest struct {
	Model  string   `json:"model" doc:"a name of /v1/models; may be left out where there is one model"`
	Input  *texts   `json:"input" need:"true" range:"1,256" doc:"a text or a list of texts"`
	Labels []string `json:"labels" range:"2,256" doc:"default: those of the model's classification head"`
	Prompt string   `json:"prompt" doc:"a prompt with {text} in it; default: a plain question that lists the labels"`
	System string   `json:"system" doc:"a system turn before the prompt"`
	Raw    bool     `json:"raw" doc:"feed the prompt as plain text, without the chat template"`
	User   string   `json:"user" doc:"no effect"`
}

type classifyList struct {
	Object string         `json:"object" only:"list"`
	Model  string         `json:"model"`
	Data   []classified   `json:"data"`
	Usage  embeddingUsage `json:"usage"`
}

type classified struct {
	Index   int           `json:"index"`
	Label   string        `json:"label"`
	P       float64       `json:"p"`
	Choices []labelChoice `json:"choices"` // best first
}

type labelChoice struct {
	Label   string  `json:"label"`
	P       float64 `json:"p"`
	Logprob float64 `json:"logprob"`
}

// classify answers /v1/classify.
func (c *call) classify() error {
	var r classifyRequest
	if err := decodeBody(c.body, &r); err != nil {
		return err
	}
	m, err := c.use(r.Model)
	if err != nil {
		return err
	}
	if m.Spec.Encoder {
		return badField("model", codeUnsupported, "%q gives embeddings and no labels", m.name)
	}
	if len(m.Spec.Labels) == 0 && r.Labels == nil {
		return badField("labels", codeMissing, "is missing, and %q has no classification head of its own", m.name)
	}
	if len(m.Spec.Labels) == 0 && !r.Raw {
		if _, err := m.template(); err != nil {
			return err
		}
	}
	k, err := m.NewClassifier(engine.Task{Labels: r.Labels, Prompt: r.Prompt, System: r.System, Raw: r.Raw})
	if err != nil {
		return &apiError{Status: 400, Type: typeRequest, Code: codeValue, Message: strings.TrimPrefix(err.Error(), "engine: ")}
	}
	tokens := make([][]int32, len(*r.Input))
	for i, text := range *r.Input {
		if tokens[i], err = k.Tokens(text); err != nil {
			return err
		}
		if len(tokens[i]) == 0 {
			return badField(fmt.Sprintf("input[%d]", i), codeValue, "makes an empty prompt")
		}
	}
	if err := c.allFit(tokens, "input"); err != nil {
		return err
	}
	leave, err := c.slot(1)
	if err != nil {
		return err
	}
	defer leave()
	rows, err := k.LogProbsTokens(c.r.Context(), tokens)
	if err != nil {
		return err
	}
	out := classifyList{Object: "list", Model: m.name, Data: make([]classified, len(rows)), Usage: embeddingUsage{c.prompt, c.prompt}}
	for i, row := range rows {
		p := k.Probabilities(row)
		choices := make([]labelChoice, len(row))
		for j, label := range k.Labels() {
			choices[j] = labelChoice{label, p[j], finite(row[j])}
		}
		slices.SortStableFunc(choices, func(a, b labelChoice) int {
			switch {
			case a.P > b.P:
				return -1
			case a.P < b.P:
				return 1
			}
			return 0
		})
		out.Data[i] = classified{i, choices[0].Label, choices[0].P, choices}
	}
	writeJSON(c.w, 200, out)
	return nil
}
