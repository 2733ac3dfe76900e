package server

import (
	"fmt"

	"github.com/freehold-slm/freehold/models/token"
)

// scoreRequest is the body of /v1/score: how likely is each continuation after the prompt?
type scoreRequest struct {
	Model         string  `json:"model" doc:"a name of /v1/models; may be left out where there is one model"`
	Prompt        *prompt `json:"prompt" need:"true" doc:"one text, or the tokens of one"`
	Continuations *prompt `json:"continuations" need:"true" doc:"a list of texts, or a list of lists of tokens; a text is encoded by itself"`
	User          string  `json:"user" doc:"no effect"`
}

type scoreList struct {
	Object string         `json:"object" only:"list"`
	Model  string         `json:"model"`
	Data   []score        `json:"data"`
	Usage  embeddingUsage `json:"usage"`
}

type score struct {
	Index   int     `json:"index"`
	Logprob float64 `json:"logprob"` // of all tokens together
	Tokens  int     `json:"tokens"`
}

// score answers /v1/score.
func (c *call) score() error {
	var r scoreRequest
	if err := decodeBody(c.body, &r); err != nil {
		return err
	}
	m, err := c.use(r.Model)
	if err != nil {
		return err
	}
	if m.Spec.Encoder {
		return badField("model", codeUnsupported, "%q %s and no probabilities", m.name, m.gives())
	}
	if r.Prompt.len() != 1 {
		return badField("prompt", codeValue, "holds %d prompts, want one", r.Prompt.len())
	}
	prefixes, err := r.Prompt.encoded(m, "prompt")
	if err != nil {
		return err
	}
	all := r.Continuations.tokens
	for _, text := range r.Continuations.texts {
		all = append(all, m.Tokenizer().Encode(nil, text, token.EncodeOptions{}))
	}
	c.prompt = len(prefixes[0])
	for i, tokens := range all {
		at := fmt.Sprintf("continuations[%d]", i)
		if len(tokens) == 0 {
			return badField(at, codeValue, "has no tokens")
		}
		for _, id := range tokens {
			if id < 0 || int(id) >= m.Spec.Vocab {
				return badField(at, codeValue, "holds the token %d, want 0 to %d", id, m.Spec.Vocab-1)
			}
		}
		if n := len(prefixes[0]) + len(tokens); n > m.Context() {
			return contextError(at, n, m.Context())
		}
		c.prompt += len(tokens)
	}
	leave, err := c.slot(1)
	if err != nil {
		return err
	}
	defer leave()
	sums, err := m.Score(c.r.Context(), prefixes[0], all)
	if err != nil {
		return err
	}
	out := scoreList{Object: "list", Model: m.name, Data: make([]score, len(sums)), Usage: embeddingUsage{c.prompt, c.prompt}}
	for i, sum := range sums {
		out.Data[i] = score{i, finite(sum), len(all[i])}
	}
	writeJSON(c.w, 200, out)
	return nil
}
