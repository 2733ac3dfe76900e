package chat

import (
	"fmt"
	"strconv"
	"strings"
)

// strFormat is Python's str.format with plain fields: {}, {0}, {name}, and {{ and }} for braces. Attributes, items,
// conversions and format specifications are refused.
func strFormat(r *run, s string, a *args) (value, error) {
	pos, named := a.pos, a.named
	a.pos, a.named = nil, nil // format takes more than it uses
	var b strings.Builder
	next, numbered := 0, false
	for {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			break
		}
		b.WriteString(s[:i])
		brace, rest := s[i], s[i+1:]
		if strings.HasPrefix(rest, string(brace)) {
			b.WriteByte(brace)
			s = rest[1:]
			continue
		}
		field, after, closed := strings.Cut(rest, "}")
		if brace == '}' || !closed {
			return nil, fmt.Errorf("str.format: a single %q in the text", brace)
		}
		s = after
		var v value
		index, err := strconv.Atoi(field)
		switch {
		case field == "" && !numbered:
			index, next = next, next+1
		case err == nil && next == 0 && field[0] != '-' && field[0] != '+':
			numbered = true
		case field == "" || err == nil:
			return nil, fmt.Errorf("str.format: {} and {%s} in one text", field)
		case !isFieldName(field):
			return nil, fmt.Errorf("str.format: field {%s}, want {}, {number} or {name}", field)
		default:
			found := false
			for _, n := range named {
				if n.name == field {
					v, found = n.v, true
				}
			}
			if !found {
				return nil, fmt.Errorf("str.format: no argument %q", field)
			}
			index = -1
		}
		if index >= len(pos) {
			return nil, fmt.Errorf("str.format: no argument %d; there are %d", index, len(pos))
		}
		if index >= 0 {
			v = pos[index]
		}
		text, err := r.text(v)
		if err != nil {
			return nil, err
		}
		if err := r.make(len(text)); err != nil {
			return nil, err
		}
		b.WriteString(text)
	}
	b.WriteString(s)
	return b.String(), r.make(b.Len())
}

func isFieldName(s string) bool {
	return s != "" && strings.IndexFunc(s, func(c rune) bool { return c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') }) < 0
}
