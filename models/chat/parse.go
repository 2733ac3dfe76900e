package chat

import (
	"fmt"
	"slices"
	"strings"
)

// parser turns tokens into statements, after jinja2/parser.py.
type parser struct {
	tokens []token
	pos    int
	nest   int
	loops  int // open for loops, for break and continue
	ifs    int // open ifs
}

func parse(tokens []token) ([]stmt, error) {
	p := &parser{tokens: tokens}
	body, _, err := p.body()
	return body, err
}

func (p *parser) peek() token { return p.tokens[p.pos] }

func (p *parser) next() token {
	t := p.tokens[p.pos]
	if t.kind != kindEOF {
		p.pos++
	}
	return t
}

func (p *parser) errorf(t token, format string, args ...any) error {
	return fmt.Errorf("line %d: %s", t.line, fmt.Sprintf(format, args...))
}

func (p *parser) is(k kind, text string) bool {
	t := p.peek()
	return t.kind == k && t.text == text
}

func (p *parser) op(text string) bool   { return p.is(kindOp, text) }
func (p *parser) name(text string) bool { return p.is(kindName, text) }

// take consumes the next token if it is this operator or name.
func (p *parser) take(k kind, text string) bool {
	if p.is(k, text) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) expect(k kind, text string) error {
	if !p.take(k, text) {
		return p.errorf(p.peek(), "got %v, want %q", p.peek(), text)
	}
	return nil
}

func (p *parser) expectName() (string, error) {
	t := p.next()
	if t.kind != kindName {
		return "", p.errorf(t, "got %v, want a name", t)
	}
	return t.text, nil
}

// deeper guards the recursion of this parser, and with it that of evaluation.
func (p *parser) deeper() error {
	if p.nest++; p.nest > maxNest {
		return p.errorf(p.peek(), "nested deeper than %d", maxNest)
	}
	return nil
}

// body parses up to one of the given end tags, whose name it consumes (not what
// follows the name) and returns. Without end tags it parses the whole template.
func (p *parser) body(ends ...string) ([]stmt, string, error) {
	if err := p.deeper(); err != nil {
		return nil, "", err
	}
	defer func() { p.nest-- }()
	var out []stmt
	for {
		t := p.next()
		switch t.kind {
		case kindEOF:
			if len(ends) > 0 {
				return nil, "", p.errorf(t, "template ends before {%% %s %%}", ends[len(ends)-1])
			}
			return out, "", nil
		case kindText:
			out = append(out, &textStmt{t.text})
		case kindPrintOpen:
			x, err := p.tuple(true)
			if err != nil {
				return nil, "", err
			}
			if err := p.expect(kindPrintClose, "}}"); err != nil {
				return nil, "", err
			}
			out = append(out, &printStmt{t.line, x})
		case kindBlockOpen:
			tag := p.next()
			if tag.kind != kindName {
				return nil, "", p.errorf(tag, "got %v, want a statement", tag)
			}
			if slices.Contains(ends, tag.text) {
				return out, tag.text, nil
			}
			s, err := p.statement(tag)
			if err != nil {
				return nil, "", err
			}
			if err := p.expect(kindBlockClose, "%}"); err != nil {
				return nil, "", err
			}
			out = append(out, s)
		default:
			return nil, "", p.errorf(t, "unexpected %v", t)
		}
	}
}

// block parses the end of the opening tag and the body that follows it.
func (p *parser) block(ends ...string) ([]stmt, string, error) {
	if err := p.expect(kindBlockClose, "%}"); err != nil {
		return nil, "", err
	}
	return p.body(ends...)
}

func (p *parser) statement(tag token) (stmt, error) {
	switch tag.text {
	case "for":
		return p.forLoop(tag)
	case "if":
		return p.ifChain()
	case "set":
		return p.set(tag)
	case "macro":
		return p.macro(tag)
	case "call":
		return p.call(tag)
	case "with":
		return p.with(tag)
	case "filter":
		return p.filterBlock(tag)
	case "generation":
		body, _, err := p.block("endgeneration")
		return &passStmt{body}, err
	case "break", "continue":
		if p.loops == 0 {
			return nil, p.errorf(tag, "%s outside of a loop", tag.text)
		}
		if tag.text == "break" {
			return &loopStmt{sigBreak}, nil
		}
		return &loopStmt{sigContinue}, nil
	case "include", "import", "from", "extends", "block":
		return nil, p.errorf(tag, "%s is not available: a chat template cannot read other files", tag.text)
	}
	return nil, p.errorf(tag, "unknown statement %q; known: break call continue filter for generation if macro raw set with", tag.text)
}

func (p *parser) forLoop(tag token) (stmt, error) {
	s := &forStmt{line: tag.line}
	var err error
	if s.target, err = p.targets(false); err != nil {
		return nil, err
	}
	if err = p.expect(kindName, "in"); err != nil {
		return nil, err
	}
	if s.iter, err = p.tuple(false); err != nil {
		return nil, err
	}
	if p.take(kindName, "if") {
		if s.filter, err = p.expression(true); err != nil {
			return nil, err
		}
	}
	s.recursive = p.take(kindName, "recursive")
	p.loops++
	var end string
	s.body, end, err = p.block("else", "endfor")
	p.loops--
	if err != nil {
		return nil, err
	}
	if end == "else" {
		s.alt, _, err = p.block("endfor")
	}
	return s, err
}

