package server

import (
	"encoding/json"
	"fmt"
	"regexp"
)

// chatRequest is the body of /v1/chat/completions.
type chatRequest struct {
	Model    string    `json:"model" doc:"a name of /v1/models; may be left out where there is one model"`
	Messages []message `json:"messages" need:"true" range:"1,10000"`
	sampling
	MaxTokens           *int                       `json:"max_tokens" range:"1,1000000000" doc:"most tokens of an answer; default: as many as the context holds"`
	MaxCompletionTokens *int                       `json:"max_completion_tokens" range:"1,1000000000" doc:"the same"`
	Logprobs            bool                       `json:"logprobs" doc:"how likely the model found each token, before temperature and the like"`
	TopLogprobs         *int                       `json:"top_logprobs" range:"0,20" doc:"with logprobs: and the most likely tokens of each place"`
	ResponseFormat      *responseFormat            `json:"response_format" doc:"the form of the answer, always enforced"`
	Tools               []tool                     `json:"tools" range:"0,128"`
	ToolChoice          *toolChoice                `json:"tool_choice"`
	ParallelToolCalls   *bool                      `json:"parallel_tool_calls" doc:"false = one call at most"`
	ReasoningEffort     string                     `json:"reasoning_effort" only:"none" doc:"none = no thinking, for models whose chat template has the switch"`
	TemplateKwargs      map[string]json.RawMessage `json:"chat_template_kwargs" range:"0,32" doc:"variables of the chat template, such as enable_thinking"`
	Modalities          []string                   `json:"modalities" doc:"text is all there is"`
	Store               bool                       `json:"store" only:"false" doc:"nothing is stored"`
	ServiceTier         string                     `json:"service_tier" only:"auto,default" doc:"no effect"`
	Metadata            map[string]string          `json:"metadata" range:"0,16" doc:"no effect"`
	SafetyIdentifier    string                     `json:"safety_identifier" doc:"no effect"`
	PromptCacheKey      string                     `json:"prompt_cache_key" doc:"no effect"`
}

// message is a turn of the conversation.
type message struct {
	Role             string            `json:"role" need:"true" only:"system,developer,user,assistant,tool" doc:"developer is the same as system"`
	Content          *content          `json:"content"`
	Name             string            `json:"name" range:"1,256"`
	ToolCalls        []toolCall        `json:"tool_calls" range:"0,128"`
	ToolCallID       string            `json:"tool_call_id" range:"1,256"`
	ReasoningContent string            `json:"reasoning_content" doc:"what an assistant thought before it answered"`
	Refusal          *nothing          `json:"refusal"`
	Audio            *nothing          `json:"audio"`
	FunctionCall     *nothing          `json:"function_call"`
	Annotations      []json.RawMessage `json:"annotations" range:"0,0"`
	litellmNote
}

// litellmNote is what litellm's client adds to an answer, and sends back with it.
type litellmNote struct {
	ProviderFields map[string]json.RawMessage `json:"provider_specific_fields" range:"0,32" doc:"no effect"`
}

// nothing may be null or left out.
type nothing struct{}

func (*nothing) decode(_ []byte, path string) error {
	return badField(path, codeUnsupported, "is not supported here; leave it out")
}

func (*nothing) schema(*schemas) schema { return schema{"type": "null"} }

// content is a text, or texts in parts.
type content string

type contentPart struct {
	Type string `json:"type" need:"true" only:"text,input_text,output_text"`
	Text string `json:"text" need:"true"`
	// OpenAI's clients send these back with what they got.
	Annotations []json.RawMessage `json:"annotations" range:"0,0"`
	Logprobs    []json.RawMessage `json:"logprobs" range:"0,0"`
}

func (c *content) decode(raw []byte, path string) error {
	if raw[0] == '"' {
		return decodeInto(raw, (*string)(c), path)
	}
	if raw[0] != '[' {
		return badType(path, "a string or a list of parts", raw)
	}
	var parts []contentPart
	if err := decodeInto(raw, &parts, path); err != nil {
		return err
	}
	for i, p := range parts {
		if i > 0 {
			*c += "\n"
		}
		*c += content(p.Text)
	}
	return nil
}

func (c *content) schema(g *schemas) schema {
	return schema{"anyOf": []schema{{"type": "string"}, {"type": "array", "items": g.request(typeOf[contentPart]())}}}
}

// toolCall is a call of an assistant's turn, in requests and answers.
type toolCall struct {
	ID       string       `json:"id"`
	Type     string       `json:"type" only:"function"`
	Function functionCall `json:"function" need:"true"`
}

type functionCall struct {
	Name      string `json:"name" need:"true" range:"1,256"`
	Arguments string `json:"arguments" need:"true" doc:"JSON, as a text"`
}

// tool is a function that the model may call. raw is what the chat template gets.
type tool struct {
	Type     string   `json:"type" need:"true" only:"function"`
	Function function `json:"function" need:"true"`
	raw      json.RawMessage
}

type function struct {
	Name        string          `json:"name" need:"true" range:"1,64"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters" doc:"a JSON Schema; default: any object"`
	Strict      bool            `json:"strict" doc:"refuse the request where the schema cannot be enforced"`
}

var functionName = regexp.MustCompile(`^[a-zA-Z0-9_.-]+$`)

type plainTool tool // without decode

func (t *tool) decode(raw []byte, path string) error {
	if err := decodeInto(raw, (*plainTool)(t), path); err != nil {
		return err
	}
	t.raw = append(json.RawMessage(nil), raw...)
	return t.Function.check(path + ".function")
}

