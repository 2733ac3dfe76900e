package engine

import (
	"errors"
	"runtime/debug"
	"slices"

	"github.com/freehold-slm/freehold/kernels"
)

// line is one sequence of a call on its way through the model.
type line struct {
	call    *call // nil until it is taken up
	seq     int   // in the call
	session *Session
	tokens  []int32
	want    Want
	held    int     // tokens of the session before
	done    int     // of tokens
	again   []int32 // tokens before those that a recurrent model has to compute anew
	redone  int     // of again
}

// passPart is the rows that one sequence has in a pass.
type passPart struct {
	line   *line
	tokens []int32 // of the line, or of what is computed again
	row, n int
	from   int // the first token's index in line.tokens; -1 = computed again
	want   Want
	last   bool // the line ends in this pass
}

// begin takes a call up, once; then, before each pass, it sees whether the caller still wants it.
func (c *call) begin() {
	if c.err == nil {
		c.err = c.ctx.Err()
	}
	if c.err != nil {
		return
	}
	for i := range c.lines {
		l := &c.lines[i]
		if l.call != nil {
			return
		}
		l.call, l.held = c, len(l.session.tokens)
		l.session.allRows = 0
		if len(l.tokens) > 0 {
			l.session.logitsAt, l.session.classAt, l.session.stateAt = 0, 0, 0
			l.lookBack()
			c.left++
		}
	}
}

// end makes the sessions of a call that failed hold what they held.
func (c *call) end() {
	for i := range c.lines {
		if l := &c.lines[i]; l.call != nil && c.failed() {
			l.lookAhead()
			l.session.rollback(l.held)
		}
	}
}

// lookBack sets apart the tokens that a session holds and its state does not know: they go through the model first.
func (l *line) lookBack() {
	s := l.session
	if s.rec.lag == 0 {
		return
	}
	at := len(s.tokens) - s.rec.lag
	l.again, l.redone = slices.Clone(s.tokens[at:]), 0
	s.tokens, s.rec.lag = s.tokens[:at], 0
}

// lookAhead gives back to the session what lookBack took.
func (l *line) lookAhead() {
	if rest := l.again[l.redone:]; len(rest) > 0 {
		l.session.tokens = append(l.session.tokens, rest...)
		l.session.rec.lag = len(rest)
	}
	l.again, l.redone = nil, 0
}

// left is how many rows the line still needs.
func (l *line) left() int { return len(l.again) - l.redone + len(l.tokens) - l.done }

// How a pass is filled. Lines of few rows, a text's next token before all, go into every pass, for somebody waits for each of
// them; long prompts have what is left, in order of arrival, and beside others promptRows at a time, so that they hold nobody
// up for long. A quarter is theirs however many short ones there are.
const (
	shortRows  = 64
	promptRows = 256
)

// fill chooses the rows of the next pass, at most cfg.chunk.
func (r *runner) fill(active []*call) {
	r.parts, r.n = r.parts[:0], 0
	chunk := r.m.cfg.chunk
	alone := alone(active)
	long, total := false, 0
	for _, c := range active {
		for i := range c.lines {
			if l := &c.lines[i]; c.joins(alone) {
				total += l.left()
				long = long || l.left() > shortRows
			}
		}
	}
	r.grow(min(total, chunk))
	room := chunk
	if long {
		room -= chunk / 4
	}
	for _, short := range [...]bool{true, false} {
		for _, c := range active {
			if !c.joins(alone) {
				continue
			}
			for i := range c.lines {
				if l := &c.lines[i]; l.left() > 0 && l.left() <= shortRows == short {
					r.take(l, room-r.n)
				}
			}
		}
		if !long {
			return
		}
		room = chunk
		if r.n > 0 && !r.m.Spec.Encoder {
			room = min(chunk, r.n+promptRows)
		}
	}
}

// alone is the call that has to have the next pass to itself; nil = none.
func alone(active []*call) *call {
	for i, c := range active {
		if !c.over() && (c.solo || i == 0 && c.watch != nil) {
			return c
		}
	}
	return nil
}

// joins tells whether a call may be in the next pass.
func (c *call) joins(alone *call) bool {
	if alone != nil {
		return c == alone
	}
	return !c.over() && c.watch == nil
}

