package main

import (
	"errors"
	"os"
	"strings"

	"github.com/freehold-slm/freehold/engine/grammar"
)

// grammarFlags say which texts an answer may be.
type grammarFlags struct {
	JSONSchema string   `help:"The answer is JSON of this schema: a file, or the schema itself." placeholder:"FILE"`
	JSONObject bool     `help:"The answer is some JSON object."`
	Grammar    string   `help:"The answer is of this grammar: a file in GBNF, as for llama.cpp." placeholder:"FILE"`
	Regex      string   `help:"The answer is a text that this regular expression (RE2) matches as a whole." placeholder:"PATTERN"`
	Choice     []string `sep:"none" help:"The answer is this text, or another one that is given in the same way." placeholder:"TEXT"`
}

// compile makes the grammar that is asked for; nil = none.
func (f *grammarFlags) compile() (*grammar.Grammar, error) {
	var g *grammar.Grammar
	var err error
	asked := 0
	for _, way := range []struct {
		name  string
		given bool
		make  func() (*grammar.Grammar, error)
	}{
		{"--json-schema", f.JSONSchema != "", func() (*grammar.Grammar, error) {
			text := []byte(f.JSONSchema)
			if !strings.HasPrefix(strings.TrimSpace(f.JSONSchema), "{") {
				var err error
				if text, err = os.ReadFile(f.JSONSchema); err != nil {
					return nil, asInput(err)
				}
			}
			return grammar.Schema(text)
		}},
		{"--json-object", f.JSONObject, grammar.AnyJSON},
		{"--grammar", f.Grammar != "", func() (*grammar.Grammar, error) {
			text, err := os.ReadFile(f.Grammar)
			if err != nil {
				return nil, asInput(err)
			}
			return grammar.GBNF(string(text))
		}},
		{"--regex", f.Regex != "", func() (*grammar.Grammar, error) { return grammar.Regex(f.Regex) }},
		{"--choice", len(f.Choice) > 0, func() (*grammar.Grammar, error) { return grammar.Choice(f.Choice...) }},
	} {
		if !way.given {
			continue
		}
		if asked++; asked > 1 {
			return nil, usagef("%s and another form of answer are both asked for; keep one", way.name)
		}
		if g, err = way.make(); err != nil {
			if unread := (*inputError)(nil); errors.As(err, &unread) {
				return nil, err
			}
			return nil, usagef("%s: %v", way.name, err)
		}
	}
	return g, nil
}
