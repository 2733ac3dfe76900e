package server

import (
	"encoding/json"
	"strings"
)

// responsesRequest is the body of /v1/responses. Nothing is stored: each request brings the whole conversation.
type responsesRequest struct {
	Model              string             `json:"model" doc:"a name of /v1/models; may be left out where there is one model"`
	Input              *responsesInput    `json:"input" need:"true" doc:"a text, or the items of the conversation"`
	Instructions       *string            `json:"instructions" doc:"a system turn before the conversation"`
	MaxOutputTokens    *int               `json:"max_output_tokens" range:"1,1000000000"`
	Temperature        *float64           `json:"temperature" range:"0,2" doc:"0 = always the most likely token; default 1"`
	TopP               *float64           `json:"top_p" range:"0,1"`
	TopLogprobs        *int               `json:"top_logprobs" range:"0,0" doc:"log-probabilities are given by /v1/chat/completions"`
	Seed               *int64             `json:"seed" doc:"the same seed gives the same answer"`
	Stream             bool               `json:"stream"`
	StreamOptions      *obfuscation       `json:"stream_options"`
	Text               *responsesText     `json:"text"`
	Tools              []responsesTool    `json:"tools" range:"0,128"`
	ToolChoice         *responsesChoice   `json:"tool_choice"`
	ParallelToolCalls  *bool              `json:"parallel_tool_calls" doc:"false = one call at most"`
	Reasoning          *responsesThinking `json:"reasoning"`
	PreviousResponseID *nothing           `json:"previous_response_id"`
	Conversation       *nothing           `json:"conversation"`
	Prompt             *nothing           `json:"prompt"`
	MaxToolCalls       *nothing           `json:"max_tool_calls"`
	Include            []string           `json:"include" range:"0,0"`
	Truncation         string             `json:"truncation" only:"disabled" doc:"what does not fit is refused"`
	Background         bool               `json:"background" only:"false"`
	Store              bool               `json:"store" only:"false" doc:"nothing is stored"`
	ServiceTier        string             `json:"service_tier" only:"auto,default" doc:"no effect"`
	Metadata           map[string]string  `json:"metadata" range:"0,16" doc:"no effect"`
	User               string             `json:"user" doc:"no effect"`
	SafetyIdentifier   string             `json:"safety_identifier" doc:"no effect"`
	PromptCacheKey     string             `json:"prompt_cache_key" doc:"no effect"`
}

type obfuscation struct {
	IncludeObfuscation *bool `json:"include_obfuscation" only:"false" doc:"no padding is added"`
}

type responsesThinking struct {
	Effort  string   `json:"effort" only:"none" doc:"none = no thinking, for models whose chat template has the switch"`
	Summary *nothing `json:"summary"`
}

type responsesText struct {
	Format    *responsesFormat `json:"format"`
	Verbosity *nothing         `json:"verbosity"`
}

