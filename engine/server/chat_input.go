package server

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/freehold-slm/freehold/engine/grammar"
	"github.com/freehold-slm/freehold/models/chat"
)

// input makes what the chat template sees. calls tells whether tools are among it.
func (c *call) input(r *chatRequest) (in chat.Input, calls *toolFormat, err error) {
	caps, err := c.model.template()
	if err != nil {
		return in, nil, err
	}
	refuse := func(param, what string) error {
		return badField(param, codeUnsupported, "the chat template of %q %s", c.model.name, what)
	}
	in.AddGenerationPrompt = true
	if c.s.cfg.now != nil {
		in.Now = c.s.cfg.now()
	}
	for i, m := range r.Messages {
		at := fmt.Sprintf("messages[%d]", i)
		out := chat.Message{Role: m.Role, Name: m.Name, ToolCallID: m.ToolCallID, ReasoningContent: m.ReasoningContent}
		if m.Content != nil {
			out.Content = string(*m.Content)
		}
		switch {
		case (m.Role == "system" || m.Role == "developer") && !caps.System:
			return in, nil, refuse(at+".role", "shows no system turn; put its text into the user's")
		case m.Role == "developer":
			out.Role = "system"
		case m.Role == "tool" && !caps.ToolResults:
			return in, nil, refuse(at+".role", "shows no results of tools")
		case len(m.ToolCalls) > 0 && !caps.ToolCalls:
			return in, nil, refuse(at+".tool_calls", "shows no calls of tools")
		case len(m.ToolCalls) > 1 && !caps.ParallelToolCalls:
			return in, nil, refuse(at+".tool_calls", "shows one call a turn")
		case m.ReasoningContent != "" && !caps.Reasoning:
			return in, nil, refuse(at+".reasoning_content", "shows no thoughts")
		}
		for _, t := range m.ToolCalls {
			arguments := json.RawMessage(t.Function.Arguments)
			if caps.StringArguments {
				arguments, _ = json.Marshal(t.Function.Arguments)
			}
			out.ToolCalls = append(out.ToolCalls, chat.ToolCall{ID: t.ID, Type: "function", Function: chat.Function{Name: t.Function.Name, Arguments: arguments}})
		}
		in.Messages = append(in.Messages, out)
	}
	if len(r.Tools) > 0 && (r.ToolChoice == nil || r.ToolChoice.mode != "none") {
		if !caps.Tools {
			return in, nil, refuse("tools", "describes no tools to the model")
		}
		if calls = c.model.toolFormat(); calls == nil {
			return in, nil, refuse("tools", "writes calls of tools in a form that is not known here; known are <tool_call> with JSON, and Llama 3's JSON")
		}
		for _, t := range r.Tools {
			in.Tools = append(in.Tools, t.raw)
		}
	}
	if caps.NeedsTools && in.Tools == nil {
		in.Tools = []json.RawMessage{}
	}
	for name, v := range r.TemplateKwargs {
		switch name {
		case "enable_thinking":
			on := string(v) == "true"
			if !on && string(v) != "false" {
				return in, nil, badType("chat_template_kwargs.enable_thinking", "true or false", v)
			}
			if !caps.ThinkingSwitch {
				return in, nil, refuse("chat_template_kwargs.enable_thinking", "has no such switch")
			}
			in.EnableThinking = &on
		case "messages", "tools", "add_generation_prompt", "bos_token", "eos_token":
			return in, nil, badField("chat_template_kwargs."+name, codeValue, "is what the request itself says")
		default:
			if in.Extra == nil {
				in.Extra = map[string]any{}
			}
			in.Extra[name] = v
		}
	}
	if r.ReasoningEffort != "" {
		if !caps.ThinkingSwitch {
			return in, nil, refuse("reasoning_effort", "has no switch for thinking")
		}
		off := false
		in.EnableThinking = &off
	}
	return in, calls, nil
}

// encode renders a conversation into tokens.
func (c *call) encode(in chat.Input) ([]int32, error) {
	tokens, err := c.model.RenderTokens(in)
	if err == nil {
		return tokens, nil
	}
	if api := asAPI(err); api.Status != http.StatusInternalServerError {
		return nil, api
	}
	return nil, &apiError{Status: http.StatusBadRequest, Type: typeRequest, Param: "messages", Code: codeTemplate, Message: err.Error()}
}

// form compiles the grammar that the answer must be of; nil = any text.
func (c *call) form(r *chatRequest, calls *toolFormat) (*grammar.Grammar, error) {
	var f *grammar.Grammar
	var err error
	switch {
	case r.Grammar != "":
		f, err = c.s.gbnf(r.Grammar)
	case r.ResponseFormat == nil || r.ResponseFormat.Type == "text":
	case r.ResponseFormat.Type == "json_object":
		f, err = c.s.grammars.get("json_object", grammar.AnyJSON)
	default:
		f, err = c.s.schema(schemaField, r.ResponseFormat.JSONSchema.Schema)
	}
	if err != nil || calls == nil {
		return f, err
	}
	if f != nil {
		return nil, badField("tools", codeUnsupported, "and a form of the answer (response_format, grammar) are both given; an answer is one or the other")
	}
	return c.s.callGrammar(r, calls)
}
