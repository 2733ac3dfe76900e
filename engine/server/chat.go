package server

import (
	"sync"
	"time"

	"github.com/freehold-slm/freehold/engine"
)

// chatCompletion is the answer of /v1/chat/completions.
type chatCompletion struct {
	ID                string       `json:"id"`
	Object            string       `json:"object" only:"chat.completion"`
	Created           int64        `json:"created"`
	Model             string       `json:"model"`
	SystemFingerprint string       `json:"system_fingerprint"`
	Choices           []chatChoice `json:"choices"`
	Usage             *usage       `json:"usage"`
}

type chatChoice struct {
	Index        int           `json:"index"`
	Message      chatMessage   `json:"message"`
	Logprobs     *chatLogprobs `json:"logprobs" null:"true"`
	FinishReason string        `json:"finish_reason" only:"stop,length,tool_calls"`
}

type chatMessage struct {
	Role      string     `json:"role" only:"assistant"`
	Content   *string    `json:"content" null:"true"`
	Refusal   *string    `json:"refusal" null:"true"`
	ToolCalls []toolCall `json:"tool_calls,omitempty"`
}

// chatChunk is an event of a stream.
type chatChunk struct {
	ID                string            `json:"id"`
	Object            string            `json:"object" only:"chat.completion.chunk"`
	Created           int64             `json:"created"`
	Model             string            `json:"model"`
	SystemFingerprint string            `json:"system_fingerprint"`
	Choices           []chatChunkChoice `json:"choices"`
	Usage             *usage            `json:"usage,omitempty"`
}

type chatChunkChoice struct {
	Index        int           `json:"index"`
	Delta        chatDelta     `json:"delta"`
	Logprobs     *chatLogprobs `json:"logprobs" null:"true"`
	FinishReason *string       `json:"finish_reason" null:"true"`
}

type chatDelta struct {
	Role      string          `json:"role,omitempty"`
	Content   *string         `json:"content,omitempty"`
	ToolCalls []toolCallDelta `json:"tool_calls,omitempty"`
}

type toolCallDelta struct {
	Index    int               `json:"index"`
	ID       string            `json:"id,omitempty"`
	Type     string            `json:"type,omitempty"`
	Function functionCallDelta `json:"function"`
}

type functionCallDelta struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

// chatJob is a chat request made ready.
type chatJob struct {
	req   *chatRequest
	gen   generation
	calls *toolFormat
}

// prepareChat checks a request and makes tokens of it.
func (c *call) prepareChat(r *chatRequest) (*chatJob, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	m, err := c.use(r.Model)
	if err != nil {
		return nil, err
	}
	j := &chatJob{req: r}
	if m.Spec.Tags != nil {
		return j, c.prepareTags(j)
	}
	if j.gen.gen, err = r.gen(m); err != nil {
		return nil, err
	}
	g := &j.gen.gen
	if g.MaxTokens, err = r.limit(); err != nil {
		return nil, err
	}
	g.LogProbs, g.TopLogProbs = r.Logprobs, value(r.TopLogprobs, 0)
	in, calls, err := c.input(r)
	if err != nil {
		return nil, err
	}
	j.calls = calls
	if g.Grammar, err = c.form(r, calls); err != nil {
		return nil, err
	}
	if j.gen.tokens, err = c.encode(in); err != nil {
		return nil, err
	}
	j.gen.n = value(r.N, 1)
	return j, c.fits("messages", len(j.gen.tokens))
}

// chat answers /v1/chat/completions.
func (c *call) chat() error {
	var r chatRequest
	if err := decodeBody(c.body, &r); err != nil {
		return err
	}
	j, err := c.prepareChat(&r)
	if err != nil {
		return err
	}
	if r.Stream {
		return c.streamChat(j)
	}
	leave, err := c.slot(j.gen.n)
	if err != nil {
		return err
	}
	defer leave()
	answers, logprobs, outcomes, err := c.gather(j)
	if err != nil {
		return err
	}
	out := chatCompletion{ID: newID("chatcmpl"), Object: "chat.completion", Created: time.Now().Unix(), Model: c.model.name,
		SystemFingerprint: c.model.print, Choices: make([]chatChoice, j.gen.n), Usage: c.usage()}
	for i, a := range answers {
		out.Choices[i] = chatChoice{Index: i, Message: chatMessage{Role: "assistant", Content: a.content(), ToolCalls: a.calls}, Logprobs: logprobs[i],
			FinishReason: finishReason(outcomes[i], len(a.calls))}
	}
	writeJSON(c.w, 200, out)
	return nil
}

