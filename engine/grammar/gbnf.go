package grammar

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Choice is a grammar of some texts.
func Choice(texts ...string) (*Grammar, error) {
	var a Alt
	for _, t := range texts {
		a = append(a, Literal(t))
	}
	return Compile(map[string]Expr{root: a})
}

// GBNF reads a grammar as llama.cpp writes them: rules name ::= ..., of "literals", [classes], names, ( ), |, and * + ? {m,n}
// behind them; # begins a comment.
func GBNF(text string) (*Grammar, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("grammar: is not UTF-8")
	}
	p := &gbnf{text: text, rules: map[string]Expr{}}
	if err := p.parse(); err != nil {
		line := 1 + strings.Count(text[:min(p.at, len(text))], "\n")
		return nil, fmt.Errorf("grammar:%d: %w", line, err)
	}
	return Compile(p.rules)
}

type gbnf struct {
	text  string
	at    int
	deep  int
	rules map[string]Expr
}

func (p *gbnf) parse() error {
	for p.space(true); p.at < len(p.text); p.space(true) {
		name := p.name()
		if name == "" {
			return fmt.Errorf("want a rule's name, got %.20q", p.text[p.at:])
		}
		if p.rules[name] != nil {
			return fmt.Errorf("rule %s is defined twice", name)
		}
		p.space(false)
		if !p.take("::=") {
			return fmt.Errorf("want ::= after %s, got %.20q", name, p.text[p.at:])
		}
		p.space(true)
		e, err := p.alternatives(false)
		if err != nil {
			return err
		}
		if p.at < len(p.text) && p.text[p.at] != '\n' {
			return fmt.Errorf("want the end of rule %s, got %.20q", name, p.text[p.at:])
		}
		p.rules[name] = e
	}
	return nil
}

func (p *gbnf) take(s string) bool {
	if strings.HasPrefix(p.text[p.at:], s) {
		p.at += len(s)
		return true
	}
	return false
}

// space skips blanks and comments, and ends of lines where a rule may go on.
func (p *gbnf) space(lines bool) {
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == ' ' || c == '\t' || c == '\r', c == '\n' && lines:
			p.at++
		case c == '#':
			for p.at < len(p.text) && p.text[p.at] != '\n' {
				p.at++
			}
		default:
			return
		}
	}
}

func (p *gbnf) name() string {
	from := p.at
	for p.at < len(p.text) {
		c := p.text[p.at]
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			break
		}
		p.at++
	}
	return p.text[from:p.at]
}

func (p *gbnf) alternatives(inner bool) (Expr, error) {
	if p.deep++; p.deep > 200 {
		return nil, fmt.Errorf("brackets are nested more than 200 deep")
	}
	defer func() { p.deep-- }()
	var all Alt
	for {
		s, err := p.sequence(inner)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
		if !p.take("|") {
			return all, nil
		}
		p.space(true)
	}
}

func (p *gbnf) sequence(inner bool) (Expr, error) {
	var s Seq
	for p.at < len(p.text) {
		var e Expr
		var err error
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			var lit Seq
			for {
				r, done, err := p.char('"')
				if err != nil {
					return nil, err
				} else if done {
					break
				}
				lit = append(lit, Literal(string(r)))
			}
			e = lit
		case c == '[':
			p.at++
			if e, err = p.class(); err != nil {
				return nil, err
			}
		case c == '.':
			p.at++
			e = Runes(0, utf8.MaxRune)
		case c == '(':
			p.at++
			p.space(true)
			if e, err = p.alternatives(true); err != nil {
				return nil, err
			}
			if !p.take(")") {
				return nil, fmt.Errorf("want ), got %.20q", p.text[p.at:])
			}
		default:
			name := p.name()
			if name == "" {
				return s, nil
			}
			e = Ref(name)
		}
		if e, err = p.count(e); err != nil {
			return nil, err
		}
		s = append(s, e)
		p.space(inner)
		if !inner && p.ruleFollows() {
			return s, nil
		}
	}
	return s, nil
}

