package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models/token"
)

// ollama's own API, for programs that speak it: /api/chat, /api/generate and others. What it has beyond this API is refused, and
// what a request leaves out is what ollama documents for it (temperature 0.8, top_k 40, top_p 0.9).

const ollamaPath = "/api/"

// ollamaOptions are the options of ollama that mean something here.
type ollamaOptions struct {
	Temperature      *float64 `json:"temperature" range:"0,2"`
	TopP             *float64 `json:"top_p" range:"0,1"`
	TopK             *int     `json:"top_k" range:"-1,1000000"`
	MinP             *float64 `json:"min_p" range:"0,1"`
	Seed             *int64   `json:"seed"`
	NumPredict       *int     `json:"num_predict" range:"-2,1000000000" doc:"most tokens of an answer; -1 or -2 = as many as the context holds"`
	NumCtx           *int     `json:"num_ctx" range:"1,1000000000" doc:"at most the context that the server was started with; no effect"`
	Stop             *texts   `json:"stop" range:"0,16"`
	RepeatPenalty    *float64 `json:"repeat_penalty" range:"0.1,10"`
	RepeatLastN      *int     `json:"repeat_last_n" range:"-1,1000000" doc:"how many tokens repeat_penalty looks at; 0 = it does nothing, -1 = all; default 64"`
	PresencePenalty  *float64 `json:"presence_penalty" range:"-2,2"`
	FrequencyPenalty *float64 `json:"frequency_penalty" range:"-2,2"`
}

// ollamaCommon is what chat and generate have in common.
type ollamaCommon struct {
	Model     string         `json:"model" need:"true"`
	Stream    *bool          `json:"stream" doc:"default true: a line of JSON for each piece"`
	Format    *ollamaFormat  `json:"format" doc:"json, or a JSON Schema: always enforced"`
	Options   *ollamaOptions `json:"options"`
	KeepAlive *keepAlive     `json:"keep_alive" doc:"how long the model stays open after the request: a time such as 5m, or seconds; less than 0 = for ever. Refused where it is 0 and the model stays open"`
	Think     *bool          `json:"think" doc:"for models whose chat template has the switch"`
	Logprobs  bool           `json:"logprobs" doc:"how likely the model found each token, before temperature and the like"`
	Top       *int           `json:"top_logprobs" range:"0,20" doc:"with logprobs: and the most likely tokens of each place"`
	Truncate  *bool          `json:"truncate" only:"false" doc:"nothing is left out of a conversation that is too long: it is an error"`
	Shift     *bool          `json:"shift" only:"false" doc:"nothing is left out while an answer grows: it ends with the context"`
}

// ollamaChat is the body of /api/chat.
type ollamaChat struct {
	ollamaCommon
	Messages []ollamaMessage `json:"messages" range:"0,10000" doc:"none: the model is opened, or closed with keep_alive 0"`
	Tools    []tool          `json:"tools" range:"0,128"`
}

type ollamaMessage struct {
	Role      string       `json:"role" need:"true" only:"system,user,assistant,tool"`
	Content   string       `json:"content"`
	Thinking  string       `json:"thinking"`
	Images    []string     `json:"images" range:"0,0"`
	ToolCalls []ollamaCall `json:"tool_calls" range:"0,128"`
	ToolName  string       `json:"tool_name" range:"1,256"`
}

// ollamaCall has its arguments as an object.
type ollamaCall struct {
	ID       string `json:"id,omitempty" range:"1,256"`
	Function struct {
		Index     int             `json:"index,omitempty"`
		Name      string          `json:"name" need:"true" range:"1,256"`
		Arguments json.RawMessage `json:"arguments" need:"true"`
	} `json:"function" need:"true"`
}

// ollamaGenerate is the body of /api/generate.
type ollamaGenerate struct {
	ollamaCommon
	Prompt string   `json:"prompt" doc:"empty: the model is opened, or closed with keep_alive 0"`
	System string   `json:"system"`
	Raw    bool     `json:"raw" doc:"feed the prompt as it is, without the chat template"`
	Images []string `json:"images" range:"0,0"`
	// ollama's own client sends these empty.
	Suffix   string `json:"suffix" range:"0,0"`
	Template string `json:"template" range:"0,0"`
	Context  []int  `json:"context" range:"0,0" doc:"send the conversation to /api/chat"`
}

// ollamaFormat is "json" or a schema.
type ollamaFormat struct{ schemaText json.RawMessage }