func (t *tool) schema(g *schemas) schema { return g.request(typeOf[plainTool]()) }

func (f *function) check(path string) error {
	if !functionName.MatchString(f.Name) {
		return badField(path+".name", codeValue, "is %q, want letters, digits, _, - and . alone", f.Name)
	}
	if p := f.Parameters; p != nil && p[0] != '{' && string(p) != "null" {
		return badType(path+".parameters", "a JSON Schema", p)
	}
	if string(f.Parameters) == "null" {
		f.Parameters = nil
	}
	return nil
}

// toolChoice says which tools the model may call, or must.
type toolChoice struct {
	mode string // none, auto, required
	name string // with required: this one
}

type namedTool struct {
	Type     string `json:"type" need:"true" only:"function"`
	Function struct {
		Name string `json:"name" need:"true" range:"1,64"`
	} `json:"function" need:"true"`
}

func (t *toolChoice) decode(raw []byte, path string) error {
	if raw[0] == '"' {
		var mode string
		if err := decodeInto(raw, &mode, path); err != nil {
			return err
		}
		t.mode = mode
		if mode != "none" && mode != "auto" && mode != "required" {
			return badField(path, codeValue, "is %.60q, want none, auto, required or an object that names a function", mode)
		}
		return nil
	}
	var named namedTool
	if err := decodeInto(raw, &named, path); err != nil {
		return err
	}
	t.mode, t.name = "required", named.Function.Name
	return nil
}

func (t *toolChoice) schema(g *schemas) schema {
	return schema{"anyOf": []schema{{"type": "string", "enum": []string{"none", "auto", "required"}}, g.request(typeOf[namedTool]())}}
}

// responseFormat is the form of an answer.
type responseFormat struct {
	Type       string      `json:"type" need:"true" only:"text,json_object,json_schema"`
	JSONSchema *jsonSchema `json:"json_schema"`
}

// schemaField is where a chat has the schema of its answer.
const schemaField = "response_format.json_schema.schema"

type jsonSchema struct {
	Name        string          `json:"name" need:"true" range:"1,64"`
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"schema" doc:"a JSON Schema; what cannot be enforced is refused with its place"`
	Strict      *bool           `json:"strict" doc:"no effect: a schema is always enforced"`
}

// limit is the most tokens of an answer, 0 = no limit.
func (r *chatRequest) limit() (int, error) {
	if r.MaxTokens != nil && r.MaxCompletionTokens != nil && *r.MaxTokens != *r.MaxCompletionTokens {
		return 0, badField("max_tokens", codeValue, "is %d and max_completion_tokens is %d; give one of them", *r.MaxTokens, *r.MaxCompletionTokens)
	}
	return max(value(r.MaxTokens, 0), value(r.MaxCompletionTokens, 0)), nil
}

// check looks at what fields demand of each other.
func (r *chatRequest) check() error {
	for i, m := range r.Messages {
		at := fmt.Sprintf("messages[%d]", i)
		switch {
		case m.Role == "assistant" && m.Content == nil && len(m.ToolCalls) == 0:
			return badField(at+".content", codeMissing, "is missing; an assistant's turn has a content or tool_calls")
		case m.Role != "assistant" && m.Content == nil:
			return badField(at+".content", codeMissing, "is missing")
		case m.Role != "assistant" && (len(m.ToolCalls) > 0 || m.ReasoningContent != ""):
			return badField(at+".role", codeValue, "is %q, and tool_calls and reasoning_content are an assistant's", m.Role)
		case m.Role == "tool" && m.ToolCallID == "":
			return badField(at+".tool_call_id", codeMissing, "is missing; a tool's turn says which call it answers")
		case m.Role != "tool" && m.ToolCallID != "":
			return badField(at+".tool_call_id", codeValue, "is given, and the role is %q and not tool", m.Role)
		}
		for j, call := range m.ToolCalls {
			if !json.Valid([]byte(call.Function.Arguments)) {
				return badField(fmt.Sprintf("%s.tool_calls[%d].function.arguments", at, j), codeJSON, "is no JSON")
			}
		}
	}
	for i, m := range r.Modalities {
		if m != "text" {
			return badField(fmt.Sprintf("modalities[%d]", i), codeUnsupported, "is %.40q; the models here give text", m)
		}
	}
	if r.TopLogprobs != nil && !r.Logprobs {
		return badField("top_logprobs", codeValue, "is given and logprobs is not true")
	}
	if f := r.ResponseFormat; f != nil {
		if (f.Type == "json_schema") != (f.JSONSchema != nil) {
			return badField("response_format.json_schema", codeValue, "goes with the type json_schema, and only with it")
		}
		if f.JSONSchema != nil && f.JSONSchema.Schema == nil {
			return badField(schemaField, codeMissing, "is missing")
		}
		if f.Type != "text" && r.Grammar != "" {
			return badField("grammar", codeValue, "and response_format are both given; keep one")
		}
	}
	if c := r.ToolChoice; c != nil && c.mode == "required" && len(r.Tools) == 0 {
		return badField("tool_choice", codeValue, "asks for a call, and there are no tools")
	}
	for i := range r.Tools {
		for j := range i {
			if r.Tools[i].Function.Name == r.Tools[j].Function.Name {
				return badField(fmt.Sprintf("tools[%d].function.name", i), codeValue, "%q is there already", r.Tools[i].Function.Name)
			}
		}
	}
	return nil
}
