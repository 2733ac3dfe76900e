// Package remote asks a model behind an OpenAI-compatible endpoint: one chat completion a question, with retries, a pace and bounds on all that a server can do.
package remote

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Request is one question.
type Request struct {
	Model, System, User string
	MaxTokens           int
	Top                 int             // log-probabilities of so many tokens a place; 0 = of none, 1 = of the answer's own
	Format              json.RawMessage // response_format; nil = any text
	Params              string          // JSON object: fields of the request that are put in; null takes one out
}

// fixed are the fields that Params may not change: what comes back would not be the answer to this question.
var fixed = []string{"messages", "model", "n", "stream", "stream_options", "tool_choice", "tools"}

// Body is the request as it is sent: the same bytes for the same question, with its fields in the order of their names.
func (r *Request) Body() ([]byte, error) {
	type turn struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	turns := []turn{{"user", r.User}}
	if r.System != "" {
		turns = append([]turn{{"system", r.System}}, turns...)
	}
	fields := map[string]any{"model": r.Model, "messages": turns, "temperature": 0, "seed": 0, "max_tokens": r.MaxTokens}
	if r.Top > 0 {
		fields["logprobs"] = true
	}
	if r.Top > 1 {
		fields["top_logprobs"] = r.Top
	}
	if r.Format != nil {
		fields["response_format"] = r.Format
	}
	params, err := ParseParams(r.Params)
	if err != nil {
		return nil, err
	}
	for name, v := range params {
		if fields[name] = v; string(v) == "null" {
			delete(fields, name)
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(fields); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// ParseParams reads Params.
func ParseParams(text string) (map[string]json.RawMessage, error) {
	if text == "" {
		return nil, nil
	}
	var params map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &params); err != nil || params == nil {
		return nil, fmt.Errorf("is not a JSON object such as '{\"reasoning_effort\": \"low\", \"seed\": null}'")
	}
	for name := range params {
		if slices.Contains(fixed, name) {
			return nil, fmt.Errorf("sets %q, which is not for it to change", name)
		}
	}
	return params, nil
}

// Answer is what came back.
type Answer struct {
	Text        string
	Finish      string // stop, length, content_filter ...
	Refusal     string // the model's or the service's own word for giving no answer
	Tokens      []Token
	Model       string // as the server calls the one that answered
	Fingerprint string
	In, Out     int // tokens of question and answer, as the server counts them; 0 and 0 = it does not
	Tries       int // requests that it took
}

// Token is a token of an answer with its log-probability, and the likeliest of its place.
type Token struct {
	Text    string   `json:"t"`
	LogProb float64  `json:"lp"`
	Top     []Likely `json:"top,omitempty"`
}

// Likely is a token that the model might have said.
type Likely struct {
	Text    string  `json:"t"`
	LogProb float64 `json:"lp"`
}

// reply is the body of an answer, with what is read of it.
type reply struct {
	Model       string `json:"model"`
	Fingerprint string `json:"system_fingerprint"`
	Choices     []struct {
		Finish  string `json:"finish_reason"`
		Message struct {
			Content *string `json:"content"`
			Refusal string  `json:"refusal"`
		} `json:"message"`
		Logprobs *struct {
			Content []replyToken `json:"content"`
		} `json:"logprobs"`
	} `json:"choices"`
	Usage struct {
		In  int `json:"prompt_tokens"`
		Out int `json:"completion_tokens"`
	} `json:"usage"`
}

type replyToken struct {
	Token   string       `json:"token"`
	LogProb float64      `json:"logprob"`
	Bytes   []int        `json:"bytes"`
	Top     []replyToken `json:"top_logprobs"`
}

// text is the token's own bytes, where the server gives them: a part of a character is no text.
func (t *replyToken) text() string {
	if t.Bytes == nil {
		return t.Token
	}
	b := make([]byte, len(t.Bytes))
	for i, v := range t.Bytes {
		b[i] = byte(v)
	}
	return string(b)
}

// answer reads the one choice of a reply.
func (r *reply) answer() (*Answer, error) {
	if len(r.Choices) != 1 {
		return nil, fmt.Errorf("the answer has %d choices, want 1", len(r.Choices))
	}
	c := &r.Choices[0]
	a := &Answer{Finish: c.Finish, Refusal: c.Message.Refusal, Model: r.Model, Fingerprint: r.Fingerprint, In: r.Usage.In, Out: r.Usage.Out}
	if c.Message.Content != nil {
		a.Text = *c.Message.Content
	} else if a.Refusal == "" {
		a.Refusal = "no content, finish_reason " + c.Finish
	}
	if c.Finish == "content_filter" && a.Refusal == "" {
		a.Refusal = "content_filter"
	}
	if c.Logprobs == nil {
		return a, nil
	}
	for _, t := range c.Logprobs.Content {
		one := Token{Text: t.text(), LogProb: t.LogProb}
		for _, l := range t.Top {
			one.Top = append(one.Top, Likely{l.text(), l.LogProb})
		}
		a.Tokens = append(a.Tokens, one)
	}
	return a, nil
}
