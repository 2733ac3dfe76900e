package engine

import "fmt"

// How many tokens a Draft guesses at a time at most: where Gen.DraftTokens does not say, and what it may say.
const (
	DraftTokens    = 8
	MaxDraftTokens = 256
)

// maxWait bounds the tokens decoded without a guess after guesses that were wrong, so that a text which cannot be
// guessed costs little more than without a draft.
const maxWait = 16

// speculation is the part of a Stream that decodes with a draft. A round evaluates the last token and a draft behind
// it together, draws for each position from its own logits, and keeps the draws up to the first that is not the
// drafted token. Every kept token is thus drawn from the logits of the tokens before it, by the number of its own
// position: it is the token that decoding without a draft gives.
type speculation struct {
	draft  []int32 // [most] room for guesses
	length int     // how many to guess next: grows while guesses are right
	misses int     // rounds in a row without a right guess
	wait   int     // tokens to decode without a guess, more after each miss
	picked []int32 // tokens decided and not yet given out, all but the last held by the session
	at     int     // the next of them

	seq      [1]Seq
	guess    []int32 // the guesses of this round
	judge    sink
	stopped  bool // a guess was wrong
	drafted  int
	accepted int
}

func (st *Stream) initDraft() {
	if st.gen.Draft == nil {
		return
	}
	most := st.gen.DraftTokens
	if most == 0 {
		most = DraftTokens
	}
	st.spec = speculation{draft: make([]int32, most), length: min(most, 4), picked: make([]int32, 0, most+1)}
	st.spec.judge = st.judgeToken
}

// Drafted tells how many tokens the draft guessed, and how many of them were right.
func (st *Stream) Drafted() (drafted, accepted int) { return st.spec.drafted, st.spec.accepted }

// next decides the next token; left is how many more may be generated, 0 = no limit.
func (st *Stream) next(left int) (int32, error) {
	p := &st.spec
	if p.at < len(p.picked) {
		p.at++
		return p.picked[p.at-1], nil
	}
	if st.gen.Draft != nil {
		if done, err := st.round(left); err != nil {
			return 0, err
		} else if done {
			p.at = 1
			return p.picked[0], nil
		}
	}
	logits, err := st.s.Eval(st.ctx, st.tokens)
	if err != nil {
		return 0, err
	}
	return st.choose(logits, st.tokens)
}

// round decides one token or more with the help of the draft; false where there is nothing to speculate on: a prompt
// to be read first, no room, no guess.
func (st *Stream) round(left int) (bool, error) {
	p, s, n := &st.spec, st.s, len(st.tokens)
	held := common(s.tokens, st.tokens)
	room := min(p.length, s.m.cfg.context-n)
	if left > 0 {
		room = min(room, left-1) // a round gives one token more than it guesses
	}
	if held < n-1 || room <= 0 {
		return false, nil
	}
	if p.wait > 0 {
		p.wait--
		return false, nil
	}
	count, err := st.gen.Draft.Propose(st.ctx, st.tokens, &st.gen, p.draft[:room])
	if err != nil {
		return false, err
	}
	if count < 0 || count > room {
		return false, fmt.Errorf("engine: the draft says it made %d guesses, want 0 to %d", count, room)
	}
	if count == 0 {
		return false, nil
	}
	p.guess = p.draft[:count]
	for _, id := range p.guess {
		if id < 0 || int(id) >= s.m.Spec.Vocab {
			return false, fmt.Errorf("engine: the draft guessed token %d, want 0 to %d", id, s.m.Spec.Vocab-1)
		}
	}
	s.Truncate(n - 1)
	st.tokens = append(st.tokens, p.guess...) // for the call only
	p.seq[0] = Seq{s, st.tokens[n-1:], WantAll}
	st.tokens = st.tokens[:n]
	p.picked, p.at, p.stopped = p.picked[:0], 0, false
	if err := s.m.eval(st.ctx, p.seq[:], p.judge); err != nil {
		return false, err
	}
	right := len(p.picked) - 1
	s.Truncate(n + right)
	p.drafted += count
	p.accepted += right
	if p.length = right + 1; right == count {
		p.length = min(2*count+1, len(p.draft))
	}
	if p.misses++; right > 0 {
		p.misses = 0
	}
	p.wait = min(p.misses*p.misses/2, maxWait)
	return true, nil
}

// judgeToken draws from the logits behind guess i (0 = before all guesses).
func (st *Stream) judgeToken(_, i int, logits []float32) error {
	p := &st.spec
	if p.stopped {
		return nil
	}
	id, err := st.choose(logits, st.tokens[:len(st.tokens)+i])
	if err != nil {
		return err
	}
	p.picked = append(p.picked, id)
	p.stopped = i == len(p.guess) || id != p.guess[i] || st.pick.rule.done()
	return nil
}
