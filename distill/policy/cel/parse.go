// Package cel evaluates expressions of the Common Expression Language over JSON-like values: the part of it that rules about
// documents need. An expression has the answer that cel-go gives, or is refused when it is read; TestAgrees holds the two together.
//
// Known: null, bool, int, double, string, list, map; ?: || && ! == != < <= > >= in + - * / %, fields, indexes, has(), size(),
// int(), double(), string(), type-free comparison of numbers, startsWith, endsWith, contains, matches, and the macros all, exists, exists_one,
// filter, map. Not: unsigned numbers, bytes, times, protocol buffers, types as values, optional values.
package cel

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// SyntaxError is a mistake in an expression; At is its place in bytes.
type SyntaxError struct {
	At  int
	Msg string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("at character %d: %s", e.At+1, e.Msg) }

// Bounds, far above any rule.
const (
	maxSource = 16 << 10
	maxNest   = 100
	maxSteps  = 1_000_000 // of one evaluation
)

// Program is an expression that was read.
type Program struct {
	Source   string
	root     expr
	literals []any
}

// expr gives a value: nil, bool, int64, float64, string, []any or map[string]any.
type expr func(e *env) (any, error)

// Compile reads an expression over the named variables. It fails with a *SyntaxError.
func Compile(src string, variables ...string) (*Program, error) {
	if len(src) > maxSource {
		return nil, &SyntaxError{maxSource, fmt.Sprintf("the expression is longer than %d bytes", maxSource)}
	}
	tokens, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens, known: slices.Clone(variables)}
	root, err := p.ternary()
	if err == nil && p.now().kind != end {
		err = p.unexpected("an operator")
	}
	if err != nil {
		return nil, err
	}
	all := &Program{Source: src, root: root}
	for _, t := range tokens {
		switch t.kind {
		case text:
			all.literals = append(all.literals, t.text)
		case number:
			all.literals = append(all.literals, t.value)
		}
	}
	return all, nil
}

type parser struct {
	tokens []token
	i      int
	nest   int
	known  []string // variables
}

func (p *parser) now() token { return p.tokens[p.i] }

func (p *parser) unexpected(want string) error {
	t := p.now()
	if t.kind == text {
		t.text = fmt.Sprintf("%q", t.text)
	}
	return &SyntaxError{t.at, fmt.Sprintf("found %s, want %s", t.text, want)}
}

// take moves past an operator if it is next.
func (p *parser) take(ops ...string) (string, bool) {
	if t := p.now(); t.kind == op && slices.Contains(ops, t.text) || t.kind == name && t.text == "in" && slices.Contains(ops, "in") {
		p.i++
		return t.text, true
	}
	return "", false
}

func (p *parser) want(o string) error {
	if _, ok := p.take(o); !ok {
		return p.unexpected(o)
	}
	return nil
}

func (p *parser) ternary() (expr, error) {
	if p.nest++; p.nest > maxNest {
		return nil, &SyntaxError{p.now().at, "the expression is nested too deeply"}
	}
	defer func() { p.nest-- }()
	cond, err := p.binary(0)
	if err != nil {
		return nil, err
	}
	if _, ok := p.take("?"); !ok {
		return cond, nil
	}
	yes, err := p.binary(0)
	if err == nil {
		err = p.want(":")
	}
	if err != nil {
		return nil, err
	}
	no, err := p.ternary()
	return choose(cond, yes, no), err
}

// levels are the binary operators, the weakest first; all group from the left.
var levels = [][]string{{"||"}, {"&&"}, {"<", "<=", ">", ">=", "==", "!=", "in"}, {"+", "-"}, {"*", "/", "%"}}

func (p *parser) binary(level int) (expr, error) {
	if level == len(levels) {
		return p.unary()
	}
	left, err := p.binary(level + 1)
	for err == nil {
		o, ok := p.take(levels[level]...)
		if !ok {
			return left, nil
		}
		var right expr
		if right, err = p.binary(level + 1); err == nil {
			left = operator(o, left, right)
		}
	}
	return nil, err
}

func (p *parser) unary() (expr, error) {
	o, ok := p.take("!", "-")
	if !ok {
		return p.member()
	}
	if p.nest++; p.nest > maxNest {
		return nil, &SyntaxError{p.now().at, "the expression is nested too deeply"}
	}
	defer func() { p.nest-- }()
	x, err := p.unary()
	return negate(o, x), err
}

func (p *parser) member() (expr, error) {
	x, err := p.primary()
	for err == nil {
		if _, ok := p.take("["); ok {
			var i expr
			if i, err = p.ternary(); err == nil {
				err = p.want("]")
			}
			x = index(x, i)
			continue
		}
		if _, ok := p.take("."); !ok {
			return x, nil
		}
		t := p.now()
		if t.kind != name {
			return nil, p.unexpected("the name of a field")
		}
		p.i++
		if _, ok := p.take("("); !ok {
			x = field(x, t.text)
			continue
		}
		x, err = p.method(x, t)
	}
	return nil, err
}

