package server

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models/chat"
)

// An answer is the engine's, whole and in a stream; the same seed gives the same, several choices differ.
func TestChat(t *testing.T) {
	noLeak(t)
	s := newSite(t)
	m, release, err := s.models.use(t.Context(), "tiny")
	if err != nil {
		t.Fatal(err)
	}
	release()
	tokens, err := m.ChatTokens([]chat.Message{{Role: "user", Content: "Hello."}}, true)
	if err != nil {
		t.Fatal(err)
	}
	st := m.Generate(t.Context(), tokens, engine.Gen{MaxTokens: 20, Temperature: 0.9, TopP: 1, Seed: 8, Penalties: engine.Penalties{Frequency: 0.5}})
	want, err := st.Text()
	if err != nil {
		t.Fatal(err)
	}
	if _, made := st.Tokens(); len(made) != 20 {
		t.Fatalf("the engine makes %d tokens; take another seed", len(made))
	}
	body := chatBody(`"max_tokens": 20, "temperature": 0.9, "seed": 8, "frequency_penalty": 0.5`)
	got := s.post("/v1/chat/completions", body)
	if text := got.text("choices", 0, "message", "content"); text != want || want == "" {
		t.Errorf("the server says %q, the engine %q", text, want)
	}
	if got.text("object") != "chat.completion" || got.text("model") != "tiny" || got.text("choices", 0, "message", "role") != "assistant" ||
		got.int("usage", "prompt_tokens") != len(tokens) || got.int("usage", "completion_tokens") != 20 || got.int("usage", "total_tokens") != len(tokens)+20 ||
		got.text("choices", 0, "finish_reason") != "length" || !strings.HasPrefix(got.text("id"), "chatcmpl-") {
		t.Errorf("%v", got.v)
	}

	events, done := s.stream("/v1/chat/completions", chatBody(`"max_tokens": 20, "temperature": 0.9, "seed": 8, "frequency_penalty": 0.5, "stream": true, "stream_options": {"include_usage": true}`))
	text := ""
	for i, e := range events {
		piece := e.data.text("choices", 0, "delta", "content")
		if !utf8.ValidString(piece) {
			t.Errorf("event %d holds part of a character: %q", i, piece)
		}
		text += piece
		if role := e.data.text("choices", 0, "delta", "role"); (role == "assistant") != (i == 0) {
			t.Errorf("event %d has the role %q", i, role)
		}
	}
	if text != want || !done || len(events) < 4 {
		t.Errorf("the stream says %q in %d events (done: %v), want %q", text, len(events), done, want)
	}
	last, before := events[len(events)-1].data, events[len(events)-2].data
	if choices, ok := last.at("choices").([]any); !ok || len(choices) != 0 || last.int("usage", "completion_tokens") != 20 {
		t.Errorf("the last event is %v", last.v)
	}
	if before.text("choices", 0, "finish_reason") != "length" {
		t.Errorf("the last but one is %v", before.v)
	}

	several := s.post("/v1/chat/completions", chatBody(`"max_tokens": 20, "temperature": 0.9, "seed": 8, "frequency_penalty": 0.5, "n": 3`))
	seen := map[string]bool{}
	for i := range 3 {
		seen[several.text("choices", i, "message", "content")] = true
	}
	if len(seen) < 2 || several.text("choices", 0, "message", "content") != want || several.int("usage", "completion_tokens") <= 20 {
		t.Errorf("three choices: %v", several.v)
	}
	events, _ = s.stream("/v1/chat/completions", chatBody(`"max_tokens": 20, "temperature": 0.9, "seed": 8, "frequency_penalty": 0.5, "n": 3, "stream": true`))
	parts := make([]string, 3)
	for _, e := range events {
		parts[e.data.int("choices", 0, "index")] += e.data.text("choices", 0, "delta", "content")
	}
	for i, p := range parts {
		if p != several.text("choices", i, "message", "content") {
			t.Errorf("choice %d of the stream is %q, whole it was %q", i, p, several.text("choices", i, "message", "content"))
		}
	}
	if busy, waiting := s.Busy(); busy != 0 || waiting != 0 {
		t.Errorf("%d slots are busy and %d requests wait at the end", busy, waiting)
	}
}

