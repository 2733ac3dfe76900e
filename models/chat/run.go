package chat

import (
	"fmt"
	"strings"
	"time"
)

// run is the state of one Render: the output and what is left of the caps.
type run struct {
	out    *strings.Builder
	steps  int
	bytes  int
	depth  int // nested evaluations
	macros int // nested macro calls
	now    time.Time
	// The tables, for filters such as map and select that look others up.
	filters map[string]filterFunc
	tests   map[string]testFunc
}

// maxEval caps nested evaluations (the Go stack); only runaway recursion and
// built-for-harm templates come near.
const maxEval = 10_000

// enter begins one evaluation: it counts a step and a level. Pair with leave.
func (r *run) enter() error {
	if r.steps--; r.steps < 0 {
		return &LimitError{"the template takes too many steps"}
	}
	if r.depth++; r.depth > maxEval {
		return &LimitError{"the template nests too deep"}
	}
	return nil
}

func (r *run) leave() { r.depth-- }

// work counts reading n bytes or elements.
func (r *run) work(n int) error {
	if r.steps -= n / 64; r.steps < 0 {
		return &LimitError{"the template takes too many steps"}
	}
	return nil
}

// make counts n bytes that are about to be made, and the work of making them.
func (r *run) make(n int) error {
	if r.bytes -= n; r.bytes < 0 || n < 0 {
		return &LimitError{"the template makes too much text"}
	}
	return r.work(n)
}

func (r *run) write(s string) error {
	if err := r.make(len(s)); err != nil {
		return err
	}
	r.out.WriteString(s)
	return nil
}

// capture runs f and returns what it wrote instead of writing it.
func (r *run) capture(f func() error) (string, error) {
	outer := r.out
	r.out = &strings.Builder{}
	err := f()
	text := r.out.String()
	r.out = outer
	return text, err
}

// scope holds the variables of a block; a name not found here is looked up
// outside. Assignments stay inside, as in Jinja2.
type scope struct {
	vars  map[string]value
	outer *scope
}

func (s *scope) inner() *scope { return &scope{outer: s} }

func (s *scope) set(name string, v value) {
	if s.vars == nil {
		s.vars = map[string]value{}
	}
	s.vars[name] = v
}

func (s *scope) get(name string) value {
	for ; s != nil; s = s.outer {
		if v, ok := s.vars[name]; ok {
			return v
		}
	}
	if f, ok := globals[name]; ok {
		return f
	}
	return undefined{name}
}

// signal says how a body ended.
type signal uint8

const (
	sigNone signal = iota
	sigBreak
	sigContinue
)

// at adds the line to an error that has none yet.
func at(line int, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := err.(*lineError); ok {
		return err
	}
	return &lineError{line, err}
}

type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.err) }
func (e *lineError) Unwrap() error { return e.err }

func (r *run) execAll(body []stmt, sc *scope) (signal, error) {
	if err := r.enter(); err != nil {
		return sigNone, err
	}
	defer r.leave()
	for _, s := range body {
		if r.steps--; r.steps < 0 {
			return sigNone, &LimitError{"the template takes too many steps"}
		}
		if sig, err := s.exec(r, sc); sig != sigNone || err != nil {
			return sig, err
		}
	}
	return sigNone, nil
}

// captureAll runs a body in a scope of its own and returns its text.
func (r *run) captureAll(body []stmt, sc *scope) (string, error) {
	return r.capture(func() error {
		_, err := r.execAll(body, sc)
		return err
	})
}

func (s *textStmt) exec(r *run, _ *scope) (signal, error) { return sigNone, r.write(s.text) }

func (s *printStmt) exec(r *run, sc *scope) (signal, error) {
	v, err := r.eval(s.x, sc)
	if err != nil {
		return sigNone, at(s.line, err)
	}
	text, err := r.text(v)
	if err != nil {
		return sigNone, at(s.line, err)
	}
	return sigNone, at(s.line, r.write(text))
}

func (s *ifStmt) exec(r *run, sc *scope) (signal, error) {
	for i, cond := range s.conds {
		v, err := r.eval(cond, sc)
		if err != nil {
			return sigNone, err
		}
		if truth(v) {
			return r.execAll(s.then[i], sc)
		}
	}
	return r.execAll(s.alt, sc)
}

func (s *setStmt) exec(r *run, sc *scope) (signal, error) {
	v, err := r.eval(s.x, sc)
	if err != nil {
		return sigNone, at(s.line, err)
	}
	return sigNone, at(s.line, r.assign(s.target, v, sc))
}

