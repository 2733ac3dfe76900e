// Package openaigo drives a freehold server with OpenAI's client for Go. TestClientGo of the folder above starts the server and runs it.
package openaigo

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

func connect(t *testing.T, key string) openai.Client {
	t.Helper()
	url := os.Getenv("FREEHOLD_URL")
	if url == "" {
		t.Skip("FREEHOLD_URL is not set: run TestClientGo of bench/peers")
	}
	return openai.NewClient(option.WithBaseURL(url+"/v1"), option.WithAPIKey(key), option.WithMaxRetries(0))
}

func client(t *testing.T) openai.Client { return connect(t, os.Getenv("FREEHOLD_KEY")) }

// hello asks the tiny model for an answer, which goes on as long as it may.
func hello(tokens int64) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: "chat", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Hello.")},
		MaxTokens: param.NewOpt(tokens), Seed: param.NewOpt(int64(3)), Temperature: param.NewOpt(0.0)}
}

func ask(t *testing.T, p openai.ChatCompletionNewParams) *openai.ChatCompletion {
	t.Helper()
	c := client(t)
	r, err := c.Chat.Completions.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestModels(t *testing.T) {
	c := client(t)
	var names []string
	for all := c.Models.ListAutoPaging(t.Context()); all.Next(); {
		names = append(names, all.Current().ID)
	}
	if got := strings.Join(names, " "); got != "chat encoder" {
		t.Errorf("models: %s", got)
	}
	if m, err := c.Models.Get(t.Context(), "chat"); err != nil || m.ID != "chat" {
		t.Errorf("%v, %v", m, err)
	}
}

func TestChat(t *testing.T) {
	r := ask(t, hello(12))
	whole := r.Choices[0].Message.Content
	if whole == "" || r.Choices[0].FinishReason != "length" || r.Usage.TotalTokens != r.Usage.PromptTokens+12 {
		t.Errorf("%s", r.RawJSON())
	}
	p := hello(12)
	p.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: param.NewOpt(true)}
	c := client(t)
	s := c.Chat.Completions.NewStreaming(t.Context(), p)
	var sum openai.ChatCompletionAccumulator
	for s.Next() {
		if !sum.AddChunk(s.Current()) {
			t.Fatalf("a chunk that does not follow: %s", s.Current().RawJSON())
		}
	}
	if err := s.Err(); err != nil || sum.Choices[0].Message.Content != whole || sum.Usage.CompletionTokens != 12 || sum.Choices[0].FinishReason != "length" {
		t.Errorf("in a stream: %v, %q, want %q", err, sum.Choices[0].Message.Content, whole)
	}
	p = hello(2)
	p.Messages = append(p.Messages, r.Choices[0].Message.ToParam(), openai.UserMessage("And?"))
	ask(t, p)
}

func TestLogprobs(t *testing.T) {
	p := hello(4)
	p.Logprobs, p.TopLogprobs = param.NewOpt(true), param.NewOpt(int64(3))
	all := ask(t, p).Choices[0].Logprobs.Content
	if len(all) != 4 {
		t.Fatalf("%d tokens, want 4", len(all))
	}
	for _, x := range all {
		if x.Logprob > 0 || len(x.TopLogprobs) != 3 || x.TopLogprobs[0].Logprob < x.Logprob || len(x.Bytes) == 0 {
			t.Errorf("%s", x.RawJSON())
		}
	}
}

// numbers is a function's or an answer's schema.
func numbers() map[string]any {
	digit := map[string]any{"type": "integer", "minimum": 0, "maximum": 9}
	return map[string]any{"type": "object", "properties": map[string]any{"a": digit, "b": digit}, "required": []string{"a", "b"}, "additionalProperties": false}
}

// isNumbers tells whether a text is of that schema.
func isNumbers(text string) bool {
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	var x struct{ A, B *int }
	return d.Decode(&x) == nil && x.A != nil && x.B != nil && *x.A >= 0 && *x.A <= 9 && *x.B >= 0 && *x.B <= 9
}

func TestSchema(t *testing.T) {
	p := hello(300)
	p.ResponseFormat = openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &shared.ResponseFormatJSONSchemaParam{
		JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "numbers", Strict: param.NewOpt(true), Schema: numbers()}}}
	if text := ask(t, p).Choices[0].Message.Content; !isNumbers(text) {
		t.Errorf("%q", text)
	}
}

