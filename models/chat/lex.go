package chat

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind uint8

const (
	kindText       kind = iota // literal output
	kindPrintOpen              // {{
	kindPrintClose             // }}
	kindBlockOpen              // {%
	kindBlockClose             // %}
	kindName
	kindString
	kindInt
	kindFloat
	kindOp
	kindEOF
)

type token struct {
	kind kind
	text string
	line int
}

func (t token) String() string {
	switch t.kind {
	case kindEOF:
		return "end of template"
	case kindText:
		return "text"
	case kindString:
		return fmt.Sprintf("string %q", t.text)
	}
	return fmt.Sprintf("%q", t.text)
}

type lexer struct {
	src    string
	pos    int
	line   int
	tokens []token
}

func (l *lexer) errorf(format string, args ...any) error {
	return fmt.Errorf("line %d: %s", l.line, fmt.Sprintf(format, args...))
}

// lex splits a template into tokens. It follows jinja2/lexer.py with
// trim_blocks and lstrip_blocks on and keep_trailing_newline off.
func lex(source string) ([]token, error) {
	source = strings.ReplaceAll(source, "\r\n", "\n")
	source = strings.ReplaceAll(source, "\r", "\n")
	source = strings.TrimSuffix(source, "\n")
	l := &lexer{src: source, line: 1}
	lineStart := true // the text before pos ends a line, or nothing came before
	for l.pos < len(l.src) {
		open := nextOpen(l.src, l.pos)
		if open < 0 {
			l.text(l.src[l.pos:])
			l.pos = len(l.src)
			break
		}
		text, mark := l.src[l.pos:open], l.src[open:open+2]
		after := open + 2
		switch {
		case strings.HasPrefix(l.src[after:], "-"):
			text = strings.TrimRightFunc(text, isSpace)
			l.countTo(open, text)
			after++
		case strings.HasPrefix(l.src[after:], "+"):
			l.text(text)
			after++
		case mark != "{{":
			cut := strings.LastIndexByte(text, '\n') + 1
			if (cut > 0 || lineStart) && strings.TrimFunc(text[cut:], isSpace) == "" {
				text = text[:cut]
			}
			l.countTo(open, text)
		default:
			l.text(text)
		}
		l.pos = after
		var err error
		switch mark {
		case "{#":
			err = l.comment()
		case "{%":
			if inner, ok := l.rawOpen(); ok {
				l.skip(inner)
				err = l.raw()
			} else {
				l.add(kindBlockOpen, "{%")
				err = l.expression(kindBlockClose, "%}")
			}
		default:
			l.add(kindPrintOpen, "{{")
			err = l.expression(kindPrintClose, "}}")
		}
		if err != nil {
			return nil, err
		}
		lineStart = l.pos > 0 && l.src[l.pos-1] == '\n'
	}
	l.add(kindEOF, "")
	return l.tokens, nil
}

// nextOpen finds the next of {{ {% {# at or after pos, -1 if there is none.
func nextOpen(s string, pos int) int {
	for i := pos; ; i++ {
		j := strings.IndexByte(s[i:], '{')
		if j < 0 || i+j+1 >= len(s) {
			return -1
		}
		i += j
		if c := s[i+1]; c == '{' || c == '%' || c == '#' {
			return i
		}
	}
}

func (l *lexer) add(k kind, text string) {
	l.tokens = append(l.tokens, token{k, text, l.line})
}

// text emits literal output that spans exactly the source it came from.
func (l *lexer) text(s string) {
	if s != "" {
		l.add(kindText, s)
	}
	l.line += strings.Count(s, "\n")
}

// countTo emits text, which may be shorter than the source up to end, and counts
// the lines of all of that source.
func (l *lexer) countTo(end int, text string) {
	if text != "" {
		l.add(kindText, text)
	}
	l.line += strings.Count(l.src[l.pos:end], "\n")
}

// skip moves to byte offset to.
func (l *lexer) skip(to int) {
	l.line += strings.Count(l.src[l.pos:to], "\n")
	l.pos = to
}

