package server

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models/token"
)

// completionRequest is the body of /v1/completions.
type completionRequest struct {
	Model  string  `json:"model" doc:"a name of /v1/models; may be left out where there is one model"`
	Prompt *prompt `json:"prompt" need:"true" doc:"a text, a list of texts, the tokens of a text, or a list of such"`
	sampling
	MaxTokens *int     `json:"max_tokens" range:"0,1000000000" doc:"most tokens of an answer; default 16"`
	Logprobs  *int     `json:"logprobs" range:"0,20" doc:"how likely the model found each token, and this many of the most likely ones of its place"`
	Echo      bool     `json:"echo" doc:"the prompt comes before the answer; with logprobs so do its tokens"`
	BestOf    *int     `json:"best_of" only:"1"`
	Suffix    *nothing `json:"suffix"`
}

// prompt is one or several prompts, as texts or tokens.
type prompt struct {
	texts  []string
	tokens [][]int32
}

// mostPrompts bounds the prompts of a request.
const mostPrompts = 256

func (p *prompt) decode(raw []byte, path string) error {
	wrong := badType(path, "a string, a list of strings, a list of tokens or a list of such lists", raw)
	if raw[0] == '"' {
		p.texts = make([]string, 1)
		return decodeInto(raw, &p.texts[0], path)
	}
	if raw[0] != '[' {
		return wrong
	}
	rest := strings.TrimLeft(string(raw[1:]), " \t\r\n")
	var err error
	switch {
	case rest[0] == '"':
		err = decodeInto(raw, &p.texts, path)
	case rest[0] == '[':
		err = decodeInto(raw, &p.tokens, path)
	case rest[0] == ']':
		return badField(path, codeValue, "is empty")
	case rest[0] >= '0' && rest[0] <= '9':
		p.tokens = make([][]int32, 1)
		err = decodeInto(raw, &p.tokens[0], path)
	default:
		return wrong
	}
	if err == nil && p.len() > mostPrompts {
		return badField(path, codeValue, "has %d prompts, want at most %d", p.len(), mostPrompts)
	}
	return err
}

func (p *prompt) len() int { return len(p.texts) + len(p.tokens) }

func (*prompt) schema(*schemas) schema {
	text := schema{"type": "string"}
	list := func(of schema) schema {
		return schema{"type": "array", "items": of, "minItems": 1, "maxItems": mostPrompts}
	}
	tokens := schema{"type": "array", "items": schema{"type": "integer", "minimum": 0}, "minItems": 1}
	return schema{"anyOf": []schema{text, list(text), tokens, list(tokens)}}
}

// encoded are the prompts as tokens of a model.
func (p *prompt) encoded(m *loaded, param string) ([][]int32, error) {
	t, err := m.LoadTokenizer()
	if err != nil {
		return nil, badField("model", codeUnsupported, "%v", err)
	}
	out := slices.Clone(p.tokens)
	for _, text := range p.texts {
		tokens := t.Encode(nil, text, token.EncodeOptions{AddSpecial: true, ParseSpecial: true})
		if n := len(tokens); n > 1 && t.AddsEOS() && tokens[n-1] == int32(t.EOS()) {
			tokens = tokens[:n-1] // the text goes on
		}
		out = append(out, tokens)
	}
	for i, tokens := range out {
		at := param
		if len(out) > 1 {
			at = fmt.Sprintf("%s[%d]", param, i)
		}
		if len(tokens) == 0 {
			return nil, badField(at, codeValue, "has no tokens; give some text")
		}
		for _, id := range tokens {
			if id < 0 || int(id) >= m.Spec.Vocab {
				return nil, badField(at, codeValue, "holds the token %d, want 0 to %d", id, m.Spec.Vocab-1)
			}
		}
	}
	return out, nil
}

// completion is the answer of /v1/completions, and an event of its stream.
type completion struct {
	ID                string             `json:"id"`
	Object            string             `json:"object" only:"text_completion"`
	Created           int64              `json:"created"`
	Model             string             `json:"model"`
	SystemFingerprint string             `json:"system_fingerprint"`
	Choices           []completionChoice `json:"choices"`
	Usage             *usage             `json:"usage,omitempty"`
}

type completionChoice struct {
	Index        int                 `json:"index"`
	Text         string              `json:"text"`
	Logprobs     *completionLogprobs `json:"logprobs" null:"true"`
	FinishReason *string             `json:"finish_reason" null:"true"`
}

// completionLogprobs lists tokens; the first of a prompt has no probability, which is null.
type completionLogprobs struct {
	Tokens        []string             `json:"tokens"`
	TokenLogprobs []*float64           `json:"token_logprobs"`
	TopLogprobs   []map[string]float64 `json:"top_logprobs"`
	TextOffset    []int                `json:"text_offset"`

	end int // characters of all tokens so far
}

// add enters a token; known tells whether it has a probability.
func (l *completionLogprobs) add(m *loaded, t engine.Token, known bool) {
	tok := m.Tokenizer()
	b := tok.Piece(t.ID, true)
	l.Tokens = append(l.Tokens, tokenText(b))
	l.TextOffset = append(l.TextOffset, l.end)
	for _, c := range tok.Piece(t.ID, false) {
		if utf8.RuneStart(c) {
			l.end++
		}
	}
	if !known {
		l.TokenLogprobs, l.TopLogprobs = append(l.TokenLogprobs, nil), append(l.TopLogprobs, nil)
		return
	}
	p := finite(t.LogProb)
	top := map[string]float64{tokenText(b): p}
	for _, x := range t.Top {
		text := tokenText(tok.Piece(x.ID, true))
		if have, ok := top[text]; !ok || have < x.LogProb { // several tokens may spell one text
			top[text] = finite(x.LogProb)
		}
	}
	l.TokenLogprobs, l.TopLogprobs = append(l.TokenLogprobs, &p), append(l.TopLogprobs, top)
}

