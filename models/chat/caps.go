package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Caps says what a template does with a conversation. A field is true when a probe was rendered and its text came out, as
// minja and llama.cpp find it out; what a template merely could do in other conversations is not seen.
type Caps struct {
	System            bool `json:"system"`              // a system turn's text is shown
	Parts             bool `json:"parts"`               // content may be a list of typed parts
	Tools             bool `json:"tools"`               // tools are described to the model
	NeedsTools        bool `json:"needs_tools"`         // without a list of tools, an empty one at least, it fails
	ToolCalls         bool `json:"tool_calls"`          // an assistant turn's calls are shown
	ParallelToolCalls bool `json:"parallel_tool_calls"` // also several of one turn
	StringArguments   bool `json:"string_arguments"`    // a call's arguments have to be a JSON string, not an object
	ToolResults       bool `json:"tool_results"`        // a tool turn's text is shown
	ToolCallIDs       bool `json:"tool_call_ids"`       // and which call it answers
	Reasoning         bool `json:"reasoning"`           // reasoning_content of the turn at hand is shown
	KeepReasoning     bool `json:"keep_reasoning"`      // also that of earlier turns
	ThinkingSwitch    bool `json:"thinking_switch"`     // enable_thinking changes the prompt
	GenerationPrompt  bool `json:"generation_prompt"`   // add_generation_prompt begins the answer
}

// Names lists what is true, in the order of the fields, in words.
func (c Caps) Names() (names []string) {
	for _, f := range []struct {
		is   bool
		name string
	}{
		{c.System, "system turn"}, {c.Parts, "typed parts"}, {c.Tools, "tools"}, {c.NeedsTools, "only with tools"}, {c.ToolCalls, "tool calls"}, {c.ParallelToolCalls, "parallel tool calls"},
		{c.StringArguments, "arguments as text"}, {c.ToolResults, "tool results"}, {c.ToolCallIDs, "tool call ids"}, {c.Reasoning, "reasoning"},
		{c.KeepReasoning, "reasoning of earlier turns"}, {c.ThinkingSwitch, "thinking switch"}, {c.GenerationPrompt, "generation prompt"},
	} {
		if f.is {
			names = append(names, f.name)
		}
	}
	return names
}

// What all probes of one template may take together. Known templates stay below a twentieth.
const (
	probeSteps = 500_000
	probeBytes = 4 << 20
)

// prober renders probes within one budget.
type prober struct {
	t     *Template
	left  budget
	tools []json.RawMessage // where a probe has none
	limit error             // the LimitError that ended the probing
	first error             // why the first probe was refused
}

// Words that no template holds.
const (
	sysMark, userMark, partMark   = "Mzsystem", "Mzuser", "Mzpart"
	toolMark, nameMark, otherMark = "Mzdescribes", "Mzcalls", "Mzother"
	argMark, resultMark           = "Mzvalue", "Mzresult"
	thinkMark, answerMark         = "Mzthinks", "Mzanswer"
	firstID, secondID             = "Mzcall001", "Mzcall002" // of nine letters and digits: some templates insist
)

// Caps renders some conversations to find out what the template can do. It fails when the template refuses the plainest of
// them, a user turn alone or after a system turn, or runs into the caps that all of them share.
func (t *Template) Caps() (Caps, error) {
	p := &prober{t: t, left: budget{probeSteps, probeBytes}}
	var c Caps
	user := Message{Role: "user", Content: userMark}
	answer := Message{Role: "assistant", Content: answerMark}
	alone, aloneOK := p.render(Input{Messages: []Message{user}, AddGenerationPrompt: true})
	system, systemOK := p.render(Input{Messages: []Message{{Role: "system", Content: sysMark}, user}, AddGenerationPrompt: true})
	if !aloneOK && !systemOK && p.tools == nil { // a template for tools alone: it goes through them unasked
		p.tools = []json.RawMessage{}
		alone, aloneOK = p.render(Input{Messages: []Message{user}, AddGenerationPrompt: true})
		system, systemOK = p.render(Input{Messages: []Message{{Role: "system", Content: sysMark}, user}, AddGenerationPrompt: true})
		c.NeedsTools = aloneOK || systemOK
	}
	if !aloneOK && !systemOK && p.limit == nil {
		return c, fmt.Errorf("the template refuses a user turn: %w", p.first)
	}
	c.System = has(system, sysMark)
	if aloneOK {
		bare, ok := p.render(Input{Messages: []Message{user}})
		c.GenerationPrompt = ok && bare != alone
		on, off := true, false
		with, okOn := p.render(Input{Messages: []Message{user}, AddGenerationPrompt: true, EnableThinking: &on})
		without, okOff := p.render(Input{Messages: []Message{user}, AddGenerationPrompt: true, EnableThinking: &off})
		c.ThinkingSwitch = okOn && okOff && with != without
	}
	parts, _ := p.render(Input{Messages: []Message{{Role: "user", Parts: json.RawMessage(`[{"type":"text","text":"` + partMark + `"}]`)}}})
	c.Parts = has(parts, partMark) && !has(parts, "'type'") && !has(parts, `"type"`)

	c.tools(p, user, answer)

	thought := Message{Role: "assistant", Content: answerMark, ReasoningContent: thinkMark}
	for _, turns := range [][]Message{{user, thought}, {user, call(thinkMark, `{"arg":"x"}`, nameMark), result(firstID)}} {
		out, _ := p.render(Input{Messages: turns})
		c.Reasoning = c.Reasoning || has(out, thinkMark)
	}
	out, _ := p.render(Input{Messages: []Message{user, thought, user, answer, user}, AddGenerationPrompt: true})
	c.KeepReasoning = has(out, thinkMark)
	if p.limit != nil {
		return Caps{}, p.limit
	}
	return c, nil
}

