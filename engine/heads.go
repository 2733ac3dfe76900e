package engine

import (
	"slices"

	"github.com/freehold-slm/freehold/models"
)

// want lists the rows whose result is wanted: those for logits first, then those that are pooled.
func (r *runner) want() {
	r.wanted = r.wanted[:0]
	for i := range r.parts {
		switch p := &r.parts[i]; {
		case p.want == WantAll:
			for j := range p.n {
				r.wanted = append(r.wanted, int32(p.row+j))
			}
		case p.want == WantLast && p.last:
			r.wanted = append(r.wanted, int32(p.row+p.n-1))
		}
	}
	r.logitRows = len(r.wanted)
	for i := range r.parts {
		p := &r.parts[i]
		switch pooling, _ := r.m.pools(p.want); {
		case pooling == models.PoolMean, p.want == WantClass && r.m.Spec.Tags != nil:
			for j := range p.n {
				r.wanted = append(r.wanted, int32(p.row+j))
			}
		case pooling == models.PoolCLS && p.from == 0:
			r.wanted = append(r.wanted, int32(p.row))
		case pooling == models.PoolLast && p.last:
			r.wanted = append(r.wanted, int32(p.row+p.n-1))
		}
	}
}

// headBytes bounds the logits computed at a time.
const headBytes = 32 << 20

// beforeHeads makes what the head reads of the rows with wanted logits.
func (r *runner) beforeHeads() error {
	n := r.logitRows
	if n == 0 {
		return nil
	}
	m := r.m
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
		return r.matT.start(low, 0, n, nil)
	}
	return nil
}

// heads computes the logits of the wanted rows, block by block, and hands them out.
func (r *runner) heads() error {
	n := r.logitRows
	if n == 0 {
		return nil
	}
	m, vocab := r.m, r.m.Spec.Vocab
	block := min(n, max(1, headBytes/(4*vocab)))
	part := 0 // which part the next wanted row is of
	for at := 0; at < n; at += block {
		if r.deserted() {
			return errNobody
		}
		c := min(block, n-at)
		var out []float32
		first := r.part(int(r.wanted[at]), &part)
		direct := n == 1 && first.line.call.to == nil && first.want == WantLast
		if direct {
			s := first.line.session
			if len(s.logits) != vocab {
				s.logits = make([]float32, vocab)
			}
			out = s.logits
		} else {
			r.logits = slices.Grow(r.logits[:0], block*vocab)[:block*vocab]
			out = r.logits
		}
		if err := r.matT.start(&m.plan.head, at, at+c, out); err != nil {
			return err
		}
		for i := range c {
			row := int(r.wanted[at+i])
			r.hand(r.part(row, &part), row, out[i*vocab:(i+1)*vocab], direct)
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
func (r *runner) hand(p *passPart, row int, logits []float32, direct bool) {
	l, c := p.line, p.line.call
	if c.failed() {
		return
	}
	if !r.m.level.AllFinite(logits) {
		c.fail(&NumberError{r.m.file.Name, "logits", "hold a NaN or an infinity; the file's weights are damaged"})
		return
	}
	token := p.from + row - p.row
	if c.to != nil {
		c.sink(l.seq, token, logits)
		return
	}
	s := l.session
	if p.want == WantAll {
		s.all = append(s.all[:s.allRows*len(logits)], logits...)
		s.allRows++
	}
	if token == len(l.tokens)-1 {
		if !direct {
			s.logits = append(s.logits[:0], logits...)
		}
		s.logitsAt = len(s.tokens)
	}
}

// sink calls the sink, which belongs to another goroutine, and keeps what it panics with for that.
func (c *call) sink(seq, token int, logits []float32) {
	defer func() {
		if x := recover(); x != nil {
			c.thrown = x
		}
	}()
	if err := c.to(seq, token, logits); err != nil {
		c.fail(err)
	}
}

// pooled pools hidden states and, for sequences that end in this pass, applies the classification head where it is wanted. The mean
// is a chain of additions over rising position, divided once; it does not depend on how a sequence is cut into passes.
func (r *runner) pooled() error {
	if len(r.wanted) == r.logitRows {
		return nil
	}
	m, dim := r.m, r.m.Spec.Dim
	if m.Spec.Tags != nil {
		return r.tagged()
	}
	hidden := r.buf[m.plan.hidden]
	at := r.logitRows
	for i := range r.parts {
		p := &r.parts[i]
		s, c := p.line.session, p.line.call
		pooling, ok := m.pools(p.want)
		if !ok {
			continue
		}
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
		case pooling == models.PoolCLS && p.from == 0, pooling == models.PoolLast && p.last:
			s.pooled = append(s.pooled[:0], hidden[at*dim:(at+1)*dim]...)
			at++
		}
		if !p.last {
			continue
		}
		if p.want == WantClass {
			if err := r.classify(s); err != nil {
				c.fail(err)
			}
			continue
		}
		s.state = append(s.state[:0], s.pooled...)
		if pooling == models.PoolMean {
			m.level.Div(s.state, float32(s.pooledAt))
		}
		if m.plan.dense != nil {
			vector := make([]float32, m.plan.dense.rows)
			if err := r.project(m.plan.dense, s.state, vector); err != nil {
				c.fail(err)
				continue
			}
			s.state = vector
		}
		if !m.level.AllFinite(s.state) {
			c.fail(&NumberError{m.file.Name, "states", "hold a NaN or an infinity; the file's weights are damaged"})
			continue
		}
		s.stateAt = len(s.tokens)
	}
	return nil
}

// tagged gives each session the tags' logits of its tokens, whose states are the wanted rows.
func (r *runner) tagged() error {
	m, w, n := r.m, r.m.plan.class, len(r.wanted)
	if w.ints != nil {
		r.quantizeHidden[0] = rowOp{kind: rowQuantize, a: m.plan.hidden, width: w.k, name: w.name}
		if err := r.runRows(r.quantizeHidden[:], n); err != nil {
			return err
		}
		if err := r.failed(); err != nil {
			return err
		}
	}
	r.classStep = step{kind: stepMat, in: m.plan.hidden, width: w.k, mats: append(r.classStep.mats[:0], *w)}
	r.logits = slices.Grow(r.logits[:0], n*w.rows)[:n*w.rows]
	if err := r.matT.start(&r.classStep, 0, n, r.logits); err != nil {
		return err
	}
	at := 0
	for i := range r.parts {
		p := &r.parts[i]
		s, logits := p.line.session, r.logits[at*w.rows:(at+p.n)*w.rows]
		at += p.n
		if !m.level.AllFinite(logits) {
			p.line.call.fail(&NumberError{m.file.Name, "tag logits", "hold a NaN or an infinity; the file's weights are damaged"})
			continue
		}
		s.class, s.classAt = append(s.class[:0], logits...), len(s.tokens)
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
	if err := r.project(w, x, s.class); err != nil {
		return err
	}
	if !m.level.AllFinite(s.class) {
		return &NumberError{m.file.Name, "classification logits", "hold a NaN or an infinity; the file's weights are damaged"}
	}
	s.classAt = len(s.tokens)
	return nil
}

// project multiplies a pooled state by what makes labels or an embedding of it.
func (r *runner) project(w *matrix, x, out []float32) error {
	m := r.m
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
	return r.matT.start(&r.classStep, 0, 1, out)
}
