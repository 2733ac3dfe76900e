package grammar

import (
	"fmt"
	"strings"
)

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

// intRange matches the integers from lo to hi as JSON writes them; nil = no bound.
func intRange(lo, hi *int64) (Expr, error) {
	if lo != nil && hi != nil && *lo > *hi {
		return nil, fmt.Errorf("no integer is at least %d and at most %d", *lo, *hi)
	}
	var out Alt
	minus := Literal("-")
	one := int64(1)
	if (lo == nil || *lo <= 0) && (hi == nil || *hi >= 0) {
		out = append(out, Literal("0"))
	}
	if hi == nil || *hi >= 1 { // positive
		from := &one
		if lo != nil && *lo > 1 {
			from = lo
		}
		out = append(out, naturals(*from, hi))
	}
	if lo == nil || *lo <= -1 { // negative
		from, to := one, (*int64)(nil)
		if hi != nil && *hi < -1 {
			from = -*hi
		}
		if lo != nil {
			n := -*lo
			to = &n
		}
		out = append(out, Seq{minus, naturals(from, to)})
	}
	return out, nil
}

// naturals matches the numbers from lo > 0 to hi; nil = no bound.
func naturals(lo int64, hi *int64) Expr {
	a := fmt.Sprint(lo)
	var out Alt
	if hi == nil {
		most := strings.Repeat("9", len(a))
		out = append(out, digits(a, most), Seq{nonzero, Repeat{digit, len(a), mostDigits - 1}})
		return out
	}
	b := fmt.Sprint(*hi)
	for n := len(a); n <= len(b); n++ {
		from, to := "1"+strings.Repeat("0", n-1), strings.Repeat("9", n)
		if n == len(a) {
			from = a
		}
		if n == len(b) {
			to = b
		}
		out = append(out, digits(from, to))
	}
	return out
}

// digits matches the numbers from a to b, which have equally many digits.
func digits(a, b string) Expr {
	switch {
	case a == "":
		return Seq{}
	case strings.Trim(a, "0") == "" && strings.Trim(b, "9") == "":
		return times(digit, len(a))
	case a[0] == b[0]:
		return Seq{Literal(a[:1]), digits(a[1:], b[1:])}
	}
	least, most := strings.Repeat("0", len(a)-1), strings.Repeat("9", len(a)-1)
	out := Alt{Seq{set(a[0], a[0]), digits(a[1:], most)}}
	if a[0]+1 < b[0] {
		out = append(out, Seq{set(a[0]+1, b[0]-1), digits(least, most)})
	}
	return append(out, Seq{set(b[0], b[0]), digits(least, b[1:])})
}

// numberRange matches the numbers between lo and hi, whole numbers both, written without exponent; an open end is not one of
// them.
func numberRange(lo, hi *int64, openLo, openHi bool) (Expr, error) {
	if lo != nil && hi != nil && (*lo > *hi || *lo == *hi && (openLo || openHi)) {
		return nil, fmt.Errorf("no number is between %d and %d", *lo, *hi)
	}
	zeros := opt(Seq{Literal("."), Repeat{Literal("0"), 1, mostDigits}})
	some := Seq{Literal("."), Repeat{digit, 0, mostDigits - 1}, nonzero, Repeat{Literal("0"), 0, mostDigits - 1}} // a fraction above 0
	var out Alt
	add := func(from, to *int64, tail Expr) error {
		if from != nil && to != nil && *from > *to {
			return nil
		}
		e, err := intRange(from, to)
		if err == nil {
			out = append(out, Seq{e, tail})
		}
		return err
	}
	up := func(p *int64, d int64) *int64 {
		if p == nil {
			return nil
		}
		v := *p + d
		return &v
	}
	// Whole numbers.
	from, to := lo, hi
	if openLo {
		from = up(lo, 1)
	}
	if openHi {
		to = up(hi, -1)
	}
	if err := add(from, to, zeros); err != nil {
		return nil, err
	}
	// With a fraction: n.f lies between n and n+1 where n >= 0, -n.f between -n-1 and -n.
	zero, minusOne := int64(0), int64(-1)
	if hi == nil || *hi > 0 {
		from, to := &zero, up(hi, -1)
		if lo != nil && *lo > 0 {
			from = lo
		}
		if err := add(from, to, some); err != nil {
			return nil, err
		}
	}
	if lo == nil || *lo < 0 {
		if hi == nil || *hi >= 0 {
			out = append(out, Seq{Literal("-0"), some})
		}
		to := &minusOne
		if hi != nil && *hi < 0 {
			to = hi
		}
		if err := add(up(lo, 1), to, some); err != nil {
			return nil, err
		}
	}
	return out, nil
}
