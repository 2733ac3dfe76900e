package grammar

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"unicode"
)

// Regex is a grammar of the texts that a regular expression matches as a whole (RE2 syntax; ^ and $ may stand at its ends).
func Regex(pattern string) (*Grammar, error) {
	e, err := regex(pattern, runes, false)
	if err != nil {
		return nil, err
	}
	return Compile(map[string]Expr{root: e})
}

// regex compiles a pattern; char makes the expression of one code point out of ranges. With search, the pattern may
// match anywhere in the text and is read as ECMA-262's, as JSON Schema has it.
func regex(pattern string, char func([]runeRange) Expr, search bool) (Expr, error) {
	r, written := regexCompiler{char, []runeRange{{'\n', '\n'}}}, pattern
	if search {
		var err error
		if pattern, err = ecma(pattern); err != nil {
			return nil, fmt.Errorf("pattern %w", err)
		}
		r.noDot = ecmaNoDot
	}
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", written, err)
	}
	begins, ends := false, false
	var body Seq
	for _, part := range flat(re) {
		switch part.Op {
		case syntax.OpBeginText, syntax.OpBeginLine:
			if len(body) > 0 {
				return nil, fmt.Errorf("pattern %q: ^ stands within it, want it at the beginning", written)
			}
			begins = true
		case syntax.OpEndText, syntax.OpEndLine:
			ends = true
		default:
			if ends {
				return nil, fmt.Errorf("pattern %q: $ stands within it, want it at the end", written)
			}
			e, err := r.expr(part)
			if err != nil {
				return nil, fmt.Errorf("pattern %q: %w", written, err)
			}
			body = append(body, e)
		}
	}
	any := Repeat{char([]runeRange{{0, 0x10ffff}}), 0, -1}
	if search && !begins {
		body = slices.Insert(body, 0, Expr(any))
	}
	if search && !ends {
		body = append(body, any)
	}
	return body, nil
}

// flat are the parts of a concatenation.
func flat(re *syntax.Regexp) []*syntax.Regexp {
	if re.Op != syntax.OpConcat {
		return []*syntax.Regexp{re}
	}
	return re.Sub
}

type regexCompiler struct {
	char  func([]runeRange) Expr
	noDot []runeRange // what . does not match
}

func (r *regexCompiler) expr(re *syntax.Regexp) (Expr, error) {
	sub := func() ([]Expr, error) {
		var all []Expr
		for _, s := range re.Sub {
			e, err := r.expr(s)
			if err != nil {
				return nil, err
			}
			all = append(all, e)
		}
		return all, nil
	}
	repeat := func(min, max int) (Expr, error) {
		all, err := sub()
		if err != nil {
			return nil, err
		}
		return Repeat{all[0], min, max}, nil
	}
	switch re.Op {
	case syntax.OpEmptyMatch:
		return Seq{}, nil
	case syntax.OpNoMatch:
		return Bytes{}, nil
	case syntax.OpLiteral:
		var s Seq
		for _, c := range re.Rune {
			ranges := []runeRange{{c, c}}
			if re.Flags&syntax.FoldCase != 0 {
				ranges = folded(c)
			}
			s = append(s, r.char(ranges))
		}
		return s, nil
	case syntax.OpCharClass:
		var ranges []runeRange
		for i := 0; i < len(re.Rune); i += 2 {
			ranges = append(ranges, runeRange{re.Rune[i], re.Rune[i+1]})
		}
		return r.char(ranges), nil
	case syntax.OpAnyChar:
		return r.char([]runeRange{{0, 0x10ffff}}), nil
	case syntax.OpAnyCharNotNL:
		return r.char(not(r.noDot)), nil
	case syntax.OpCapture:
		return r.expr(re.Sub[0])
	case syntax.OpStar:
		return repeat(0, -1)
	case syntax.OpPlus:
		return repeat(1, -1)
	case syntax.OpQuest:
		return repeat(0, 1)
	case syntax.OpRepeat:
		return repeat(re.Min, re.Max)
	case syntax.OpConcat:
		all, err := sub()
		return Seq(all), err
	case syntax.OpAlternate:
		all, err := sub()
		return Alt(all), err
	}
	return nil, fmt.Errorf("%s has no place in it, want ^ and $ at its ends and no other conditions", re)
}

// folded are the code points that are c but for upper and lower case.
func folded(c rune) []runeRange {
	all := []runeRange{{c, c}}
	for f := unicode.SimpleFold(c); f != c; f = unicode.SimpleFold(f) {
		all = append(all, runeRange{f, f})
	}
	return all
}