func (f *ollamaFormat) decode(raw []byte, path string) error {
	switch {
	case raw[0] == '{':
		f.schemaText = bytes.Clone(raw)
		return nil
	case string(raw) == `"json"`, string(raw) == `""`:
		f.schemaText = nil
		return nil
	}
	return badType(path, `"json" or a JSON Schema`, raw)
}

func (f *ollamaFormat) schema(*schemas) schema {
	return schema{"anyOf": []schema{{"type": "string", "enum": []string{"json", ""}}, {"type": "object"}}}
}

// keepAlive is a time as ollama has it.
type keepAlive time.Duration

func (k *keepAlive) decode(raw []byte, path string) error {
	text := string(raw)
	if raw[0] == '"' {
		json.Unmarshal(raw, &text) //nolint:errcheck // it is a string of JSON
	} else if _, err := strconv.ParseFloat(text, 64); err != nil && !errors.Is(err, strconv.ErrRange) {
		return badType(path, "a time such as \"5m\", or a number of seconds", raw)
	}
	d, err := ParseKeepAlive(text)
	if err != nil {
		return badField(path, codeValue, "%v", err)
	}
	*k = keepAlive(d)
	return nil
}

func (*keepAlive) schema(*schemas) schema {
	return schema{"anyOf": []schema{{"type": "string"}, {"type": "number"}}}
}

// ollamaAnswer is a line of an answer, or all of it.
type ollamaAnswer struct {
	Model     string              `json:"model"`
	CreatedAt string              `json:"created_at"`
	Message   *ollamaReplyMessage `json:"message,omitempty"`  // of chat
	Response  *string             `json:"response,omitempty"` // of generate
	Logprobs  []tokenLogprob      `json:"logprobs,omitempty"`
	Done      bool                `json:"done"`
	// With the last line. Times are in nanoseconds.
	DoneReason  string `json:"done_reason,omitempty"`
	Total       int64  `json:"total_duration,omitempty"`
	Load        int64  `json:"load_duration,omitempty"`
	PromptCount int    `json:"prompt_eval_count,omitempty"`
	PromptTime  int64  `json:"prompt_eval_duration,omitempty"`
	AnswerCount int    `json:"eval_count,omitempty"`
	AnswerTime  int64  `json:"eval_duration,omitempty"`
}

type ollamaReplyMessage struct {
	Role      string       `json:"role"`
	Content   string       `json:"content"`
	ToolCalls []ollamaCall `json:"tool_calls,omitempty"`
}

// ollamaModel leaves out the tag that ollama adds where a name has none.
func (c *call) ollamaModel(name string) string {
	if short, ok := strings.CutSuffix(name, ":latest"); ok && !c.s.models.has(name) {
		return short
	}
	return name
}

// has tells whether there is a model of a name.
func (ms *Models) has(name string) bool {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	return ms.find(name) != nil
}

// chat makes a request of OpenAI's form of what both kinds have.
func (o *ollamaCommon) chat(c *call) chatRequest {
	r := chatRequest{Model: c.ollamaModel(o.Model), Logprobs: o.Logprobs, TopLogprobs: o.Top}
	f := value(o.Options, ollamaOptions{})
	temperature, topP, topK := value(f.Temperature, 0.8), value(f.TopP, 0.9), value(f.TopK, 40)
	r.sampling = sampling{Temperature: &temperature, TopP: &topP, TopK: &topK, MinP: f.MinP, PresencePenalty: f.PresencePenalty, FrequencyPenalty: f.FrequencyPenalty,
		RepeatPenalty: f.RepeatPenalty, Seed: f.Seed, Stop: f.Stop}
	if n := value(f.NumPredict, -1); n >= 0 {
		r.MaxTokens = &n
	}
	if o.Format != nil {
		r.ResponseFormat = &responseFormat{Type: "json_object"}
		if o.Format.schemaText != nil {
			r.ResponseFormat = &responseFormat{Type: "json_schema", JSONSchema: &jsonSchema{Name: "format", Schema: o.Format.schemaText}}
		}
	}
	if o.Think != nil {
		r.TemplateKwargs = map[string]json.RawMessage{"enable_thinking": fmt.Append(nil, *o.Think)}
	}
	return r
}

