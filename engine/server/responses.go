package server

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/freehold-slm/freehold/engine"
)

func itoa(i int) string { return strconv.Itoa(i) }

// response is the answer of /v1/responses.
type response struct {
	ID                 string            `json:"id"`
	Object             string            `json:"object" only:"response"`
	CreatedAt          int64             `json:"created_at"`
	Status             string            `json:"status" only:"completed,incomplete,in_progress,failed"`
	Error              *apiError         `json:"error" null:"true"`
	IncompleteDetails  *incomplete       `json:"incomplete_details" null:"true"`
	Instructions       *string           `json:"instructions" null:"true"`
	MaxOutputTokens    *int              `json:"max_output_tokens" null:"true"`
	Model              string            `json:"model"`
	Output             []outputItem      `json:"output"`
	ParallelToolCalls  bool              `json:"parallel_tool_calls"`
	PreviousResponseID *string           `json:"previous_response_id" null:"true"`
	Store              bool              `json:"store"`
	Temperature        float64           `json:"temperature"`
	Text               outputText        `json:"text"`
	ToolChoice         json.RawMessage   `json:"tool_choice"`
	Tools              []json.RawMessage `json:"tools"`
	TopP               float64           `json:"top_p"`
	Truncation         string            `json:"truncation"`
	Metadata           map[string]string `json:"metadata"`
	Usage              *responseUsage    `json:"usage" null:"true"`
}

type incomplete struct {
	Reason string `json:"reason" only:"max_output_tokens"`
}

type outputText struct {
	Format responsesEcho `json:"format"`
}

// responsesEcho is the format as it was asked for.
type responsesEcho struct {
	Type   string          `json:"type"`
	Name   string          `json:"name,omitempty"`
	Schema json.RawMessage `json:"schema,omitempty"`
	Strict *bool           `json:"strict,omitempty"`
}

