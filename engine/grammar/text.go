package grammar

import "strings"

// Any text, and texts that are kept from being something else.

// anyChar matches one code point.
func anyChar() Expr { return runes([]runeRange{{0, 0x10ffff}}) }

// except matches one code point that is none of those in ascii.
func except(ascii string) Expr {
	not := make([]runeRange, 0, len(ascii))
	for _, r := range ascii {
		not = append(not, runeRange{r, r})
	}
	return runes(without([]runeRange{{0, 0x10ffff}}, tidy(not)))
}

// Unlike matches the texts that do not begin with prefix, which is of ASCII and not empty.
func Unlike(prefix string) Expr {
	any := many(anyChar())
	var all Alt
	for i := range len(prefix) {
		all = append(all, Seq{Literal(prefix[:i]), opt(Seq{except(prefix[i : i+1]), any})})
	}
	return all
}

// Without matches the texts that tag does not stand in. tag is of ASCII, of two characters or more, and its first does not come
// again in it.
func Without(tag string) Expr {
	if len(tag) < 2 || strings.Count(tag, tag[:1]) != 1 {
		panic("grammar: Without wants a tag whose first character comes once")
	}
	// A beginning of the tag is followed by another beginning, or by what neither goes on with it nor begins anew.
	var begin, broken Alt
	for i := 1; i < len(tag); i++ {
		begin = append(begin, Literal(tag[:i]))
		broken = append(broken, Seq{Literal(tag[:i]), except(tag[i:i+1] + tag[:1])})
	}
	return Seq{many(Alt{except(tag[:1]), Seq{many(begin), broken}}), many(begin)}
}