type responsesFormat struct {
	Type        string          `json:"type" need:"true" only:"text,json_object,json_schema"`
	Name        string          `json:"name" range:"1,64"`
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"schema" doc:"a JSON Schema; what cannot be enforced is refused with its place"`
	Strict      *bool           `json:"strict" doc:"no effect: a schema is always enforced"`
}

type responsesTool struct {
	Type string `json:"type" need:"true" only:"function"`
	function
	raw json.RawMessage
}

type plainResponsesTool responsesTool // without decode

func (t *responsesTool) decode(raw []byte, path string) error {
	if err := decodeInto(raw, (*plainResponsesTool)(t), path); err != nil {
		return err
	}
	t.raw = append(json.RawMessage(nil), raw...)
	return t.check(path)
}

func (t *responsesTool) schema(g *schemas) schema { return g.request(typeOf[plainResponsesTool]()) }

type responsesChoice struct {
	toolChoice
	raw json.RawMessage
}

type namedResponsesTool struct {
	Type string `json:"type" need:"true" only:"function"`
	Name string `json:"name" need:"true" range:"1,64"`
}

func (t *responsesChoice) decode(raw []byte, path string) error {
	t.raw = append(json.RawMessage(nil), raw...)
	if raw[0] == '"' {
		return t.toolChoice.decode(raw, path)
	}
	var named namedResponsesTool
	err := decodeInto(raw, &named, path)
	t.mode, t.name = "required", named.Name
	return err
}

func (t *responsesChoice) schema(g *schemas) schema {
	return schema{"anyOf": []schema{{"type": "string", "enum": []string{"none", "auto", "required"}}, g.request(typeOf[namedResponsesTool]())}}
}

// responsesInput is a text, or items.
type responsesInput []responsesItem

// responsesItem is a turn, a call of a tool or a tool's result.
type responsesItem struct {
	Type      string   `json:"type" only:"message,function_call,function_call_output" doc:"default message"`
	ID        string   `json:"id"`
	Status    string   `json:"status" only:"in_progress,completed,incomplete"`
	Role      string   `json:"role" only:"system,developer,user,assistant" doc:"of a message"`
	Content   *content `json:"content" doc:"of a message"`
	CallID    string   `json:"call_id" doc:"of a call and its result"`
	Name      string   `json:"name" doc:"of a call"`
	Arguments *string  `json:"arguments" doc:"of a call"`
	Output    *content `json:"output" doc:"of a result"`
	Phase     *nothing `json:"phase"`
}

func (in *responsesInput) decode(raw []byte, path string) error {
	if raw[0] == '"' {
		var text content
		err := decodeInto(raw, &text, path)
		*in = responsesInput{{Role: "user", Content: &text}}
		return err
	}
	if raw[0] != '[' {
		return badType(path, "a string or a list of items", raw)
	}
	return decodeInto(raw, (*[]responsesItem)(in), path)
}

func (*responsesInput) schema(g *schemas) schema {
	return schema{"anyOf": []schema{{"type": "string"}, {"type": "array", "items": g.request(typeOf[responsesItem]()), "minItems": 1, "maxItems": 10000}}}
}

// chat is the request as /v1/chat/completions has it.
func (r *responsesRequest) chat() (*chatRequest, error) {
	out := &chatRequest{Model: r.Model, MaxCompletionTokens: r.MaxOutputTokens, ParallelToolCalls: r.ParallelToolCalls}
	out.Temperature, out.TopP, out.Seed, out.Stream = r.Temperature, r.TopP, r.Seed, r.Stream
	if r.Instructions != nil {
		text := content(*r.Instructions)
		out.Messages = append(out.Messages, message{Role: "system", Content: &text})
	}
	if len(*r.Input) == 0 {
		return nil, badField("input", codeValue, "is empty")
	}
	for i, item := range *r.Input {
		m, err := item.message(i)
		if err != nil {
			return nil, err
		}
		// Calls belong to the assistant's turn before them.
		if n := len(out.Messages); len(m.ToolCalls) > 0 && n > 0 && out.Messages[n-1].Role == "assistant" {
			out.Messages[n-1].ToolCalls = append(out.Messages[n-1].ToolCalls, m.ToolCalls...)
			continue
		}
		out.Messages = append(out.Messages, m)
	}
	if r.Reasoning != nil {
		out.ReasoningEffort = r.Reasoning.Effort
	}
	if r.Text != nil && r.Text.Format != nil {
		f := r.Text.Format
		out.ResponseFormat = &responseFormat{Type: f.Type}
		if f.Type == "json_schema" {
			if f.Schema == nil {
				return nil, badField("text.format.schema", codeMissing, "is missing")
			}
			out.ResponseFormat.JSONSchema = &jsonSchema{Name: f.Name, Schema: f.Schema}
		} else if f.Schema != nil {
			return nil, badField("text.format.schema", codeValue, "goes with the type json_schema")
		}
	}
	for _, t := range r.Tools {
		// The template wants it as chats have it.
		raw, err := json.Marshal(struct {
			Type     string       `json:"type"`
			Function templateTool `json:"function"`
		}{"function", templateTool{t.Name, t.Description, t.Parameters}})
		if err != nil {
			return nil, err
		}
		out.Tools = append(out.Tools, tool{Type: "function", Function: t.function, raw: raw})
	}
	if r.ToolChoice != nil {
		out.ToolChoice = &r.ToolChoice.toolChoice
	}
	return out, nil
}

type templateTool struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
}

// message is an item as a turn.
func (item *responsesItem) message(i int) (m message, err error) {
	at := "input[" + itoa(i) + "]."
	missing := func(field string) error { return badField(at+field, codeMissing, "is missing") }
	switch item.Type {
	case "function_call":
		if item.CallID == "" || item.Name == "" || item.Arguments == nil {
			return m, missing("call_id, name or arguments")
		}
		return message{Role: "assistant", ToolCalls: []toolCall{{ID: item.CallID, Type: "function", Function: functionCall{item.Name, *item.Arguments}}}}, nil
	case "function_call_output":
		if item.CallID == "" || item.Output == nil {
			return m, missing("call_id or output")
		}
		return message{Role: "tool", ToolCallID: item.CallID, Content: item.Output}, nil
	}
	if item.Role == "" || item.Content == nil {
		return m, missing("role or content")
	}
	return message{Role: item.Role, Content: item.Content}, nil
}

// asInput turns an error about messages into one about input.
func asInput(err error) error {
	e, ok := err.(*apiError)
	if !ok || !strings.HasPrefix(e.Param, "messages") {
		return err
	}
	out := *e
	out.Message = "input: " + strings.TrimPrefix(e.Message, e.Param+": ")
	out.Param = "input"
	return &out
}
