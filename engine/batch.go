package engine

import (
	"context"
	"fmt"

	"github.com/freehold-slm/freehold/models"
)

// Want says which results of a sequence's new tokens are wanted.
type Want uint8

const (
	WantNone  Want = iota // keys and values only
	WantLast              // the logits of the last token: Session.Logits
	WantAll               // the logits of every token: Session.LogitsAll (and Session.Logits)
	WantClass             // the classification head's logits after the last token, or the tags' of every token: Session.ClassLogits
	WantMean              // the mean of the tokens' states: Session.Pooled
	WantFirst             // the first token's state: Session.Pooled
	WantState             // the last token's state: Session.Pooled
)

// pools tells what a want pools; false = it is for logits.
func (m *Model) pools(w Want) (models.Pooling, bool) {
	switch w {
	case WantClass:
		return m.Spec.Pooling, true
	case WantMean:
		return models.PoolMean, true
	case WantFirst:
		return models.PoolCLS, true
	case WantState:
		return models.PoolLast, true
	}
	return models.PoolNone, false
}

// Seq is one sequence's part of a batch: tokens to append to a session.
type Seq struct {
	Session *Session
	Tokens  []int32
	Want    Want
}

// EvalBatch appends each sequence's tokens to its session, all of them evaluated together. Any mix of lengths is
// good; the results are those that each sequence would get alone, bit for bit. A session may occur once. On error
// every session holds what it held before. Calls by several goroutines are computed together as well.
func (m *Model) EvalBatch(ctx context.Context, seqs []Seq) error {
	return m.eval(ctx, seqs, nil)
}

// evalOne is EvalBatch of one sequence, which stays off the heap.
func (m *Model) evalOne(ctx context.Context, seq Seq) error {
	c := m.queue.get()
	c.one[0] = seq
	return m.submit(ctx, c, c.one[:])
}

// sink receives the logits [vocab] of token `token` of sequence `seq`, in place of the session; valid during the call. It may be
// called by another goroutine than the one that evaluates, which sleeps meanwhile.
type sink func(seq, token int, logits []float32) error

func (m *Model) eval(ctx context.Context, seqs []Seq, to sink) error {
	c := m.queue.get()
	c.to = to
	return m.submit(ctx, c, seqs)
}

// submit claims the sessions of a call, evaluates it and lets go of it.
func (m *Model) submit(ctx context.Context, c *call, seqs []Seq) error {
	defer m.queue.put(c)
	if err := m.check(seqs); err != nil {
		return err
	}
	for i := range seqs {
		s := seqs[i].Session
		if !s.busy.CompareAndSwap(false, true) {
			return fmt.Errorf("engine: the session of sequence %d is in use, or occurs twice", i)
		}
		c.lines = append(c.lines, line{seq: i, session: s, tokens: seqs[i].Tokens, want: seqs[i].Want})
	}
	c.ctx = ctx
	return m.do(c)
}

func (m *Model) check(seqs []Seq) error {
	for i := range seqs {
		s := &seqs[i]
		pooling, _ := m.pools(s.Want)
		switch {
		case s.Session == nil || s.Session.m != m:
			return fmt.Errorf("engine: sequence %d has no session of this model", i)
		case s.Want > WantState:
			return fmt.Errorf("engine: sequence %d wants %d, which is not known", i, s.Want)
		case len(s.Session.tokens)+len(s.Tokens) > m.cfg.context:
			return &ContextError{len(s.Session.tokens) + len(s.Tokens), m.cfg.context}
		case s.Want == WantClass && m.plan.class == nil:
			return fmt.Errorf("%s: the model has no classification head (tensor \"cls.output.weight\")", m.file.Name)
		case m.Spec.Tags != nil && s.Want != WantClass:
			return fmt.Errorf("%s: sequence %d: the model marks the tokens of whole texts and gives nothing else", m.file.Name, i)
		case m.Spec.Encoder && (s.Want < WantClass || len(s.Session.tokens) > 0 && len(s.Tokens) > 0):
			return fmt.Errorf("%s: sequence %d: an encoder gives the states of whole texts alone, from sessions that hold nothing", m.file.Name, i)
		case s.Want == WantFirst && len(s.Session.tokens) > 0:
			return fmt.Errorf("engine: sequence %d wants its first state, but its session holds %d tokens", i, len(s.Session.tokens))
		case pooling == models.PoolMean && s.Session.pooledAt != len(s.Session.tokens):
			return fmt.Errorf("engine: sequence %d wants its states pooled, but its first %d tokens were evaluated without", i, len(s.Session.tokens))
		}
		for j, t := range s.Tokens {
			if t < 0 || int(t) >= m.Spec.Vocab {
				return fmt.Errorf("engine: token %d of sequence %d is %d, want 0 to %d", j, i, t, m.Spec.Vocab-1)
			}
		}
	}
	return nil
}