// ifChain reads an if. An unknown filter or test in it is an error only where it is reached, as in Jinja2: templates ask so for
// what some other program adds to the language.
func (p *parser) ifChain() (stmt, error) {
	p.ifs++
	defer func() { p.ifs-- }()
	s := &ifStmt{}
	for {
		cond, err := p.tuple(false)
		if err != nil {
			return nil, err
		}
		body, end, err := p.block("elif", "else", "endif")
		if err != nil {
			return nil, err
		}
		s.conds, s.then = append(s.conds, cond), append(s.then, body)
		switch end {
		case "else":
			s.alt, _, err = p.block("endif")
			return s, err
		case "endif":
			return s, nil
		}
	}
}

func (p *parser) set(tag token) (stmt, error) {
	to, err := p.targets(true)
	if err != nil {
		return nil, err
	}
	if p.take(kindOp, "=") {
		x, err := p.tuple(true)
		return &setStmt{tag.line, to, x}, err
	}
	s := &setBlockStmt{line: tag.line, target: to}
	for p.take(kindOp, "|") {
		f, err := p.filterCall()
		if err != nil {
			return nil, err
		}
		s.filters = append(s.filters, f)
	}
	s.body, _, err = p.block("endset")
	return s, err
}

// targets parses what for and set assign to. attrs allows name.attr.
func (p *parser) targets(attrs bool) (target, error) {
	var list []target
	many := false
	for {
		t, err := p.oneTarget(attrs)
		if err != nil {
			return target{}, err
		}
		list = append(list, t)
		if !p.take(kindOp, ",") {
			break
		}
		many = true
		if t := p.peek(); t.kind != kindName && t.text != "(" || t.text == "in" {
			break
		}
	}
	if !many {
		return list[0], nil
	}
	return target{list: list}, nil
}

func (p *parser) oneTarget(attrs bool) (target, error) {
	if p.take(kindOp, "(") {
		if err := p.deeper(); err != nil {
			return target{}, err
		}
		t, err := p.targets(attrs)
		p.nest--
		if err != nil {
			return target{}, err
		}
		return t, p.expect(kindOp, ")")
	}
	tok := p.peek()
	name, err := p.expectName()
	if err != nil {
		return target{}, err
	}
	switch strings.ToLower(name) {
	case "true", "false", "none":
		return target{}, p.errorf(tok, "cannot assign to %s", name)
	}
	if attrs && p.take(kindOp, ".") {
		attr, err := p.expectName()
		return target{name: name, attr: attr}, err
	}
	return target{name: name}, nil
}

// signature parses (a, b=1) into the macro.
func (p *parser) signature(m *macroStmt) error {
	if err := p.expect(kindOp, "("); err != nil {
		return err
	}
	for !p.take(kindOp, ")") {
		if len(m.params) > 0 {
			if err := p.expect(kindOp, ","); err != nil {
				return err
			}
		}
		name, err := p.expectName()
		if err != nil {
			return err
		}
		var def expr
		if p.take(kindOp, "=") {
			if def, err = p.expression(true); err != nil {
				return err
			}
		} else if n := len(m.defaults); n > 0 && m.defaults[n-1] != nil {
			return p.errorf(p.peek(), "parameter %q without a default after one with", name)
		}
		m.params, m.defaults = append(m.params, name), append(m.defaults, def)
	}
	return nil
}

func (p *parser) macro(tag token) (stmt, error) {
	name, err := p.expectName()
	if err != nil {
		return nil, err
	}
	m := &macroStmt{line: tag.line, name: name}
	if err := p.signature(m); err != nil {
		return nil, err
	}
	m.body, err = p.function("endmacro")
	return m, err
}

// function parses a body that no break or continue can leave.
func (p *parser) function(end string) ([]stmt, error) {
	loops := p.loops
	p.loops = 0
	body, _, err := p.block(end)
	p.loops = loops
	return body, err
}

func (p *parser) call(tag token) (stmt, error) {
	s := &callStmt{line: tag.line, caller: &macroStmt{line: tag.line, name: "caller"}}
	var err error
	if p.op("(") {
		if err = p.signature(s.caller); err != nil {
			return nil, err
		}
	}
	if s.call, err = p.expression(true); err != nil {
		return nil, err
	}
	if _, ok := s.call.(*callExpr); !ok {
		return nil, p.errorf(tag, "call needs a macro call, as in {%% call name() %%}")
	}
	s.caller.body, err = p.function("endcall")
	return s, err
}

func (p *parser) with(tag token) (stmt, error) {
	s := &withStmt{line: tag.line}
	for !p.is(kindBlockClose, "%}") {
		if len(s.targets) > 0 {
			if err := p.expect(kindOp, ","); err != nil {
				return nil, err
			}
		}
		t, err := p.oneTarget(false)
		if err != nil {
			return nil, err
		}
		if err := p.expect(kindOp, "="); err != nil {
			return nil, err
		}
		x, err := p.expression(true)
		if err != nil {
			return nil, err
		}
		s.targets, s.values = append(s.targets, t), append(s.values, x)
	}
	var err error
	s.body, _, err = p.block("endwith")
	return s, err
}

func (p *parser) filterBlock(tag token) (stmt, error) {
	s := &filterStmt{line: tag.line}
	for {
		f, err := p.filterCall()
		if err != nil {
			return nil, err
		}
		s.filters = append(s.filters, f)
		if !p.take(kindOp, "|") {
			break
		}
	}
	var err error
	s.body, _, err = p.block("endfilter")
	return s, err
}