func (s *setBlockStmt) exec(r *run, sc *scope) (signal, error) {
	text, err := r.captureAll(s.body, sc.inner())
	if err != nil {
		return sigNone, err
	}
	v, err := r.applyAll(s.filters, text, sc)
	if err != nil {
		return sigNone, err
	}
	return sigNone, at(s.line, r.assign(s.target, v, sc))
}

// assign binds v to a target: a name, a namespace's attribute, or several.
func (r *run) assign(t target, v value, sc *scope) error {
	switch {
	case t.attr != "":
		ns, ok := sc.get(t.name).(*namespace)
		if !ok {
			return fmt.Errorf("cannot assign to %s.%s: %s is not a namespace", t.name, t.attr, t.name)
		}
		return ns.set(t.attr, v)
	case t.list == nil:
		sc.set(t.name, v)
		return nil
	}
	items, err := r.iterate(v)
	if err != nil {
		return err
	}
	if len(items) != len(t.list) {
		return fmt.Errorf("cannot unpack %d values into %d names", len(items), len(t.list))
	}
	for i, to := range t.list {
		if err := r.assign(to, items[i], sc); err != nil {
			return err
		}
	}
	return nil
}

func (s *macroStmt) exec(_ *run, sc *scope) (signal, error) {
	sc.set(s.name, s.bind(sc))
	return sigNone, nil
}

// bind makes the macro callable. It sees the variables of the place where it was
// defined, as they are when it is called.
func (s *macroStmt) bind(sc *scope) *callable {
	return &callable{s.name, func(r *run, a args) (value, error) {
		if r.macros++; r.macros > maxDepth {
			return nil, &LimitError{fmt.Sprintf("macro %s calls itself more than %d deep", s.name, maxDepth)}
		}
		defer func() { r.macros-- }()
		in := sc.inner()
		if len(a.pos) > len(s.params) {
			return nil, fmt.Errorf("macro %s takes %d arguments, got %d", s.name, len(s.params), len(a.pos))
		}
		for i, p := range s.params {
			v, ok := a.take(p)
			switch {
			case i < len(a.pos) && ok:
				return nil, fmt.Errorf("macro %s got argument %q twice", s.name, p)
			case i < len(a.pos):
				v = a.pos[i]
			case ok:
			case s.defaults[i] != nil:
				var err error
				if v, err = r.eval(s.defaults[i], in); err != nil {
					return nil, err
				}
			default:
				v = undefined{p}
			}
			in.set(p, v)
		}
		a.pos = nil
		if caller, ok := a.take("caller"); ok {
			in.set("caller", caller)
		}
		if err := a.rest("macro " + s.name); err != nil {
			return nil, err
		}
		return r.captureAll(s.body, in)
	}}
}

func (s *callStmt) exec(r *run, sc *scope) (signal, error) {
	c := s.call.(*callExpr)
	fn, a, err := c.prepare(r, sc)
	if err != nil {
		return sigNone, err
	}
	a.named = append(a.named, namedArg{"caller", s.caller.bind(sc)})
	v, err := fn.call(r, a)
	if err != nil {
		return sigNone, at(s.line, err)
	}
	text, err := r.text(v)
	if err != nil {
		return sigNone, at(s.line, err)
	}
	return sigNone, r.write(text)
}

func (s *filterStmt) exec(r *run, sc *scope) (signal, error) {
	text, err := r.captureAll(s.body, sc.inner())
	if err != nil {
		return sigNone, err
	}
	v, err := r.applyAll(s.filters, text, sc)
	if err != nil {
		return sigNone, err
	}
	if text, err = r.text(v); err != nil {
		return sigNone, at(s.line, err)
	}
	return sigNone, at(s.line, r.write(text))
}

func (s *withStmt) exec(r *run, sc *scope) (signal, error) {
	in := sc.inner()
	for i, t := range s.targets {
		v, err := r.eval(s.values[i], sc)
		if err != nil {
			return sigNone, at(s.line, err)
		}
		if err := r.assign(t, v, in); err != nil {
			return sigNone, at(s.line, err)
		}
	}
	return r.execAll(s.body, in)
}

func (s *passStmt) exec(r *run, sc *scope) (signal, error) { return r.execAll(s.body, sc.inner()) }
func (s *loopStmt) exec(*run, *scope) (signal, error)      { return s.sig, nil }
