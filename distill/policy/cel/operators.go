package cel

import (
	"errors"
	"math"
	"slices"
	"strings"
)

func operator(o string, left, right expr) expr {
	switch o {
	case "&&":
		return logic(o, false, left, right)
	case "||":
		return logic(o, true, left, right)
	}
	return func(e *env) (any, error) {
		a, err := e.run(left)
		if err != nil {
			return nil, err
		}
		b, err := e.run(right)
		if err != nil {
			return nil, err
		}
		switch o {
		case "==":
			return equal(a, b), nil
		case "!=":
			return !equal(a, b), nil
		case "in":
			return contains(a, b)
		case "<", "<=", ">", ">=":
			return order(o, a, b)
		}
		return arithmetic(o, a, b)
	}
}

// equal compares numbers by value whatever their type; values of different types are not equal.
func equal(a, b any) bool {
	switch x := a.(type) {
	case int64, float64:
		c, ok := compare(a, b)
		return ok && c == 0
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, equal)
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k, v := range x {
			if w, ok := y[k]; !ok || !equal(v, w) {
				return false
			}
		}
		return true
	}
	switch b.(type) {
	case []any, map[string]any:
		return false
	}
	return a == b
}

func contains(a, b any) (any, error) {
	switch in := b.(type) {
	case []any:
		return slices.ContainsFunc(in, func(v any) bool { return equal(a, v) }), nil
	case map[string]any:
		k, ok := a.(string)
		_, found := in[k]
		return ok && found, nil
	}
	return nil, noOverload("in", a, b)
}

// compare gives -1, 0 or 1; ok is false where the two have no order.
func compare(a, b any) (c int, ok bool) {
	switch x := a.(type) {
	case int64:
		switch y := b.(type) {
		case int64:
			return cmp(x, y), true
		case float64:
			return mixed(x, y)
		}
	case float64:
		switch y := b.(type) {
		case float64:
			return cmp(x, y), x == x && y == y
		case int64:
			c, ok := mixed(y, x)
			return -c, ok
		}
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(x, y), true
		}
	case bool:
		if y, ok := b.(bool); ok {
			n := map[bool]int{true: 1}
			return n[x] - n[y], true
		}
	}
	return 0, false
}

func cmp[T int64 | float64](x, y T) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// mixed compares an int with a double, as doubles.
func mixed(x int64, y float64) (int, bool) { return cmp(float64(x), y), y == y }

func order(o string, a, b any) (any, error) {
	c, ok := compare(a, b)
	if !ok {
		_, numA := number64(a)
		_, numB := number64(b)
		if numA && numB { // not a number
			return false, nil
		}
		return nil, noOverload(o, a, b)
	}
	switch o {
	case "<":
		return c < 0, nil
	case "<=":
		return c <= 0, nil
	case ">":
		return c > 0, nil
	}
	return c >= 0, nil
}

func number64(v any) (float64, bool) {
	switch x := v.(type) {
	case int64:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}

func arithmetic(o string, a, b any) (any, error) {
	switch x := a.(type) {
	case int64:
		if y, ok := b.(int64); ok {
			return integers(o, x, y)
		}
	case float64:
		if y, ok := b.(float64); ok && o != "%" {
			switch o {
			case "+":
				return x + y, nil
			case "-":
				return x - y, nil
			case "*":
				return x * y, nil
			}
			return x / y, nil
		}
	case string:
		if y, ok := b.(string); ok && o == "+" {
			return x + y, nil
		}
	case []any:
		if y, ok := b.([]any); ok && o == "+" {
			return slices.Concat(x, y), nil
		}
	}
	return nil, noOverload(o, a, b)
}

var errOverflow = errors.New("a whole number overflows")

func integers(o string, x, y int64) (any, error) {
	switch o {
	case "+":
		if s := x + y; (s > x) == (y > 0) {
			return s, nil
		}
	case "-":
		if s := x - y; (s < x) == (y > 0) {
			return s, nil
		}
	case "*":
		if x == 0 || y == 0 {
			return int64(0), nil
		}
		if s := x * y; s/y == x && !(x == -1 && y == math.MinInt64) && !(y == -1 && x == math.MinInt64) {
			return s, nil
		}
	default:
		switch {
		case y == 0:
			return nil, errors.New("division by zero")
		case x == math.MinInt64 && y == -1:
		case o == "/":
			return x / y, nil
		default:
			return x % y, nil
		}
	}
	return nil, errOverflow
}

func negate(o string, x expr) expr {
	return func(e *env) (any, error) {
		if o == "!" {
			b, err := e.truth(x, o)
			return !b, err
		}
		v, err := e.run(x)
		if err != nil {
			return nil, err
		}
		switch n := v.(type) {
		case int64:
			return integers("-", 0, n)
		case float64:
			return -n, nil
		}
		return nil, noOverload(o, v)
	}
}
