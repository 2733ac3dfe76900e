package cel

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// env holds the variables of one evaluation and counts its steps.
type env struct {
	vars  map[string]any
	steps int
}

var errSteps = errors.New("the expression takes too long")

func (e *env) run(x expr) (any, error) {
	if e.steps++; e.steps > maxSteps {
		return nil, errSteps
	}
	return x(e)
}

// Eval gives the value of the expression. Numbers of variables are int64 or float64, lists []any, maps map[string]any.
func (p *Program) Eval(vars map[string]any) (any, error) {
	return (&env{vars: vars}).run(p.root)
}

// Bool gives the value of an expression that answers yes or no.
func (p *Program) Bool(vars map[string]any) (bool, error) {
	v, err := p.Eval(vars)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, fmt.Errorf("the expression gives %s, want true or false", typeName(v))
	}
	return b, nil
}

func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "bool"
	case int64:
		return "int"
	case float64:
		return "double"
	case string:
		return "string"
	case []any:
		return "list"
	case map[string]any:
		return "map"
	}
	return fmt.Sprintf("%T", v)
}

func noOverload(what string, values ...any) error {
	var names []string
	for _, v := range values {
		names = append(names, typeName(v))
	}
	return fmt.Errorf("%s does not go with %s", what, strings.Join(names, " and "))
}

func constant(v any) expr { return func(*env) (any, error) { return v, nil } }

func variable(name string) expr {
	return func(e *env) (any, error) {
		v, ok := e.vars[name]
		if !ok {
			return nil, fmt.Errorf("%s has no value", name)
		}
		return v, nil
	}
}

func choose(cond, yes, no expr) expr {
	return func(e *env) (any, error) {
		c, err := e.truth(cond, "?:")
		if err != nil {
			return nil, err
		}
		if c {
			return e.run(yes)
		}
		return e.run(no)
	}
}

func (e *env) truth(x expr, what string) (bool, error) {
	v, err := e.run(x)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, noOverload(what, v)
	}
	return b, nil
}

// logic is && (stop = false) and || (stop = true): one side that decides makes up for an error of the other.
func logic(what string, stop bool, left, right expr) expr {
	return func(e *env) (any, error) {
		a, errA := e.truth(left, what)
		if errA == nil && a == stop {
			return stop, nil
		}
		b, errB := e.truth(right, what)
		if errB == nil && b == stop {
			return stop, nil
		}
		if errA == nil {
			errA = errB
		}
		return !stop, errA
	}
}

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

func field(x expr, name string) expr { return index(x, constant(name)) }

func hasField(x expr, name string) expr {
	return func(e *env) (any, error) {
		v, err := e.run(x)
		if err != nil {
			return nil, err
		}
		m, _ := v.(map[string]any) // what is no map has no fields
		_, ok := m[name]
		return ok, nil
	}
}

func index(x, i expr) expr {
	return func(e *env) (any, error) {
		v, err := e.run(x)
		if err != nil {
			return nil, err
		}
		at, err := e.run(i)
		if err != nil {
			return nil, err
		}
		switch in := v.(type) {
		case map[string]any:
			key, ok := at.(string)
			if value, found := in[key]; ok && found {
				return value, nil
			}
			return nil, fmt.Errorf("there is no %v", at)
		case []any:
			n, ok := at.(int64)
			if f, double := at.(float64); double && f == float64(int64(f)) {
				n, ok = int64(f), true
			}
			if ok && n >= 0 && n < int64(len(in)) {
				return in[n], nil
			}
			return nil, fmt.Errorf("the list has no item %v", at)
		}
		return nil, noOverload("a field", v)
	}
}

func listOf(items []expr) expr {
	return func(e *env) (any, error) {
		all := make([]any, len(items))
		for i, x := range items {
			var err error
			if all[i], err = e.run(x); err != nil {
				return nil, err
			}
		}
		return all, nil
	}
}

func mapOf(keys, values []expr) expr {
	return func(e *env) (any, error) {
		m := map[string]any{}
		for i := range keys {
			k, err := e.run(keys[i])
			if err != nil {
				return nil, err
			}
			s, ok := k.(string)
			if !ok {
				return nil, noOverload("a key", k)
			}
			if m[s], err = e.run(values[i]); err != nil {
				return nil, err
			}
		}
		return m, nil
	}
}

