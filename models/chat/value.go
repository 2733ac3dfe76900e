package chat

import (
	"fmt"
	"math/big"
	"strings"
	"unicode/utf8"
)

// value is a template's value, immutable except for *namespace: nil (None),
// undefined, bool, int64, *big.Int (only numbers beyond 64 bits from the input:
// printed, never computed with), float64, string, *list, *dict, *namespace,
// *loop or a callable.
type value = any

type (
	undefined struct{ name string }
	list      struct {
		items []value
		tuple bool
	}
	// dict keeps insertion order. at maps a hashable form of a key to its place.
	dict struct {
		keys, vals []value
		at         map[any]int
	}
	namespace struct{ dict }
	// callable is a macro, a global function or a bound method.
	callable struct {
		name string
		call func(r *run, a args) (value, error)
	}
)

func newDict() *dict { return &dict{at: map[any]int{}} }

// hashKey maps equal keys to equal Go values: 1, 1.0 and true are one key.
func hashKey(k value) (any, error) {
	switch k := k.(type) {
	case nil, string, int64:
		return k, nil
	case bool:
		if k {
			return int64(1), nil
		}
		return int64(0), nil
	case float64:
		if n := int64(k); float64(n) == k {
			return n, nil
		}
		return k, nil
	}
	return nil, fmt.Errorf("a %s cannot be a key", typeName(k))
}

func (d *dict) set(k, v value) error {
	h, err := hashKey(k)
	if err != nil {
		return err
	}
	if i, ok := d.at[h]; ok {
		d.vals[i] = v
		return nil
	}
	d.at[h] = len(d.keys)
	d.keys, d.vals = append(d.keys, k), append(d.vals, v)
	return nil
}

func (d *dict) get(k value) (value, bool) {
	h, err := hashKey(k)
	if err != nil {
		return nil, false
	}
	i, ok := d.at[h]
	if !ok {
		return nil, false
	}
	return d.vals[i], true
}

func (d *dict) pairs() *list {
	l := &list{items: make([]value, len(d.keys))}
	for i, k := range d.keys {
		l.items[i] = &list{[]value{k, d.vals[i]}, true}
	}
	return l
}

// typeName is Python's name for the value's type.
func typeName(v value) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case undefined:
		return "Undefined"
	case bool:
		return "bool"
	case int64, *big.Int:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case *list:
		if v.tuple {
			return "tuple"
		}
		return "list"
	case *dict:
		return "dict"
	case *namespace:
		return "Namespace"
	case *loop:
		return "loop"
	case *callable:
		return "function"
	}
	return fmt.Sprintf("%T", v)
}

func truth(v value) bool {
	switch v := v.(type) {
	case nil, undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case *list:
		return len(v.items) > 0
	case *dict:
		return len(v.keys) > 0
	}
	return true
}

// number widens a bool, int or float; isInt tells which of n and f holds it.
func number(v value) (n int64, f float64, isInt, ok bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, 1, true, true
		}
		return 0, 0, true, true
	case int64:
		return v, float64(v), true, true
	case float64:
		return 0, v, false, true
	}
	return 0, 0, false, false
}

// equal is Python's ==. It counts steps, since values can be large.
func (r *run) equal(a, b value) (bool, error) {
	if err := r.enter(); err != nil {
		return false, err
	}
	defer r.leave()
	if an, af, ai, ok := number(a); ok {
		bn, bf, bi, ok := number(b)
		if ai && bi {
			return ok && an == bn, nil
		}
		return ok && af == bf, nil
	}
	switch a := a.(type) {
	case nil:
		return b == nil, nil
	case undefined:
		_, ok := b.(undefined)
		return ok, nil
	case string:
		b, ok := b.(string)
		return ok && a == b, r.work(min(len(a), len(b)))
	case *big.Int:
		b, ok := b.(*big.Int)
		return ok && a.Cmp(b) == 0, nil
	case *list:
		b, ok := b.(*list)
		if !ok || len(a.items) != len(b.items) || a.tuple != b.tuple {
			return false, nil
		}
		for i := range a.items {
			if same, err := r.equal(a.items[i], b.items[i]); !same || err != nil {
				return false, err
			}
		}
		return true, nil
	case *dict:
		b, ok := b.(*dict)
		if !ok || len(a.keys) != len(b.keys) {
			return false, nil
		}
		for i, k := range a.keys {
			v, ok := b.get(k)
			if !ok {
				return false, nil
			}
			if same, err := r.equal(a.vals[i], v); !same || err != nil {
				return false, err
			}
		}
		return true, nil
	}
	return a == b, nil // pointers: the same object
}

// less is Python's <, between numbers, strings, and lists of these.
func (r *run) less(a, b value) (bool, error) {
	if err := r.enter(); err != nil {
		return false, err
	}
	defer r.leave()
	an, af, ai, aok := number(a)
	bn, bf, bi, bok := number(b)
	if aok && bok {
		if ai && bi {
			return an < bn, nil
		}
		return af < bf, nil
	}
	if a, ok := a.(string); ok {
		if b, ok := b.(string); ok {
			return a < b, r.work(min(len(a), len(b)))
		}
	}
	la, aok := a.(*list)
	lb, bok := b.(*list)
	if aok && bok && la.tuple == lb.tuple {
		for i := range min(len(la.items), len(lb.items)) {
			same, err := r.equal(la.items[i], lb.items[i])
			if err != nil {
				return false, err
			}
			if !same {
				return r.less(la.items[i], lb.items[i])
			}
		}
		return len(la.items) < len(lb.items), nil
	}
	return false, fmt.Errorf("cannot order %s and %s", typeName(a), typeName(b))
}

// contains is Python's "item in box".
func (r *run) contains(box, item value) (bool, error) {
	switch box := box.(type) {
	case string:
		s, ok := item.(string)
		if !ok {
			return false, fmt.Errorf("cannot look for a %s in a string", typeName(item))
		}
		return strings.Contains(box, s), r.work(len(box))
	case *dict:
		if _, err := hashKey(item); err != nil {
			return false, err
		}
		_, ok := box.get(item)
		return ok, nil
	}
	items, err := r.iterate(box)
	if err != nil {
		return false, err
	}
	for _, v := range items {
		if same, err := r.equal(v, item); same || err != nil {
			return same, err
		}
	}
	return false, nil
}

// iterate lists what a for loop visits. The caller must not change the result.
func (r *run) iterate(v value) ([]value, error) {
	switch v := v.(type) {
	case undefined:
		return nil, nil
	case *list:
		return v.items, nil
	case *dict:
		return v.keys, nil
	case string:
		if err := r.make(16 * len(v)); err != nil {
			return nil, err
		}
		out := make([]value, 0, len(v))
		for _, c := range v {
			out = append(out, string(c))
		}
		return out, nil
	}
	return nil, fmt.Errorf("%s is not iterable", typeName(v))
}

// length is Python's len; ok is false where there is none.
func length(v value) (n int, ok bool) {
	switch v := v.(type) {
	case undefined:
		return 0, true
	case string:
		return utf8.RuneCountInString(v), true
	case *list:
		return len(v.items), true
	case *dict:
		return len(v.keys), true
	case *loop:
		return len(v.items), true
	}
	return 0, false
}
