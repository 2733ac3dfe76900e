package grammar

import "fmt"

// Parts of JSON (RFC 8259), as rules that schemas share. White space is what models write: none, a blank, or a line end with
// up to 20 blanks; never without end, for a small model may not find its way out of it.

const (
	ruleSpace  = "json-space"
	ruleChar   = "json-char"
	ruleString = "json-string"
	ruleNumber = "json-number"
	ruleValue  = "json-value"
	ruleObject = "json-object"
	ruleArray  = "json-array"
)

// mostDigits bounds numbers, so that every reader's 64 bits hold them: JSON does not, and small models do not stop.
const mostDigits = 18

var digit, nonzero = set('0', '9'), set('1', '9')

func set(lo, hi byte) Bytes {
	var s Bytes
	s.add(lo, hi)
	return s
}

func opt(e Expr) Expr          { return Repeat{e, 0, 1} }
func many(e Expr) Expr         { return Repeat{e, 0, -1} }
func times(e Expr, n int) Expr { return Repeat{e, n, n} }

var (
	integer  = Alt{Literal("0"), Seq{nonzero, Repeat{digit, 0, mostDigits - 1}}}
	fraction = Seq{Literal("."), Repeat{digit, 1, mostDigits}}
	exponent = Seq{Alt{Literal("e"), Literal("E")}, opt(Alt{Literal("+"), Literal("-")}), Repeat{digit, 1, 2}}
)

// jsonRules are the rules of any JSON.
func jsonRules() map[string]Expr {
	blank := Alt{Literal(" "), Literal("\t")}
	s := Ref(ruleSpace)
	member := Seq{Ref(ruleString), s, Literal(":"), s, Ref(ruleValue)}
	list := func(open string, item Expr, shut string) Expr {
		return Seq{Literal(open), s, opt(Seq{item, many(Seq{s, Literal(","), s, item}), s}), Literal(shut)}
	}
	return map[string]Expr{
		ruleSpace:  opt(Alt{Literal(" "), Seq{Repeat{Literal("\n"), 1, 2}, Repeat{blank, 0, 20}}}),
		ruleChar:   jsonChar([]runeRange{{0, 0x10ffff}}),
		ruleString: Seq{Literal(`"`), many(Ref(ruleChar)), Literal(`"`)},
		ruleNumber: Seq{opt(Literal("-")), integer, opt(fraction), opt(exponent)},
		ruleObject: list("{", member, "}"),
		ruleArray:  list("[", Ref(ruleValue), "]"),
		ruleValue:  Alt{Ref(ruleString), Ref(ruleNumber), Ref(ruleObject), Ref(ruleArray), Literal("true"), Literal("false"), Literal("null")},
	}
}

// short are the code points that have an escape of one letter, which must be escaped but for /.
var short = map[rune]byte{'"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't', '/': '/'}

// jsonChar matches one code point of ranges as it may stand in a JSON string: as it is, by its short escape, or, as far as
// it must be escaped, by its number. A number may also stand for code points outside ASCII when all of them are allowed.
func jsonChar(ranges []runeRange) Expr {
	ranges = tidy(ranges)
	var out Alt
	plain := without(ranges, []runeRange{{0, 0x1f}, {'"', '"'}, {'\\', '\\'}})
	if len(plain) > 0 {
		out = append(out, runes(plain))
	}
	var letters Bytes
	for r, c := range short {
		if len(both(ranges, []runeRange{{r, r}})) > 0 {
			letters.add(c, c)
		}
	}
	if letters != (Bytes{}) {
		out = append(out, Seq{Literal(`\`), letters})
	}
	if len(ranges) == 2 && ranges[0] == (runeRange{0, 0xd7ff}) { // all there are
		hex := Bytes(set('0', '9'))
		hex.add('a', 'f')
		hex.add('A', 'F')
		of := func(text string) Bytes {
			var b Bytes
			for i := range len(text) {
				b.add(text[i], text[i])
			}
			return b
		}
		high := Seq{of("dD"), of("89abAB"), hex, hex}
		low := Seq{of("dD"), of("cdefCDEF"), hex, hex}
		other := Alt{Seq{of("0123456789abcABCefEF"), hex, hex, hex}, Seq{of("dD"), of("01234567"), hex, hex}}
		out = append(out, Seq{Literal(`\u`), Alt{other, Seq{high, Literal(`\u`), low}}})
	} else {
		for _, r := range both(ranges, []runeRange{{0, 0x1f}}) {
			for c := r.lo; c <= r.hi; c++ {
				low := Alt{Literal(fmt.Sprintf("%02x", c)), Literal(fmt.Sprintf("%02X", c))}
				out = append(out, Seq{Literal(`\u00`), low})
			}
		}
	}
	if len(out) == 0 {
		return Bytes{}
	}
	return out
}

// jsonText matches one text as a JSON string.
func jsonText(text string) Expr {
	s := Seq{Literal(`"`)}
	for _, r := range text {
		s = append(s, jsonChar([]runeRange{{r, r}}))
	}
	return append(s, Literal(`"`))
}
