package chat

import "fmt"

// loop is the variable of that name inside a for body.
type loop struct {
	items   []value
	i       int
	depth   int // 0 for the outermost
	recurse *callable
	changed value // what loop.changed saw last; nil *list before
	seen    bool
}

func (l *loop) attr(name string) (value, bool) {
	n := len(l.items)
	switch name {
	case "index":
		return int64(l.i + 1), true
	case "index0":
		return int64(l.i), true
	case "revindex":
		return int64(n - l.i), true
	case "revindex0":
		return int64(n - l.i - 1), true
	case "first":
		return l.i == 0, true
	case "last":
		return l.i == n-1, true
	case "length":
		return int64(n), true
	case "depth":
		return int64(l.depth + 1), true
	case "depth0":
		return int64(l.depth), true
	case "previtem":
		if l.i == 0 {
			return undefined{"loop.previtem"}, true
		}
		return l.items[l.i-1], true
	case "nextitem":
		if l.i == n-1 {
			return undefined{"loop.nextitem"}, true
		}
		return l.items[l.i+1], true
	case "cycle":
		i := l.i
		return &callable{"loop.cycle", func(_ *run, a args) (value, error) {
			if len(a.pos) == 0 {
				return nil, fmt.Errorf("loop.cycle needs values")
			}
			return a.pos[i%len(a.pos)], nil
		}}, true
	case "changed":
		return &callable{"loop.changed", func(r *run, a args) (value, error) {
			now := &list{a.pos, true}
			if l.seen {
				same, err := r.equal(l.changed, now)
				if same || err != nil {
					return false, err
				}
			}
			l.changed, l.seen = now, true
			return true, nil
		}}, true
	}
	return nil, false
}

func (s *forStmt) exec(r *run, sc *scope) (signal, error) {
	v, err := r.eval(s.iter, sc)
	if err != nil {
		return sigNone, at(s.line, err)
	}
	return sigNone, at(s.line, s.over(r, sc, v, 0))
}

// over runs the loop over v. Each turn has a scope of its own.
func (s *forStmt) over(r *run, sc *scope, v value, depth int) error {
	if err := r.enter(); err != nil {
		return err
	}
	defer r.leave()
	items, err := r.iterate(v)
	if err != nil {
		return err
	}
	if s.filter != nil {
		if items, err = s.keep(r, sc, items); err != nil {
			return err
		}
	}
	if len(items) == 0 {
		_, err := r.execAll(s.alt, sc.inner())
		return err
	}
	l := &loop{items: items, depth: depth}
	if s.recursive {
		l.recurse = &callable{"loop", func(r *run, a args) (value, error) {
			if len(a.pos) != 1 {
				return nil, fmt.Errorf("loop takes 1 argument, got %d", len(a.pos))
			}
			if depth >= maxDepth {
				return nil, &LimitError{fmt.Sprintf("loop recurses more than %d deep", maxDepth)}
			}
			return r.capture(func() error { return s.over(r, sc, a.pos[0], depth+1) })
		}}
	}
	for i, item := range items {
		l.i = i
		in := sc.inner()
		if err := r.assign(s.target, item, in); err != nil {
			return err
		}
		in.set("loop", l)
		sig, err := r.execAll(s.body, in)
		if err != nil {
			return err
		}
		if sig == sigBreak {
			break
		}
	}
	return nil
}

// keep returns the items for which the loop's own "if" holds.
func (s *forStmt) keep(r *run, sc *scope, items []value) ([]value, error) {
	var kept []value
	for _, item := range items {
		in := sc.inner()
		if err := r.assign(s.target, item, in); err != nil {
			return nil, err
		}
		v, err := r.eval(s.filter, in)
		if err != nil {
			return nil, err
		}
		if truth(v) {
			if err := r.make(16); err != nil {
				return nil, err
			}
			kept = append(kept, item)
		}
	}
	return kept, nil
}
