package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models/chat"
	"github.com/freehold-slm/freehold/models/token"
)

type runCmd struct {
	Model  string `arg:"" complete:"model" help:"GGUF file or catalogue name."`
	Prompt string `arg:"" optional:"" help:"What to ask; - or nothing reads standard input, or starts a chat on a terminal."`
	modelFlags
	grammarFlags
	System           string   `help:"System turn before the prompt."`
	Raw              bool     `help:"Continue the prompt as plain text, without the chat template."`
	MaxTokens        int      `short:"n" default:"512" help:"Most tokens of an answer; 0 = as many as the context holds."`
	Temperature      float64  `default:"0" help:"0 = always the most likely token; higher = more varied."`
	TopK             int      `default:"0" help:"Sample among this many most likely tokens; 0 = all."`
	TopP             float64  `default:"0" help:"Sample among the most likely tokens that reach this probability together; 0 = all." placeholder:"P"`
	MinP             float64  `default:"0" help:"Leave out tokens less likely than this part of the most likely one's probability." placeholder:"P"`
	Seed             uint64   `default:"0" help:"With a temperature: the same seed gives the same answer."`
	RepeatPenalty    float64  `default:"1" help:"Divides the logits of tokens among the last 64; 1 = none." placeholder:"X"`
	PresencePenalty  float64  `default:"0" help:"Subtracted from the logits of tokens that were generated." placeholder:"X"`
	FrequencyPenalty float64  `default:"0" help:"The same, as often as they were." placeholder:"X"`
	Stop             []string `sep:"none" help:"Text that ends the answer; may be repeated." placeholder:"TEXT"`
	Stats            bool     `help:"Print token counts and speed to standard error."`
	Draft            string   `help:"Guess tokens ahead, for speed; the answer stays the same. A smaller model of the same vocabulary, or lookup: what followed the same words before." placeholder:"MODEL"`
	DraftTokens      int      `default:"8" help:"With --draft: tokens guessed at a time at most." placeholder:"N"`
}

// answer is freehold/run/1.
type answer struct {
	Schema          string  `json:"schema"`
	Model           string  `json:"model"`
	Text            string  `json:"text"`
	Reason          string  `json:"reason"` // end, stop, length
	PromptTokens    int     `json:"prompt_tokens"`
	GeneratedTokens int     `json:"generated_tokens"`
	PromptTokS      float64 `json:"prompt_tok_s"`
	TokS            float64 `json:"tok_s"`
	Seed            uint64  `json:"seed"`
	Temperature     float64 `json:"temperature"`
	Drafted         int     `json:"drafted"`  // tokens guessed ahead
	Accepted        int     `json:"accepted"` // of these, right
}

func (c *runCmd) gen() (engine.Gen, error) {
	switch {
	case c.MaxTokens < 0:
		return engine.Gen{}, usagef("--max-tokens is %d, want 0 or more", c.MaxTokens)
	case !(c.Temperature >= 0 && c.Temperature <= 100):
		return engine.Gen{}, usagef("--temperature is %v, want 0 to 100", c.Temperature)
	case c.TopK < 0:
		return engine.Gen{}, usagef("--top-k is %d, want 0 or more", c.TopK)
	case !(c.TopP >= 0 && c.TopP <= 1):
		return engine.Gen{}, usagef("--top-p is %v, want 0 to 1", c.TopP)
	case !(c.MinP >= 0 && c.MinP <= 1):
		return engine.Gen{}, usagef("--min-p is %v, want 0 to 1", c.MinP)
	case !(c.RepeatPenalty > 0 && c.RepeatPenalty <= 100):
		return engine.Gen{}, usagef("--repeat-penalty is %v, want 1 (none) or another number above 0 and up to 100", c.RepeatPenalty)
	case !(c.PresencePenalty >= -100 && c.PresencePenalty <= 100):
		return engine.Gen{}, usagef("--presence-penalty is %v, want -100 to 100", c.PresencePenalty)
	case !(c.FrequencyPenalty >= -100 && c.FrequencyPenalty <= 100):
		return engine.Gen{}, usagef("--frequency-penalty is %v, want -100 to 100", c.FrequencyPenalty)
	case c.DraftTokens < 1 || c.DraftTokens > engine.MaxDraftTokens:
		return engine.Gen{}, usagef("--draft-tokens is %d, want 1 to %d", c.DraftTokens, engine.MaxDraftTokens)
	}
	for _, s := range c.Stop {
		if s == "" {
			return engine.Gen{}, usagef("--stop is empty, want a text")
		}
	}
	return engine.Gen{MaxTokens: c.MaxTokens, Temperature: c.Temperature, TopK: c.TopK, TopP: c.TopP, MinP: c.MinP,
		Penalties: engine.Penalties{Repeat: c.RepeatPenalty, Presence: c.PresencePenalty, Frequency: c.FrequencyPenalty},
		Seed:      c.Seed, Stop: c.Stop, DraftTokens: c.DraftTokens}, nil
}