// functions are those of one argument.
var functions = map[string]func(x expr) expr{"size": size, "int": convert("int"), "double": convert("double"), "string": convert("string")}

func size(x expr) expr {
	return func(e *env) (any, error) {
		v, err := e.run(x)
		if err != nil {
			return nil, err
		}
		switch s := v.(type) {
		case string:
			return int64(utf8.RuneCountInString(s)), nil
		case []any:
			return int64(len(s)), nil
		case map[string]any:
			return int64(len(s)), nil
		}
		return nil, noOverload("size", v)
	}
}

func convert(to string) func(x expr) expr {
	return func(x expr) expr {
		return func(e *env) (any, error) {
			v, err := e.run(x)
			if err != nil {
				return nil, err
			}
			s, isText := v.(string)
			n, isNumber := number64(v)
			switch {
			case to == typeName(v):
				return v, nil
			case to == "int" && isText:
				return strconv.ParseInt(s, 10, 64)
			case to == "double" && isText:
				return strconv.ParseFloat(s, 64)
			case to == "double" && isNumber:
				return n, nil
			case to == "int" && isNumber:
				if n > -1<<63 && n < 1<<63 {
					return int64(n), nil
				}
				return nil, errOverflow
			case to == "string" && isNumber:
				if i, ok := v.(int64); ok {
					return strconv.FormatInt(i, 10), nil
				}
				return strconv.FormatFloat(n, 'g', -1, 64), nil
			}
			if b, ok := v.(bool); ok && to == "string" {
				return strconv.FormatBool(b), nil
			}
			return nil, noOverload(to, v)
		}
	}
}

// methods are those of a string with a string.
var methods = map[string]func(s, arg string) (bool, error){
	"startsWith": func(s, arg string) (bool, error) { return strings.HasPrefix(s, arg), nil },
	"endsWith":   func(s, arg string) (bool, error) { return strings.HasSuffix(s, arg), nil },
	"contains":   func(s, arg string) (bool, error) { return strings.Contains(s, arg), nil },
	"matches":    func(s, arg string) (bool, error) { return regexp.MatchString(arg, s) },
}

var methodNames = []string{"size", "startsWith", "endsWith", "contains", "matches", "all", "exists", "exists_one", "filter", "map"}

func onStrings(name string, f func(s, arg string) (bool, error), x, arg expr) expr {
	return func(e *env) (any, error) {
		a, err := e.run(x)
		if err != nil {
			return nil, err
		}
		b, err := e.run(arg)
		if err != nil {
			return nil, err
		}
		s, ok := a.(string)
		t, also := b.(string)
		if !ok || !also {
			return nil, noOverload(name, a, b)
		}
		return f(s, t)
	}
}

// macro runs body for each item of a list, or key of a map, with the item in a variable.
func macro(what string, x expr, name string, body expr) expr {
	return func(e *env) (any, error) {
		over, err := e.run(x)
		if err != nil {
			return nil, err
		}
		items, ok := over.([]any)
		if m, isMap := over.(map[string]any); isMap {
			for k := range m {
				items = append(items, k)
			}
			slices.SortFunc(items, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
			ok = true
		}
		if !ok {
			return nil, noOverload(what, over)
		}
		inner := &env{vars: map[string]any{}, steps: e.steps}
		for k, v := range e.vars {
			inner.vars[k] = v
		}
		defer func() { e.steps = inner.steps }()
		return inner.each(what, items, name, body)
	}
}

func (e *env) each(what string, items []any, name string, body expr) (any, error) {
	kept, count, failed := []any{}, 0, error(nil)
	for _, item := range items {
		e.vars[name] = item
		v, err := e.run(body)
		if what == "map" {
			if err != nil {
				return nil, err
			}
			kept = append(kept, v)
			continue
		}
		yes, ok := v.(bool)
		if err == nil && !ok {
			err = noOverload(what, v)
		}
		switch {
		case err == nil && what == "all" && !yes:
			return false, nil
		case err == nil && what == "exists" && yes:
			return true, nil
		case errors.Is(err, errSteps), err != nil && what != "all" && what != "exists":
			return nil, err
		case err != nil:
			failed = err // an item that decides may still come
		case yes:
			count++
			kept = append(kept, item)
		}
	}
	switch what {
	case "map", "filter":
		return kept, nil
	case "exists_one":
		return count == 1, nil
	}
	return what == "all", failed
}
