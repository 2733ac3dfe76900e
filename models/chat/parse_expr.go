package chat

import (
	"fmt"
	"strconv"
	"strings"
)

// tuple parses expressions separated by commas; several, or a trailing comma,
// make a tuple. cond allows "a if b else c" at the top.
func (p *parser) tuple(cond bool) (expr, error) {
	var items []expr
	many := false
	for {
		x, err := p.expression(cond)
		if err != nil {
			return nil, err
		}
		items = append(items, x)
		if !p.take(kindOp, ",") {
			break
		}
		many = true
		if t := p.peek(); t.kind == kindPrintClose || t.kind == kindBlockClose || t.kind == kindOp && t.text == ")" {
			break
		}
	}
	if !many {
		return items[0], nil
	}
	return &listExpr{items, true}, nil
}

func (p *parser) expression(cond bool) (expr, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.nest-- }()
	x, err := p.or()
	if err != nil || !cond {
		return x, err
	}
	for n := 0; p.take(kindName, "if"); n++ {
		if n >= maxNest {
			return nil, p.errorf(p.peek(), "nested deeper than %d", maxNest)
		}
		c := &condExpr{then: x}
		if c.cond, err = p.or(); err != nil {
			return nil, err
		}
		if p.take(kindName, "else") {
			if c.alt, err = p.expression(true); err != nil {
				return nil, err
			}
		}
		x = c
	}
	return x, nil
}

// chain parses operand (op operand)*, left to right. A chain of n operators is n
// deep as a tree, so it counts as nesting.
func (p *parser) chain(operand func() (expr, error), match func(token) bool, join func(token, expr, expr) expr) (expr, error) {
	a, err := operand()
	for n := 0; err == nil && match(p.peek()); n++ {
		if n >= maxChain {
			return nil, p.errorf(p.peek(), "more than %d operators in a row", maxChain)
		}
		t := p.next()
		var b expr
		if b, err = operand(); err == nil {
			a = join(t, a, b)
		}
	}
	return a, err
}

// maxChain caps a + b + c ...; templates that build JSON by hand reach dozens.
const maxChain = 500

func opIn(list ...string) func(token) bool {
	return func(t token) bool {
		for _, op := range list {
			if t.kind == kindOp && t.text == op {
				return true
			}
		}
		return false
	}
}

func isName(text string) func(token) bool {
	return func(t token) bool { return t.kind == kindName && t.text == text }
}

func joinBinary(t token, a, b expr) expr { return &binaryExpr{t.line, t.text, a, b} }

func (p *parser) or() (expr, error) {
	return p.chain(p.and, isName("or"), func(_ token, a, b expr) expr { return &logicExpr{true, a, b} })
}

func (p *parser) and() (expr, error) {
	return p.chain(p.not, isName("and"), func(_ token, a, b expr) expr { return &logicExpr{false, a, b} })
}

func (p *parser) not() (expr, error) {
	if !p.take(kindName, "not") {
		return p.compare()
	}
	if err := p.deeper(); err != nil {
		return nil, err
	}
	x, err := p.not()
	p.nest--
	return &notExpr{x}, err
}

func (p *parser) compare() (expr, error) {
	line := p.peek().line
	first, err := p.sum()
	if err != nil {
		return nil, err
	}
	c := &compareExpr{line: line, first: first}
	for {
		t := p.peek()
		op := t.text
		switch {
		case opIn("==", "!=", "<", "<=", ">", ">=")(t), isName("in")(t):
			p.pos++
		case isName("not")(t) && isName("in")(p.tokens[p.pos+1]):
			p.pos += 2
			op = "not in"
		default:
			if len(c.ops) == 0 {
				return first, nil
			}
			return c, nil
		}
		x, err := p.sum()
		if err != nil {
			return nil, err
		}
		c.ops, c.rest = append(c.ops, op), append(c.rest, x)
	}
}

func (p *parser) sum() (expr, error)    { return p.chain(p.concat, opIn("+", "-"), joinBinary) }
func (p *parser) concat() (expr, error) { return p.chain(p.product, opIn("~"), joinBinary) }
func (p *parser) product() (expr, error) {
	return p.chain(p.power, opIn("*", "/", "//", "%"), joinBinary)
}
func (p *parser) power() (expr, error) { return p.chain(p.unaryFiltered, opIn("**"), joinBinary) }

