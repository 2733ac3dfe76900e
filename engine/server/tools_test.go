package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// How models of testdata/chat write calls.
var knownFormats = map[string]*toolFormat{
	"Qwen-Qwen2.5-7B-Instruct":                      {"<tool_call>\n{\"name\": \"", "\", \"arguments\": ", "}\n</tool_call>", openTag, true},
	"Qwen-Qwen3-0.6B":                               {"<tool_call>\n{\"name\": \"", "\", \"arguments\": ", "}\n</tool_call>", openTag, true},
	"NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use": {"<tool_call>\n{\"name\": \"", "\", \"arguments\": ", "}\n</tool_call>", openTag, true},
	"meta-llama-Llama-3.1-8B-Instruct":              {"{\"name\": \"", "\", \"parameters\": ", "}", "", false},
	"meta-llama-Llama-3.2-3B-Instruct":              {"{\"name\": \"", "\", \"parameters\": ", "}", "", false},
}

func TestToolFormats(t *testing.T) {
	found, err := filepath.Glob(filepath.Join("..", "..", "testdata", "chat", "*.jinja"))
	if err != nil || len(found) < 10 {
		t.Fatalf("%d templates (%v)", len(found), err)
	}
	seen := map[string]*toolFormat{}
	for _, path := range found {
		name := strings.TrimSuffix(filepath.Base(path), ".jinja")
		m := open(t, chatFile(t, name, nil))
		if f := NewModels().newLoaded(name, Opened{Model: m, Close: m.Close}).toolFormat(); f != nil {
			seen[name] = f
		}
	}
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		t.Logf("%s: %+v", name, *seen[name])
	}
	for name, want := range knownFormats {
		if got := seen[name]; got == nil || *got != *want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	for name, f := range seen {
		if knownFormats[name] == nil && f.tag != openTag {
			t.Errorf("%s has a form that nobody looked at: %+v", name, *f)
		}
	}
}

// The splitter finds calls and text wherever the pieces are cut, and what is no call stays text.
func TestSplitter(t *testing.T) {
	hermes, llama := knownFormats["Qwen-Qwen3-0.6B"], knownFormats["meta-llama-Llama-3.1-8B-Instruct"]
	type want struct {
		text  string
		calls []functionCall
	}
	one := functionCall{"f", `{"a": "}\" {", "b": [1, {"c": {}}]}`}
	for _, c := range []struct {
		f    *toolFormat
		text string
		want want
	}{
		{hermes, "plain text", want{"plain text", nil}},
		{hermes, "a < b <tool> </tool_call> {}", want{"a < b <tool> </tool_call> {}", nil}},
		{hermes, "<tool_call>\n{\"name\": \"f\", \"arguments\": " + one.Arguments + "}\n</tool_call>", want{"", []functionCall{one}}},
		{hermes, "Let me see.\n\n<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>", want{"Let me see.", []functionCall{{"f", "{}"}}}},
		{hermes, "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n{\"name\": \"g\", \"arguments\": " + one.Arguments + "}\n</tool_call>", want{"", []functionCall{{"f", "{}"}, {"g", one.Arguments}}}},
		{hermes, "<tool_call>\n{\"name\": \"unknown\", \"arguments\": {}}\n</tool_call>", want{"<tool_call>\n{\"name\": \"unknown\", \"arguments\": {}}\n</tool_call>", nil}},
		{hermes, "<tool_call>\nnothing like it\n</tool_call> more", want{"<tool_call>\nnothing like it\n</tool_call> more", nil}},
		{hermes, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1", want{"", []functionCall{{"f", `{"a": 1`}}}},
		{hermes, "text <tool_c", want{"text <tool_c", nil}},
		{hermes, "text \n", want{"text \n", nil}},
		{llama, "{\"name\": \"f\", \"parameters\": " + one.Arguments + "}", want{"", []functionCall{one}}},
		{llama, "\n{ \"name\" : \"f\", \"parameters\": {}}", want{"", []functionCall{{"f", "{}"}}}},
		{llama, "{\"title\": \"f\"}", want{"{\"title\": \"f\"}", nil}},
		{llama, "{\"name\": \"nobody\", \"parameters\": {}}", want{"{\"name\": \"nobody\", \"parameters\": {}}", nil}},
		{llama, "It is {\"name\": \"f\", \"parameters\": {}}", want{"It is {\"name\": \"f\", \"parameters\": {}}", nil}},
		{nil, "<tool_call>", want{"<tool_call>", nil}},
	} {
		for size := 1; size <= len(c.text); size++ {
			p := splitter{f: c.f, names: []string{"f", "g"}}
			var a answer
			for i := 0; i < len(c.text); i += size {
				for _, d := range p.push(c.text[i:min(len(c.text), i+size)], false) {
					a.add(d)
				}
			}
			for _, d := range p.push("", true) {
				a.add(d)
			}
			var calls []functionCall
			for _, x := range a.calls {
				calls = append(calls, x.Function)
			}
			if a.text.String() != c.want.text || !slices.Equal(calls, c.want.calls) {
				t.Errorf("%q by %d: %q, %v; want %q, %v", c.text, size, a.text.String(), calls, c.want.text, c.want.calls)
				break
			}
		}
	}
}

const someTools = `"tools": [
	{"type": "function", "function": {"name": "weather", "description": "d", "parameters": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 6}}, "required": ["city"], "additionalProperties": false}, "strict": true}},
	{"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {"a": {"$ref": "#/$defs/n"}, "b": {"$ref": "#/$defs/n"}}, "required": ["a", "b"], "additionalProperties": false, "$defs": {"n": {"type": "integer", "minimum": 0, "maximum": 99}}}}}]`

// isCall holds a call's arguments against the schemas of someTools.
func isCall(t *testing.T, name, arguments string) {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(arguments), &v); err != nil {
		t.Errorf("%s(%s): %v", name, arguments, err)
		return
	}
	city, isText := v["city"].(string)
	a, okA := v["a"].(float64)
	b, okB := v["b"].(float64)
	switch {
	case name == "weather" && isText && len(v) == 1 && len([]rune(city)) <= 6:
	case name == "add" && okA && okB && len(v) == 2 && a >= 0 && a <= 99 && b >= 0 && b <= 99:
	default:
		t.Errorf("%s(%s) is not of its schema", name, arguments)
	}
}

