package engine

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
)

// Want says which results of a sequence's new tokens are wanted.
type Want uint8

const (
	WantNone  Want = iota // keys and values only
	WantLast              // the logits of the last token: Session.Logits
	WantAll               // the logits of every token: Session.LogitsAll (and Session.Logits)
	WantClass             // the classification head's logits after the last token: Session.ClassLogits
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

// passPart is the rows that one sequence has in a pass.
type passPart struct {
	session *Session
	seq     int // index in the batch
	row, n  int
	from    int // index of its first token in Seq.Tokens
}

// EvalBatch appends each sequence's tokens to its session, all of them evaluated together. Any mix of lengths is
// good; the results are those that each sequence would get alone, bit for bit. A session may occur once. On error
// every session holds what it held before.
func (m *Model) EvalBatch(ctx context.Context, seqs []Seq) error {
	return m.eval(ctx, seqs, nil)
}

// evalOne is EvalBatch of one sequence; the array keeps it off the heap.
func (m *Model) evalOne(ctx context.Context, seq *[1]Seq) error {
	if err := m.acquire(ctx); err != nil {
		return err
	}
	defer m.release()
	// The copy in the model outlives the call's frame, so nothing escapes per token.
	r := m.runner
	r.one[0] = seq[0]
	err := r.evaluate(ctx, r.one[:], nil)
	r.one[0] = Seq{}
	return err
}

// sink receives the logits [vocab] of token `token` of sequence `seq`, in place of the session; valid during the call.
type sink func(seq, token int, logits []float32) error

func (m *Model) eval(ctx context.Context, seqs []Seq, to sink) error {
	if err := m.acquire(ctx); err != nil {
		return err
	}
	defer m.release()
	return m.runner.evaluate(ctx, seqs, to)
}

func (r *runner) check(seqs []Seq) error {
	m := r.m
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
		case m.Spec.Encoder && (s.Want < WantMean || len(s.Session.tokens) > 0 && len(s.Tokens) > 0):
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

// evaluate runs the batch in passes of at most cfg.chunk rows.
func (r *runner) evaluate(ctx context.Context, seqs []Seq, to sink) (err error) {
	if err := r.check(seqs); err != nil {
		return err
	}
	for i := range seqs {
		if !seqs[i].Session.busy.CompareAndSwap(false, true) {
			for j := range i {
				seqs[j].Session.busy.Store(false)
			}
			return fmt.Errorf("engine: the session of sequence %d is in use, or occurs twice", i)
		}
	}
	r.before = r.before[:0]
	total := 0
	for i := range seqs {
		s := seqs[i].Session
		r.before = append(r.before, len(s.tokens))
		total += len(seqs[i].Tokens)
		s.allRows = 0
		if len(seqs[i].Tokens) > 0 {
			s.logitsAt, s.classAt, s.stateAt = 0, 0, 0
		}
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	done := false
	defer func() {
		for i := range seqs {
			s := seqs[i].Session
			if !done {
				s.rollback(r.before[i])
			}
			s.busy.Store(false)
		}
		clear(r.page[:r.n]) // let go of pages
		clear(r.parts)
	}()
	r.grow(min(total, r.m.cfg.chunk))
	seq, from := 0, 0
	for seq < len(seqs) {
		// Fill a pass.
		r.parts, r.n = r.parts[:0], 0
		for seq < len(seqs) && r.n < r.m.cfg.chunk {
			if r.m.Spec.Encoder && r.n > 0 && r.n+len(seqs[seq].Tokens) > r.m.cfg.chunk {
				break // what is left of it would not see it whole
			}
			n := min(len(seqs[seq].Tokens)-from, r.m.cfg.chunk-r.n)
			if n > 0 {
				r.parts = append(r.parts, passPart{seqs[seq].Session, seq, r.n, n, from})
				r.n += n
				from += n
			}
			if from == len(seqs[seq].Tokens) {
				seq, from = seq+1, 0
			}
		}
		if r.n == 0 {
			break
		}
		if err := r.pass(ctx, seqs, to); err != nil {
			return err
		}
	}
	done = true
	return nil
}

// rollback forgets what a failed evaluation added.
func (s *Session) rollback(n int) {
	if len(s.tokens) == n {
		for len(s.pages) > pagesFor(n) {
			last := len(s.pages) - 1
			s.m.dropPage(s.pages[last])
			s.pages = s.pages[:last]
		}
		return
	}
	s.Truncate(n)
}

// pass runs the rows in r.parts through the model.
func (r *runner) pass(ctx context.Context, seqs []Seq, to sink) error {
	m := r.m
	r.err = nil
	r.wanted = r.wanted[:0]
	maxPos := 0
	for _, p := range r.parts {
		s := p.session
		s.room(len(s.tokens) + p.n)
		for i := 0; i < p.n; i++ {
			pos := len(s.tokens) + i
			r.tok[p.row+i], r.pos[p.row+i] = seqs[p.seq].Tokens[p.from+i], int32(pos)
			r.page[p.row+i] = s.pages[pos/kernels.PageKeys]
		}
		maxPos = max(maxPos, len(s.tokens)+p.n)
	}
	m.rope.grow(maxPos)
	m.windowRope.grow(maxPos)
	r.want(seqs)
	r.attT.begin()
	for i := range m.plan.steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.step(&m.plan.steps[i]); err != nil {
			return err
		}
	}
	for _, p := range r.parts {
		p.session.tokens = append(p.session.tokens, seqs[p.seq].Tokens[p.from:p.from+p.n]...)
	}
	if err := r.heads(ctx, seqs, to); err != nil {
		return err
	}
	return r.pooled(seqs)
}

// want lists the rows whose result is wanted: those for logits first, then those for the classification head.
func (r *runner) want(seqs []Seq) {
	last := func(p *passPart) bool { return p.from+p.n == len(seqs[p.seq].Tokens) }
	for i := range r.parts {
		p := &r.parts[i]
		switch {
		case seqs[p.seq].Want == WantAll:
			for j := range p.n {
				r.wanted = append(r.wanted, int32(p.row+j))
			}
		case seqs[p.seq].Want == WantLast && last(p):
			r.wanted = append(r.wanted, int32(p.row+p.n-1))
		}
	}
	r.logitRows = len(r.wanted)
	for i := range r.parts {
		p := &r.parts[i]
		switch pooling, _ := r.m.pools(seqs[p.seq].Want); {
		case pooling == models.PoolMean:
			for j := range p.n {
				r.wanted = append(r.wanted, int32(p.row+j))
			}
		case pooling == models.PoolCLS && p.from == 0:
			r.wanted = append(r.wanted, int32(p.row))
		case pooling == models.PoolLast && last(p):
			r.wanted = append(r.wanted, int32(p.row+p.n-1))
		}
	}
}

// headBytes bounds the logits computed at a time.
const headBytes = 32 << 20

// heads computes the logits of the wanted rows, block by block, and hands them out.
func (r *runner) heads(ctx context.Context, seqs []Seq, to sink) error {
	n := r.logitRows
	if n == 0 {
		return nil
	}
	m, vocab := r.m, r.m.Spec.Vocab
	head := &m.plan.head
	head.in, head.width = m.plan.hidden, m.Spec.Dim
	if head.mats[0].ints != nil {
		r.quantizeHidden[0] = rowOp{kind: rowQuantize, a: m.plan.hidden, width: m.Spec.Dim, layer: head.layer, name: head.mats[0].name}
		if err := r.runRows(r.quantizeHidden[:], n); err != nil {
			return err
		}
		if err := r.failed(); err != nil {
			return err
		}
	}
	if low := &m.plan.lows; low.mats != nil {
		if err := r.matT.start(low, 0, n, nil); err != nil {
			return err
		}
	}
	block := min(n, max(1, headBytes/(4*vocab)))
	part, row := 0, 0 // which part the next wanted row is of
	for at := 0; at < n; at += block {
		if err := ctx.Err(); err != nil {
			return err
		}
		c := min(block, n-at)
		var out []float32
		direct := n == 1 && to == nil && seqs[r.part(int(r.wanted[0]), &part).seq].Want == WantLast
		if direct {
			s := r.parts[part].session
			if len(s.logits) != vocab {
				s.logits = make([]float32, vocab)
			}
			out = s.logits
		} else {
			r.logits = slices.Grow(r.logits[:0], block*vocab)[:block*vocab]
			out = r.logits
		}
		if err := r.matT.start(head, at, at+c, out); err != nil {
			return err
		}
		for i := range c {
			l := out[i*vocab : (i+1)*vocab]
			if !m.level.AllFinite(l) {
				return &NumberError{m.file.Name, "logits", "hold a NaN or an infinity; the file's weights are damaged"}
			}
			row = int(r.wanted[at+i])
			p := r.part(row, &part)
			if err := r.hand(seqs, p, p.from+row-p.row, l, to, direct); err != nil {
				return err
			}
		}
	}
	return nil
}

// part finds the part that holds a row, from part *i on; rows come in order.
func (r *runner) part(row int, i *int) *passPart {
	for row >= r.parts[*i].row+r.parts[*i].n {
		*i++
	}
	return &r.parts[*i]
}

// hand gives one row of logits to the sink or the session.
func (r *runner) hand(seqs []Seq, p *passPart, token int, l []float32, to sink, direct bool) error {
	if to != nil {
		return to(p.seq, token, l)
	}
	s, vocab := p.session, r.m.Spec.Vocab
	if seqs[p.seq].Want == WantAll {
		s.all = append(s.all[:s.allRows*vocab], l...)
		s.allRows++
	}
	if token == len(seqs[p.seq].Tokens)-1 {
		if !direct {
			s.logits = append(s.logits[:0], l...)
		}
		s.logitsAt = len(s.tokens)
	}
	return nil
}

// pooled pools hidden states and, for sequences that end in this pass, applies the classification head where it is wanted. The mean
// is a chain of additions over rising position, divided once; it does not depend on how a sequence is cut into passes.
func (r *runner) pooled(seqs []Seq) error {
	if len(r.wanted) == r.logitRows {
		return nil
	}
	m, dim := r.m, r.m.Spec.Dim
	hidden := r.buf[m.plan.hidden]
	at := r.logitRows
	for i := range r.parts {
		p := &r.parts[i]
		s, want := p.session, seqs[p.seq].Want
		pooling, ok := m.pools(want)
		if !ok {
			continue
		}
		ends := p.from+p.n == len(seqs[p.seq].Tokens)
		switch {
		case pooling == models.PoolMean:
			if s.pooledAt == 0 {
				s.pooled = append(s.pooled[:0], make([]float32, dim)...)
			}
			for range p.n {
				m.level.Add(s.pooled, hidden[at*dim:(at+1)*dim])
				at++
			}
			s.pooledAt = len(s.tokens)
		case pooling == models.PoolCLS && p.from == 0, pooling == models.PoolLast && ends:
			s.pooled = append(s.pooled[:0], hidden[at*dim:(at+1)*dim]...)
			at++
		}
		if !ends {
			continue
		}
		if want == WantClass {
			if err := r.classify(s); err != nil {
				return err
			}
			continue
		}
		s.state = append(s.state[:0], s.pooled...)
		if pooling == models.PoolMean {
			m.level.Div(s.state, float32(s.pooledAt))
		}
		if !m.level.AllFinite(s.state) {
			return &NumberError{m.file.Name, "states", "hold a NaN or an infinity; the file's weights are damaged"}
		}
		s.stateAt = len(s.tokens)
	}
	return nil
}

// classify applies the classification head to a session's pooled state.
func (r *runner) classify(s *Session) error {
	m, w := r.m, r.m.plan.class
	x := slices.Clone(s.pooled)
	if m.Spec.Pooling == models.PoolMean {
		for i := range x {
			x[i] /= float32(s.pooledAt)
		}
	}
	if s.class == nil {
		s.class = make([]float32, w.rows)
	}
	copy(r.buf[m.plan.hidden][:len(x)], x) // row 0 is done with
	if w.ints != nil {
		r.quantizeHidden[0] = rowOp{kind: rowQuantize, a: m.plan.hidden, width: w.k, name: w.name}
		if err := r.runRows(r.quantizeHidden[:], 1); err != nil {
			return err
		}
		if err := r.failed(); err != nil {
			return err
		}
	}
	r.classStep = step{kind: stepMat, in: m.plan.hidden, width: w.k, mats: append(r.classStep.mats[:0], *w)}
	if err := r.matT.start(&r.classStep, 0, 1, s.class); err != nil {
		return err
	}
	if !m.level.AllFinite(s.class) {
		return &NumberError{m.file.Name, "classification logits", "hold a NaN or an infinity; the file's weights are damaged"}
	}
	s.classAt = len(s.tokens)
	return nil
}
