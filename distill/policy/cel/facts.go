package cel

import (
	"fmt"
	"reflect"
	"strings"
)

// Fact is a value that an evaluation read, by its place in the variables.
type Fact struct {
	Path  string // such as inputs[0].licence.class
	Value any
	Keys  []any // the same as names and numbers
}

// Facts evaluates the expression and lists what it read, in the order in which it was met; of a list or map of which a part was read, the part alone.
func (p *Program) Facts(vars map[string]any) []Fact {
	t := &trace{top: vars, at: map[uintptr][]any{}, seen: map[string]bool{}}
	for name, v := range vars {
		t.place(v, []any{name})
	}
	_, _ = (&env{vars: vars, trace: t}).run(p.root) // an error is an answer too
	var leaves []Fact
	for _, f := range t.facts {
		part := false
		for _, other := range t.facts {
			part = part || strings.HasPrefix(other.Path, f.Path+".") || strings.HasPrefix(other.Path, f.Path+"[")
		}
		if !part {
			leaves = append(leaves, f)
		}
	}
	return leaves
}

// Literals are the texts and numbers that stand in the expression.
func (p *Program) Literals() []any { return p.literals }

// trace notes what is read. Lists and maps are known by their address, so their items have a place whatever variable names them.
type trace struct {
	top   map[string]any
	at    map[uintptr][]any
	facts []Fact
	seen  map[string]bool
}

// place enters where a value and all within it lie.
func (t *trace) place(v any, keys []any) {
	below := func(k any) []any { return append(append([]any{}, keys...), k) }
	switch x := v.(type) {
	case map[string]any:
		t.at[reflect.ValueOf(x).Pointer()] = keys
		for k, item := range x {
			t.place(item, below(k))
		}
	case []any:
		if len(x) > 0 { // empty ones share an address
			t.at[reflect.ValueOf(x).Pointer()] = keys
		}
		for i, item := range x {
			t.place(item, below(i))
		}
	}
}

func (t *trace) note(keys []any, v any) {
	path := ""
	for i, k := range keys {
		switch n, number := k.(int); {
		case number:
			path += fmt.Sprintf("[%d]", n)
		case i > 0:
			path += fmt.Sprintf(".%v", k)
		default:
			path = fmt.Sprint(k)
		}
	}
	if !t.seen[path] {
		t.seen[path] = true
		t.facts = append(t.facts, Fact{path, v, keys})
	}
}

// readVariable notes a variable of the document; those of macros are parts of what was read before.
func (e *env) readVariable(name string, v any) {
	if e.trace == nil {
		return
	}
	if _, ok := e.trace.top[name]; ok {
		e.trace.note([]any{name}, v)
	}
}

// readItem notes an item of a list or map.
func (e *env) readItem(in, key, v any) {
	if e.trace == nil {
		return
	}
	if keys, ok := e.trace.at[reflect.ValueOf(in).Pointer()]; ok {
		e.trace.note(append(append([]any{}, keys...), key), v)
	}
}