// A model that must call calls, with arguments of the schema, whatever its weights want.
func TestTools(t *testing.T) {
	for _, template := range []string{"Qwen-Qwen2.5-7B-Instruct", "meta-llama-Llama-3.1-8B-Instruct"} {
		t.Run(template, func(t *testing.T) {
			h := New(open(t, chatFile(t, template, nil)), WithNow(func() time.Time { return probeDay }))
			s := serve(t, h)
			for seed := range 2 {
				for _, choice := range []string{`"required"`, `{"type": "function", "function": {"name": "add"}}`} {
					fields := fmt.Sprintf(`%s, "tool_choice": %s, "seed": %d, "max_tokens": 400`, someTools, choice, seed)
					got := s.post("/v1/chat/completions", chatBody(fields+`, "parallel_tool_calls": false`))
					calls, _ := got.at("choices", 0, "message", "tool_calls").([]any)
					if len(calls) != 1 || got.text("choices", 0, "finish_reason") != "tool_calls" || got.at("choices", 0, "message", "content") != nil {
						t.Fatalf("%s: %v", choice, got.v)
					}
					name := got.text("choices", 0, "message", "tool_calls", 0, "function", "name")
					isCall(t, name, got.text("choices", 0, "message", "tool_calls", 0, "function", "arguments"))
					if choice != `"required"` && name != "add" {
						t.Errorf("%s calls %s", choice, name)
					}
					events, _ := s.stream("/v1/chat/completions", chatBody(fields+`, "parallel_tool_calls": false, "stream": true`))
					var a answer
					pieces := 0
					for _, e := range events {
						if e.data.at("choices", 0, "delta", "tool_calls", 0) == nil {
							continue
						}
						pieces++
						a.add(delta{call: 1 + e.data.int("choices", 0, "delta", "tool_calls", 0, "index"), id: e.data.text("choices", 0, "delta", "tool_calls", 0, "id"),
							name: e.data.text("choices", 0, "delta", "tool_calls", 0, "function", "name"), args: e.data.text("choices", 0, "delta", "tool_calls", 0, "function", "arguments")})
					}
					if len(a.calls) != 1 || pieces < 3 || a.calls[0].Function.Arguments != got.text("choices", 0, "message", "tool_calls", 0, "function", "arguments") {
						t.Errorf("the stream gives %v in %d pieces, whole it was %v", a.calls, pieces, got.v)
					}
				}
				many := s.post("/v1/chat/completions", chatBody(fmt.Sprintf(`%s, "tool_choice": "required", "seed": %d, "max_tokens": 600`, someTools, seed)))
				calls, _ := many.at("choices", 0, "message", "tool_calls").([]any)
				for i := range calls {
					if i == len(calls)-1 && many.text("choices", 0, "finish_reason") == "length" {
						break
					}
					isCall(t, many.text("choices", 0, "message", "tool_calls", i, "function", "name"), many.text("choices", 0, "message", "tool_calls", i, "function", "arguments"))
				}
				// What is not asked for is no call.
				none := s.post("/v1/chat/completions", chatBody(fmt.Sprintf(`%s, "tool_choice": "none", "seed": %d, "max_tokens": 20`, someTools, seed)))
				plain := s.post("/v1/chat/completions", chatBody(fmt.Sprintf(`"seed": %d, "max_tokens": 20`, seed)))
				if none.text("choices", 0, "message", "content") != plain.text("choices", 0, "message", "content") || none.int("usage", "prompt_tokens") != plain.int("usage", "prompt_tokens") {
					t.Errorf("with tool_choice none %v, without tools %v", none.v, plain.v)
				}
				if auto := s.post("/v1/chat/completions", chatBody(fmt.Sprintf(`%s, "seed": %d, "max_tokens": 20`, someTools, seed))); auto.int("usage", "prompt_tokens") <= plain.int("usage", "prompt_tokens") {
					t.Errorf("the tools are not in the prompt: %v", auto.v)
				}
			}
			// The result goes back.
			back := `{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{\"a\": 1, \"b\": 2}"}}]},
				{"role": "tool", "tool_call_id": "c1", "content": "3"}], "seed": 1, "max_tokens": 3, ` + someTools + `}`
			if got := s.post("/v1/chat/completions", back); got.int("usage", "completion_tokens") == 0 {
				t.Errorf("%v", got.v)
			}
			response := s.post("/v1/responses", `{"input": "x", "seed": 1, "tool_choice": {"type": "function", "name": "add"}, "max_output_tokens": 400, "tools": [{"type": "function", "name": "add",
				"parameters": {"type": "object", "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 9}, "b": {"const": 1}}, "required": ["a", "b"], "additionalProperties": false}}]}`)
			if response.text("output", 0, "type") != "function_call" || response.text("output", 0, "name") != "add" {
				t.Errorf("%v", response.v)
			}
			isCall(t, response.text("output", 0, "name"), response.text("output", 0, "arguments"))
			item := string(must(json.Marshal(response.at("output", 0))))
			next := s.post("/v1/responses", `{"input": [{"role": "user", "content": "x"}, `+item+`, {"type": "function_call_output", "call_id": "`+response.text("output", 0, "call_id")+`", "output": "3"}], "max_output_tokens": 3}`)
			if next.text("object") != "response" {
				t.Errorf("%v", next.v)
			}
			events, _ := s.stream("/v1/responses", `{"stream": true, "input": "x", "seed": 1, "tool_choice": "required", "max_output_tokens": 400, "tools": [{"type": "function", "name": "add", "parameters": {"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"], "additionalProperties": false}}]}`)
			arguments := ""
			for _, e := range events {
				if e.name == "response.function_call_arguments.delta" && e.data.int("output_index") == 0 {
					arguments += e.data.text("delta")
				}
			}
			if !json.Valid([]byte(arguments)) {
				t.Errorf("streamed arguments %q", arguments)
			}
			unsupported := `{"type": "object", "properties": {"a": {"type": "string", "format": "hostname"}}}`
			tool := `"tools": [{"type": "function", "function": {"name": "f", "parameters": ` + unsupported + `%s}}]`
			s.refused("POST", "/v1/chat/completions", chatBody(fmt.Sprintf(tool, "")+`, "tool_choice": "required"`), 400, codeSchema, "tools[0].function.parameters#/properties/a/format")
			s.refused("POST", "/v1/chat/completions", chatBody(fmt.Sprintf(tool, `, "strict": true`)), 400, codeSchema, "tools[0].function.parameters#/properties/a/format")
			s.post("/v1/chat/completions", chatBody(fmt.Sprintf(tool, "")+`, "max_tokens": 1`))
			s.refused("POST", "/v1/chat/completions", chatBody(someTools+`, "tool_choice": {"type": "function", "function": {"name": "nobody"}}`), 400, codeValue, "tool_choice.function.name")
			s.refused("POST", "/v1/chat/completions", chatBody(someTools+`, "response_format": {"type": "json_object"}`), 400, codeUnsupported, "tools")
		})
	}
	// A template without tools, and one whose calls are of another form.
	for _, template := range []string{"zephyr", "mistralai-Mistral-Nemo-Instruct-2407"} {
		h := New(open(t, chatFile(t, template, nil)))
		serve(t, h).refused("POST", "/v1/chat/completions", chatBody(someTools), 400, codeUnsupported, "tools")
	}
}

