package cel

import (
	"errors"
	"fmt"
	"strings"
)

// env holds the variables of one evaluation and counts its steps.
type env struct {
	vars  map[string]any
	steps int
	trace *trace // nil = nobody asks what is read
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
		e.readVariable(name, v)
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
