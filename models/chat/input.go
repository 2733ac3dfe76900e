package chat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// variables makes the template's variables and counts the input's bytes.
func variables(in Input) (map[string]value, int, error) {
	vars := map[string]value{
		"add_generation_prompt": in.AddGenerationPrompt,
		"bos_token":             in.BOS,
		"eos_token":             in.EOS,
		"tools":                 nil, // as transformers has it: None, not undefined
		"documents":             nil,
	}
	size := len(in.BOS) + len(in.EOS)
	messages := &list{}
	for i, m := range in.Messages {
		obj := newDict()
		for _, f := range m.fields() {
			v, n, err := fromGo(f.v)
			if err != nil {
				return nil, 0, fmt.Errorf("messages[%d].%s: %w", i, f.name, err)
			}
			if err := obj.set(f.name, v); err != nil {
				return nil, 0, err
			}
			size += n
		}
		messages.items = append(messages.items, obj)
	}
	vars["messages"] = messages
	if in.Tools != nil {
		tools := &list{}
		for i, t := range in.Tools {
			v, err := decodeJSON(t)
			if err != nil {
				return nil, 0, fmt.Errorf("tools[%d]: %w", i, err)
			}
			tools.items = append(tools.items, v)
			size += len(t)
		}
		vars["tools"] = tools
	}
	if in.EnableThinking != nil {
		vars["enable_thinking"] = *in.EnableThinking
	}
	for name, x := range in.Extra {
		v, n, err := fromGo(x)
		if err != nil {
			return nil, 0, fmt.Errorf("variable %q: %w", name, err)
		}
		vars[name] = v
		size += n
	}
	return vars, size, nil
}

// fromGo converts through JSON, except for strings, whose bytes stay as they are.
func fromGo(x any) (value, int, error) {
	if s, ok := x.(string); ok {
		return s, len(s), nil
	}
	data, err := json.Marshal(x)
	if err != nil {
		return nil, 0, err
	}
	v, err := decodeJSON(data)
	return v, len(data), err
}

// fields lists what a message has, in the order templates and JSON see it.
func (m Message) fields() []namedArg {
	out := []namedArg{{"role", m.Role}}
	add := func(name string, v any, there bool) {
		if there {
			out = append(out, namedArg{name, v})
		}
	}
	add("content", m.Content, m.Parts == nil)
	add("content", m.Parts, m.Parts != nil)
	add("reasoning_content", m.ReasoningContent, m.ReasoningContent != "")
	add("tool_calls", m.ToolCalls, len(m.ToolCalls) > 0)
	add("name", m.Name, m.Name != "")
	add("tool_call_id", m.ToolCallID, m.ToolCallID != "")
	for _, name := range slices.Sorted(maps.Keys(m.Extra)) {
		add(name, m.Extra[name], true)
	}
	return out
}

// MarshalJSON writes the message as chat APIs have it, known keys first.
func (m Message) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for i, f := range m.fields() {
		v, err := json.Marshal(f.v)
		if err != nil {
			return nil, fmt.Errorf("message: field %q: %w", f.name, err)
		}
		b.WriteByte("{,"[min(i, 1)])
		fmt.Fprintf(&b, "%s:%s", quoteJSON(f.name, false), v)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON reads a message; keys it does not know go to Extra.
func (m *Message) UnmarshalJSON(data []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return fmt.Errorf("message: %w", err)
	}
	*m = Message{}
	for name, raw := range fields {
		var err error
		null := string(raw) == "null"
		switch name {
		case "role":
			err = json.Unmarshal(raw, &m.Role)
		case "content":
			if json.Unmarshal(raw, &m.Content) != nil || null {
				m.Content, m.Parts = "", raw
			}
		case "name":
			err = json.Unmarshal(raw, &m.Name)
		case "tool_calls":
			err = json.Unmarshal(raw, &m.ToolCalls)
		case "tool_call_id":
			err = json.Unmarshal(raw, &m.ToolCallID)
		case "reasoning_content":
			err = json.Unmarshal(raw, &m.ReasoningContent)
		default:
			if m.Extra == nil {
				m.Extra = map[string]json.RawMessage{}
			}
			m.Extra[name] = raw
		}
		if err != nil {
			return fmt.Errorf("message: field %q: %w", name, err)
		}
	}
	return nil
}