// settle looks at what only ollama's options say.
func (o *ollamaCommon) settle(c *call, g *engine.Gen) error {
	if err := o.stay(c); err != nil {
		return err
	}
	f := value(o.Options, ollamaOptions{})
	if n := value(f.NumCtx, 1); n > c.model.Context() {
		return badField("options.num_ctx", codeContext, "is %d, and the server holds %d tokens for %q; start it with a larger --context", n, c.model.Context(), c.model.name)
	}
	if n := value(f.RepeatLastN, 64); n == 0 {
		g.Repeat = 1
	} else {
		g.Window = n
	}
	return nil
}

// ollamaChat answers /api/chat.
func (c *call) ollamaChat() error {
	var in ollamaChat
	if err := decodeBody(c.body, &in); err != nil {
		return err
	}
	if len(in.Messages) == 0 {
		return c.ollamaOpen(&in.ollamaCommon, ollamaAnswer{Message: &ollamaReplyMessage{Role: "assistant"}})
	}
	r := in.chat(c)
	r.Tools = in.Tools
	var open []string // ids of calls that no result answers yet
	for i, m := range in.Messages {
		text := content(m.Content)
		out := message{Role: m.Role, Content: &text, ReasoningContent: m.Thinking}
		for j, t := range m.ToolCalls {
			id := t.ID
			if id == "" {
				id = fmt.Sprintf("call_%d_%d", i, j)
			}
			open = append(open, id)
			out.ToolCalls = append(out.ToolCalls, toolCall{ID: id, Type: "function", Function: functionCall{Name: t.Function.Name, Arguments: string(t.Function.Arguments)}})
		}
		if m.Role == "tool" {
			if len(open) == 0 {
				return badField(fmt.Sprintf("messages[%d]", i), codeValue, "is the result of a tool, and no turn before it calls one")
			}
			out.ToolCallID, out.Name, open = open[0], m.ToolName, open[1:]
		}
		r.Messages = append(r.Messages, out)
	}
	j, err := c.prepareChat(&r)
	if err != nil {
		return asField(err, schemaField, "format")
	}
	if err := in.settle(c, &j.gen.gen); err != nil {
		return err
	}
	return c.ollamaAnswer(j, value(in.Stream, true), func(text string, calls []toolCall) ollamaAnswer {
		m := &ollamaReplyMessage{Role: "assistant", Content: text}
		for i, t := range calls {
			var o ollamaCall
			o.Function.Index, o.Function.Name, o.Function.Arguments = i, t.Function.Name, json.RawMessage(t.Function.Arguments)
			if !json.Valid(o.Function.Arguments) { // an answer that was cut at its limit
				o.Function.Arguments = json.RawMessage("{}")
			}
			m.ToolCalls = append(m.ToolCalls, o)
		}
		return ollamaAnswer{Message: m}
	})
}

// ollamaGenerate answers /api/generate.
func (c *call) ollamaGenerate() error {
	var in ollamaGenerate
	if err := decodeBody(c.body, &in); err != nil {
		return err
	}
	if in.Prompt == "" {
		return c.ollamaOpen(&in.ollamaCommon, ollamaAnswer{Response: new(string)})
	}
	r := in.chat(c)
	var j *chatJob
	var err error
	if in.Raw {
		if in.System != "" {
			return badField("system", codeValue, "is given, and a raw prompt has no system turn")
		}
		j, err = c.prepareRaw(&r, in.Prompt)
	} else {
		if in.System != "" {
			system := content(in.System)
			r.Messages = append(r.Messages, message{Role: "system", Content: &system})
		}
		text := content(in.Prompt)
		r.Messages = append(r.Messages, message{Role: "user", Content: &text})
		j, err = c.prepareChat(&r)
	}
	if err != nil {
		return asField(err, schemaField, "format")
	}
	if err := in.settle(c, &j.gen.gen); err != nil {
		return err
	}
	return c.ollamaAnswer(j, value(in.Stream, true), func(text string, _ []toolCall) ollamaAnswer { return ollamaAnswer{Response: &text} })
}

// ollamaOpen opens a model without asking it anything, or closes it, as ollama's clients do.
func (c *call) ollamaOpen(o *ollamaCommon, a ollamaAnswer) error {
	a.Model, a.CreatedAt, a.Done, a.DoneReason = c.ollamaModel(o.Model), time.Now().UTC().Format(time.RFC3339Nano), true, "load"
	if o.KeepAlive != nil && *o.KeepAlive == 0 {
		a.DoneReason = "unload"
		if err := c.s.models.keepAlive(a.Model, 0); err != nil {
			return err
		}
	} else {
		if _, err := c.use(a.Model); err != nil {
			return err
		}
		if err := o.stay(c); err != nil {
			return err
		}
	}
	writeJSON(c.w, http.StatusOK, a)
	return nil
}

