package server

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/freehold-slm/freehold/models/tiny"
)

// A model that marks tokens answers a chat of one turn with JSON, streamed or not, under each of the server's interfaces; what it cannot do is refused by name.
func TestTags(t *testing.T) {
	schema := `{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}`
	path := filepath.Join(t.TempDir(), "tags.gguf")
	if err := tiny.Tagged(filepath.Join("..", "..", "testdata", "hostile", "base", "base_bpe256.gguf"), path, schema, []string{"O", "B-a", "I-a"}, nil); err != nil {
		t.Fatal(err)
	}
	s := serve(t, New(open(t, path)))
	body := func(fields string) string {
		return fmt.Sprintf(`{"messages": [{"role": "user", "content": "Max lives in Bern"}]%s}`, fields)
	}
	got := s.post("/v1/chat/completions", body(""))
	want := got.text("choices", 0, "message", "content")
	if len(want) < len(`{"a":""}`) || got.text("choices", 0, "finish_reason") != "stop" || got.int("usage", "prompt_tokens") < 4 || got.int("usage", "completion_tokens") != 0 {
		t.Errorf("%v", got.v)
	}
	got = s.post("/v1/chat/completions", body(`, "n": 2, "temperature": 1, "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": `+schema+`}}`))
	for i := range 2 {
		if text := got.text("choices", i, "message", "content"); text != want {
			t.Errorf("choice %d is %q, want %q", i, text, want)
		}
	}
	events, done := s.stream("/v1/chat/completions", body(`, "stream": true`))
	text := ""
	for _, e := range events {
		text += e.data.text("choices", 0, "delta", "content")
	}
	if text != want || !done {
		t.Errorf("the stream says %q, want %q", text, want)
	}
	if got := s.post("/v1/responses", `{"input": "Max lives in Bern"}`); got.text("output", 0, "content", 0, "text") != want {
		t.Errorf("/v1/responses: %v", got.v)
	}
	if got := s.post("/api/chat", `{"model": "tags", "stream": false, "messages": [{"role": "user", "content": "Max lives in Bern"}]}`); got.text("message", "content") != want {
		t.Errorf("/api/chat: %v", got.v)
	}
	chats := "/v1/chat/completions"
	s.refused("POST", chats, `{"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "y"}]}`, 400, codeUnsupported, "messages")
	s.refused("POST", chats, body(`, "logprobs": true`), 400, codeUnsupported, "logprobs")
	s.refused("POST", chats, body(`, "tools": [{"type": "function", "function": {"name": "f"}}]`), 400, codeUnsupported, "tools")
	s.refused("POST", chats, body(`, "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "integer"}}}`), 400, codeSchema, "response_format")
	s.refused("POST", "/v1/completions", `{"prompt": "x"}`, 400, codeUnsupported, "model")
	s.refused("POST", "/v1/embeddings", `{"input": "x", "pooling": "mean"}`, 400, codeUnsupported, "model")
	s.refused("POST", "/v1/classify", `{"input": "x", "labels": ["a", "b"]}`, 400, codeUnsupported, "model")
}
