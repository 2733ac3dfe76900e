package chat

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// filterBatch groups items into lists of n, the last one filled up if asked.
func filterBatch(r *run, v value, a *args) (value, error) {
	n, err := a.int("linecount", 0)
	if err != nil || n < 1 {
		return nil, fmt.Errorf("batch needs a positive count")
	}
	fill, filled := a.arg("fill_with")
	items, err := r.fresh(v)
	if err != nil {
		return nil, err
	}
	out := &list{}
	for len(items) > 0 {
		k := min(int(min(n, maxRange)), len(items))
		group := append([]value(nil), items[:k]...)
		items = items[k:]
		for filled && int64(len(group)) < n {
			if err := r.make(16); err != nil {
				return nil, err
			}
			group = append(group, fill)
		}
		out.items = append(out.items, &list{items: group})
	}
	return out, nil
}

func filterDictsort(r *run, v value, a *args) (value, error) {
	d, ok := v.(*dict)
	if !ok {
		return nil, fmt.Errorf("dictsort of a %s", typeName(v))
	}
	sensitive := a.bool("case_sensitive", false)
	by, err := a.str("by", "key")
	if err != nil {
		return nil, err
	}
	which := map[string]int{"key": 0, "value": 1}
	i, ok := which[by]
	if !ok {
		return nil, fmt.Errorf("dictsort by %q, want key or value", by)
	}
	reverse := a.bool("reverse", false)
	if err := r.make(64 * len(d.keys)); err != nil {
		return nil, err
	}
	out := d.pairs()
	err = r.sort(out.items, reverse, sensitive, func(v value) (value, error) { return v.(*list).items[i], nil })
	return out, err
}

var htmlEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;")

func filterFirst(r *run, v value, _ *args) (value, error) {
	items, err := r.iterate(v)
	if err != nil || len(items) == 0 {
		return undefined{"the first of nothing"}, err
	}
	return items[0], nil
}

func filterLast(r *run, v value, _ *args) (value, error) {
	items, err := r.iterate(v)
	if err != nil || len(items) == 0 {
		return undefined{"the last of nothing"}, err
	}
	return items[len(items)-1], nil
}

func filterItems(_ *run, v value, _ *args) (value, error) {
	switch v := v.(type) {
	case undefined:
		return &list{}, nil
	case *dict:
		return v.pairs(), nil
	}
	return nil, fmt.Errorf("items of a %s", typeName(v))
}

