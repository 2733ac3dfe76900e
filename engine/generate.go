package engine

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/freehold-slm/freehold/models/chat"
)

// Token is one step of a generation. Text is what may be shown now: whole runes, and nothing that could still turn
// out to be a stop text; it may be empty, and a last Token with ID -1 may carry what was held back.
type Token struct {
	ID   int32
	Text string
	// With Gen.LogProbs: what the model's own logits say of the token, before all sampling, and of the most likely ones, best first.
	LogProb float64
	Top     []TokenProb
}

// Stop reasons of a Stream.
const (
	ReasonEnd    = "end"    // the model ended its turn
	ReasonStop   = "stop"   // a stop text came up
	ReasonLength = "length" // MaxTokens or the context is used up
)

// Stream is a generation to be ranged over, once.
type Stream struct {
	s      *Session
	own    bool // the session is closed at the end
	ctx    context.Context
	tokens []int32
	gen    Gen
	err    error
	reason string
	prompt int
	reused int
	pick   sampler
	noted  []Token // with Gen.LogProbs: tokens chosen and not yet given out
	spec   speculation
}

// Generate continues tokens in a session of its own. It needs the file's tokenizer.
func (m *Model) Generate(ctx context.Context, tokens []int32, g Gen) *Stream {
	s := m.NewSession().Generate(ctx, tokens, g)
	s.own = true
	return s
}

// Generate continues tokens, the full prefix, in this session; see Eval. Afterwards the session holds the prompt and
// what was generated, and a later call reuses it.
func (s *Session) Generate(ctx context.Context, tokens []int32, g Gen) *Stream {
	st := &Stream{s: s, ctx: ctx, gen: g, prompt: len(tokens), tokens: append(make([]int32, 0, len(tokens)+256), tokens...)}
	st.err = g.check()
	if st.err == nil && len(tokens) == 0 {
		st.err = fmt.Errorf("engine: Generate from no tokens; give at least one")
	}
	return st
}

// Chat renders msgs with the file's chat template and generates the answer.
func (m *Model) Chat(ctx context.Context, msgs []chat.Message, g Gen) *Stream {
	tokens, err := m.ChatTokens(msgs, true)
	st := m.Generate(ctx, tokens, g)
	if err != nil {
		st.err = err
	}
	return st
}

// ChatTokens renders msgs with the file's chat template and encodes the text. answer adds the beginning of the
// model's turn.
func (m *Model) ChatTokens(msgs []chat.Message, answer bool) ([]int32, error) {
	return m.RenderTokens(chat.Input{Messages: msgs, AddGenerationPrompt: answer})
}

// ChatText renders msgs with the file's chat template.
func (m *Model) ChatText(msgs []chat.Message, answer bool) (string, error) {
	return m.Render(chat.Input{Messages: msgs, AddGenerationPrompt: answer})
}

// Reason says why the generation ended; "" before it has, or after an error.
func (st *Stream) Reason() string { return st.reason }

// Tokens returns the prompt, less a token that Gen.Heal took back, and what was generated so far.
func (st *Stream) Tokens() (prompt, generated []int32) {
	return st.tokens[:st.prompt], st.tokens[st.prompt:]
}

// Text runs the generation to its end and returns all of its text.
func (st *Stream) Text() (string, error) {
	var b strings.Builder
	for t, err := range st.All() {
		if err != nil {
			return b.String(), err
		}
		b.WriteString(t.Text)
	}
	return b.String(), nil
}

// All yields the generated tokens. An error is the last thing it yields. Leaving the loop or cancelling the context
// ends the work within one token.
func (st *Stream) All() iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		if st.own {
			defer st.s.Close()
		}
		if err := st.run(yield); err != nil {
			yield(Token{ID: -1}, err)
		}
	}
}

// run generates; it returns nil once the consumer has left.
func (st *Stream) run(yield func(Token, error) bool) error {
	if st.err != nil {
		return st.err
	}
	m := st.s.m
	tok, err := m.LoadTokenizer()
	if err != nil {
		return err
	}
	if st.prompt > m.cfg.context {
		return &ContextError{st.prompt, m.cfg.context}
	}
	rule, err := m.constrain(st.gen.Grammar)
	if err != nil {
		return err
	}
	st.pick = sampler{l: m.level, rule: rule}
	if err := st.heal(tok); err != nil {
		return err
	}
	st.initDraft()
	m.queue.join(&st.s.seat)
	defer m.queue.leave(&st.s.seat)
	if err := st.cached(); err != nil {
		return err
	}
	if st.gen.Cache.cache != nil {
		defer func() { st.gen.Cache.Keep(st.s) }()
	}
	if st.gen.Draft != nil { // what was decided ahead and is not given out shall not be held either
		defer func() { st.s.Truncate(min(st.s.Len(), len(st.tokens))) }()
	}
	text := pieces{stop: st.gen.Stop}
	for n := 0; ; n++ {
		if st.gen.MaxTokens > 0 && n == st.gen.MaxTokens || len(st.tokens) > m.cfg.context {
			st.reason = ReasonLength
			break
		}
		if rule.done() && st.spec.at == len(st.spec.picked) {
			st.reason = ReasonEnd
			break
		}
		id, err := st.next(max(0, st.gen.MaxTokens-n))
		if err != nil {
			return err
		}
		if n == 0 {
			st.keepPrompt()
		}
		if tok.IsEOG(id) {
			st.reason = ReasonEnd
			break
		}
		healed := len(st.pick.heal.at(len(st.tokens)))
		st.tokens = append(st.tokens, id)
		out, stopped := text.push(tok.Piece(id, false)[healed:])
		t := Token{ID: id}
		if st.gen.LogProbs {
			t, st.noted = st.noted[0], st.noted[1:]
		}
		if t.Text = out; !yield(t, nil) {
			return nil
		}
		if stopped {
			st.reason = ReasonStop
			return nil
		}
	}
	if rest := text.rest(); rest != "" {
		yield(Token{ID: -1, Text: rest}, nil)
	}
	return nil
}