// With tools to choose from, what begins like a call is one, and other text goes on freely.
func TestAutoGrammar(t *testing.T) {
	h := New(open(t, chatFile(t, "Qwen-Qwen2.5-7B-Instruct", nil)))
	for name, format := range knownFormats {
		var r chatRequest
		if err := decodeBody([]byte(chatBody(someTools)), &r); err != nil {
			t.Fatal(err)
		}
		g, err := h.callGrammar(&r, format)
		if err != nil || g == nil {
			t.Fatalf("%v, %v", g, err)
		}
		call := func(name, args string) string { return format.open + name + format.args + args + format.shut }
		for text, want := range map[string]bool{
			"": true, "any text < > {} at all": true, call("add", `{"a": 1, "b": 2}`): true, call("add", `{"a": 1, "b": 200}`): false, call("nobody", `{}`): false,
			call("weather", `{"city": "Bern"}`): true, call("weather", `{"town": "Bern"}`): false,
			"See: " + call("add", `{"a": 1, "b": 2}`):                                true, // of Llama 3: text
			"See: " + call("nobody", `{}`):                                           format.tag == "",
			call("add", `{"a": 1, "b": 2}`) + "\n" + call("add", `{"a": 1, "b": 2}`): format.many,
		} {
			m := g.NewMatcher()
			if got := m.Accept([]byte(text)) && m.Complete(); got != want {
				t.Errorf("%s: %q: %v, want %v", name, text, got, want)
			}
		}
	}
}
