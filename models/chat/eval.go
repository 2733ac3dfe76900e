package chat

import (
	"fmt"
	"strings"
)

// eval computes an expression within the caps.
func (r *run) eval(x expr, sc *scope) (value, error) {
	if err := r.enter(); err != nil {
		return nil, err
	}
	v, err := x.eval(r, sc)
	r.leave()
	return v, err
}

func (x *constExpr) eval(*run, *scope) (value, error)     { return x.v, nil }
func (x *nameExpr) eval(_ *run, sc *scope) (value, error) { return sc.get(x.name), nil }

func (x *listExpr) eval(r *run, sc *scope) (value, error) {
	items, err := r.evalAll(x.items, sc)
	return &list{items, x.tuple}, err
}

func (r *run) evalAll(xs []expr, sc *scope) ([]value, error) {
	if err := r.make(16 * len(xs)); err != nil {
		return nil, err
	}
	out := make([]value, len(xs))
	for i, x := range xs {
		var err error
		if out[i], err = r.eval(x, sc); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (x *dictExpr) eval(r *run, sc *scope) (value, error) {
	if err := r.make(64 * len(x.keys)); err != nil {
		return nil, err
	}
	d := newDict()
	for i := range x.keys {
		k, err := r.eval(x.keys[i], sc)
		if err != nil {
			return nil, err
		}
		v, err := r.eval(x.vals[i], sc)
		if err != nil {
			return nil, err
		}
		if err := d.set(k, v); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// missing is the error for using a variable or attribute that is not there.
func missing(u undefined) error { return fmt.Errorf("%s is undefined", u.name) }

func (x *attrExpr) eval(r *run, sc *scope) (value, error) {
	v, err := r.eval(x.x, sc)
	if err != nil {
		return nil, err
	}
	v, err = attribute(v, x.name)
	return v, at(x.line, err)
}

// attribute is v.name: a method, else an item, else undefined.
func attribute(v value, name string) (value, error) {
	switch v := v.(type) {
	case undefined:
		return nil, fmt.Errorf("%s is undefined, so it has no .%s", v.name, name)
	case *namespace:
		if got, ok := v.get(name); ok {
			return got, nil
		}
	case *loop:
		if got, ok := v.attr(name); ok {
			return got, nil
		}
	case *dict:
		if m := method(v, name); m != nil {
			return m, nil
		}
		if got, ok := v.get(name); ok {
			return got, nil
		}
	default:
		if m := method(v, name); m != nil {
			return m, nil
		}
	}
	return undefined{typeName(v) + "." + name}, nil
}

func (x *indexExpr) eval(r *run, sc *scope) (value, error) {
	v, err := r.eval(x.x, sc)
	if err != nil {
		return nil, err
	}
	k, err := r.eval(x.key, sc)
	if err != nil {
		return nil, err
	}
	v, err = r.item(v, k)
	return v, at(x.line, err)
}

// item is v[k]: an item, else an attribute, else undefined.
func (r *run) item(v, k value) (value, error) {
	switch v := v.(type) {
	case undefined:
		return nil, missing(v)
	case *dict:
		if got, ok := v.get(k); ok {
			return got, nil
		}
	case *list:
		if i, _, isInt, ok := number(k); ok && isInt {
			if i < 0 {
				i += int64(len(v.items))
			}
			if i >= 0 && i < int64(len(v.items)) {
				return v.items[i], nil
			}
		}
	case string:
		if i, _, isInt, ok := number(k); ok && isInt {
			if err := r.work(len(v)); err != nil {
				return nil, err
			}
			n, _ := length(v)
			if i < 0 {
				i += int64(n)
			}
			for _, c := range v {
				if i == 0 {
					return string(c), nil
				}
				i--
			}
		}
	}
	if name, ok := k.(string); ok {
		return attribute(v, name)
	}
	text, err := r.text(k)
	return undefined{typeName(v) + "[" + text + "]"}, err
}

func (x *sliceExpr) eval(r *run, sc *scope) (value, error) {
	v, err := r.eval(x.x, sc)
	if err != nil {
		return nil, err
	}
	var bounds [3]value
	for i, b := range []expr{x.lo, x.hi, x.stride} {
		if b == nil {
			continue
		}
		if bounds[i], err = r.eval(b, sc); err != nil {
			return nil, err
		}
	}
	v, err = r.slice(v, bounds)
	return v, at(x.line, err)
}

// slice is Python's v[lo:hi:stride]; nil bounds are left out.
func (r *run) slice(v value, bounds [3]value) (value, error) {
	var items []value
	switch v := v.(type) {
	case undefined:
		return nil, missing(v)
	case *list:
		items = v.items
	case string:
		var err error
		if items, err = r.iterate(v); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("cannot slice a %s", typeName(v))
	}
	n, step := int64(len(items)), int64(1)
	if bounds[2] != nil {
		s, ok := bounds[2].(int64)
		if !ok || s == 0 {
			return nil, fmt.Errorf("a slice's step must be an integer other than 0")
		}
		step = max(min(s, n+1), -n-1)
	}
	lo, hi := int64(0), n
	if step < 0 {
		lo, hi = n-1, -1
	}
	for i, p := range []*int64{&lo, &hi} {
		if bounds[i] == nil {
			continue
		}
		b, _, isInt, ok := number(bounds[i])
		if !ok || !isInt {
			return nil, fmt.Errorf("a slice's bound is a %s, not an integer", typeName(bounds[i]))
		}
		if b < 0 {
			b += n
		}
		if step > 0 {
			*p = min(max(b, 0), n)
		} else {
			*p = min(max(b, -1), n-1)
		}
	}
	if err := r.make(16 * int(n)); err != nil {
		return nil, err
	}
	var out []value
	for i := lo; step > 0 && i < hi || step < 0 && i > hi; i += step {
		out = append(out, items[i])
	}
	if _, ok := v.(string); ok {
		var b strings.Builder
		for _, c := range out {
			b.WriteString(c.(string))
		}
		return b.String(), nil
	}
	return &list{out, v.(*list).tuple}, nil
}

func (x *callExpr) eval(r *run, sc *scope) (value, error) {
	fn, a, err := x.prepare(r, sc)
	if err != nil {
		return nil, err
	}
	v, err := fn.call(r, a)
	return v, at(x.line, err)
}

// prepare evaluates the function and its arguments.
func (x *callExpr) prepare(r *run, sc *scope) (*callable, args, error) {
	v, err := r.eval(x.fn, sc)
	if err != nil {
		return nil, args{}, err
	}
	var fn *callable
	switch v := v.(type) {
	case *callable:
		fn = v
	case *loop:
		fn = v.recurse
	case undefined:
		return nil, args{}, at(x.line, missing(v))
	}
	if fn == nil {
		return nil, args{}, at(x.line, fmt.Errorf("a %s cannot be called", typeName(v)))
	}
	a, err := r.args(x.args, sc)
	return fn, a, err
}

func (x *filterExpr) eval(r *run, sc *scope) (value, error) {
	v, err := r.eval(x.x, sc)
	if err != nil {
		return nil, err
	}
	return r.applyAll([]filterCall{x.call}, v, sc)
}

func (r *run) applyAll(calls []filterCall, v value, sc *scope) (value, error) {
	for _, f := range calls {
		a, err := r.args(f.args, sc)
		if err != nil {
			return nil, err
		}
		if v, err = f.fn(r, v, &a); err == nil {
			err = a.rest("filter " + f.name)
		}
		if err != nil {
			return nil, at(f.line, err)
		}
	}
	return v, nil
}

func (x *testExpr) eval(r *run, sc *scope) (value, error) {
	v, err := r.eval(x.x, sc)
	if err != nil {
		return nil, err
	}
	a, err := r.args(x.args, sc)
	if err != nil {
		return nil, err
	}
	ok, err := x.fn(r, v, &a)
	if err == nil {
		err = a.rest("test " + x.name)
	}
	return ok, at(x.line, err)
}

func (x *condExpr) eval(r *run, sc *scope) (value, error) {
	c, err := r.eval(x.cond, sc)
	if err != nil {
		return nil, err
	}
	if truth(c) {
		return r.eval(x.then, sc)
	}
	if x.alt == nil {
		return undefined{"the value of an if without else"}, nil
	}
	return r.eval(x.alt, sc)
}

func (x *notExpr) eval(r *run, sc *scope) (value, error) {
	v, err := r.eval(x.x, sc)
	return !truth(v), err
}

func (x *logicExpr) eval(r *run, sc *scope) (value, error) {
	a, err := r.eval(x.a, sc)
	if err != nil || truth(a) == x.or {
		return a, err
	}
	return r.eval(x.b, sc)
}

func (x *compareExpr) eval(r *run, sc *scope) (value, error) {
	a, err := r.eval(x.first, sc)
	if err != nil {
		return nil, err
	}
	for i, op := range x.ops {
		b, err := r.eval(x.rest[i], sc)
		if err != nil {
			return nil, err
		}
		ok, err := r.compare(op, a, b)
		if err != nil {
			return nil, at(x.line, err)
		}
		if !ok {
			return false, nil
		}
		a = b
	}
	return true, nil
}

func (r *run) compare(op string, a, b value) (ok bool, err error) {
	switch op {
	case "==":
		return r.equal(a, b)
	case "!=":
		ok, err = r.equal(a, b)
		return !ok, err
	case "in":
		return r.contains(b, a)
	case "not in":
		ok, err = r.contains(b, a)
		return !ok, err
	case "<":
		return r.less(a, b)
	case ">":
		return r.less(b, a)
	case "<=", ">=":
		if op == ">=" {
			a, b = b, a
		}
		if ok, err = r.less(a, b); ok || err != nil {
			return ok, err
		}
		return r.equal(a, b)
	}
	panic("chat: unknown comparison " + op)
}