func (p *parser) unaryFiltered() (expr, error) { return p.unary(true) }

func (p *parser) unary(filters bool) (expr, error) {
	t := p.peek()
	var x expr
	var err error
	if p.op("-") || p.op("+") {
		p.pos++
		if err = p.deeper(); err != nil {
			return nil, err
		}
		x, err = p.unary(false)
		p.nest--
		x = &negExpr{t.line, t.text == "+", x}
	} else {
		x, err = p.primary()
	}
	if err != nil {
		return nil, err
	}
	return p.suffixes(x, filters)
}

// suffixes parses what may follow a value: .name [key] (call) and, where
// allowed, |filter and "is test".
func (p *parser) suffixes(x expr, filters bool) (expr, error) {
	filtered := false
	for n := 0; ; n++ {
		if n >= maxNest {
			return nil, p.errorf(p.peek(), "more than %d suffixes in a row", maxNest)
		}
		t := p.peek()
		var err error
		switch {
		case p.op("(") && (filters || !filtered):
			p.pos++
			c := &callExpr{line: t.line, fn: x}
			c.args, err = p.arguments()
			x = c
		case p.op(".") && !filtered:
			x, err = p.dot(x)
		case p.op("[") && !filtered:
			x, err = p.subscript(x)
		case p.op("|") && filters:
			p.pos++
			filtered = true
			var f filterCall
			f, err = p.filterCall()
			x = &filterExpr{x, f}
		case p.name("is") && filters:
			p.pos++
			filtered = true
			x, err = p.test(x)
		default:
			return x, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (p *parser) dot(x expr) (expr, error) {
	dot := p.next()
	t := p.next()
	switch t.kind {
	case kindName:
		return &attrExpr{dot.line, x, t.text}, nil
	case kindInt:
		n, err := p.integer(t)
		return &indexExpr{dot.line, x, &constExpr{n}}, err
	}
	return nil, p.errorf(t, "got %v, want a name after the dot", t)
}

func (p *parser) integer(t token) (value, error) {
	n, err := strconv.ParseInt(t.text, 0, 64)
	if err != nil && len(t.text) > 1 { // 00 is an integer, as in Python
		n, err = strconv.ParseInt(t.text, 10, 64)
	}
	if err != nil {
		return nil, p.errorf(t, "bad integer %s", t.text)
	}
	return n, nil
}

func (p *parser) subscript(x expr) (expr, error) {
	line := p.next().line
	var parts [3]expr
	i, colons := 0, 0
	for !p.op("]") {
		if p.take(kindOp, ":") {
			if colons++; colons > 2 {
				return nil, p.errorf(p.peek(), "a slice has at most two colons")
			}
			i = colons
			continue
		}
		if parts[i] != nil {
			return nil, p.errorf(p.peek(), "got %v, want %q", p.peek(), "]")
		}
		var err error
		if parts[i], err = p.expression(true); err != nil {
			return nil, err
		}
	}
	p.pos++
	if colons > 0 {
		return &sliceExpr{line, x, parts[0], parts[1], parts[2]}, nil
	}
	if parts[0] == nil {
		return nil, p.errorf(p.peek(), "empty subscript")
	}
	return &indexExpr{line, x, parts[0]}, nil
}

// arguments parses a call's arguments after the opening bracket.
func (p *parser) arguments() (arguments, error) {
	var a arguments
	for n := 0; !p.take(kindOp, ")"); n++ {
		if n > 0 {
			if err := p.expect(kindOp, ","); err != nil {
				return a, err
			}
			if p.take(kindOp, ")") {
				break
			}
		}
		t := p.peek()
		if p.op("*") || p.op("**") {
			return a, p.errorf(t, "%s arguments are not supported", t.text)
		}
		named := t.kind == kindName && opIn("=")(p.tokens[p.pos+1])
		if named {
			p.pos += 2
		}
		x, err := p.expression(true)
		if err != nil {
			return a, err
		}
		switch {
		case named:
			a.names, a.named = append(a.names, t.text), append(a.named, x)
		case len(a.names) > 0:
			return a, p.errorf(t, "positional argument after a named one")
		default:
			a.pos = append(a.pos, x)
		}
	}
	return a, nil
}

func (p *parser) filterCall() (filterCall, error) {
	t := p.peek()
	name, err := p.expectName()
	if err != nil {
		return filterCall{}, err
	}
	f := filterCall{line: t.line, name: name, fn: filters[name]}
	if f.fn == nil {
		err := fmt.Errorf("unknown filter %q; known: %s", name, known(filters))
		if p.ifs == 0 {
			return f, p.errorf(t, "%v", err)
		}
		f.fn = func(*run, value, *args) (value, error) { return nil, err }
	}
	if p.take(kindOp, "(") {
		f.args, err = p.arguments()
	}
	return f, err
}

func (p *parser) test(x expr) (expr, error) {
	negated := p.take(kindName, "not")
	t := p.peek()
	name, err := p.expectName()
	if err != nil {
		return nil, err
	}
	e := &testExpr{line: t.line, x: x, name: name, fn: tests[name]}
	if e.fn == nil {
		err := fmt.Errorf("unknown test %q; known: %s", name, known(tests))
		if p.ifs == 0 {
			return nil, p.errorf(t, "%v", err)
		}
		e.fn = func(*run, value, *args) (bool, error) { return false, err }
	}
	if p.take(kindOp, "(") {
		e.args, err = p.arguments()
	} else if arg := p.peek(); arg.kind == kindString || arg.kind == kindInt || arg.kind == kindFloat ||
		opIn("[", "{")(arg) || arg.kind == kindName && !notAnArgument[arg.text] {
		// "x is divisibleby 3": one argument without brackets
		var a expr
		if a, err = p.primary(); err == nil {
			a, err = p.suffixes(a, false)
		}
		e.args.pos = []expr{a}
	}
	if err != nil {
		return nil, err
	}
	if negated {
		return &notExpr{e}, nil
	}
	return e, nil
}

// notAnArgument are the names that continue the expression after a test.
var notAnArgument = map[string]bool{"else": true, "or": true, "and": true, "if": true, "is": true, "in": true, "not": true, "recursive": true}

func (p *parser) primary() (expr, error) {
	t := p.next()
	switch t.kind {
	case kindName:
		switch t.text {
		case "true", "True":
			return &constExpr{true}, nil
		case "false", "False":
			return &constExpr{false}, nil
		case "none", "None":
			return &constExpr{nil}, nil
		}
		return &nameExpr{t.text}, nil
	case kindString:
		var s strings.Builder
		s.WriteString(t.text)
		for p.peek().kind == kindString {
			s.WriteString(p.next().text)
		}
		return &constExpr{s.String()}, nil
	case kindInt:
		n, err := p.integer(t)
		return &constExpr{n}, err
	case kindFloat:
		f, err := strconv.ParseFloat(t.text, 64)
		if err != nil {
			return nil, p.errorf(t, "bad number %s", t.text)
		}
		return &constExpr{f}, nil
	case kindOp:
		switch t.text {
		case "(":
			if p.take(kindOp, ")") {
				return &listExpr{nil, true}, nil
			}
			x, err := p.tuple(true)
			if err != nil {
				return nil, err
			}
			return x, p.expect(kindOp, ")")
		case "[":
			return p.list()
		case "{":
			return p.dict()
		}
	}
	return nil, p.errorf(t, "got %v, want a value", t)
}

func (p *parser) list() (expr, error) {
	l := &listExpr{}
	for !p.take(kindOp, "]") {
		if len(l.items) > 0 {
			if err := p.expect(kindOp, ","); err != nil {
				return nil, err
			}
			if p.take(kindOp, "]") {
				break
			}
		}
		x, err := p.expression(true)
		if err != nil {
			return nil, err
		}
		l.items = append(l.items, x)
	}
	return l, nil
}

func (p *parser) dict() (expr, error) {
	d := &dictExpr{}
	for !p.take(kindOp, "}") {
		if len(d.keys) > 0 {
			if err := p.expect(kindOp, ","); err != nil {
				return nil, err
			}
			if p.take(kindOp, "}") {
				break
			}
		}
		k, err := p.expression(true)
		if err != nil {
			return nil, err
		}
		if err := p.expect(kindOp, ":"); err != nil {
			return nil, err
		}
		v, err := p.expression(true)
		if err != nil {
			return nil, err
		}
		d.keys, d.vals = append(d.keys, k), append(d.vals, v)
	}
	return d, nil
}