func filterJoin(r *run, v value, a *args) (value, error) {
	by, err := a.str("d", "")
	if err != nil {
		return nil, err
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	get, err := r.getter(a)
	if err != nil {
		return nil, err
	}
	parts := make([]value, len(items))
	for i, item := range items {
		if parts[i], err = get(item); err != nil {
			return nil, err
		}
	}
	return r.join(by, parts)
}

// join puts the texts of parts together with by between them.
func (r *run) join(by string, parts []value) (value, error) {
	var b strings.Builder
	for i, part := range parts {
		s, err := r.text(part)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			s = by + s
		}
		if err := r.make(len(s) + 64); err != nil {
			return nil, err
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// fresh is a new slice with what v iterates over.
func (r *run) fresh(v value) ([]value, error) {
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	if err := r.make(16 * len(items)); err != nil {
		return nil, err
	}
	return append([]value(nil), items...), nil
}

func filterList(r *run, v value, _ *args) (value, error) {
	items, err := r.fresh(v)
	return &list{items: items}, err
}

// getter reads attribute="a.b.0" into a function that follows that path.
func (r *run) getter(a *args) (func(value) (value, error), error) {
	path, ok := a.arg("attribute")
	if !ok || path == nil {
		return func(v value) (value, error) { return v, nil }, nil
	}
	return r.path(path)
}

func (r *run) path(path value) (func(value) (value, error), error) {
	text, err := r.text(path)
	if err != nil {
		return nil, err
	}
	var keys []value
	for _, k := range strings.Split(text, ".") {
		if n, err := strconv.ParseInt(k, 10, 64); err == nil {
			keys = append(keys, n)
		} else {
			keys = append(keys, k)
		}
	}
	return func(v value) (value, error) {
		for _, k := range keys {
			if err := r.work(64); err != nil {
				return nil, err
			}
			if v, err = r.item(v, k); err != nil {
				return nil, err
			}
		}
		return v, nil
	}, nil
}

// filterMap applies a filter by name, or takes attribute=... of each item.
func filterMap(r *run, v value, a *args) (value, error) {
	items, err := r.fresh(v)
	if err != nil {
		return nil, err
	}
	if len(a.pos) == 0 {
		path, ok := a.take("attribute")
		if !ok {
			return nil, fmt.Errorf("map needs a filter or attribute=")
		}
		def, hasDef := a.take("default")
		get, err := r.path(path)
		if err != nil {
			return nil, err
		}
		for i := range items {
			if items[i], err = get(items[i]); err != nil {
				return nil, err
			}
			if _, ok := items[i].(undefined); ok && hasDef {
				items[i] = def
			}
		}
		return &list{items: items}, nil
	}
	name, err := a.str("filter", "")
	if err != nil {
		return nil, err
	}
	f := r.filters[name]
	if f == nil {
		return nil, fmt.Errorf("unknown filter %q; known: %s", name, known(r.filters))
	}
	for i := range items {
		if err := r.enter(); err != nil {
			return nil, err
		}
		each := args{a.pos, append([]namedArg(nil), a.named...)}
		if items[i], err = f(r, items[i], &each); err == nil {
			err = each.rest("filter " + name)
		}
		r.leave()
		if err != nil {
			return nil, err
		}
	}
	*a = args{}
	return &list{items: items}, nil
}

// filterSelect makes select, reject, selectattr and rejectattr.
func filterSelect(byAttr, keep bool) filterFunc {
	return func(r *run, v value, a *args) (value, error) {
		items, err := r.iterate(v)
		if err != nil {
			return nil, err
		}
		get := func(v value) (value, error) { return v, nil }
		if byAttr {
			path, err := a.need("attribute")
			if err != nil {
				return nil, err
			}
			if get, err = r.path(path); err != nil {
				return nil, err
			}
		}
		test := func(_ *run, v value, _ *args) (bool, error) { return truth(v), nil }
		name := ""
		if len(a.pos) > 0 {
			if name, err = a.str("test", ""); err != nil {
				return nil, err
			}
			if test = r.tests[name]; test == nil {
				return nil, fmt.Errorf("unknown test %q; known: %s", name, known(r.tests))
			}
		}
		out := &list{}
		for _, item := range items {
			if err := r.enter(); err != nil {
				return nil, err
			}
			each := args{a.pos, append([]namedArg(nil), a.named...)}
			x, err := get(item)
			ok := false
			if err == nil {
				ok, err = test(r, x, &each)
			}
			if err == nil {
				err = each.rest("test " + name)
			}
			r.leave()
			if err != nil {
				return nil, err
			}
			if ok == keep {
				if err := r.make(16); err != nil {
					return nil, err
				}
				out.items = append(out.items, item)
			}
		}
		*a = args{}
		return out, nil
	}
}

func filterReverse(r *run, v value, _ *args) (value, error) {
	if s, ok := v.(string); ok {
		if err := r.make(len(s)); err != nil {
			return nil, err
		}
		out := make([]byte, len(s))
		for i := 0; i < len(s); {
			_, n := utf8.DecodeRuneInString(s[i:])
			copy(out[len(s)-i-n:], s[i:i+n])
			i += n
		}
		return string(out), nil
	}
	items, err := r.fresh(v)
	for i, j := 0, len(items)-1; i < j; i, j = i+1, j-1 {
		items[i], items[j] = items[j], items[i]
	}
	return &list{items: items}, err
}

// sort orders items by key, stably, strings without case unless sensitive.
func (r *run) sort(items []value, reverse, sensitive bool, key func(value) (value, error)) error {
	type pair struct{ key, v value }
	pairs := make([]pair, len(items))
	for i, v := range items {
		k, err := key(v)
		if err != nil {
			return err
		}
		if s, ok := k.(string); ok && !sensitive {
			k = strings.ToLower(s)
		}
		pairs[i] = pair{k, v}
	}
	var failed error
	sort.SliceStable(pairs, func(i, j int) bool {
		if failed != nil {
			return false
		}
		a, b := pairs[i].key, pairs[j].key
		if reverse {
			a, b = b, a
		}
		ok, err := r.less(a, b)
		if err != nil {
			failed = err
		}
		return ok
	})
	for i, p := range pairs {
		items[i] = p.v
	}
	return failed
}

func filterSort(r *run, v value, a *args) (value, error) {
	reverse, sensitive := a.bool("reverse", false), a.bool("case_sensitive", false)
	key, err := r.getter(a)
	if err != nil {
		return nil, err
	}
	items, err := r.fresh(v)
	if err != nil {
		return nil, err
	}
	return &list{items: items}, r.sort(items, reverse, sensitive, key)
}

// filterMin and filterMax share extreme; want tells the order of the two.
func filterMin(r *run, v value, a *args) (value, error) { return r.extreme(v, a, false) }
func filterMax(r *run, v value, a *args) (value, error) { return r.extreme(v, a, true) }

func (r *run) extreme(v value, a *args, largest bool) (value, error) {
	sensitive := a.bool("case_sensitive", false)
	key, err := r.getter(a)
	if err != nil {
		return nil, err
	}
	items, err := r.fresh(v)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return undefined{"the extreme of nothing"}, nil
	}
	err = r.sort(items, largest, sensitive, key)
	return items[0], err
}

func filterSum(r *run, v value, a *args) (value, error) {
	get, err := r.getter(a)
	if err != nil {
		return nil, err
	}
	total, ok := a.arg("start")
	if !ok {
		total = int64(0)
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	for _, item := range items {
		x, err := get(item)
		if err != nil {
			return nil, err
		}
		if total, err = r.binary("+", total, x); err != nil {
			return nil, err
		}
		if err := r.work(64); err != nil {
			return nil, err
		}
	}
	return total, nil
}

func filterUnique(r *run, v value, a *args) (value, error) {
	sensitive := a.bool("case_sensitive", false)
	get, err := r.getter(a)
	if err != nil {
		return nil, err
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	seen, out := newDict(), &list{}
	for _, item := range items {
		k, err := get(item)
		if err != nil {
			return nil, err
		}
		if s, ok := k.(string); ok && !sensitive {
			k = strings.ToLower(s)
		}
		if err := r.make(64); err != nil {
			return nil, err
		}
		before := len(seen.keys)
		if err := seen.set(k, nil); err != nil {
			return nil, err
		}
		if len(seen.keys) > before {
			out.items = append(out.items, item)
		}
	}
	return out, nil
}
