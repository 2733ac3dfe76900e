package engine

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/freehold-slm/freehold/kernels"
)

// Session is one timeline: the tokens it holds, their keys and values, and the logits after the last. It serves one
// goroutine at a time. Sessions of one model may be used by different goroutines.
type Session struct {
	m      *Model
	tokens []int32
	pages  []*page // [(len(tokens)+PageKeys-1) / PageKeys], may hold more
	rec    recurrence
	busy   atomic.Bool // an evaluation has it
	seat   seat

	logits   []float32 // [vocab] after token logitsAt-1
	logitsAt int       // 0 = none
	all      []float32 // [allRows, vocab] of the last evaluation with WantAll
	allRows  int

	// Classification head and embeddings: the running state of the pooling.
	pooled   []float32 // [dim] sum of hidden states (mean) or the last one
	pooledAt int       // tokens pooled
	class    []float32 // [labels] after classAt tokens, or [tokens, tags]
	classAt  int
	state    []float32 // [dim] pooled over stateAt tokens
	stateAt  int
}

// NewSession makes an empty session.
func (m *Model) NewSession() *Session { return &Session{m: m} }

// Model is the session's model.
func (s *Session) Model() *Model { return s.m }

// Len is the number of tokens held.
func (s *Session) Len() int { return len(s.tokens) }

// Tokens returns the tokens held; the caller must not change them.
func (s *Session) Tokens() []int32 { return s.tokens }

// Logits returns the logits [vocab] after the last token held, or nil where they were not asked for. The slice is
// the session's: the next evaluation overwrites it.
func (s *Session) Logits() []float32 {
	if s.logitsAt == 0 || s.logitsAt != len(s.tokens) {
		return nil
	}
	return s.logits
}

// LogitsAll returns the logits [tokens, vocab] of the tokens added by the last evaluation with WantAll.
func (s *Session) LogitsAll() []float32 { return s.all[:s.allRows*s.m.Spec.Vocab] }

// ClassLogits returns the classification head's logits [labels] after the last token held, or the tags' of every token [tokens, tags]; nil
// where they were not asked for.
func (s *Session) ClassLogits() []float32 {
	if s.classAt == 0 || s.classAt != len(s.tokens) {
		return nil
	}
	return s.class
}

// Pooled returns the pooled state of the tokens held, as the embedding that the file makes of it (Spec.Embedding), nil where it was not asked for. The next evaluation overwrites it.
func (s *Session) Pooled() []float32 {
	if s.stateAt == 0 || s.stateAt != len(s.tokens) {
		return nil
	}
	return s.state
}

// Eval makes the session hold exactly tokens and returns the logits [vocab] of the last one. What the session already
// holds of the prefix is not computed again; what it holds beyond is forgotten. The result is the session's own slice.
func (s *Session) Eval(ctx context.Context, tokens []int32) ([]float32, error) {
	if len(tokens) == 0 {
		return nil, fmt.Errorf("engine: Eval of no tokens; there is nothing to continue")
	}
	n := common(s.tokens, tokens)
	if n == len(tokens) && n == len(s.tokens) && s.Logits() != nil {
		return s.logits, nil
	}
	s.Truncate(min(n, len(tokens)-1))
	if err := s.m.evalOne(ctx, Seq{Session: s, Tokens: tokens[len(s.tokens):], Want: WantLast}); err != nil {
		return nil, err
	}
	return s.logits, nil
}

// Truncate forgets all but the first n tokens. A model with recurrent layers may have to compute some of these anew in the
// next evaluation (see recurrence); what it gives is the same.
func (s *Session) Truncate(n int) {
	if n < 0 || n > len(s.tokens) {
		panic(fmt.Sprintf("engine: Truncate to %d of a session of %d tokens", n, len(s.tokens)))
	}
	if n == len(s.tokens) {
		return
	}
	if s.m.plan.state > 0 {
		s.goBack(n)
	} else {
		s.tokens = s.tokens[:n]
		s.keepPages(pagesFor(n))
	}
	s.logitsAt, s.classAt, s.stateAt, s.allRows = 0, 0, 0, 0
	if s.pooledAt > n {
		s.pooledAt = 0
	}
}

// keepPages lets go of all pages but the first n.
func (s *Session) keepPages(n int) {
	for len(s.pages) > n {
		last := len(s.pages) - 1
		s.m.dropPage(s.pages[last])
		s.pages[last] = nil
		s.pages = s.pages[:last]
	}
}

// Fork returns a session that holds the same tokens. It costs no copying now: pages are shared, and whoever first
// writes to a shared one copies what it holds.
func (s *Session) Fork() *Session {
	f := &Session{m: s.m}
	f.Assign(s)
	return f
}

// Assign makes s hold what from holds, as Fork does, reusing s's memory.
func (s *Session) Assign(from *Session) {
	if s.m != from.m {
		panic("engine: Assign between sessions of different models")
	}
	if s == from {
		return
	}
	s.assignTo(from.tokens, from.pages, &from.rec)
	if from.Logits() != nil {
		s.logits = append(s.logits[:0], from.logits...)
		s.logitsAt = from.logitsAt
	}
	s.pooled = append(s.pooled[:0], from.pooled...)
	s.pooledAt = from.pooledAt
}

// assignTo makes s hold tokens with their pages and states, which stay the giver's too.
func (s *Session) assignTo(tokens []int32, pages []*page, rec *recurrence) {
	for _, p := range pages {
		p.refs.Add(1)
	}
	for _, p := range s.pages {
		s.m.dropPage(p)
	}
	s.assignState(rec)
	s.tokens = append(s.tokens[:0], tokens...)
	clear(s.pages)
	s.pages = append(s.pages[:0], pages...)
	s.logitsAt, s.classAt, s.stateAt, s.allRows, s.pooledAt = 0, 0, 0, 0, 0
}

// Close gives the session's pages back for reuse. A session that is not closed is collected like any other memory.
func (s *Session) Close() {
	for _, p := range s.pages {
		s.m.dropPage(p)
	}
	s.dropStates()
	s.pages, s.tokens = nil, nil
	s.logitsAt, s.classAt, s.stateAt, s.allRows, s.pooledAt = 0, 0, 0, 0, 0
}

func pagesFor(tokens int) int { return (tokens + kernels.PageKeys - 1) / kernels.PageKeys }

// rollback forgets what a failed evaluation added.
func (s *Session) rollback(n int) {
	if s.rec.wet {
		s.goBack(n)
	}
	if len(s.tokens) == n {
		s.keepPages(pagesFor(n))
		return
	}
	s.Truncate(n)
}

// room makes pages for positions up to n, and makes those that will be written, and the state, this session's own. It answers false
// and does nothing where there is no memory for that.
func (s *Session) room(n int) bool {
	have := len(s.tokens)
	g := s.growth(n)
	if bytes := g.bytes(s.m); bytes > 0 && !s.m.reserve(bytes) {
		return false
	}
	if g.copies {
		own, first := s.m.newPage(), have/kernels.PageKeys
		s.m.copyPage(own, s.pages[first], have%kernels.PageKeys)
		s.m.dropPage(s.pages[first])
		s.pages[first] = own
	}
	for range g.pages {
		s.pages = append(s.pages, s.m.newPage())
	}
	if g.state {
		s.ownState()
	}
	s.tokens = slices.Grow(s.tokens, n-have)
	return true
}