// take hands over what was added since, for a stream.
func (l *completionLogprobs) take() *completionLogprobs {
	out := *l
	*l = completionLogprobs{end: l.end}
	return &out
}

// completions answers /v1/completions.
func (c *call) completions() error {
	r := completionRequest{}
	if err := decodeBody(c.body, &r); err != nil {
		return err
	}
	m, err := c.use(r.Model)
	if err != nil {
		return err
	}
	if m.Spec.Encoder {
		return badField("model", codeUnsupported, "%q %s and no text", m.name, m.gives())
	}
	g, err := r.gen(m)
	if err != nil {
		return err
	}
	g.MaxTokens = value(r.MaxTokens, 16)
	if g.MaxTokens == 0 && !r.Echo {
		return badField("max_tokens", codeValue, "is 0 and echo is not true; nothing would come")
	}
	if r.Logprobs != nil {
		g.LogProbs, g.TopLogProbs = true, *r.Logprobs
	}
	if r.Grammar != "" {
		if g.Grammar, err = c.s.gbnf(r.Grammar); err != nil {
			return err
		}
	}
	prompts, err := r.Prompt.encoded(m, "prompt")
	if err != nil {
		return err
	}
	total, room := 0, min(1, g.MaxTokens)
	for _, p := range prompts {
		if len(p)+room > m.Context() {
			return contextError("prompt", len(p), m.Context())
		}
		total += len(p)
	}
	c.prompt = total
	j := &completionJob{call: c, req: &r, gen: g, id: newID("cmpl"), created: time.Now().Unix(), n: value(r.N, 1)}
	if r.Stream {
		j.stream = c.events()
	}
	leave, err := c.slot(j.n)
	if err != nil {
		return err
	}
	defer leave()
	for i, p := range prompts {
		if err := j.one(i*j.n, p); err != nil {
			return err
		}
	}
	if !r.Stream {
		writeJSON(c.w, 200, j.answer(c.usage(), j.choices...))
		return nil
	}
	if r.usage() {
		if err := j.stream.send("", j.answer(c.usage())); err != nil {
			return err
		}
	}
	return j.stream.done()
}

// completionJob is a request on its way.
type completionJob struct {
	*call
	req     *completionRequest
	gen     engine.Gen
	id      string
	created int64
	n       int
	stream  *stream // nil = gather choices
	choices []completionChoice
}

func (j *completionJob) answer(u *usage, choices ...completionChoice) completion {
	if choices == nil {
		choices = []completionChoice{}
	}
	return completion{j.id, "text_completion", j.created, j.model.name, j.model.print, choices, u}
}

// one answers one prompt, whose choices are numbered from first on.
func (j *completionJob) one(first int, tokens []int32) error {
	gen := generation{tokens: tokens, gen: j.gen, n: j.n}
	texts := make([]strings.Builder, j.n)
	probs := make([]*completionLogprobs, j.n)
	for i := range probs {
		if j.req.Logprobs != nil {
			probs[i] = &completionLogprobs{}
		}
	}
	send := func(i int, text string, reason *string) error {
		choice := completionChoice{Index: first + i, Text: text, FinishReason: reason}
		if probs[i] != nil {
			choice.Logprobs = probs[i].take()
		}
		return j.stream.send("", j.answer(nil, choice))
	}
	if j.req.Echo {
		session, err := j.echo(tokens, texts, probs)
		if err != nil {
			return err
		}
		defer session.Close()
		gen.session = session
		for i := range texts {
			if j.stream != nil {
				if err := send(i, texts[i].String(), nil); err != nil {
					return err
				}
			}
		}
	}
	outcomes := make([]outcome, j.n)
	for i := range outcomes {
		outcomes[i].reason = engine.ReasonLength
	}
	if j.gen.MaxTokens > 0 {
		var err error
		outcomes, err = j.generate(gen, func(i int, t engine.Token) error {
			if probs[i] != nil && t.ID >= 0 {
				probs[i].add(j.model, t, true)
			}
			if j.stream != nil && t.Text != "" {
				return send(i, t.Text, nil)
			}
			texts[i].WriteString(t.Text)
			return nil
		})
		if err != nil {
			return err
		}
	}
	for i, o := range outcomes {
		reason := o.finish()
		if j.stream != nil {
			if err := send(i, "", &reason); err != nil {
				return err
			}
			continue
		}
		j.choices = append(j.choices, completionChoice{first + i, texts[i].String(), probs[i], &reason})
	}
	return nil
}

// echo puts the prompt in front of the answers, and evaluates it in the session that it gives.
func (j *completionJob) echo(tokens []int32, texts []strings.Builder, probs []*completionLogprobs) (*engine.Session, error) {
	s := j.model.NewSession()
	if j.req.Logprobs != nil {
		all, err := s.LogProbs(j.r.Context(), tokens, *j.req.Logprobs)
		if err != nil {
			s.Close()
			return nil, err
		}
		for _, p := range probs {
			p.add(j.model, engine.Token{ID: tokens[0]}, false)
			for _, t := range all {
				p.add(j.model, t, true)
			}
		}
	}
	text := strings.ToValidUTF8(string(j.model.Tokenizer().Decode(nil, tokens, token.DecodeOptions{})), "\uFFFD")
	for i := range texts {
		texts[i].WriteString(text)
	}
	return s, nil
}
