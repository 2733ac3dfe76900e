package cel

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

func field(x expr, name string) expr { return index(x, constant(name)) }

func hasField(x expr, name string) expr {
	return func(e *env) (any, error) {
		v, err := e.run(x)
		if err != nil {
			return nil, err
		}
		m, _ := v.(map[string]any) // what is no map has no fields
		value, ok := m[name]
		if ok {
			e.readItem(v, name, value)
		}
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
				e.readItem(v, key, value)
				return value, nil
			}
			return nil, fmt.Errorf("there is no %v", at)
		case []any:
			n, ok := at.(int64)
			if f, double := at.(float64); double && f == float64(int64(f)) {
				n, ok = int64(f), true
			}
			if ok && n >= 0 && n < int64(len(in)) {
				e.readItem(v, int(n), in[n])
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
		inner := &env{vars: map[string]any{}, steps: e.steps, trace: e.trace}
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