func TestTools(t *testing.T) {
	p := hello(300)
	p.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: "add", Strict: param.NewOpt(true),
		Description: param.NewOpt("adds"), Parameters: numbers()})}
	p.ToolChoice = openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: param.NewOpt("required")}
	p.ParallelToolCalls = param.NewOpt(false)
	r := ask(t, p).Choices[0]
	if r.FinishReason != "tool_calls" || len(r.Message.ToolCalls) != 1 || r.Message.ToolCalls[0].Function.Name != "add" || !isNumbers(r.Message.ToolCalls[0].Function.Arguments) {
		t.Fatalf("%s", r.RawJSON())
	}
	c := client(t)
	s := c.Chat.Completions.NewStreaming(t.Context(), p)
	var sum openai.ChatCompletionAccumulator
	finished := 0
	for s.Next() {
		sum.AddChunk(s.Current())
		if call, ok := sum.JustFinishedToolCall(); ok {
			finished++
			if !isNumbers(call.Arguments) {
				t.Errorf("in a stream: %q", call.Arguments)
			}
		}
	}
	if s.Err() != nil || finished != 1 {
		t.Errorf("in a stream: %v, %d calls", s.Err(), finished)
	}
	p.Messages = append(p.Messages, r.Message.ToParam(), openai.ToolMessage("3", r.Message.ToolCalls[0].ID))
	p.ToolChoice, p.MaxTokens = openai.ChatCompletionToolChoiceOptionUnionParam{}, param.NewOpt(int64(2))
	ask(t, p)
}

func TestEmbeddings(t *testing.T) {
	c := client(t)
	r, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{Model: "encoder", Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"the cat", "the cat sat"}}})
	if err != nil || len(r.Data) != 2 {
		t.Fatalf("%v: %v", err, r)
	}
	sum := 0.0
	for _, x := range r.Data[1].Embedding {
		sum += x * x
	}
	if math.Abs(sum-1) > 1e-5 {
		t.Errorf("the vector has length %g", math.Sqrt(sum))
	}
}

func TestResponses(t *testing.T) {
	c := client(t)
	p := responses.ResponseNewParams{Model: "chat", Input: responses.ResponseNewParamsInputUnion{OfString: param.NewOpt("Hello.")}, MaxOutputTokens: param.NewOpt(int64(8)), Temperature: param.NewOpt(0.0)}
	r, err := c.Responses.New(t.Context(), p)
	if err != nil || r.OutputText() == "" || r.Usage.OutputTokens != 8 {
		t.Fatalf("%v: %v", err, r)
	}
	text, last := "", ""
	s := c.Responses.NewStreaming(t.Context(), p)
	for s.Next() {
		e := s.Current()
		if last = e.Type; last == "response.output_text.delta" {
			text += e.Delta
		}
	}
	if s.Err() != nil || text != r.OutputText() || last != "response.incomplete" {
		t.Errorf("in a stream: %v, %q and then %s, want %q", s.Err(), text, last, r.OutputText())
	}
}

func TestErrors(t *testing.T) {
	long := hello(2)
	long.Messages = []openai.ChatCompletionMessageParamUnion{openai.UserMessage(strings.Repeat("word and ", 8000))}
	none, hot := hello(2), hello(2)
	none.Model = "gpt-5"
	hot.Temperature = param.NewOpt(5.0)
	for _, x := range []struct {
		client      openai.Client
		params      openai.ChatCompletionNewParams
		status      int
		code, param string
	}{
		{client(t), none, 404, "model_not_found", "model"},
		{client(t), long, 400, "context_length_exceeded", "messages"},
		{client(t), hot, 400, "invalid_value", "temperature"},
		{connect(t, "wrong"), hello(2), 401, "invalid_api_key", ""},
	} {
		_, err := x.client.Chat.Completions.New(t.Context(), x.params)
		var e *openai.Error
		if !errors.As(err, &e) || e.StatusCode != x.status || e.Code != x.code || e.Param != x.param {
			t.Errorf("%v, want status %d, %s", err, x.status, x.code)
		}
		s := x.client.Chat.Completions.NewStreaming(t.Context(), x.params)
		for s.Next() {
			t.Errorf("%s: a stream has begun", x.code)
		}
		if !errors.As(s.Err(), &e) || e.StatusCode != x.status {
			t.Errorf("in a stream: %v, want status %d", s.Err(), x.status)
		}
	}
}

// cancelled is how many requests the server saw given up.
func cancelled(t *testing.T) int {
	t.Helper()
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, os.Getenv("FREEHOLD_URL")+"/metrics", nil)
	r.Header.Set("Authorization", "Bearer "+os.Getenv("FREEHOLD_KEY"))
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	b, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^freehold_requests_canceled_total (\d+)$`).FindSubmatch(b)
	if m == nil {
		t.Fatalf("no count of cancelled requests in %s", b)
	}
	n, _ := strconv.Atoi(string(m[1]))
	return n
}

// More answers than there are slots, which go on for thousands of tokens and are given up with their first one: the server sees each
// leave, and the request after them has its turn.
func TestCancel(t *testing.T) {
	c := client(t)
	before := cancelled(t)
	for range 16 {
		ctx, cancel := context.WithCancel(t.Context())
		s := c.Chat.Completions.NewStreaming(ctx, hello(4000), option.WithJSONSet("grammar", "root ::= [a-z]{4000}"))
		if !s.Next() {
			t.Fatal(s.Err())
		}
		cancel()
		s.Close() //nolint:errcheck // it was cancelled
	}
	for end := time.Now().Add(20 * time.Second); cancelled(t) < before+16; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of 16 were seen to be cancelled", cancelled(t)-before)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := c.Chat.Completions.New(ctx, hello(2)); err != nil {
		t.Error(err)
	}
}
