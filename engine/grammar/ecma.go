package grammar

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// White space of ECMA-262, whose regular expressions JSON Schema has, as a class of RE2's and what is outside it. \s of RE2 is less:
// it is taken where white space is wanted, and this where it is not, so that a text passes by both.
const (
	ecmaSpace    = `\t-\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`
	ecmaNotSpace = `\x{0}-\x{8}\x{e}-\x{1f}!-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}\x{2030}-\x{205e}` +
		`\x{2060}-\x{2fff}\x{3001}-\x{fefe}\x{ff00}-\x{10ffff}`
)

// ecmaNoDot are the line ends that . does not match in ECMA-262.
var ecmaNoDot = []runeRange{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}

// ecma writes a pattern of ECMA-262 in RE2's syntax, where the two differ in what a text may be.
func ecma(pattern string) (string, error) {
	var out strings.Builder
	class, not := false, false
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch {
		case c == '[' && !class:
			class, not = true, strings.HasPrefix(pattern[i+1:], "^")
			if strings.HasPrefix(strings.TrimPrefix(pattern[i+1:], "^"), "]") {
				return "", fmt.Errorf("[] and [^] in %q mean something else elsewhere; write \\] for the bracket, [\\s\\S] for any character", pattern)
			}
		case c == '[': // [: is no name of a class
			out.WriteByte('\\')
		case c == ']':
			class = false
		case c == '\\' && i+1 < len(pattern):
			i++
			switch e := pattern[i]; {
			case e == 'S' && !class:
				out.WriteString("[" + ecmaNotSpace + "]")
			case e == 'S' && !not:
				out.WriteString(ecmaNotSpace)
			case e == 's' && class && not:
				out.WriteString(ecmaSpace)
			case e == 'u':
				r, n := utf16At(pattern[i-1:])
				if n == 0 {
					return "", fmt.Errorf("want four hexadecimal digits behind \\u in %q", pattern)
				}
				fmt.Fprintf(&out, `\x{%x}`, r)
				i += n - 2
			case strings.IndexByte("QECAazZ", e) >= 0:
				return "", fmt.Errorf("\\%c in %q is none of ECMA-262's, which JSON Schema has", e, pattern)
			default:
				out.WriteByte('\\')
				out.WriteByte(e)
			}
			continue
		}
		out.WriteByte(c)
	}
	return out.String(), nil
}

// utf16At reads \uXXXX, or two of them that are one code point, and how many bytes that is; 0 = neither.
func utf16At(text string) (r rune, n int) {
	unit := func(at int) (rune, bool) {
		if len(text) < at+6 || text[at:at+2] != `\u` {
			return 0, false
		}
		v, err := strconv.ParseUint(text[at+2:at+6], 16, 16)
		return rune(v), err == nil
	}
	high, ok := unit(0)
	if !ok {
		return 0, 0
	}
	if low, ok := unit(6); ok && utf16.IsSurrogate(high) {
		if r := utf16.DecodeRune(high, low); r != 0xfffd {
			return r, 12
		}
	}
	return high, 6
}
