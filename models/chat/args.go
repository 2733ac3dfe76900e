package chat

import (
	"fmt"
	"sort"
	"strings"
)

// args are a call's evaluated arguments.
type args struct {
	pos   []value
	named []namedArg
}

type namedArg struct {
	name string
	v    value
}

func (r *run) args(a arguments, sc *scope) (args, error) {
	var out args
	if len(a.pos) == 0 && len(a.named) == 0 {
		return out, nil
	}
	var err error
	if out.pos, err = r.evalAll(a.pos, sc); err != nil {
		return out, err
	}
	named, err := r.evalAll(a.named, sc)
	for i, v := range named {
		out.named = append(out.named, namedArg{a.names[i], v})
	}
	return out, err
}

// take removes and returns a named argument.
func (a *args) take(name string) (value, bool) {
	for i, n := range a.named {
		if n.name == name {
			a.named = append(a.named[:i:i], a.named[i+1:]...)
			return n.v, true
		}
	}
	return nil, false
}

// arg removes and returns the next positional argument, or else the named one.
func (a *args) arg(name string) (value, bool) {
	if len(a.pos) > 0 {
		v := a.pos[0]
		a.pos = a.pos[1:]
		return v, true
	}
	return a.take(name)
}

// need is arg for one that must be there.
func (a *args) need(name string) (value, error) {
	v, ok := a.arg(name)
	if !ok {
		return nil, fmt.Errorf("argument %q is missing", name)
	}
	return v, nil
}

func (a *args) str(name, def string) (string, error) {
	v, ok := a.arg(name)
	if !ok {
		return def, nil
	}
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("argument %q is a %s, want a string", name, typeName(v))
	}
	return s, nil
}

func (a *args) int(name string, def int64) (int64, error) {
	v, ok := a.arg(name)
	if !ok {
		return def, nil
	}
	n, _, isInt, ok := number(v)
	if !ok || !isInt {
		return 0, fmt.Errorf("argument %q is a %s, want an integer", name, typeName(v))
	}
	return n, nil
}

func (a *args) bool(name string, def bool) bool {
	if v, ok := a.arg(name); ok {
		return truth(v)
	}
	return def
}

// rest fails if arguments are left that nobody asked for.
func (a *args) rest(what string) error {
	if len(a.pos) > 0 {
		return fmt.Errorf("%s: too many arguments", what)
	}
	if len(a.named) > 0 {
		return fmt.Errorf("%s: unknown argument %q", what, a.named[0].name)
	}
	return nil
}

// known lists a table's names for an error message.
func known[T any](table map[string]T) string {
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	sort.Strings(names)
	return strings.Join(names, " ")
}