// cached takes over what the cache knows of the prompt.
func (st *Stream) cached() error {
	k := st.gen.Cache
	if k.cache == nil {
		return nil
	}
	if k.cache.m != st.s.m {
		return fmt.Errorf("engine: the generation's cache is another model's")
	}
	st.reused = k.Reuse(st.s, st.tokens)
	return nil
}

// keepPrompt gives the prompt to the cache as soon as it is computed, for others that begin with it.
func (st *Stream) keepPrompt() {
	if s := st.s; st.gen.Cache.cache != nil && s.Len() == st.prompt && st.reused < st.prompt-1 {
		if s.m.plan.state > 0 {
			s.mark()
		}
		st.gen.Cache.Keep(s)
	}
}

// Reused tells how many tokens of the prompt came from Gen.Cache.
func (st *Stream) Reused() int { return st.reused }

// pieces turns token texts into text that may be shown.
type pieces struct {
	stop []string
	held []byte
	said strings.Builder // what was shown, of which texts are parts: so a token costs no allocation
}

// sayBlock is how much text is allocated at a time.
const sayBlock = 1 << 10

// say is b as a text; what is not UTF-8 becomes U+FFFD.
func (p *pieces) say(b []byte) string {
	if p.said.Cap()-p.said.Len() < utf8.UTFMax*len(b) {
		p.said = strings.Builder{}
		p.said.Grow(max(sayBlock, utf8.UTFMax*len(b)))
	}
	from, broken := p.said.Len(), false
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if bad := r == utf8.RuneError && n == 1; !bad || !broken { // one for all that are next to each other
			p.said.WriteRune(r)
			broken = bad
		}
		b = b[n:]
	}
	return p.said.String()[from:]
}

// push adds a token's bytes and returns what may be shown now, and whether a stop text came up.
func (p *pieces) push(b []byte) (string, bool) {
	p.held = append(p.held, b...)
	first := -1
	for _, s := range p.stop {
		if i := strings.Index(string(p.held), s); i >= 0 && (first < 0 || i < first) {
			first = i
		}
	}
	if first >= 0 {
		out := p.say(p.held[:first])
		p.held = nil
		return out, true
	}
	n := len(p.held)
	for i := max(0, n-utf8.UTFMax+1); i < n; i++ { // a rune that has begun and not ended
		if utf8.RuneStart(p.held[i]) && !utf8.FullRune(p.held[i:]) {
			n = i
			break
		}
	}
	for _, s := range p.stop { // the beginning of a stop text
		for k := min(len(s)-1, len(p.held)); k > 0; k-- {
			if string(p.held[len(p.held)-k:]) == s[:k] {
				n = min(n, len(p.held)-k)
				break
			}
		}
	}
	out := p.say(p.held[:n])
	p.held = append(p.held[:0], p.held[n:]...)
	return out, false
}

// rest returns what is still held when no more will come.
func (p *pieces) rest() string { return p.say(p.held) }

// Score returns the log-probability of each continuation after prefix: the sum over its tokens. The prefix is
// computed once.
func (m *Model) Score(ctx context.Context, prefix []int32, continuations [][]int32) ([]float64, error) {
	base := m.NewSession()
	defer base.Close()
	if len(prefix) == 0 {
		return nil, fmt.Errorf("engine: Score after an empty prefix; give at least one token (BOS)")
	}
	logits, err := base.Eval(ctx, prefix)
	if err != nil {
		return nil, err
	}
	vocab := m.Spec.Vocab
	tmp := make([]float32, vocab)
	norm := logNorm(m.level, logits, tmp)
	scores := make([]float64, len(continuations))
	var seqs []Seq
	var index []int
	defer func() {
		for _, s := range seqs {
			s.Session.Close()
		}
	}()
	for i, c := range continuations {
		if len(c) == 0 {
			continue
		}
		if c[0] < 0 || int(c[0]) >= vocab {
			return nil, fmt.Errorf("engine: token 0 of continuation %d is %d, want 0 to %d", i, c[0], vocab-1)
		}
		if last := c[len(c)-1]; last < 0 || int(last) >= vocab {
			return nil, fmt.Errorf("engine: token %d of continuation %d is %d, want 0 to %d", len(c)-1, i, last, vocab-1)
		}
		scores[i] = float64(logits[c[0]]) - norm
		if len(c) > 1 {
			seqs = append(seqs, Seq{base.Fork(), c[:len(c)-1], WantAll})
			index = append(index, i)
		}
	}
	err = m.eval(ctx, seqs, func(seq, t int, l []float32) error {
		i := index[seq]
		scores[i] += float64(l[continuations[i][t+1]]) - logNorm(m.level, l, tmp)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return scores, nil
}