// trimAfter drops what the end of a tag drops: with a minus all white space,
// after a block or a comment one newline.
func (l *lexer) trimAfter(minus, plus, block bool) {
	end := l.pos
	switch {
	case minus:
		end = len(l.src) - len(strings.TrimLeftFunc(l.src[l.pos:], isSpace))
	case block && !plus && strings.HasPrefix(l.src[l.pos:], "\n"):
		end++
	}
	l.skip(end)
}

func (l *lexer) comment() error {
	n := strings.Index(l.src[l.pos:], "#}")
	if n < 0 {
		return l.errorf("comment without its end, #}")
	}
	body := l.src[l.pos : l.pos+n]
	l.skip(l.pos + n + 2)
	l.trimAfter(strings.HasSuffix(body, "-"), strings.HasSuffix(body, "+"), true)
	return nil
}

// rawOpen reports whether a block that starts at pos is {% raw %} and where its
// contents begin.
func (l *lexer) rawOpen() (int, bool) {
	rest := strings.TrimLeftFunc(l.src[l.pos:], isSpace)
	rest, ok := strings.CutPrefix(rest, "raw")
	if !ok {
		return 0, false
	}
	rest = strings.TrimLeftFunc(rest, isSpace)
	if inner, ok := strings.CutPrefix(rest, "-%}"); ok {
		return len(l.src) - len(strings.TrimLeftFunc(inner, isSpace)), true
	}
	inner, ok := strings.CutPrefix(rest, "%}")
	return len(l.src) - len(inner), ok
}

func (l *lexer) raw() error {
	for from := l.pos; ; {
		n := strings.Index(l.src[from:], "{%")
		if n < 0 {
			return l.errorf("raw block without endraw")
		}
		open := from + n
		from = open + 2
		rest := l.src[from:]
		text := l.src[l.pos:open]
		if r, ok := strings.CutPrefix(rest, "-"); ok {
			rest, text = r, strings.TrimRightFunc(text, isSpace)
		} else if r, ok := strings.CutPrefix(rest, "+"); ok {
			rest = r
		} else if cut := strings.LastIndexByte(text, '\n') + 1; cut > 0 && strings.TrimFunc(text[cut:], isSpace) == "" {
			text = text[:cut]
		}
		rest = strings.TrimLeftFunc(rest, isSpace)
		rest, ok := strings.CutPrefix(rest, "endraw")
		if !ok {
			continue
		}
		rest = strings.TrimLeftFunc(rest, isSpace)
		rest, minus := strings.CutPrefix(rest, "-")
		rest, plus := strings.CutPrefix(rest, "+")
		if rest, ok = strings.CutPrefix(rest, "%}"); !ok {
			continue
		}
		end := len(l.src) - len(rest)
		l.countTo(open, text)
		l.pos = open
		l.skip(end)
		l.trimAfter(minus, plus, true)
		return nil
	}
}

