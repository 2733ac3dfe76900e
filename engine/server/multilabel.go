package server

import (
	"fmt"
	"slices"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
)

// multilabel answers /v1/classify of a model that gives a text any number of its labels.
func (c *call) multilabel(m *loaded, r *classifyRequest) error {
	c.tellCollecting(false)
	if r.Labels != nil && !slices.Equal(r.Labels, m.Spec.Labels) {
		return badField("labels", codeUnsupported, "are not those of %q, which gives a text any number of %q; leave them out", m.name, m.Spec.Labels)
	}
	why := "%s, and %q gives a text any number of its own labels and reads the text alone; leave it out"
	switch {
	case r.Prompt != "":
		return badField("prompt", codeUnsupported, why, "is given", m.name)
	case r.System != "":
		return badField("system", codeUnsupported, why, "is given", m.name)
	case r.Raw:
		return badField("raw", codeUnsupported, why, "is true", m.name)
	case r.Explain:
		return badField("explain", codeUnsupported, "is true, and %q gives a text any number of its labels; explanations are of models that give one", m.name)
	case r.Store != nil && *r.Store:
		return badField("store", codeUnsupported, "is true, and of a model that gives a text any number of its labels nothing is kept")
	}
	k, err := m.NewMultilabel(engine.MultilabelTask{})
	if err != nil {
		return err
	}
	prompts := make([][][]int32, len(*r.Input))
	var tokens [][]int32
	for i, text := range *r.Input {
		if prompts[i], err = k.Tokens(text); err != nil {
			return err
		}
		if len(prompts[i][0]) == 0 {
			return badField(fmt.Sprintf("input[%d]", i), codeValue, "makes an empty prompt")
		}
		tokens = append(tokens, prompts[i][0])
	}
	if err := c.allFit(tokens, "input"); err != nil {
		return err
	}
	leave, err := c.slot(1)
	if err != nil {
		return err
	}
	defer leave()
	rows, err := k.LogOddsTokens(c.r.Context(), prompts)
	if err != nil {
		return err
	}
	out := classifyList{Object: "list", Model: m.name}
	c.prompt = 0
	for i, row := range rows {
		c.prompt += len(tokens[i])
		out.Data = append(out.Data, markedAs(i, k, row))
	}
	out.Usage = embeddingUsage{c.prompt, c.prompt}
	writeJSON(c.w, 200, out)
	return nil
}

func markedAs(i int, k *engine.Multilabel, row []float64) classified {
	marks, has := k.Marks(row), []string{}
	choices := make([]labelChoice, len(marks))
	for j, v := range marks {
		at := slices.Index(k.Labels(), v.Label)
		choices[j] = labelChoice{Label: v.Label, P: v.P, Logprob: finite(kernels.LogSigmoid(row[at])), Threshold: &v.Threshold}
		if v.Has {
			has = append(has, v.Label)
		}
	}
	return classified{Index: i, Label: marks[0].Label, P: marks[0].P, Labels: &has, Choices: choices}
}