// Fields do what they say.
func TestChatFields(t *testing.T) {
	s := newSite(t)
	plain := s.post("/v1/chat/completions", chatBody(`"max_tokens": 12, "temperature": 0`))
	text := plain.text("choices", 0, "message", "content")
	runes := []rune(text)
	if len(runes) < 4 {
		t.Fatalf("%q is too short to test with", text)
	}
	stop, _ := json.Marshal(string(runes[2:4]))
	cut := text[:strings.Index(text, string(runes[2:4]))]
	for _, stop := range []string{string(stop), "[" + string(stop) + `, "never to be seen"]`} {
		got := s.post("/v1/chat/completions", chatBody(`"max_tokens": 12, "temperature": 0, "stop": `+stop))
		if got.text("choices", 0, "message", "content") != cut || got.text("choices", 0, "finish_reason") != "stop" {
			t.Errorf("stop %s: %v, want %q", stop, got.v, cut)
		}
	}
	// Temperature 1 with the most likely token alone is temperature 0.
	for _, same := range []string{`"top_k": 1`, `"top_p": 0`, `"min_p": 1`, `"temperature": 0, "user": "u", "store": false, "metadata": {"a": "b"}, "logit_bias": {}, "top_k": -1, "modalities": ["text"], "service_tier": "auto"`,
		`"temperature": null, "top_k": 1, "stop": null, "response_format": {"type": "text"}, "max_tokens": 12, "max_completion_tokens": 12`} {
		if !strings.Contains(same, `"max_tokens"`) {
			same += `, "max_tokens": 12`
		}
		if got := s.post("/v1/chat/completions", chatBody(same)); got.text("choices", 0, "message", "content") != text {
			t.Errorf("%s: %q, want %q", same, got.text("choices", 0, "message", "content"), text)
		}
	}
	// A bias of -100 is never; one of 100 as good as always.
	first := s.post("/v1/chat/completions", chatBody(`"max_tokens": 4, "temperature": 0, "logprobs": true, "top_logprobs": 3`))
	ids := s.post("/tokenize", `{"prompt": "z", "add_special_tokens": false}`)
	z := ids.int("tokens", 0)
	always := s.post("/v1/chat/completions", chatBody(fmt.Sprintf(`"max_tokens": 4, "temperature": 1, "logit_bias": {"%d": 100}`, z)))
	if got := always.text("choices", 0, "message", "content"); got != "zzzz" {
		t.Errorf("with a bias of 100 on z: %q", got)
	}
	best := first.text("choices", 0, "logprobs", "content", 0, "token")
	// Which token is it?
	id := s.post("/tokenize", string(must(json.Marshal(map[string]any{"prompt": best, "add_special_tokens": false}))))
	if n := id.int("count"); n == 1 {
		never := s.post("/v1/chat/completions", chatBody(fmt.Sprintf(`"max_tokens": 1, "temperature": 0, "logprobs": true, "logit_bias": {"%d": -100}`, id.int("tokens", 0))))
		if got := never.text("choices", 0, "logprobs", "content", 0, "token"); got == best || got == "" {
			t.Errorf("with a bias of -100 on %q: %q", best, got)
		}
	}
	tops, _ := first.at("choices", 0, "logprobs", "content", 0, "top_logprobs").([]any)
	if len(tops) != 3 || first.at("choices", 0, "logprobs", "content", 0, "logprob") != first.at("choices", 0, "logprobs", "content", 0, "top_logprobs", 0, "logprob") {
		t.Errorf("log-probabilities: %v", first.at("choices", 0, "logprobs"))
	}
	sum := 0.0
	for i := range tops {
		sum += math.Exp(first.at("choices", 0, "logprobs", "content", 0, "top_logprobs", i, "logprob").(float64))
	}
	if !(sum > 0 && sum <= 1) {
		t.Errorf("probabilities that add up to %v", sum)
	}
	if list, _ := first.at("choices", 0, "logprobs", "content").([]any); len(list) != 4 {
		t.Errorf("%d tokens, want 4", len(list))
	}
	// In a stream the log-probabilities of all tokens come too.
	events, _ := s.stream("/v1/chat/completions", chatBody(`"max_tokens": 4, "temperature": 0, "logprobs": true, "top_logprobs": 3, "stream": true`))
	n := 0
	for _, e := range events {
		list, _ := e.data.at("choices", 0, "logprobs", "content").([]any)
		n += len(list)
	}
	if n != 4 {
		t.Errorf("%d tokens in the stream, want 4", n)
	}
	// Parts of a text are one text.
	parts := s.post("/v1/chat/completions", `{"messages": [{"role": "user", "content": [{"type": "text", "text": "Hello."}]}], "max_tokens": 12, "temperature": 0}`)
	if parts.text("choices", 0, "message", "content") != text {
		t.Errorf("in parts: %v", parts.v)
	}
	if a, b := s.post("/v1/chat/completions", chatBody(`"max_tokens": 30`)), s.post("/v1/chat/completions", chatBody(`"max_tokens": 30`)); a.text("choices", 0, "message", "content") == b.text("choices", 0, "message", "content") {
		t.Errorf("two requests without a seed: %v", a.v)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// An answer is of the form that is asked for, or the request is refused.
func TestChatForm(t *testing.T) {
	s := newSite(t)
	schema := `{"type": "object", "properties": {"name": {"type": "string", "maxLength": 5}, "n": {"type": "integer", "minimum": 0, "maximum": 9}}, "required": ["name", "n"], "additionalProperties": false}`
	for seed := range 6 {
		fields := fmt.Sprintf(`"seed": %d, "max_tokens": 200, `, seed)
		for _, stream := range []bool{false, true} {
			body := chatBody(fields + `"response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": ` + schema + `}}, "stream": ` + fmt.Sprint(stream))
			text := ""
			if stream {
				events, _ := s.stream("/v1/chat/completions", body)
				for _, e := range events {
					text += e.data.text("choices", 0, "delta", "content")
				}
			} else {
				text = s.post("/v1/chat/completions", body).text("choices", 0, "message", "content")
			}
			var v struct {
				Name *string `json:"name"`
				N    *int    `json:"n"`
			}
			d := json.NewDecoder(strings.NewReader(text))
			d.DisallowUnknownFields()
			if err := d.Decode(&v); err != nil || v.Name == nil || v.N == nil || *v.N < 0 || *v.N > 9 || utf8.RuneCountInString(*v.Name) > 5 {
				t.Errorf("%q is not of the schema (%v)", text, err)
			}
		}
		if text := s.post("/v1/chat/completions", chatBody(fields+`"grammar": "root ::= \"yes\" | \"no\""`)).text("choices", 0, "message", "content"); text != "yes" && text != "no" {
			t.Errorf("%q is not of the grammar", text)
		}
	}
	got := s.post("/v1/chat/completions", chatBody(`"max_tokens": 60, "seed": 1, "response_format": {"type": "json_object"}`))
	if text := got.text("choices", 0, "message", "content"); !strings.HasPrefix(text, "{") || got.text("choices", 0, "finish_reason") == "stop" && !json.Valid([]byte(text)) {
		t.Errorf("%q is no JSON object", text)
	}
	for body, param := range map[string]string{
		`"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object", "not": {}}}}`:                              "response_format.json_schema.schema#/not",
		`"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"properties": {"a": {"type": "wrong"}}, "type": "object"}}}`: "response_format.json_schema.schema#/properties/a/type",
		`"grammar": "root ::= ("`: "grammar",
	} {
		s.refused("POST", "/v1/chat/completions", chatBody(body), 400, codeSchema, param)
	}
}

// What a request may not hold is refused, with the field at fault.
func TestChatRefused(t *testing.T) {
	s := newSite(t)
	for fields, want := range map[string][2]string{
		`"temprature": 1`:                    {codeUnknown, "temprature"},
		`"Temperature": 1`:                   {codeUnknown, "Temperature"},
		`"functions": []`:                    {codeUnknown, "functions"},
		`"temperature": 3`:                   {codeValue, "temperature"},
		`"temperature": "1"`:                 {codeType, "temperature"},
		`"temperature": 0, "temperature": 1`: {codeJSON, "temperature"},
		`"top_p": 1.5`:                       {codeValue, "top_p"},
		`"top_p": -0.1`:                      {codeValue, "top_p"},
		`"n": 0`:                             {codeValue, "n"},
		`"n": 65`:                            {codeValue, "n"},
		`"n": 1.5`:                           {codeType, "n"},
		`"max_tokens": 0`:                    {codeValue, "max_tokens"},
		`"max_tokens": 5, "max_completion_tokens": 6`: {codeValue, "max_tokens"},
		`"stop": ""`:                                    {codeValue, "stop[0]"},
		`"stop": 1`:                                     {codeType, "stop"},
		`"stop": [1]`:                                   {codeType, "stop[0]"},
		`"seed": "a"`:                                   {codeType, "seed"},
		`"seed": 99999999999999999999`:                  {codeType, "seed"},
		`"logit_bias": {"x": 1}`:                        {codeValue, "logit_bias"},
		`"logit_bias": {"99999": 1}`:                    {codeValue, "logit_bias"},
		`"logit_bias": {"1": 101}`:                      {codeValue, "logit_bias.1"},
		`"logit_bias": [1]`:                             {codeType, "logit_bias"},
		`"top_logprobs": 2`:                             {codeValue, "top_logprobs"},
		`"logprobs": true, "top_logprobs": 21`:          {codeValue, "top_logprobs"},
		`"stream_options": {"include_usage": true}`:     {codeValue, "stream_options"},
		`"stream": true, "stream_options": {"x": true}`: {codeUnknown, "stream_options.x"},
		`"response_format": {"type": "xml"}`:            {codeUnsupported, "response_format.type"},
		`"response_format": {}`:                         {codeMissing, "response_format.type"},
		`"response_format": {"type": "json_schema"}`:    {codeValue, "response_format.json_schema"},
		`"response_format": {"type": "json_object"}, "grammar": "root ::= \"a\""`: {codeValue, "grammar"},
		`"store": true`:                                                {codeUnsupported, "store"},
		`"service_tier": "flex"`:                                       {codeUnsupported, "service_tier"},
		`"modalities": ["audio"]`:                                      {codeUnsupported, "modalities[0]"},
		`"reasoning_effort": "high"`:                                   {codeUnsupported, "reasoning_effort"},
		`"reasoning_effort": "none"`:                                   {codeUnsupported, "reasoning_effort"},
		`"chat_template_kwargs": {"tools": []}`:                        {codeValue, "chat_template_kwargs.tools"},
		`"chat_template_kwargs": {"enable_thinking": 1}`:               {codeType, "chat_template_kwargs.enable_thinking"},
		`"tools": [{"type": "function", "function": {"name": "f"}}]`:   {codeUnsupported, "tools"},
		`"tools": [{"type": "function", "function": {"name": "f g"}}]`: {codeValue, "tools[0].function.name"},
		`"tools": [{"type": "web_search"}]`:                            {codeUnsupported, "tools[0].type"},
		`"tool_choice": "required"`:                                    {codeValue, "tool_choice"},
		`"tool_choice": "any"`:                                         {codeValue, "tool_choice"},
	} {
		s.refused("POST", "/v1/chat/completions", chatBody(fields), 400, want[0], want[1])
	}
	for messages, want := range map[string][2]string{
		`[]`: {codeValue, "messages"}, `{}`: {codeType, "messages"}, `null`: {codeType, "messages"},
		`[{"content": "x"}]`:                  {codeMissing, "messages[0].role"},
		`[{"role": "user"}]`:                  {codeMissing, "messages[0].content"},
		`[{"role": "user", "content": null}]`: {codeMissing, "messages[0].content"},
		`[{"role": "robot", "content": "x"}]`: {codeUnsupported, "messages[0].role"},
		`[{"role": "user", "content": 1}]`:    {codeType, "messages[0].content"},
		`[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]`: {codeUnsupported, "messages[0].content[0].type"},
		`[{"role": "assistant"}]`:                                 {codeMissing, "messages[0].content"},
		`[{"role": "tool", "content": "x"}]`:                      {codeMissing, "messages[0].tool_call_id"},
		`[{"role": "user", "content": "x", "tool_call_id": "y"}]`: {codeValue, "messages[0].tool_call_id"},
		`[{"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{"}}]}]`: {codeJSON, "messages[0].tool_calls[0].function.arguments"},
		`[{"role": "user", "content": "x", "function_call": {}}]`:                                                               {codeUnsupported, "messages[0].function_call"},
	} {
		s.refused("POST", "/v1/chat/completions", `{"messages": `+messages+`}`, 400, want[0], want[1])
	}
	s.refused("POST", "/v1/chat/completions", `{}`, 400, codeMissing, "messages")
	s.refused("POST", "/v1/chat/completions", `{"model": "gpt-5", `+hello+`}`, 404, codeModel, "model")
	s.refused("POST", "/v1/chat/completions", `[]`, 400, codeType, "body")
	s.refused("POST", "/v1/chat/completions", `{"messages": `, 400, codeJSON, "")
	s.refused("POST", "/v1/chat/completions", `{} {}`, 400, codeJSON, "")
	s.refused("POST", "/v1/chat/completions", "{\"messages\": \"\xff\"}", 400, codeJSON, "")
	long := strings.Repeat("long text ", 2000)
	s.refused("POST", "/v1/chat/completions", `{"messages": [{"role": "user", "content": "`+long+`"}]}`, 400, codeContext, "messages")
	s.refused("POST", "/v1/chat/completions", `{"stream": true, "messages": [{"role": "user", "content": "`+long+`"}]}`, 400, codeContext, "messages")
	w, b := s.do(s.request("POST", "/v1/chat/completions", `{"messages": [{"role": "user", "content": "`+long+`"}]}`))
	if tokens := s.post("/tokenize", `{"messages": [{"role": "user", "content": "`+long+`"}]}`).int("count"); !strings.Contains(string(b), fmt.Sprint(tokens)) || !strings.Contains(string(b), "4096") || w.StatusCode != 400 {
		t.Errorf("a prompt of %d tokens for 4096: %s", tokens, b)
	}
	if busy, _ := s.Busy(); busy != 0 {
		t.Errorf("%d slots are busy", busy)
	}
}