// operators, the longest first.
var operators = []string{"//", "**", "==", "!=", ">=", "<=",
	"+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";"}

// expression reads the tokens up to the closing mark, which counts only outside
// of brackets, so that {{ {"a": {}} }} works.
func (l *lexer) expression(closeKind kind, mark string) error {
	var open []byte
scan:
	for {
		rest := strings.TrimLeftFunc(l.src[l.pos:], isSpace)
		l.skip(len(l.src) - len(rest))
		if rest == "" {
			return l.errorf("tag without its end, %s", mark)
		}
		if len(open) == 0 {
			minus := strings.HasPrefix(rest, "-"+mark)
			plus := closeKind == kindBlockClose && strings.HasPrefix(rest, "+"+mark)
			if minus || plus || strings.HasPrefix(rest, mark) {
				l.add(closeKind, mark)
				l.pos += len(mark)
				if minus || plus {
					l.pos++
				}
				l.trimAfter(minus, plus, closeKind == kindBlockClose)
				return nil
			}
		}
		c := rest[0]
		switch {
		case c == '"' || c == '\'':
			if err := l.quoted(c); err != nil {
				return err
			}
			continue
		case c >= '0' && c <= '9':
			l.number()
			continue
		}
		if n := nameLen(rest); n > 0 {
			l.add(kindName, rest[:n])
			l.pos += n
			continue
		}
		for _, op := range operators {
			if !strings.HasPrefix(rest, op) {
				continue
			}
			switch op {
			case "(", "[", "{":
				if len(open) >= maxNest {
					return l.errorf("brackets nested deeper than %d", maxNest)
				}
				open = append(open, map[string]byte{"(": ')', "[": ']', "{": '}'}[op])
			case ")", "]", "}":
				if len(open) == 0 || open[len(open)-1] != op[0] {
					return l.errorf("unexpected %q", op)
				}
				open = open[:len(open)-1]
			}
			l.add(kindOp, op)
			l.pos += len(op)
			continue scan
		}
		r, _ := utf8.DecodeRuneInString(rest)
		return l.errorf("unexpected character %q", r)
	}
}

func (l *lexer) quoted(quote byte) error {
	for i := l.pos + 1; i < len(l.src); i++ {
		switch l.src[i] {
		case '\\':
			i++
		case quote:
			s, err := unescape(l.src[l.pos+1 : i])
			if err != nil {
				return l.errorf("%v", err)
			}
			l.add(kindString, s)
			l.skip(i + 1)
			return nil
		}
	}
	return l.errorf("string without its closing %c", quote)
}

// number reads an integer or a decimal number; the value is checked by the parser.
func (l *lexer) number() {
	s, i := l.src[l.pos:], 0
	digits := func() {
		for i < len(s) && (isDigit(s[i]) || s[i] == '_' && i+1 < len(s) && isDigit(s[i+1])) {
			i++
		}
	}
	k := kindInt
	if len(s) > 2 && s[0] == '0' && strings.ContainsRune("xXoObB", rune(s[1])) {
		for i = 2; i < len(s) && (isDigit(s[i]) || s[i]|0x20 >= 'a' && s[i]|0x20 <= 'f' || s[i] == '_'); {
			i++
		}
	} else {
		// "1.2.3" style chains (list.0.1) are not numbers after a dot
		afterDot := l.pos > 0 && l.src[l.pos-1] == '.'
		digits()
		if !afterDot && i+1 < len(s) && s[i] == '.' && isDigit(s[i+1]) {
			k = kindFloat
			i++
			digits()
		}
		if !afterDot && i+1 < len(s) && s[i]|0x20 == 'e' {
			j := i + 1
			if s[j] == '+' || s[j] == '-' {
				j++
			}
			if j < len(s) && isDigit(s[j]) {
				k, i = kindFloat, j
				digits()
			}
		}
	}
	l.add(k, strings.ReplaceAll(s[:i], "_", ""))
	l.pos += i
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func nameLen(s string) int {
	for i, r := range s {
		if !(r == '_' || unicode.IsLetter(r) || i > 0 && unicode.IsDigit(r)) {
			return i
		}
	}
	return len(s)
}

// isSpace is Python's str.isspace for one character.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// unescape resolves a string literal's escapes as Python does.
func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		c := s[i]
		if j := strings.IndexByte(`abfnrtv\'"`, c); j >= 0 {
			b.WriteByte("\a\b\f\n\r\t\v\\'\""[j])
			continue
		}
		switch {
		case c == '\n':
		case c >= '0' && c <= '7':
			n := 0
			for j := 0; j < 3 && i < len(s) && s[i] >= '0' && s[i] <= '7'; j++ {
				n = n*8 + int(s[i]-'0')
				i++
			}
			i--
			b.WriteRune(rune(n))
		case c == 'x' || c == 'u' || c == 'U':
			width := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
			n := rune(0)
			if i+width >= len(s) {
				return "", fmt.Errorf("string ends inside the escape \\%c", c)
			}
			for _, h := range []byte(s[i+1 : i+1+width]) {
				d := strings.IndexByte("0123456789abcdef", h|0x20)
				if isDigit(h) {
					d = int(h - '0')
				}
				if d < 0 || n > 0x10FFFF {
					return "", fmt.Errorf("bad escape \\%s", s[i:i+1+width])
				}
				n = n<<4 | rune(d)
			}
			if !utf8.ValidRune(n) {
				return "", fmt.Errorf("escape \\%s is no character", s[i:i+1+width])
			}
			b.WriteRune(n)
			i += width
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}
