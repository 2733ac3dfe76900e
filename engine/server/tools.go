package server

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/engine/grammar"
	"github.com/freehold-slm/freehold/models/chat"
)

// toolFormat is how a model writes that it calls a tool:
//
//	<tool_call>\n{"name": "f", "arguments": {...}}\n</tool_call>    Hermes, Qwen: open and shut, any number of calls
//	{"name": "f", "parameters": {...}}                              Llama 3: the whole answer is one call
type toolFormat struct {
	open, args, shut string // text before the name, between name and arguments, and behind these
	tag              string // what begins a call; "" where the whole answer is one
	many             bool   // a turn may hold several calls
}

const openTag, shutTag = "<tool_call>", "</tool_call>"

// Words that no template holds.
const toolProbe, argProbe = "Mzcalls", "Mzvalue"

var writtenCall = regexp.MustCompile(`(<tool_call>\s*)?(\{"name": ?")` + toolProbe + `(", ?"(?:arguments|parameters)": ?)\{"arg": ?"` + argProbe + `"\}(\}(?:\s*</tool_call>)?)`)

// toolFormat finds out how the model writes calls, by having its template write one; nil where that is none of the known ways.
func (l *loaded) toolFormat() *toolFormat {
	l.toolOnce.Do(func() {
		caps, err := l.template()
		if err != nil || !caps.ToolCalls {
			return
		}
		arguments := json.RawMessage(`{"arg": "` + argProbe + `"}`)
		if caps.StringArguments {
			arguments, _ = json.Marshal(string(arguments))
		}
		user := chat.Message{Role: "user", Content: "x"}
		called := chat.Message{Role: "assistant", ToolCalls: []chat.ToolCall{{ID: "call00001", Type: "function", Function: chat.Function{Name: toolProbe, Arguments: arguments}}}}
		result := chat.Message{Role: "tool", Name: toolProbe, ToolCallID: "call00001", Content: "y"}
		in := chat.Input{Messages: []chat.Message{user, called, result}, AddGenerationPrompt: true,
			Tools: []json.RawMessage{json.RawMessage(`{"type": "function", "function": {"name": "` + toolProbe + `", "description": "d", "parameters": {"type": "object", "properties": {"arg": {"type": "string"}}}}}`)}}
		in.Now = probeDay
		text, err := l.Render(in)
		if err != nil {
			return
		}
		all := writtenCall.FindAllStringSubmatch(text, -1)
		if len(all) == 0 {
			return
		}
		m := all[len(all)-1]
		f := &toolFormat{open: m[1] + m[2], args: m[3], shut: m[4]}
		tagged := m[1] != ""
		if tagged != (len(m[4]) > 1) || !tagged && !strings.Contains(m[3], "parameters") {
			return // half a tag, or JSON of some other kind
		}
		if tagged {
			f.tag, f.many = openTag, caps.ParallelToolCalls
		}
		l.tools = f
	})
	return l.tools
}

// probeDay is for templates that ask what day it is; any will do.
var probeDay = time.Date(2024, 7, 26, 0, 0, 0, 0, time.UTC)

// callGrammar is the grammar of answers that call tools: a call or more where one is asked for, and otherwise any text, in which
// what begins like a call is one. Where a schema cannot be enforced and nobody asks for that, it is nil: any text.
func (s *Server) callGrammar(r *chatRequest, f *toolFormat) (*grammar.Grammar, error) {
	must, only := false, ""
	if r.ToolChoice != nil {
		must, only = r.ToolChoice.mode == "required", r.ToolChoice.name
	}
	schemas := map[string][]byte{}
	var each grammar.Alt
	known := only == ""
	key := fmt.Sprint("tools ", must, only, value(r.ParallelToolCalls, true), *f)
	for i, t := range r.Tools {
		if only != "" && t.Function.Name != only {
			continue
		}
		known = true
		text := []byte(t.Function.Parameters)
		if text == nil {
			text = []byte(`{"type": "object"}`)
		}
		param := fmt.Sprintf("tools[%d].function.parameters", i)
		if _, err := s.schema(param, text); err != nil {
			if must || t.Function.Strict {
				return nil, err
			}
			return nil, nil
		}
		name := fmt.Sprintf("tool-%d", i)
		schemas[name] = text
		key += "\n" + t.Function.Name + " " + string(text)
		each = append(each, grammar.Seq{grammar.Literal(f.open), grammar.Literal(t.Function.Name), grammar.Literal(f.args), grammar.Ref(name), grammar.Literal(f.shut)})
	}
	if !known {
		return nil, badField("tool_choice.function.name", codeValue, "%q is none of the tools", only)
	}
	several := f.many && value(r.ParallelToolCalls, true) && only == ""
	g, err := s.grammars.get(key, func() (*grammar.Grammar, error) { return grammar.Compose(f.answer(each, must, several), schemas) })
	if err != nil {
		return nil, schemaError("tools", err)
	}
	return g, nil
}

// answer is the form of an answer with calls of one of each.
func (f *toolFormat) answer(each grammar.Expr, must, several bool) grammar.Expr {
	calls := grammar.Expr(each)
	if several {
		calls = grammar.Seq{each, grammar.Repeat{Of: grammar.Seq{grammar.Literal("\n"), each}, Min: 0, Max: -1}}
	}
	switch {
	case must:
		return calls
	case f.tag == "":
		return grammar.Alt{calls, grammar.Unlike(f.open)}
	}
	return grammar.Seq{grammar.Without(f.tag), grammar.Repeat{Of: calls, Min: 0, Max: 1}}
}
