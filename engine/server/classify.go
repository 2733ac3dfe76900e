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
	Labels  []string `json:"labels" range:"2,256" doc:"default: those of the model's classification head, or of the task that its file holds"`
	Prompt  string   `json:"prompt" doc:"a prompt with {text} in it; default: the file's, else a plain question that lists the labels"`
	System  string   `json:"system" doc:"a system turn before the prompt"`
	Raw     bool     `json:"raw" doc:"feed the prompt as plain text, without the chat template"`
	Explain bool     `json:"explain" doc:"say which words each answer rests on: each text goes through the model that answers once more without each of its words; up to 16 texts"`
	Store   *bool    `json:"store" doc:"false: nothing of this request is kept, where the server collects what a student is not sure of (serve --collect); true is refused where it does not"`
	User    string   `json:"user" doc:"no effect"`
}

// own tells whether the request is for the task that the model was made for.
func (r *classifyRequest) own(m *loaded) bool {
	return r.Prompt == "" && r.System == "" && !r.Raw && m.hasLabels() && (r.Labels == nil || len(m.Spec.Labels) > 0)
}

// explainTexts is how many texts a request may have explained: each costs a forward pass a word.
const explainTexts = 16

type classifyList struct {
	Object       string         `json:"object" only:"list"`
	Model        string         `json:"model"`
	AbstainBelow float64        `json:"abstain_below,omitempty"` // the line of a student
	Teacher      string         `json:"teacher,omitempty"`       // who is asked below it
	Data         []classified   `json:"data"`
	Usage        embeddingUsage `json:"usage"`
}

type classified struct {
	Index   int           `json:"index"`
	Label   string        `json:"label"`
	P       float64       `json:"p"`
	Choices []labelChoice `json:"choices"` // best first

	Labels *[]string `json:"labels,omitempty"` // of a model that gives any number of them: those whose probability reaches the threshold

	Abstained  bool         `json:"abstained,omitempty"`                          // the label is less probable than the line, and nobody else was asked
	AnsweredBy string       `json:"answered_by,omitempty" only:"student,teacher"` // where there is a teacher
	Student    *firstAnswer `json:"student,omitempty"`                            // what it said, where the teacher answered
	Collected  bool         `json:"collected,omitempty"`                          // the text was kept, masked, for the next run

	Explanation *explanation `json:"explanation,omitempty"`
}

// firstAnswer is what a student said before its teacher was asked.
type firstAnswer struct {
	Label string  `json:"label"`
	P     float64 `json:"p"`
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

	Threshold *float64 `json:"threshold,omitempty"` // of a model that gives any number of labels
}

// classify answers /v1/classify.
func (c *call) classify() error {
	c.tellCollecting(true)
	var r classifyRequest
	if err := decodeBody(c.body, &r); err != nil {
		return err
	}
	keep := r.Store == nil || *r.Store
	c.tellCollecting(keep)
	m, err := c.use(r.Model)
	if err != nil {
		return err
	}
	if m.Spec.Encoder && len(m.Spec.Labels) == 0 {
		return badField("model", codeUnsupported, "%q %s and no labels", m.name, m.gives())
	}
	if m.Ranks() {
		return badField("model", codeUnsupported, "%q is a reranker and gives no labels; ask /v1/rerank", m.name)
	}
	if m.IsMultilabel() {
		return c.multilabel(m, &r)
	}
	if r.Labels == nil && !m.hasLabels() {
		return badField("labels", codeMissing, "is missing, and %q has neither a classification head nor a task of its own", m.name)
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
	out := classifyList{Object: "list", Model: m.name}
	var q question
	if r.own(m) {
		if out.AbstainBelow, q, err = c.s.student(m, k); err != nil {
			return err
		}
	}
	if r.Store != nil && *r.Store && (c.s.cfg.collect == nil || out.AbstainBelow == 0) {
		return badField("store", codeUnsupported, "is true, and nothing of this request would be kept: the server has to be told to (serve --collect), and keeps only what a student is not sure of")
	}
	if n := len(*r.Input); r.Explain && n > explainTexts {
		return badField("explain", codeValue, "is for up to %d texts, got %d", explainTexts, n)
	}
	tokens, err := tokensOf(k, *r.Input)
	if err != nil {
		return err
	}
	for i := range tokens {
		if len(tokens[i]) == 0 {
			return badField(fmt.Sprintf("input[%d]", i), codeValue, "makes an empty prompt")
		}
	}
	if err := c.allFit(tokens, "input"); err != nil {
		return err
	}
	c.prompt = 0 // labelled counts
	leave, err := c.slot(1)
	if err != nil {
		return err
	}
	defer leave()
	if out.Data, err = c.labelled(k, *r.Input, tokens, r.Explain); err != nil {
		return err
	}
	if err := c.unsure(&out, &q, *r.Input, r.Explain); err != nil {
		return err
	}
	leave()
	if keep {
		c.collect(&out, *r.Input)
	}
	out.Usage = embeddingUsage{c.prompt, c.prompt}
	writeJSON(c.w, 200, out)
	return nil
}

func tokensOf(k *engine.Classifier, texts []string) ([][]int32, error) {
	tokens := make([][]int32, len(texts))
	var err error
	for i, text := range texts {
		if tokens[i], err = k.Tokens(text); err != nil {
			return nil, err
		}
	}
	return tokens, nil
}

// labelled asks one model about texts, of which it has the tokens.
func (c *call) labelled(k *engine.Classifier, texts []string, tokens [][]int32, explain bool) ([]classified, error) {
	out := make([]classified, len(texts))
	if !explain {
		rows, err := k.LogProbsTokens(c.r.Context(), tokens)
		if err != nil {
			return nil, err
		}
		for i, row := range rows {
			c.prompt += len(tokens[i])
			out[i] = classifiedAs(i, k.Choices(row))
		}
		return out, nil
	}
	for i, text := range texts {
		e, err := k.Explain(c.r.Context(), text)
		if err != nil {
			return nil, err
		}
		c.prompt += e.Tokens
		out[i] = classifiedAs(i, e.Choices)
		x := &explanation{LogOdds: finite(e.LogOdds), Words: []wordEffect{}, Passes: e.Passes}
		for _, w := range e.Words {
			x.Words = append(x.Words, wordEffect{w.Text, w.Start, w.End, finite(w.Change)})
		}
		out[i].Explanation = x
	}
	return out, nil
}

func classifiedAs(i int, all []engine.Choice) classified {
	choices := make([]labelChoice, len(all))
	for j, ch := range all {
		choices[j] = labelChoice{Label: ch.Label, P: ch.P, Logprob: finite(ch.LogProb)}
	}
	return classified{Index: i, Label: all[0].Label, P: all[0].P, Choices: choices}
}
