package chat

import (
	"fmt"
	"math/big"
	"strings"
)

// testFunc computes value is name(args).
type testFunc func(r *run, v value, a *args) (bool, error)

var tests = map[string]testFunc{
	"defined":   is(func(v value) bool { _, ok := v.(undefined); return !ok }),
	"undefined": is(func(v value) bool { _, ok := v.(undefined); return ok }),
	"none":      is(func(v value) bool { return v == nil }),
	"boolean":   is(func(v value) bool { _, ok := v.(bool); return ok }),
	"true":      is(func(v value) bool { return v == true }),
	"false":     is(func(v value) bool { return v == false }),
	"string":    is(func(v value) bool { _, ok := v.(string); return ok }),
	"mapping":   is(func(v value) bool { _, ok := v.(*dict); return ok }),
	"callable":  is(func(v value) bool { _, ok := v.(*callable); return ok }),
	"sequence":  is(func(v value) bool { _, ok := length(v); return ok }),
	"iterable":  is(func(v value) bool { _, ok := length(v); return ok }),
	"float":     is(func(v value) bool { _, ok := v.(float64); return ok }),
	"integer":   is(isInteger),
	"number": is(func(v value) bool {
		_, _, _, ok := number(v)
		return ok || isInteger(v)
	}),
	"lower":       isCase(strings.ToLower),
	"upper":       isCase(strings.ToUpper),
	"odd":         isRemainder(2, 1),
	"even":        isRemainder(2, 0),
	"divisibleby": isDivisible,
	"eq":          isCompared("=="),
	"equalto":     isCompared("=="),
	"==":          isCompared("=="),
	"ne":          isCompared("!="),
	"!=":          isCompared("!="),
	"lt":          isCompared("<"),
	"lessthan":    isCompared("<"),
	"<":           isCompared("<"),
	"le":          isCompared("<="),
	"<=":          isCompared("<="),
	"gt":          isCompared(">"),
	"greaterthan": isCompared(">"),
	">":           isCompared(">"),
	"ge":          isCompared(">="),
	">=":          isCompared(">="),
	"in":          isCompared("in"),
	"sameas":      isSame,
}

func is(f func(value) bool) testFunc {
	return func(_ *run, v value, _ *args) (bool, error) { return f(v), nil }
}

func isInteger(v value) bool {
	switch v.(type) {
	case int64, *big.Int:
		return true
	}
	return false
}

// isCase is Python's islower and isupper: at least one letter, all of that case.
func isCase(change func(string) string) testFunc {
	return func(r *run, v value, _ *args) (bool, error) {
		s, err := r.text(v)
		if err != nil {
			return false, err
		}
		cased := strings.ToLower(s) != strings.ToUpper(s)
		return cased && s == change(s), r.make(2 * len(s))
	}
}

func isRemainder(by, want int64) testFunc {
	return func(r *run, v value, _ *args) (bool, error) {
		m, err := r.binary("%", v, by)
		return m == want, err
	}
}

func isDivisible(r *run, v value, a *args) (bool, error) {
	by, err := a.need("num")
	if err != nil {
		return false, err
	}
	m, err := r.binary("%", v, by)
	return m == int64(0), err
}

func isCompared(op string) testFunc {
	return func(r *run, v value, a *args) (bool, error) {
		other, err := a.need("other")
		if err != nil {
			return false, err
		}
		return r.compare(op, v, other)
	}
}

func isSame(_ *run, v value, a *args) (bool, error) {
	other, err := a.need("other")
	if err != nil {
		return false, err
	}
	if _, ok := v.(undefined); ok {
		return false, fmt.Errorf("sameas of an undefined value")
	}
	return v == other, nil
}
