package grammar

import (
	"slices"
	"unicode/utf8"
)

// runeRange is a range of code points, both ends in it.
type runeRange struct{ lo, hi rune }

// Runes matches one code point of the ranges, in UTF-8.
func Runes(ranges ...rune) Expr {
	var all []runeRange
	for i := 0; i+1 < len(ranges); i += 2 {
		all = append(all, runeRange{ranges[i], ranges[i+1]})
	}
	return runes(all)
}

// runes matches one code point of ranges; surrogates are none.
func runes(ranges []runeRange) Expr {
	var out Alt
	for _, r := range tidy(ranges) {
		out = append(out, utf8Range(r.lo, r.hi)...)
	}
	if len(out) == 0 {
		return Bytes{}
	}
	// Single bytes are one set.
	var one Bytes
	rest := out[:0]
	for _, e := range out {
		if b, ok := e.(Bytes); ok {
			for i := range one {
				one[i] |= b[i]
			}
		} else {
			rest = append(rest, e)
		}
	}
	if one != (Bytes{}) {
		rest = append(rest, one)
	}
	if len(rest) == 1 {
		return rest[0]
	}
	return rest
}

// tidy sorts and joins ranges and takes the surrogates out.
func tidy(ranges []runeRange) []runeRange {
	var in []runeRange
	for _, r := range ranges {
		r.lo, r.hi = max(r.lo, 0), min(r.hi, utf8.MaxRune)
		if r.lo < 0xd800 && r.hi >= 0xd800 {
			in = append(in, runeRange{r.lo, 0xd7ff})
			r.lo = 0xe000
		} else if r.lo >= 0xd800 && r.lo < 0xe000 {
			r.lo = 0xe000
		}
		if r.hi >= 0xd800 && r.hi < 0xe000 {
			r.hi = 0xd7ff
		}
		if r.lo <= r.hi {
			in = append(in, r)
		}
	}
	slices.SortFunc(in, func(a, b runeRange) int { return int(a.lo - b.lo) })
	var out []runeRange
	for _, r := range in {
		if n := len(out); n > 0 && r.lo <= out[n-1].hi+1 {
			out[n-1].hi = max(out[n-1].hi, r.hi)
		} else {
			out = append(out, r)
		}
	}
	return out
}

// not are the code points outside ranges.
func not(ranges []runeRange) []runeRange {
	var out []runeRange
	at := rune(0)
	for _, r := range tidy(ranges) {
		if r.lo > at {
			out = append(out, runeRange{at, r.lo - 1})
		}
		at = r.hi + 1
	}
	if at <= utf8.MaxRune {
		out = append(out, runeRange{at, utf8.MaxRune})
	}
	return out
}

// without are the code points of ranges that are not in others.
func without(ranges, others []runeRange) []runeRange {
	return both(ranges, not(others))
}

// both are the code points of a that are also in b.
func both(a, b []runeRange) []runeRange {
	var out []runeRange
	for _, x := range a {
		for _, y := range b {
			if lo, hi := max(x.lo, y.lo), min(x.hi, y.hi); lo <= hi {
				out = append(out, runeRange{lo, hi})
			}
		}
	}
	return out
}

// utf8Range are the byte sequences of code points lo to hi, none of them a surrogate.
func utf8Range(lo, hi rune) []Expr {
	var out []Expr
	for _, most := range []rune{0x7f, 0x7ff, 0xffff, utf8.MaxRune} {
		if lo <= most && lo <= hi {
			end := min(hi, most)
			var a, b [4]byte
			n := utf8.EncodeRune(a[:], lo)
			utf8.EncodeRune(b[:], end)
			out = append(out, byteRange(a[:n], b[:n])...)
			lo = end + 1
		}
	}
	return out
}

// byteRange are the sequences from a to b of one length, whose bytes after the first run from 80 to bf.
func byteRange(a, b []byte) []Expr {
	set := func(lo, hi byte) Bytes { var s Bytes; s.add(lo, hi); return s }
	if len(a) == 1 {
		return []Expr{set(a[0], b[0])}
	}
	with := func(lo, hi byte, rest []Expr) []Expr {
		if lo > hi {
			return nil
		}
		e := Expr(Alt(rest))
		if len(rest) == 1 {
			e = rest[0]
		}
		return []Expr{Seq{set(lo, hi), e}}
	}
	least, most := make([]byte, len(a)-1), make([]byte, len(a)-1)
	for i := range least {
		least[i], most[i] = 0x80, 0xbf
	}
	if a[0] == b[0] {
		return with(a[0], a[0], byteRange(a[1:], b[1:]))
	}
	lo, hi := a[0], b[0]
	var out []Expr
	if !slices.Equal(a[1:], least) {
		out = append(out, with(lo, lo, byteRange(a[1:], most))...)
		lo++
	}
	if !slices.Equal(b[1:], most) {
		hi--
		out = append(out, with(lo, hi, byteRange(least, most))...)
		return append(out, with(hi+1, hi+1, byteRange(least, b[1:]))...)
	}
	return append(out, with(lo, hi, byteRange(least, most))...)
}