type responseUsage struct {
	InputTokens        int `json:"input_tokens"`
	InputTokensDetails struct {
		CachedTokens int `json:"cached_tokens"`
	} `json:"input_tokens_details"`
	OutputTokens        int `json:"output_tokens"`
	OutputTokensDetails struct {
		ReasoningTokens int `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
	TotalTokens int `json:"total_tokens"`
}

// outputItem is a message or a call of a tool.
type outputItem struct {
	Type      string        `json:"type" only:"message,function_call"`
	ID        string        `json:"id"`
	Status    string        `json:"status" only:"completed,incomplete,in_progress"`
	Role      string        `json:"role,omitempty"`
	Content   *[]outputPart `json:"content,omitempty"`
	CallID    string        `json:"call_id,omitempty"`
	Name      string        `json:"name,omitempty"`
	Arguments *string       `json:"arguments,omitempty"`
}

type outputPart struct {
	Type        string            `json:"type" only:"output_text"`
	Text        string            `json:"text"`
	Annotations []json.RawMessage `json:"annotations"`
	Logprobs    []json.RawMessage `json:"logprobs"`
}

func part(text string) outputPart {
	return outputPart{"output_text", text, []json.RawMessage{}, []json.RawMessage{}}
}

// responses answers /v1/responses.
func (c *call) responses() error {
	var r responsesRequest
	if err := decodeBody(c.body, &r); err != nil {
		return err
	}
	chat, err := r.chat()
	if err != nil {
		return err
	}
	j, err := c.prepareChat(chat)
	if err != nil {
		return asInput(asField(err, schemaField, "text.format.schema"))
	}
	out := r.begin(c.model.name)
	e := &responseEvents{call: c, out: out}
	if r.Stream {
		e.stream = c.events()
		e.stream.failed = e.fail
		if err := e.begin(); err != nil {
			return err
		}
	}
	leave, err := c.slot(1)
	if err != nil {
		return err
	}
	defer leave()
	split := splitter{f: j.calls, names: toolNames(chat.Tools)}
	outcomes, err := c.generate(j.gen, func(_ int, t engine.Token) error { return e.add(split.push(t.Text, false)) })
	if err != nil {
		return err
	}
	if err := e.add(split.push("", true)); err != nil {
		return err
	}
	out.Status = "completed"
	if outcomes[0].finish() == "length" {
		out.Status, out.IncompleteDetails = "incomplete", &incomplete{"max_output_tokens"}
	}
	if len(out.Output) == 0 { // a message of no text is a message too
		if err := e.add([]delta{{}}); err != nil {
			return err
		}
	}
	if err := e.close(out.Status); err != nil {
		return err
	}
	u := &responseUsage{InputTokens: c.prompt, OutputTokens: c.generated, TotalTokens: c.prompt + c.generated}
	u.InputTokensDetails.CachedTokens = c.cached
	out.Usage = u
	if !r.Stream {
		writeJSON(c.w, 200, out)
		return nil
	}
	return e.send("response."+out.Status, map[string]any{"response": out})
}

// begin is the response before anything was generated.
func (r *responsesRequest) begin(model string) *response {
	out := &response{ID: newID("resp"), Object: "response", CreatedAt: time.Now().Unix(), Status: "in_progress", Instructions: r.Instructions, MaxOutputTokens: r.MaxOutputTokens,
		Model: model, Output: []outputItem{}, ParallelToolCalls: value(r.ParallelToolCalls, true), Temperature: value(r.Temperature, 1), TopP: value(r.TopP, 1),
		ToolChoice: json.RawMessage(`"auto"`), Tools: []json.RawMessage{}, Truncation: "disabled", Metadata: r.Metadata}
	if out.Metadata == nil {
		out.Metadata = map[string]string{}
	}
	out.Text.Format.Type = "text"
	if r.Text != nil && r.Text.Format != nil {
		f := r.Text.Format
		out.Text.Format = responsesEcho{f.Type, f.Name, f.Schema, f.Strict}
	}
	if r.ToolChoice != nil {
		out.ToolChoice = r.ToolChoice.raw
	}
	for _, t := range r.Tools {
		out.Tools = append(out.Tools, t.raw)
	}
	return out
}

// responseEvents builds a response, and tells of it as it grows where there is a stream.
type responseEvents struct {
	*call
	out    *response
	stream *stream // nil = none
	number int     // of the next event
	open   bool    // the last item is not closed
}

// send writes an event; without a stream nothing.
func (e *responseEvents) send(kind string, fields map[string]any) error {
	if e.stream == nil {
		return nil
	}
	fields["type"], fields["sequence_number"] = kind, e.number
	e.number++
	return e.stream.send(kind, fields)
}

func (e *responseEvents) begin() error {
	if err := e.send("response.created", map[string]any{"response": e.out}); err != nil {
		return err
	}
	return e.send("response.in_progress", map[string]any{"response": e.out})
}

func (e *responseEvents) fail(api *apiError) {
	e.send("error", map[string]any{"code": api.Code, "message": api.Message, "param": api.Param}) //nolint:errcheck // then the client is gone too
}

// at are the fields that name an item.
func (e *responseEvents) at(fields map[string]any) map[string]any {
	fields["output_index"], fields["item_id"] = len(e.out.Output)-1, e.last().ID
	return fields
}

func (e *responseEvents) last() *outputItem { return &e.out.Output[len(e.out.Output)-1] }

// add takes pieces of the answer.
func (e *responseEvents) add(deltas []delta) error {
	for _, d := range deltas {
		var err error
		if d.call == 0 {
			err = e.text(d.text)
		} else {
			err = e.callPiece(d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *responseEvents) text(text string) error {
	if !e.open || e.last().Type != "message" {
		if err := e.close("completed"); err != nil {
			return err
		}
		if err := e.item(outputItem{Type: "message", ID: newID("msg"), Status: "in_progress", Role: "assistant", Content: &[]outputPart{}}); err != nil {
			return err
		}
		if err := e.send("response.content_part.added", e.at(map[string]any{"content_index": 0, "part": part("")})); err != nil {
			return err
		}
		*e.last().Content = append(*e.last().Content, part(""))
	}
	if text == "" {
		return nil
	}
	(*e.last().Content)[0].Text += text
	return e.send("response.output_text.delta", e.at(map[string]any{"content_index": 0, "delta": text, "logprobs": []string{}}))
}

func (e *responseEvents) callPiece(d delta) error {
	if d.id != "" {
		if err := e.close("completed"); err != nil {
			return err
		}
		if err := e.item(outputItem{Type: "function_call", ID: newID("fc"), Status: "in_progress", CallID: d.id, Name: d.name, Arguments: new(string)}); err != nil {
			return err
		}
	}
	if d.args == "" {
		return nil
	}
	*e.last().Arguments += d.args
	return e.send("response.function_call_arguments.delta", e.at(map[string]any{"delta": d.args}))
}

// item begins an item.
func (e *responseEvents) item(item outputItem) error {
	e.out.Output = append(e.out.Output, item)
	e.open = true
	return e.send("response.output_item.added", map[string]any{"output_index": len(e.out.Output) - 1, "item": item})
}

// close ends the last item.
func (e *responseEvents) close(status string) error {
	if !e.open {
		return nil
	}
	e.open = false
	item := e.last()
	item.Status = status
	if item.Type == "message" {
		text := (*item.Content)[0].Text
		if err := e.send("response.output_text.done", e.at(map[string]any{"content_index": 0, "text": text, "logprobs": []string{}})); err != nil {
			return err
		}
		if err := e.send("response.content_part.done", e.at(map[string]any{"content_index": 0, "part": (*item.Content)[0]})); err != nil {
			return err
		}
	} else if err := e.send("response.function_call_arguments.done", e.at(map[string]any{"name": item.Name, "arguments": *item.Arguments})); err != nil {
		return err
	}
	return e.send("response.output_item.done", map[string]any{"output_index": len(e.out.Output) - 1, "item": *item})
}
