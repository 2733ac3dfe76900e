package cel

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

type kind int

const (
	end kind = iota
	name
	number
	text
	op
)

// token is a word of an expression; at is its place in bytes.
type token struct {
	kind  kind
	text  string // of an op or a name; the value of a text
	value any    // of a number
	at    int
}

// ops are the operators, longer ones first.
var ops = []string{"&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", ".", ",", "(", ")", "[", "]", "{", "}"}

func lex(src string) ([]token, error) {
	var all []token
	for i := 0; i < len(src); {
		c := src[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case strings.HasPrefix(src[i:], "//"):
			if n := strings.IndexByte(src[i:], '\n'); n >= 0 {
				i += n
			} else {
				i = len(src)
			}
			continue
		case c == '"' || c == '\'':
			s, n, err := quoted(src[i:], false)
			if err != nil {
				return nil, &SyntaxError{i, err.Error()}
			}
			all = append(all, token{text, s, nil, i})
			i += n
			continue
		case (c == 'r' || c == 'R') && i+1 < len(src) && (src[i+1] == '"' || src[i+1] == '\''):
			s, n, err := quoted(src[i+1:], true)
			if err != nil {
				return nil, &SyntaxError{i, err.Error()}
			}
			all = append(all, token{text, s, nil, i})
			i += n + 1
			continue
		case letter(c):
			j := i
			for j < len(src) && (letter(src[j]) || digit(src[j])) {
				j++
			}
			all = append(all, token{name, src[i:j], nil, i})
			i = j
			continue
		case digit(c):
			j := i
			for j < len(src) && (digit(src[j]) || letter(src[j]) || src[j] == '.' && j+1 < len(src) && digit(src[j+1]) || (src[j] == '+' || src[j] == '-') && (src[j-1] == 'e' || src[j-1] == 'E') && !strings.HasPrefix(src[i:], "0x")) {
				j++
			}
			v, err := numeral(src[i:j])
			if err != nil {
				return nil, &SyntaxError{i, err.Error()}
			}
			all = append(all, token{number, src[i:j], v, i})
			i = j
			continue
		}
		found := false
		for _, o := range ops {
			if strings.HasPrefix(src[i:], o) {
				all = append(all, token{op, o, nil, i})
				i += len(o)
				found = true
				break
			}
		}
		if !found {
			r, _ := utf8.DecodeRuneInString(src[i:])
			return nil, &SyntaxError{i, fmt.Sprintf("%q is not part of an expression", r)}
		}
	}
	return append(all, token{end, "the end", nil, len(src)}), nil
}

func letter(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }

func numeral(s string) (any, error) {
	if strings.HasSuffix(s, "u") || strings.HasSuffix(s, "U") {
		return nil, fmt.Errorf("%s: unsigned numbers are not supported", s)
	}
	if strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X") {
		return strconv.ParseInt(s[2:], 16, 64)
	}
	if strings.ContainsAny(s, ".eE") {
		return strconv.ParseFloat(s, 64)
	}
	return strconv.ParseInt(s, 10, 64)
}

// quoted reads a string literal; n is its length with the quotes.
func quoted(src string, raw bool) (s string, n int, err error) {
	quote := src[0]
	if strings.HasPrefix(src, strings.Repeat(string(quote), 3)) {
		return "", 0, fmt.Errorf("strings of three quotes are not supported")
	}
	var b strings.Builder
	for i := 1; i < len(src); i++ {
		switch c := src[i]; {
		case c == quote:
			return b.String(), i + 1, nil
		case c == '\n':
			return "", 0, fmt.Errorf("a string ends in the middle of the line")
		case c == '\\' && !raw:
			if i++; i == len(src) {
				return "", 0, fmt.Errorf("a string has no end")
			}
			to := strings.IndexByte("nrtabfv\\\"'`?", src[i])
			if to < 0 {
				return "", 0, fmt.Errorf("\\%c in a string is not supported", src[i])
			}
			b.WriteByte("\n\r\t\a\b\f\v\\\"'`?"[to])
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, fmt.Errorf("a string has no end")
}
