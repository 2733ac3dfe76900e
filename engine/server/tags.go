package server

import (
	"net/http"
	"time"

	"github.com/freehold-slm/freehold/engine"
)

// marking is a text for a model that marks its tokens; the zero value = the model writes.
type marking struct {
	text   string
	answer *engine.Answerer
}

// gives is what a model does that writes nothing.
func (l *loaded) gives() string {
	switch {
	case l.Spec.Tags != nil:
		return "marks the tokens of a text, in a chat of one turn,"
	case l.Ranks():
		return "ranks documents (/v1/rerank)"
	case len(l.Spec.Labels) > 0:
		return "gives labels (/v1/classify)"
	}
	return "gives embeddings"
}

// prepareTags makes a chat request ready for a model that marks the tokens of a text: the one turn of the user. What else the answer is asked to be, it must
// be as it comes.
func (c *call) prepareTags(j *chatJob) error {
	r, m := j.req, c.model
	if len(r.Messages) != 1 || r.Messages[0].Role != "user" || r.Messages[0].Content == nil {
		return badField("messages", codeUnsupported, "has other turns than one of the user, and %q marks the tokens of one text and reads no conversation", m.name)
	}
	if len(r.Tools) > 0 {
		return badField("tools", codeUnsupported, "is given, and %q marks the tokens of a text and calls nothing", m.name)
	}
	if r.Logprobs {
		return badField("logprobs", codeUnsupported, "is true, and %q marks the tokens of a text: its answer has no tokens", m.name)
	}
	var err error
	if j.gen.gen.Grammar, err = c.form(r, nil); err != nil {
		return err
	}
	g := &j.gen
	if g.mark.answer, err = m.NewAnswerer(engine.TextTask{}); err != nil {
		return err
	}
	g.mark.text, g.n = string(*r.Messages[0].Content), value(r.N, 1)
	if c.prompt = len(g.mark.answer.Tokens(nil, g.mark.text)); c.prompt > m.Context() {
		return contextError("messages", c.prompt, m.Context())
	}
	return nil
}

// mark answers a text g.n times the same.
func (c *call) mark(g generation, each func(choice int, t engine.Token) error) ([]outcome, error) {
	out := make([]outcome, g.n)
	err := g.mark.answer.Answers(c.r.Context(), []string{g.mark.text}, engine.Gen{}, func(_ int, got engine.Answer) error {
		if rule := g.gen.Grammar; rule != nil && !rule.Allows([]byte(got.Text)) {
			return &apiError{Status: http.StatusBadRequest, Type: typeRequest, Param: "response_format", Code: codeSchema,
				Message: "response_format allows other answers than the model's own schema, of which this one is; leave it out, or take the model's"}
		}
		c.firstText = time.Now()
		for i := range out {
			out[i].reason = got.Reason
			if err := each(i, engine.Token{ID: -1, Text: got.Text}); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}