// method reads the arguments of x.name(.
func (p *parser) method(x expr, t token) (expr, error) {
	if slices.Contains([]string{"all", "exists", "exists_one", "filter", "map"}, t.text) {
		v := p.now()
		if v.kind != name || p.tokens[p.i+1].text != "," {
			return nil, p.unexpected("the name of a variable and a comma")
		}
		p.i += 2
		p.known = append(p.known, v.text)
		body, err := p.ternary()
		p.known = p.known[:len(p.known)-1]
		if err == nil {
			err = p.want(")")
		}
		return macro(t.text, x, v.text, body), err
	}
	args, err := p.list(")")
	if err != nil {
		return nil, err
	}
	if len(args) == 0 && t.text == "size" {
		return size(x), nil
	}
	f := methods[t.text]
	if f == nil || len(args) != 1 {
		return nil, &SyntaxError{t.at, fmt.Sprintf("no method %s of %d arguments; known are %s", t.text, len(args), strings.Join(methodNames, ", "))}
	}
	if t.text == "matches" && p.tokens[p.i-2].kind == text && p.tokens[p.i-3].text == "(" {
		if _, err := regexp.Compile(p.tokens[p.i-2].text); err != nil {
			return nil, &SyntaxError{t.at, err.Error()}
		}
	}
	return onStrings(t.text, f, x, args[0]), nil
}

// list reads expressions up to a closing bracket.
func (p *parser) list(closing string) ([]expr, error) {
	var all []expr
	for {
		if _, ok := p.take(closing); ok {
			return all, nil
		}
		if len(all) > 0 {
			if err := p.want(","); err != nil {
				return nil, err
			}
			if _, ok := p.take(closing); ok {
				return all, nil
			}
		}
		x, err := p.ternary()
		if err != nil {
			return nil, err
		}
		all = append(all, x)
	}
}

func (p *parser) primary() (expr, error) {
	t := p.now()
	p.i++
	switch {
	case t.kind == text:
		return constant(t.text), nil
	case t.kind == number:
		return constant(t.value), nil
	case t.kind == op && t.text == "(":
		x, err := p.ternary()
		if err == nil {
			err = p.want(")")
		}
		return x, err
	case t.kind == op && t.text == "[":
		items, err := p.list("]")
		return listOf(items), err
	case t.kind == op && t.text == "{":
		return p.mapping()
	case t.kind == name:
		return p.name(t)
	}
	p.i--
	return nil, p.unexpected("a value")
}

func (p *parser) mapping() (expr, error) {
	var keys, values []expr
	for {
		if _, ok := p.take("}"); ok {
			return mapOf(keys, values), nil
		}
		if len(keys) > 0 {
			if err := p.want(","); err != nil {
				return nil, err
			}
		}
		k, err := p.ternary()
		if err == nil {
			err = p.want(":")
		}
		if err != nil {
			return nil, err
		}
		v, err := p.ternary()
		if err != nil {
			return nil, err
		}
		keys, values = append(keys, k), append(values, v)
	}
}

// name reads what begins with a name: a word, a variable or a call.
func (p *parser) name(t token) (expr, error) {
	switch t.text {
	case "true", "false":
		return constant(t.text == "true"), nil
	case "null":
		return constant(nil), nil
	}
	if _, ok := p.take("("); !ok {
		if !slices.Contains(p.known, t.text) {
			return nil, &SyntaxError{t.at, fmt.Sprintf("no variable is called %s; known are %s", t.text, strings.Join(p.known, ", "))}
		}
		return variable(t.text), nil
	}
	if t.text == "has" {
		return p.has(t)
	}
	args, err := p.list(")")
	if err != nil {
		return nil, err
	}
	f := functions[t.text]
	if f == nil || len(args) != 1 {
		return nil, &SyntaxError{t.at, fmt.Sprintf("no function %s of %d arguments; known are has, size, int, double, string", t.text, len(args))}
	}
	return f(args[0]), nil
}

// has reads has(x.field): whether the map x has the field.
func (p *parser) has(t token) (expr, error) {
	from := p.i
	if _, err := p.member(); err != nil {
		return nil, err
	}
	last := p.tokens[p.i-1]
	if p.i-from < 3 || last.kind != name || p.tokens[p.i-2].text != "." {
		return nil, &SyntaxError{t.at, "has() wants a field, as in has(a.b)"}
	}
	// read again without the last field
	tail, whole := p.i, p.tokens
	p.tokens = append(slices.Clone(whole[:p.i-2]), token{kind: end, at: last.at})
	p.i = from
	x, err := p.member()
	p.tokens, p.i = whole, tail
	if err == nil {
		err = p.want(")")
	}
	return hasField(x, last.text), err
}