// stay does what keep_alive says.
func (o *ollamaCommon) stay(c *call) error {
	if o.KeepAlive == nil {
		return nil
	}
	return c.s.models.keepAlive(c.model.name, time.Duration(*o.KeepAlive))
}

// prepareRaw makes a job of a prompt as it is.
func (c *call) prepareRaw(r *chatRequest, prompt string) (*chatJob, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	m, err := c.use(r.Model)
	if err != nil {
		return nil, err
	}
	t, err := m.LoadTokenizer()
	if err != nil {
		return nil, err
	}
	j := &chatJob{req: r}
	if j.gen.gen, err = r.gen(m); err != nil {
		return nil, err
	}
	if j.gen.gen.MaxTokens, err = r.limit(); err != nil {
		return nil, err
	}
	j.gen.gen.LogProbs, j.gen.gen.TopLogProbs = r.Logprobs, value(r.TopLogprobs, 0)
	if j.gen.gen.Grammar, err = c.form(r, nil); err != nil {
		return nil, err
	}
	j.gen.tokens, j.gen.n = t.Encode(nil, prompt, token.EncodeOptions{AddSpecial: true, ParseSpecial: true}), 1
	if len(j.gen.tokens) == 0 {
		return nil, badField("prompt", codeValue, "is empty")
	}
	return j, c.fits("prompt", len(j.gen.tokens))
}

// ollamaAnswer generates, and writes what wrap makes of each piece.
func (c *call) ollamaAnswer(j *chatJob, streamed bool, wrap func(text string, calls []toolCall) ollamaAnswer) error {
	leave, err := c.slot(1)
	if err != nil {
		return err
	}
	defer leave()
	line := func(a ollamaAnswer) ollamaAnswer {
		a.Model, a.CreatedAt = c.model.name, time.Now().UTC().Format(time.RFC3339Nano)
		return a
	}
	var lines *stream
	split := splitter{f: j.calls, names: toolNames(j.req.Tools)}
	var whole answer
	var held []tokenLogprob // of tokens whose text is not out yet
	pass := func(deltas []delta) error {
		for _, d := range deltas {
			if d.call > 0 || !streamed {
				whole.add(d)
				continue
			}
			if lines == nil {
				lines = c.lines()
			}
			piece := line(wrap(d.text, nil))
			piece.Logprobs, held = held, nil
			if err := lines.line(piece); err != nil {
				return err
			}
		}
		return nil
	}
	began := time.Now()
	outcomes, err := c.generate(j.gen, func(_ int, t engine.Token) error {
		if j.req.Logprobs && t.ID >= 0 {
			held = append(held, c.model.logprob(t))
		}
		return pass(split.push(t.Text, false))
	})
	if err != nil {
		return err
	}
	if err := pass(split.push("", true)); err != nil {
		return err
	}
	last := line(wrap(whole.text.String(), whole.calls))
	first := c.firstText
	if first.IsZero() {
		first = time.Now()
	}
	last.Done, last.DoneReason, last.Logprobs = true, outcomes[0].finish(), held
	last.Total, last.PromptCount, last.PromptTime = time.Since(c.began).Nanoseconds(), c.prompt, first.Sub(began).Nanoseconds()
	last.AnswerCount, last.AnswerTime = c.generated, time.Since(first).Nanoseconds()
	if streamed {
		if lines == nil {
			lines = c.lines()
		}
		return lines.line(last)
	}
	writeJSON(c.w, http.StatusOK, last)
	return nil
}

// lines begins an answer of lines of JSON.
func (c *call) lines() *stream {
	s := c.begin("application/x-ndjson")
	close(s.stopped)                                                // no comments between lines
	s.failed = func(e *apiError) { s.line(ollamaError{e.Message}) } //nolint:errcheck // then the client is gone too
	return s
}

// ollamaError is an error as ollama's clients read it.
type ollamaError struct {
	Error string `json:"error"`
}

func writeOllamaError(w http.ResponseWriter, e *apiError) {
	if e.After > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.After))
	}
	writeJSON(w, e.Status, ollamaError{e.Message})
}