// take gives a line rows of the pass, at most room. A recurrent model's end where a page does, for a mark there; an
// encoder has whole texts only.
func (r *runner) take(l *line, room int) {
	s := l.session
	p := passPart{line: l, tokens: l.tokens[l.done:], row: r.n, from: l.done, want: l.want}
	if l.redone < len(l.again) {
		p.tokens, p.from, p.want = l.again[l.redone:], -1, WantNone
	}
	n := min(len(p.tokens), room)
	if r.m.plan.state > 0 {
		n = min(n, kernels.PageKeys-len(s.tokens)%kernels.PageKeys)
	}
	if n <= 0 || r.m.Spec.Encoder && n < len(p.tokens) {
		return
	}
	if !s.room(len(s.tokens) + l.left()) {
		return // it waits for memory
	}
	p.tokens, p.n = p.tokens[:n], n
	p.last = p.from >= 0 && p.from+n == len(l.tokens)
	r.parts = append(r.parts, p)
	r.n += n
}

var (
	errPanicked = errors.New("engine: the pass that this evaluation shared panicked")
	errNobody   = errors.New("engine: nobody waits for the pass any more")
)

// pass runs the rows in r.parts through the model. What goes wrong is noted in the calls that it concerns.
func (r *runner) pass() {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	r.watch = r.parts[0].line.call.watch
	defer func() { r.watch = nil }()
	if err := r.layers(); err != nil {
		r.blame(err)
		return
	}
	for i := range r.parts {
		r.advance(&r.parts[i])
	}
	err := r.heads()
	if err == nil {
		err = r.pooled()
	}
	if err != nil {
		for i := range r.parts {
			r.parts[i].line.call.fail(err)
		}
	}
}

// layers runs the rows up to their hidden states.
func (r *runner) layers() error {
	m := r.m
	r.err = nil
	maxPos := 0
	for i := range r.parts {
		p := &r.parts[i]
		s := p.line.session
		s.rec.wet = m.plan.state > 0
		for j, t := range p.tokens {
			pos := len(s.tokens) + j
			r.tok[p.row+j], r.pos[p.row+j] = t, int32(pos)
			r.page[p.row+j] = s.pages[pos/kernels.PageKeys]
		}
		maxPos = max(maxPos, len(s.tokens)+p.n)
	}
	m.rope.grow(maxPos)
	m.windowRope.grow(maxPos)
	r.want()
	r.attT.begin()
	for i := range m.plan.steps {
		if r.deserted() {
			return errNobody
		}
		if err := r.step(&m.plan.steps[i]); err != nil {
			return err
		}
	}
	return r.beforeHeads()
}

// deserted tells whether nobody waits for the pass any more, and then ends its calls.
func (r *runner) deserted() bool {
	for i := range r.parts {
		if r.parts[i].line.call.ctx.Err() == nil {
			return false
		}
	}
	for i := range r.parts {
		c := r.parts[i].line.call
		c.fail(c.ctx.Err())
	}
	return true
}

// blame deals with a pass that failed before any of its results was known. A number that is none came of one of the calls, and which
// one each finds out alone: computing tokens again gives the same.
func (r *runner) blame(err error) {
	first := r.parts[0].line.call
	shared := r.parts[len(r.parts)-1].line.call != first
	var number *NumberError
	for i := range r.parts {
		l := r.parts[i].line
		if !shared || !errors.As(err, &number) {
			l.call.fail(err)
			continue
		}
		l.call.solo = true
		if l.session.rec.wet {
			l.lookAhead()
			l.session.goBack(len(l.session.tokens))
			l.lookBack()
		}
	}
}

// fail keeps a call's first error.
func (c *call) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// failed tells whether the call has one.
func (c *call) failed() bool { return c.err != nil || c.thrown != nil }

// advance notes that a part's keys, values and states are computed.
func (r *runner) advance(p *passPart) {
	l, s := p.line, p.line.session
	s.tokens = append(s.tokens, p.tokens...)
	s.rec.wet = false
	l.call.solo = false
	if marks := r.m.plan.state > 0; marks && s.marked() {
		s.mark()
	}
	if p.from >= 0 {
		if l.done += p.n; p.last {
			l.call.left--
		}
		return
	}
	if l.redone += p.n; l.redone == len(l.again) {
		s.mark() // who goes back once will do so again
		l.again, l.redone = nil, 0
	}
}

// holds tells whether a call is in the pass.
func (r *runner) holds(c *call) bool {
	return slices.ContainsFunc(r.parts, func(p passPart) bool { return p.line.call == c })
}

// let forgets the pass.
func (r *runner) let() {
	clear(r.page[:r.n]) // let go of pages
	clear(r.parts)
	r.parts, r.n = r.parts[:0], 0
}