// tools probes what has to do with tools.
func (c *Caps) tools(p *prober, user, answer Message) {
	tool := json.RawMessage(`{"type":"function","function":{"name":"` + nameMark + `","description":"` + toolMark +
		`","parameters":{"type":"object","properties":{"arg":{"type":"string","description":"what"}},"required":["arg"]}}}`)
	tools := []json.RawMessage{tool}
	out, _ := p.render(Input{Messages: []Message{user}, Tools: tools, AddGenerationPrompt: true})
	c.Tools = has(out, toolMark) || has(out, nameMark)

	// talk renders a call and its result, with the end of the conversation that the template takes.
	talk := func(arguments string, names ...string) string {
		turns := []Message{user, call("", arguments, names...), result(firstID)}
		if len(names) > 1 {
			turns = append(turns, result(secondID))
		}
		var all string
		for _, end := range [][]Message{nil, {answer, user}} {
			if out, ok := p.render(Input{Messages: append(turns[:len(turns):len(turns)], end...), Tools: tools}); ok {
				all += out
			}
		}
		return all
	}
	// Quotes of Python or of JSON within JSON show that the template took the arguments for something else.
	object, text := talk(`{"arg":"`+argMark+`"}`, nameMark), talk(`"{\"arg\":\"`+argMark+`\"}"`, nameMark)
	asObject := has(object, argMark) && !has(object, `{'arg'`)
	asText := has(text, argMark) && !has(text, `\"arg`)
	c.ToolCalls = asObject || asText
	c.StringArguments = asText && !asObject
	if c.StringArguments {
		object = text
	}
	c.ToolResults = has(object, resultMark)
	c.ToolCallIDs = has(object, firstID)
	if c.ToolCalls {
		arguments := `{"arg":"x"}`
		if c.StringArguments {
			arguments = `"{\"arg\":\"x\"}"`
		}
		// The description names the first too, so it is the second that tells.
		c.ParallelToolCalls = has(talk(arguments, nameMark, otherMark), otherMark)
	}
}

// call is an assistant turn that calls tools, with a thought perhaps.
func call(thought, arguments string, names ...string) Message {
	m := Message{Role: "assistant", ReasoningContent: thought}
	for i, name := range names {
		m.ToolCalls = append(m.ToolCalls, ToolCall{ID: []string{firstID, secondID}[i], Type: "function", Function: Function{name, json.RawMessage(arguments)}})
	}
	return m
}

func result(id string) Message {
	return Message{Role: "tool", Name: nameMark, ToolCallID: id, Content: resultMark}
}

func has(s, part string) bool { return strings.Contains(s, part) }

// render renders one probe; false when the template refuses it, or when the budget is used up.
func (p *prober) render(in Input) (string, bool) {
	if p.limit != nil {
		return "", false
	}
	if in.Tools == nil {
		in.Tools = p.tools
	}
	in.BOS, in.EOS = "<s>", "</s>"
	in.Now = time.Date(2024, 7, 26, 0, 0, 0, 0, time.UTC) // any day
	out, err := p.t.render(in, &p.left)
	var limit *LimitError
	if errors.As(err, &limit) {
		p.limit = err
	}
	if err != nil && p.first == nil {
		p.first = err
	}
	return out, err == nil
}
