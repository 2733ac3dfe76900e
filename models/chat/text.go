package chat

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// text is Python's str(v).
func (r *run) text(v value) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case undefined:
		return "", nil
	}
	var b strings.Builder
	err := r.repr(&b, v)
	return b.String(), err
}

// repr appends Python's repr(v).
func (r *run) repr(b *strings.Builder, v value) error {
	if err := r.enter(); err != nil {
		return err
	}
	defer r.leave()
	start := b.Len()
	switch v := v.(type) {
	case nil:
		b.WriteString("None")
	case bool:
		if v {
			b.WriteString("True")
		} else {
			b.WriteString("False")
		}
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case *big.Int:
		b.WriteString(v.String())
	case float64:
		b.WriteString(floatText(v))
	case string:
		quoteText(b, v)
	case undefined:
		b.WriteString("Undefined")
	case *list:
		open, end := "[", "]"
		if v.tuple {
			open, end = "(", ")"
			if len(v.items) == 1 {
				end = ",)"
			}
		}
		b.WriteString(open)
		for i, x := range v.items {
			if i > 0 {
				b.WriteString(", ")
			}
			if err := r.repr(b, x); err != nil {
				return err
			}
		}
		b.WriteString(end)
		return nil
	case *dict:
		b.WriteByte('{')
		for i, k := range v.keys {
			if i > 0 {
				b.WriteString(", ")
			}
			if err := r.repr(b, k); err != nil {
				return err
			}
			b.WriteString(": ")
			if err := r.repr(b, v.vals[i]); err != nil {
				return err
			}
		}
		b.WriteByte('}')
		return nil
	default:
		return fmt.Errorf("a %s has no text", typeName(v))
	}
	return r.make(b.Len() - start)
}

// floatText is Python's repr of a float: the shortest digits that read back.
func floatText(f float64) string {
	s := strconv.FormatFloat(f, 'e', -1, 64)
	e := strings.IndexByte(s, 'e')
	if e < 0 {
		return strings.ToLower(strings.TrimPrefix(s, "+")) // inf, -inf, nan
	}
	if exp, _ := strconv.Atoi(s[e+1:]); exp < -4 || exp >= 16 {
		return s // e+16, e-05: as Python writes it
	}
	s = strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// quoteText is Python's repr of a string.
func quoteText(b *strings.Builder, s string) {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	b.WriteByte(quote)
	for _, c := range s {
		switch {
		case c == rune(quote) || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < ' ' || c >= 0x7f && c < 0xa0:
			fmt.Fprintf(b, `\x%02x`, c)
		case !strconv.IsPrint(c) && c > 0xffff:
			fmt.Fprintf(b, `\U%08x`, c)
		case !strconv.IsPrint(c) && c > 0xff:
			fmt.Fprintf(b, `\u%04x`, c)
		case !strconv.IsPrint(c):
			fmt.Fprintf(b, `\x%02x`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte(quote)
}
