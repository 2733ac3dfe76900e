package chat

import (
	"fmt"
	"strings"
	"unicode"
)

// method binds v's method of that name; nil if there is none.
func method(v value, name string) *callable {
	switch v := v.(type) {
	case string:
		if m := stringMethods[name]; m != nil {
			return bind(name, v, m)
		}
	case *list:
		if m := listMethods[name]; m != nil {
			return bind(name, v, m)
		}
		if mutators[name] {
			return refuse("list", name)
		}
	case *dict:
		if m := dictMethods[name]; m != nil {
			return bind(name, v, m)
		}
		if mutators[name] {
			return refuse("dict", name)
		}
	}
	return nil
}

func bind[T any](name string, v T, m func(*run, T, *args) (value, error)) *callable {
	return &callable{name, func(r *run, a args) (value, error) {
		out, err := m(r, v, &a)
		if err == nil {
			err = a.rest(name)
		}
		return out, err
	}}
}

// mutators exist in Python, and the immutable sandbox refuses them.
var mutators = map[string]bool{"append": true, "clear": true, "extend": true, "insert": true, "pop": true,
	"popitem": true, "remove": true, "reverse": true, "setdefault": true, "sort": true, "update": true}

func refuse(kind, name string) *callable {
	return &callable{name, func(*run, args) (value, error) {
		return nil, fmt.Errorf("%s.%s is not allowed: values in a chat template do not change; use + or a namespace", kind, name)
	}}
}

var dictMethods = map[string]func(*run, *dict, *args) (value, error){
	"get": func(_ *run, d *dict, a *args) (value, error) {
		k, err := a.need("key")
		if err != nil {
			return nil, err
		}
		def, _ := a.arg("default")
		if v, ok := d.get(k); ok {
			return v, nil
		}
		return def, nil
	},
	"items": func(r *run, d *dict, _ *args) (value, error) { return d.pairs(), r.make(64 * len(d.keys)) },
	"keys":  func(_ *run, d *dict, _ *args) (value, error) { return &list{items: d.keys}, nil },
	"values": func(_ *run, d *dict, _ *args) (value, error) {
		return &list{items: d.vals[:len(d.vals):len(d.vals)]}, nil
	},
	"copy": func(_ *run, d *dict, _ *args) (value, error) { return d, nil },
}

var listMethods = map[string]func(*run, *list, *args) (value, error){
	"index": func(r *run, l *list, a *args) (value, error) {
		x, err := a.need("value")
		if err != nil {
			return nil, err
		}
		for i, v := range l.items {
			if same, err := r.equal(v, x); err != nil {
				return nil, err
			} else if same {
				return int64(i), nil
			}
		}
		return nil, fmt.Errorf("the value is not in the list")
	},
	"count": func(r *run, l *list, a *args) (value, error) {
		x, err := a.need("value")
		if err != nil {
			return nil, err
		}
		n := int64(0)
		for _, v := range l.items {
			same, err := r.equal(v, x)
			if err != nil {
				return nil, err
			}
			if same {
				n++
			}
		}
		return n, nil
	},
	"copy": func(_ *run, l *list, _ *args) (value, error) { return l, nil },
}

var stringMethods = map[string]func(*run, string, *args) (value, error){
	"strip":        strip(true, true),
	"lstrip":       strip(true, false),
	"rstrip":       strip(false, true),
	"split":        split(false),
	"rsplit":       split(true),
	"splitlines":   splitlines,
	"startswith":   fixed(strings.HasPrefix),
	"endswith":     fixed(strings.HasSuffix),
	"removeprefix": remove(strings.TrimPrefix),
	"removesuffix": remove(strings.TrimSuffix),
	"replace":      replace,
	"lower":        changed(strings.ToLower),
	"upper":        changed(strings.ToUpper),
	"title":        changed(title),
	"capitalize":   changed(capitalize),
	"find":         find(strings.Index),
	"rfind":        find(strings.LastIndex),
	"count": func(r *run, s string, a *args) (value, error) {
		sub, err := a.str("sub", "")
		return int64(strings.Count(s, sub)), work(r, s, err)
	},
	"join": func(r *run, s string, a *args) (value, error) {
		items, err := a.need("iterable")
		if err != nil {
			return nil, err
		}
		parts, err := r.iterate(items)
		if err != nil {
			return nil, err
		}
		return r.join(s, parts)
	},
	"format":  strFormat,
	"isdigit": every(unicode.IsDigit),
	"isalpha": every(unicode.IsLetter),
	"isalnum": every(func(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }),
	"isspace": every(isSpace),
	"islower": func(r *run, s string, _ *args) (value, error) { return isCase(strings.ToLower)(r, s, nil) },
	"isupper": func(r *run, s string, _ *args) (value, error) { return isCase(strings.ToUpper)(r, s, nil) },
}

// work counts the reading of s, unless err came first.
func work(r *run, s string, err error) error {
	if err != nil {
		return err
	}
	return r.work(len(s))
}

func strip(left, right bool) func(*run, string, *args) (value, error) {
	return func(r *run, s string, a *args) (value, error) {
		drop := isSpace
		if v, ok := a.arg("chars"); ok && v != nil {
			set, ok := v.(string)
			if !ok {
				return nil, fmt.Errorf("strip takes a string of characters, got %s", typeName(v))
			}
			if err := r.work(len(s) * min(len(set), 1<<20)); err != nil {
				return nil, err
			}
			drop = func(c rune) bool { return strings.ContainsRune(set, c) }
		}
		if left {
			s = strings.TrimLeftFunc(s, drop)
		}
		if right {
			s = strings.TrimRightFunc(s, drop)
		}
		return s, r.work(len(s))
	}
}