func (c *runCmd) Run(a *app) error {
	gen, err := c.gen()
	if err != nil {
		return err
	}
	if gen.Grammar, err = c.grammarFlags.compile(); err != nil {
		return err
	}
	if c.Raw && c.System != "" {
		return usagef("--raw has no system turn; leave --system out or write it into the prompt")
	}
	interactive := c.Prompt == "" && isTerminal(os.Stdin)
	if interactive && (a.json || !isTerminal(os.Stdout)) {
		return usagef("no prompt: give one as an argument or on standard input (a chat needs a terminal on both sides)")
	}
	if interactive && c.Raw {
		return usagef("--raw needs a prompt, as an argument or on standard input")
	}
	if c.Date == "" {
		c.Date = time.Now().Format(time.DateOnly)
	}
	m, err := a.openModel(c.Model, &c.modelFlags)
	if err != nil {
		return err
	}
	defer m.Close()
	if _, err := m.LoadTokenizer(); err != nil {
		return asInput(err)
	}
	if m.Spec.Tags != nil {
		return c.mark(a, m, gen)
	}
	if err := m.writes(a); err != nil {
		return err
	}
	if _, err := m.file.StringOr("tokenizer.chat_template", ""); err != nil {
		return asInput(err)
	}
	if !c.Raw {
		if !m.file.Has("tokenizer.chat_template") {
			return usagef("%s has no chat template (a base model?); --raw continues the prompt as plain text", c.Model)
		}
		if _, err := m.Template(); err != nil {
			return asInput(err)
		}
	}
	closeDraft, err := c.openDraft(a, m, &gen)
	if err != nil {
		return err
	}
	defer closeDraft()
	if interactive {
		return c.chat(a, m, gen)
	}
	if c.Prompt == "" || c.Prompt == "-" {
		if c.Prompt, err = readAll(os.Stdin); err != nil {
			return err
		}
		c.Prompt = strings.TrimRight(c.Prompt, "\r\n")
	}
	if c.Prompt == "" {
		return usagef("the prompt is empty")
	}
	if m.Spec.Labels != nil || m.file.Has(engine.KeyTaskLabels) {
		a.note("%s was made to give texts labels, not to write; ask it with freehold classify", c.Model)
	}
	tokens, err := c.tokens(m)
	if err != nil {
		return err
	}
	s := m.NewSession()
	defer s.Close()
	ans, err := a.generate(m, s, tokens, gen, !a.json)
	if err != nil {
		return err
	}
	if a.json {
		return a.emit(ans)
	}
	if !strings.HasSuffix(ans.Text, "\n") {
		a.write("\n")
	}
	if err := a.out.Flush(); err != nil {
		return err
	}
	c.remark(a, m, ans)
	return nil
}

// openDraft opens what --draft names and enters it into gen.
func (c *runCmd) openDraft(a *app, target *opened, gen *engine.Gen) (closeDraft func(), err error) {
	switch c.Draft {
	case "":
		return func() {}, nil
	case "lookup":
		gen.Draft = engine.LookupDraft{}
		return func() {}, nil
	}
	flags := c.modelFlags
	flags.LoRA = nil  // they are for the model
	flags.Context = 0 // where the draft's own context ends, it has no more guesses
	m, err := a.openModel(c.Draft, &flags)
	if err != nil {
		return nil, err
	}
	if _, err := m.LoadTokenizer(); err != nil {
		m.Close()
		return nil, asInput(err)
	}
	d, err := m.NewDraft(target.Model)
	if err != nil {
		m.Close()
		return nil, usagef("%v", err)
	}
	gen.Draft = d
	return func() { d.Close(); m.Close() }, nil
}