// finishReason is how an answer with some calls ended.
func finishReason(o outcome, calls int) string {
	if reason := o.finish(); reason == "length" || calls == 0 {
		return reason
	}
	return "tool_calls"
}

// gather generates whole answers.
func (c *call) gather(j *chatJob) ([]answer, []*chatLogprobs, []outcome, error) {
	answers := make([]answer, j.gen.n)
	logprobs := make([]*chatLogprobs, j.gen.n)
	split := make([]splitter, j.gen.n)
	for i := range split {
		split[i] = splitter{f: j.calls, names: toolNames(j.req.Tools)}
		if j.req.Logprobs {
			logprobs[i] = &chatLogprobs{Content: []tokenLogprob{}}
		}
	}
	outcomes, err := c.generate(j.gen, func(i int, t engine.Token) error {
		for _, d := range split[i].push(t.Text, false) {
			answers[i].add(d)
		}
		if j.req.Logprobs && t.ID >= 0 {
			logprobs[i].Content = append(logprobs[i].Content, c.model.logprob(t))
		}
		return nil
	})
	for i := range split {
		for _, d := range split[i].push("", true) {
			answers[i].add(d)
		}
	}
	return answers, logprobs, outcomes, err
}

// streamChat sends the answer as it comes.
func (c *call) streamChat(j *chatJob) error {
	s := c.events()
	leave, err := c.slot(j.gen.n)
	if err != nil {
		return err
	}
	defer leave()
	id, created := newID("chatcmpl"), time.Now().Unix()
	send := func(u *usage, choices ...chatChunkChoice) error {
		return s.send("", chatChunk{id, "chat.completion.chunk", created, c.model.name, c.model.print, choices, u})
	}
	split := make([]splitter, j.gen.n)
	held := make([][]tokenLogprob, j.gen.n) // of tokens whose text is not out yet
	for i := range split {
		split[i] = splitter{f: j.calls, names: toolNames(j.req.Tools)}
	}
	var once sync.Once
	roles := func() (err error) { // with the first text, so that a failure before it can be told apart
		once.Do(func() {
			for i := range j.gen.n {
				empty := ""
				if err == nil {
					err = send(nil, chatChunkChoice{Index: i, Delta: chatDelta{Role: "assistant", Content: &empty}})
				}
			}
		})
		return err
	}
	pass := func(i int, deltas []delta) error {
		for _, d := range deltas {
			choice := chatChunkChoice{Index: i, Delta: d.chat()}
			if held[i] != nil {
				choice.Logprobs = &chatLogprobs{Content: held[i]}
				held[i] = nil
			}
			if err := send(nil, choice); err != nil {
				return err
			}
		}
		return nil
	}
	outcomes, err := c.generate(j.gen, func(i int, t engine.Token) error {
		if err := roles(); err != nil {
			return err
		}
		if j.req.Logprobs && t.ID >= 0 {
			held[i] = append(held[i], c.model.logprob(t))
		}
		return pass(i, split[i].push(t.Text, false))
	})
	if err != nil {
		return err
	}
	if err := roles(); err != nil {
		return err
	}
	for i, o := range outcomes {
		if err := pass(i, split[i].push("", true)); err != nil {
			return err
		}
		reason := finishReason(o, split[i].calls)
		last := chatChunkChoice{Index: i, FinishReason: &reason}
		if held[i] != nil {
			last.Logprobs = &chatLogprobs{Content: held[i]}
		}
		if err := send(nil, last); err != nil {
			return err
		}
	}
	if j.req.usage() {
		if err := s.send("", chatChunk{id, "chat.completion.chunk", created, c.model.name, c.model.print, []chatChunkChoice{}, c.usage()}); err != nil {
			return err
		}
	}
	return s.done()
}

// chat is a delta as chat streams have it.
func (d *delta) chat() chatDelta {
	if d.call == 0 {
		return chatDelta{Content: &d.text}
	}
	t := toolCallDelta{Index: d.call - 1, Function: functionCallDelta{Name: d.name, Arguments: d.args}}
	if d.id != "" {
		t.ID, t.Type = d.id, "function"
	}
	return chatDelta{ToolCalls: []toolCallDelta{t}}
}
