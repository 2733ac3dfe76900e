package grammar

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// decimal is a bound of numbers as it is written: no zeros before int or behind frac.
type decimal struct {
	neg       bool
	int, frac string
	open      bool // not one of the numbers itself
}

// newDecimal reads a bound. small = no number of mostDigits digits is so far from 0.
func newDecimal(n json.Number, open bool) (d decimal, small bool, err error) {
	text := n.String()
	if strings.ContainsAny(text, "eE") {
		f, err := n.Float64()
		if err != nil {
			return decimal{neg: strings.HasPrefix(text, "-")}, false, nil
		}
		text = strconv.FormatFloat(f, 'f', -1, 64)
	}
	text, d.neg = strings.CutPrefix(text, "-")
	d.int, d.frac, _ = strings.Cut(text, ".")
	d.frac, d.open = strings.TrimRight(d.frac, "0"), open
	d.neg = d.neg && (d.int != "0" || d.frac != "")
	if len(d.frac) > mostDigits {
		return d, true, fmt.Errorf("want at most %d digits behind the point", mostDigits)
	}
	return d, len(d.int) <= mostDigits, nil
}

// less tells whether |d| is less than |e|.
func (d decimal) less(e decimal) bool {
	switch {
	case len(d.int) != len(e.int):
		return len(d.int) < len(e.int)
	case d.int != e.int:
		return d.int < e.int
	}
	return d.frac < e.frac
}

// inside tells whether a bound at d leaves fewer numbers than one at e, both lower or both upper ones.
func (d decimal) inside(e decimal, lower bool) bool {
	switch {
	case d.neg != e.neg:
		return d.neg != lower
	case d.less(e):
		return d.neg == lower
	case e.less(d):
		return d.neg != lower
	}
	return d.open
}

// whole is the first integer that the bound lets pass.
func (d decimal) whole(lower bool) int64 {
	v, _ := strconv.ParseInt(d.int, 10, 64) // at most mostDigits digits
	if d.neg {
		v = -v
	}
	away := d.frac != "" && d.neg != lower || d.frac == "" && d.open
	switch {
	case away && lower:
		v++
	case away:
		v--
	}
	return v
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
		out = append(out, digits(a, strings.Repeat("9", len(a))))
		if len(a) < mostDigits {
			out = append(out, Seq{nonzero, Repeat{digit, len(a), mostDigits - 1}})
		}
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

// numberRange matches the numbers between two bounds, written without exponent; nil = no bound.
func numberRange(lo, hi *decimal) (Expr, error) {
	var out Alt
	zero := decimal{int: "0"}
	if hi == nil || !hi.neg {
		from := zero
		if lo != nil && !lo.neg {
			from = *lo
		}
		out = append(out, magnitudes(from, hi))
	}
	if lo == nil || lo.neg {
		from := zero
		from.open = true
		if hi != nil && hi.neg {
			from = *hi
		}
		out = append(out, Seq{Literal("-"), magnitudes(from, lo)})
	}
	if !canEnd(out, nil) {
		return nil, fmt.Errorf("no number lies between its bounds")
	}
	return out, nil
}

// magnitudes matches the numbers without sign from lo to hi, whose signs do not count.
func magnitudes(lo decimal, hi *decimal) Expr {
	most := mostDigits
	for _, d := range []*decimal{&lo, hi} {
		if d != nil && d.open {
			most = min(most, max(safeDigits-len(d.int), len(d.frac)+1))
		}
	}
	if hi != nil && hi.int == lo.int {
		return Seq{Literal(lo.int), fractions(&lo, hi, most)}
	}
	first, _ := strconv.ParseInt(lo.int, 10, 64)
	first++
	var last *int64
	if hi != nil {
		n, _ := strconv.ParseInt(hi.int, 10, 64)
		if n--; n < first-1 {
			return Bytes{}
		}
		last = &n
	}
	out := Alt{Seq{Literal(lo.int), fractions(&lo, nil, most)}}
	if last == nil || *last >= first {
		out = append(out, Seq{naturals(first, last), fractions(nil, nil, most)})
	}
	if hi != nil {
		out = append(out, Seq{Literal(hi.int), fractions(nil, hi, most)})
	}
	return out
}

// safeDigits is how many digits tell numbers apart for every reader: near an open bound more would be rounded to it.
const safeDigits = 15

// fractions matches what may stand behind the digits before the point: nothing, or a point and digits, so that the number is
// between the fractions of lo and hi, with at most so many digits.
func fractions(lo, hi *decimal, most int) Expr {
	// from matches the digits from number n on, so far equal to those of lo and hi where these are not nil. It may end where zeros may follow.
	var from func(n int, lo, hi *decimal) (more Expr, ends bool)
	from = func(n int, lo, hi *decimal) (more Expr, ends bool) {
		if lo != nil && !lo.open && n >= len(lo.frac) {
			lo = nil
		}
		ends = lo == nil && (hi == nil || !hi.open || n < len(hi.frac))
		if n == most {
			return Bytes{}, ends
		}
		if lo == nil && hi == nil {
			return Repeat{digit, 1, most - n}, ends
		}
		at := func(d *decimal, otherwise byte) byte {
			switch {
			case d == nil:
				return otherwise
			case n < len(d.frac):
				return d.frac[n]
			}
			return '0'
		}
		a, b := at(lo, '0'), at(hi, '9')
		var out Alt
		for c := a; c <= b; c++ {
			nextLo, nextHi := lo, hi
			if c > a {
				nextLo = nil
			}
			if c < b {
				nextHi = nil
			}
			last := c
			if nextLo == nil && nextHi == nil { // those up to b's are alike
				if last = b; hi != nil {
					last--
				}
			}
			rest, stop := from(n+1, nextLo, nextHi)
			if stop {
				rest = opt(rest)
			}
			out = append(out, Seq{set(c, last), rest})
			c = last
		}
		if len(out) == 0 {
			return Bytes{}, ends
		}
		return out, ends
	}
	more, ends := from(0, lo, hi)
	e := Expr(Seq{Literal("."), more})
	if ends {
		e = opt(e)
	}
	return e
}