// tokens encodes the prompt of one shot.
func (c *runCmd) tokens(m *opened) ([]int32, error) {
	if c.Raw {
		t, err := m.LoadTokenizer()
		if err != nil {
			return nil, asInput(err)
		}
		tokens := t.Encode(nil, c.Prompt, token.EncodeOptions{AddSpecial: true, ParseSpecial: true})
		if n := len(tokens); n > 1 && t.AddsEOS() && tokens[n-1] == int32(t.EOS()) {
			tokens = tokens[:n-1] // the text goes on
		}
		return tokens, nil
	}
	tokens, err := m.ChatTokens(c.turns(nil, c.Prompt), true)
	if err != nil {
		return nil, asInput(fmt.Errorf("chat template of %s: %w", c.Model, err))
	}
	return tokens, nil
}

// turns are the messages so far and a new one of the user.
func (c *runCmd) turns(history []chat.Message, prompt string) []chat.Message {
	if len(history) == 0 && c.System != "" {
		history = append(history, chat.Message{Role: "system", Content: c.System})
	}
	return append(history, chat.Message{Role: "user", Content: prompt})
}

// generate answers tokens in session s, writing as it goes when stream is set.
func (a *app) generate(m *opened, s *engine.Session, tokens []int32, g engine.Gen, stream bool) (*answer, error) {
	if len(tokens) >= m.Context() {
		return nil, usagef("the prompt has %d tokens, and the context of %s holds %d with at least one for the answer; shorten the prompt",
			len(tokens), m.name, m.Context())
	}
	st := s.Generate(a.ctx, tokens, g)
	ans := &answer{Schema: "freehold/run/1", Model: m.name, PromptTokens: len(tokens), Seed: g.Seed, Temperature: g.Temperature}
	var text strings.Builder
	onTerminal := isTerminal(os.Stdout)
	start := time.Now()
	var first time.Time
	for t, err := range st.All() {
		if err != nil {
			if stream && text.Len() > 0 {
				a.write("\n")
				a.out.Flush() //nolint:errcheck // the first error is the one to tell
			}
			return nil, err
		}
		if first.IsZero() {
			first = time.Now()
		}
		text.WriteString(t.Text)
		if stream && t.Text != "" {
			show := t.Text
			if onTerminal {
				show = strings.Map(harmless, show)
			}
			a.write("%s", show)
			if err := a.out.Flush(); err != nil {
				return nil, err
			}
		}
	}
	_, made := st.Tokens()
	ans.Text, ans.Reason, ans.GeneratedTokens = text.String(), st.Reason(), len(made)
	ans.Drafted, ans.Accepted = st.Drafted()
	if first.IsZero() {
		first = time.Now()
	}
	if d := first.Sub(start).Seconds(); d > 0 {
		ans.PromptTokS = float64(len(tokens)) / d
	}
	if d := time.Since(first).Seconds(); d > 0 && len(made) > 1 {
		ans.TokS = float64(len(made)-1) / d
	}
	return ans, nil
}

// harmless takes out the control characters with which a model's text could drive a terminal.
func harmless(r rune) rune {
	if r != '\n' && r != '\t' && (r < ' ' || r >= 0x7f && r < 0xa0) {
		return '\uFFFD'
	}
	return r
}

// remark says what the answer itself does not show: that it was cut, how fast it was.
func (c *runCmd) remark(a *app, m *opened, ans *answer) {
	if ans.Reason == engine.ReasonLength {
		if c.MaxTokens > 0 && ans.GeneratedTokens == c.MaxTokens {
			a.note("the answer was cut at %d tokens; raise --max-tokens for more", c.MaxTokens)
		} else {
			a.note("the answer was cut: %d prompt and %d answer tokens fill the context of %d", ans.PromptTokens, ans.GeneratedTokens, m.Context())
		}
	}
	if c.Stats {
		a.say("prompt %d tokens, %.0f tok/s; answer %d tokens, %.1f tok/s", ans.PromptTokens, ans.PromptTokS, ans.GeneratedTokens, ans.TokS)
		if c.Draft != "" {
			a.say("drafted %d tokens, %d of them right", ans.Drafted, ans.Accepted)
		}
	}
}