// split cuts at sep, or at runs of white space when sep is none.
func split(fromRight bool) func(*run, string, *args) (value, error) {
	return func(r *run, s string, a *args) (value, error) {
		sep, _ := a.arg("sep")
		limit, err := a.int("maxsplit", -1)
		if err != nil {
			return nil, err
		}
		var parts []string
		switch sep := sep.(type) {
		case nil:
			parts = fields(s, limit, fromRight)
		case string:
			if sep == "" {
				return nil, fmt.Errorf("split at an empty separator")
			}
			n := strings.Count(s, sep)
			if err := r.make(16 * n); err != nil {
				return nil, err
			}
			k := n
			if limit >= 0 {
				k = int(min(limit, int64(n)))
			}
			if fromRight {
				for range k {
					i := strings.LastIndex(s, sep)
					parts = append(parts, s[i+len(sep):])
					s = s[:i]
				}
				parts = append(parts, s)
				for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
					parts[i], parts[j] = parts[j], parts[i]
				}
			} else {
				parts = strings.SplitN(s, sep, k+1)
			}
		default:
			return nil, fmt.Errorf("split at a %s", typeName(sep))
		}
		return r.strings(parts)
	}
}

// fields is split without a separator: at most limit cuts, -1 for all.
func fields(s string, limit int64, fromRight bool) []string {
	if limit < 0 {
		return strings.FieldsFunc(s, isSpace)
	}
	var out []string
	if fromRight {
		for s = strings.TrimRightFunc(s, isSpace); s != "" && int64(len(out)) < limit; s = strings.TrimRightFunc(s, isSpace) {
			i := strings.LastIndexFunc(s, isSpace)
			if i < 0 {
				break
			}
			rest := strings.TrimLeftFunc(s[i:], isSpace)
			out, s = append(out, rest), s[:i]
		}
		if s != "" {
			out = append(out, s)
		}
		for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
			out[i], out[j] = out[j], out[i]
		}
		return out
	}
	for s = strings.TrimLeftFunc(s, isSpace); s != "" && int64(len(out)) < limit; s = strings.TrimLeftFunc(s, isSpace) {
		i := strings.IndexFunc(s, isSpace)
		if i < 0 {
			break
		}
		out, s = append(out, s[:i]), s[i:]
	}
	if s != "" {
		out = append(out, s)
	}
	return out
}

func (r *run) strings(parts []string) (value, error) {
	l := &list{items: make([]value, len(parts))}
	n := 0
	for i, p := range parts {
		l.items[i] = p
		n += 32 + len(p)/64
	}
	return l, r.make(n)
}

func splitlines(r *run, s string, _ *args) (value, error) {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	s = strings.TrimSuffix(s, "\n")
	if s == "" {
		return &list{}, nil
	}
	return r.strings(strings.Split(s, "\n"))
}

// fixed makes startswith and endswith: one string, or a tuple of which any.
func fixed(has func(s, fix string) bool) func(*run, string, *args) (value, error) {
	return func(r *run, s string, a *args) (value, error) {
		v, err := a.need("affix")
		if err != nil {
			return nil, err
		}
		of := []value{v}
		if t, ok := v.(*list); ok && t.tuple {
			of = t.items
		}
		for _, v := range of {
			fix, ok := v.(string)
			if !ok {
				return nil, fmt.Errorf("want a string, got %s", typeName(v))
			}
			if has(s, fix) {
				return true, nil
			}
			if err := r.work(64 + len(fix)); err != nil {
				return nil, err
			}
		}
		return false, nil
	}
}

func remove(cut func(s, fix string) string) func(*run, string, *args) (value, error) {
	return func(r *run, s string, a *args) (value, error) {
		fix, err := a.str("affix", "")
		return cut(s, fix), work(r, fix, err)
	}
}

func replace(r *run, s string, a *args) (value, error) {
	from, err := a.str("old", "")
	if err != nil {
		return nil, err
	}
	to, err := a.str("new", "")
	if err != nil {
		return nil, err
	}
	limit, err := a.int("count", -1)
	if err != nil {
		return nil, err
	}
	n := strings.Count(s, from)
	if limit >= 0 {
		n = int(min(limit, int64(n)))
	}
	if err := r.make(len(s) + n*max(len(to)-len(from), 0)); err != nil {
		return nil, err
	}
	return strings.Replace(s, from, to, n), nil
}

func changed(f func(string) string) func(*run, string, *args) (value, error) {
	return func(r *run, s string, _ *args) (value, error) { return f(s), r.make(len(s)) }
}

func title(s string) string {
	inWord := false
	return strings.Map(func(c rune) rune {
		was := inWord
		inWord = unicode.IsLetter(c)
		if was {
			return unicode.ToLower(c)
		}
		return unicode.ToTitle(c)
	}, s)
}

func capitalize(s string) string {
	first := true
	return strings.Map(func(c rune) rune {
		if first {
			first = false
			return unicode.ToTitle(c)
		}
		return unicode.ToLower(c)
	}, s)
}

// find returns the place in characters, -1 for none.
func find(index func(s, sub string) int) func(*run, string, *args) (value, error) {
	return func(r *run, s string, a *args) (value, error) {
		sub, err := a.str("sub", "")
		i := index(s, sub)
		if i > 0 {
			i, _ = length(s[:i])
		}
		return int64(i), work(r, s, err)
	}
}

func every(f func(rune) bool) func(*run, string, *args) (value, error) {
	return func(r *run, s string, _ *args) (value, error) {
		ok := s != "" && strings.IndexFunc(s, func(c rune) bool { return !f(c) }) < 0
		return ok, r.work(len(s))
	}
}
