package server

import (
	"fmt"
	"strings"

	"github.com/freehold-slm/freehold/engine"
)

// classifyRequest is the body of /v1/classify.
type classifyRequest struct {
	Model   string   `json:"model" doc:"a name of /v1/models; may be left out where there is one model"`
	Input   *texts   `json:"input" need:"true" range:"1,256" doc:"a text or a list of texts"`
	Labels  []string `json:"labels" range:"2,256" doc:"default: those of the model's classification head"`
	Prompt  string   `json:"prompt" doc:"a prompt with {text} in it; default: a plain question that lists the labels"`
	System  string   `json:"system" doc:"a system turn before the prompt"`
	Raw     bool     `json:"raw" doc:"feed the prompt as plain text, without the chat template"`
	Explain bool     `json:"explain" doc:"say which words each answer rests on: each text goes through the model once more without each of its words; up to 16 texts"`
	User    string   `json:"user" doc:"no effect"`
}

// explainTexts is how many texts a request may have explained: each costs a forward pass a word.
const explainTexts = 16

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

	Explanation *explanation `json:"explanation,omitempty"`
}

// explanation is engine.Explanation.
type explanation struct {
	LogOdds float64      `json:"log_odds"`
	Words   []wordEffect `json:"words"`
	Passes  int          `json:"forward_passes"`
}

type wordEffect struct {
	Text   string  `json:"text"`
	Start  int     `json:"start"`
	End    int     `json:"end"`
	Change float64 `json:"change"`
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
	if n := len(*r.Input); r.Explain && n > explainTexts {
		return badField("explain", codeValue, "is for up to %d texts, got %d", explainTexts, n)
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
	out := classifyList{Object: "list", Model: m.name, Data: make([]classified, len(tokens))}
	if r.Explain {
		c.prompt = 0
		for i, text := range *r.Input {
			e, err := k.Explain(c.r.Context(), text)
			if err != nil {
				return err
			}
			c.prompt += e.Tokens
			out.Data[i] = classifiedAs(i, e.Choices)
			x := &explanation{LogOdds: finite(e.LogOdds), Words: []wordEffect{}, Passes: e.Passes}
			for _, w := range e.Words {
				x.Words = append(x.Words, wordEffect{w.Text, w.Start, w.End, finite(w.Change)})
			}
			out.Data[i].Explanation = x
		}
	} else {
		rows, err := k.LogProbsTokens(c.r.Context(), tokens)
		if err != nil {
			return err
		}
		for i, row := range rows {
			out.Data[i] = classifiedAs(i, k.Choices(row))
		}
	}
	out.Usage = embeddingUsage{c.prompt, c.prompt}
	writeJSON(c.w, 200, out)
	return nil
}

func classifiedAs(i int, all []engine.Choice) classified {
	choices := make([]labelChoice, len(all))
	for j, ch := range all {
		choices[j] = labelChoice{ch.Label, ch.P, finite(ch.LogProb)}
	}
	return classified{Index: i, Label: all[0].Label, P: all[0].P, Choices: choices}
}
