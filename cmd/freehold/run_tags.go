package main

import (
	"os"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/engine"
)

// mark answers with a model that marks the tokens of a text: the prompt is the text, and the answer JSON of the model's own schema.
func (c *runCmd) mark(a *app, m *opened, gen engine.Gen) error {
	for _, flag := range []struct {
		name  string
		given bool
	}{{"--raw", c.Raw}, {"--system", c.System != ""}, {"--draft", c.Draft != ""}} {
		if flag.given {
			return usagef("%s is for models that write; %s marks the tokens of a text: give the text alone", flag.name, c.Model)
		}
	}
	if c.Prompt == "" && isTerminal(os.Stdin) {
		return usagef("no text: give one as an argument or on standard input; %s marks the tokens of a text and does not chat", c.Model)
	}
	if c.Prompt == "" || c.Prompt == "-" {
		text, err := readAll(os.Stdin)
		if err != nil {
			return err
		}
		c.Prompt = strings.TrimRight(text, "\r\n")
	}
	k, err := m.NewAnswerer(engine.TextTask{})
	if err != nil {
		return asInput(err)
	}
	if n := len(k.Tokens(nil, c.Prompt)); n > m.Context() {
		return usagef("the text has %d tokens, and the context of %s holds %d; shorten it", n, m.name, m.Context())
	}
	start := time.Now()
	return k.Answers(a.ctx, []string{c.Prompt}, engine.Gen{}, func(_ int, got engine.Answer) error {
		if gen.Grammar != nil && !gen.Grammar.Allows([]byte(got.Text)) {
			return usagef("%s answers by its own schema, and %s is not of the form that is asked for; leave that out", c.Model, got.Text)
		}
		ans := &answer{Schema: "freehold/run/1", Model: m.name, Text: got.Text, Reason: got.Reason, PromptTokens: got.Read, PromptTokS: float64(got.Read) / time.Since(start).Seconds()}
		if a.json {
			return a.emit(ans)
		}
		a.write("%s\n", got.Text)
		if err := a.out.Flush(); err != nil {
			return err
		}
		c.remark(a, m, ans)
		return nil
	})
}

// marksTokens refuses to ask such a model for what it does not give.
func marksTokens(model, what string) error {
	return usagef("%s marks the tokens of a text and gives no %s; ask it with: freehold run %s TEXT", model, what, model)
}