// ruleFollows tells whether the line's rest begins a rule; a rule may go on in the next line after | or within brackets only.
func (p *gbnf) ruleFollows() bool { return p.at < len(p.text) && p.text[p.at] == '\n' }

// count reads what says how often e comes.
func (p *gbnf) count(e Expr) (Expr, error) {
	for {
		switch {
		case p.take("*"):
			e = Repeat{e, 0, -1}
		case p.take("+"):
			e = Repeat{e, 1, -1}
		case p.take("?"):
			e = Repeat{e, 0, 1}
		case p.take("{"):
			end := strings.IndexByte(p.text[p.at:], '}')
			if end < 0 {
				return nil, fmt.Errorf("want } after {, got %.20q", p.text[p.at:])
			}
			said := p.text[p.at : p.at+end]
			p.at += end + 1
			least, most, two := strings.Cut(said, ",")
			r := Repeat{Of: e, Max: -1}
			var err error
			if r.Min, err = strconv.Atoi(strings.TrimSpace(least)); err == nil && !two {
				r.Max = r.Min
			} else if most = strings.TrimSpace(most); err == nil && most != "" {
				r.Max, err = strconv.Atoi(most)
			}
			if err != nil || r.Min < 0 || r.Max >= 0 && r.Max < r.Min {
				return nil, fmt.Errorf("{%s} is no count, want {m}, {m,} or {m,n}", said)
			}
			e = r
		default:
			return e, nil
		}
	}
}

// char reads a code point of a literal or class, up to the mark that ends it.
func (p *gbnf) char(end byte) (r rune, done bool, err error) {
	if p.at >= len(p.text) || p.text[p.at] == '\n' {
		return 0, false, fmt.Errorf("%c is missing at the end of the line", end)
	}
	if p.text[p.at] == end {
		p.at++
		return 0, true, nil
	}
	r, size := utf8.DecodeRuneInString(p.text[p.at:])
	p.at += size
	if r != '\\' {
		return r, false, nil
	}
	if p.at >= len(p.text) {
		return 0, false, fmt.Errorf("the text ends within an escape")
	}
	c := p.text[p.at]
	p.at++
	switch digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]; {
	case digits > 0:
		v, err := strconv.ParseUint(p.text[p.at:min(len(p.text), p.at+digits)], 16, 32)
		if err != nil || v > utf8.MaxRune || v >= 0xd800 && v < 0xe000 {
			return 0, false, fmt.Errorf("\\%c wants %d hexadecimal digits of a code point", c, digits)
		}
		p.at += digits
		return rune(v), false, nil
	case strings.IndexByte(`"\[]-/^.`, c) >= 0:
		return rune(c), false, nil
	}
	if r := map[byte]rune{'n': '\n', 'r': '\r', 't': '\t'}[c]; r != 0 {
		return r, false, nil
	}
	return 0, false, fmt.Errorf("unknown escape \\%c, want one of \\n \\r \\t \\\\ \\\" \\[ \\] \\- \\^ \\xHH \\uHHHH \\UHHHHHHHH", c)
}

// class reads a class behind its bracket.
func (p *gbnf) class() (Expr, error) {
	inverted := p.take("^")
	var ranges []runeRange
	for {
		lo, done, err := p.char(']')
		if err != nil {
			return nil, err
		} else if done {
			break
		}
		hi := lo
		if p.at+1 < len(p.text) && p.text[p.at] == '-' && p.text[p.at+1] != ']' {
			p.at++
			if hi, _, err = p.char(0); err != nil {
				return nil, err
			}
			if hi < lo {
				return nil, fmt.Errorf("the range %c-%c ends before it begins", lo, hi)
			}
		}
		ranges = append(ranges, runeRange{lo, hi})
	}
	if inverted {
		ranges = not(ranges)
	}
	return runes(ranges), nil
}
