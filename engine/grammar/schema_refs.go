package grammar

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// ref compiles what a reference within the document points to, once.
func (s *schema) ref(v any, at string) (Expr, error) {
	p, _ := v.(string)
	if !strings.HasPrefix(p, "#") || len(p) > 1 && p[1] != '/' {
		return nil, bad(at, "is %.80s, want a place in this document, such as \"#/$defs/name\"", jsonText60(v))
	}
	if rule, ok := s.refs[p]; ok {
		return Ref(rule), nil
	}
	to, ok := lookup(s.doc, p)
	if !ok {
		return nil, bad(at, "points to %q, which is not there", p)
	}
	rule := fmt.Sprintf("%s/ref-%d", s.name, len(s.refs))
	s.refs[p] = rule
	e, err := s.value(to, p[1:])
	if err != nil {
		return nil, err
	}
	s.rules[rule] = e
	return Ref(rule), nil
}

// lookup finds what a reference within a document points to: # and a JSON pointer, in which % escapes as in a URL.
func lookup(doc any, ref string) (any, bool) {
	for _, key := range strings.Split(ref, "/")[1:] {
		key, err := url.PathUnescape(key)
		if err != nil {
			return nil, false
		}
		key = strings.ReplaceAll(strings.ReplaceAll(key, "~1", "/"), "~0", "~")
		switch x := doc.(type) {
		case *object:
			var ok bool
			if doc, ok = x.values[key]; !ok {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(x) {
				return nil, false
			}
			doc = x[i]
		default:
			return nil, false
		}
	}
	return doc, true
}

// apart refuses alternatives of oneOf that a value could match two of.
func (s *schema) apart(list []any, at string) error {
	for i := range list {
		for j := range i {
			if !s.differ(list[i], list[j], 0) {
				return bad(at, "alternatives %d and %d are not told apart by their types or by a required property with different const or enum values; anyOf needs no such proof", j, i)
			}
		}
	}
	return nil
}

// differ tells whether no value matches both schemas, as far as types and constants show.
func (s *schema) differ(a, b any, deep int) bool {
	x, y := s.resolve(a), s.resolve(b)
	if x == nil || y == nil || deep > 8 {
		return false
	}
	if p, q := values(x), values(y); p != nil && q != nil {
		for _, v := range p {
			if slices.Contains(q, v) {
				return false
			}
		}
		return true
	}
	p, errP := s.types(x, "")
	q, errQ := s.types(y, "")
	if errP != nil || errQ != nil {
		return false
	}
	common := func(t string) bool {
		return slices.Contains(q, t) || t == "any" || slices.Contains(q, "any") || t == "integer" && slices.Contains(q, "number") || t == "number" && slices.Contains(q, "integer")
	}
	if !slices.ContainsFunc(p, common) {
		return true
	}
	if !slices.Equal(p, []string{"object"}) || !slices.Equal(q, []string{"object"}) {
		return false
	}
	px, _ := x.values["properties"].(*object)
	py, _ := y.values["properties"].(*object)
	if px == nil || py == nil {
		return false
	}
	for _, k := range px.keys {
		if other, ok := py.values[k]; ok && required(x, k) && required(y, k) && s.differ(px.values[k], other, deep+1) {
			return true
		}
	}
	return false
}

// resolve follows a reference; nil where there is none.
func (s *schema) resolve(v any) *object {
	for range 8 {
		o, ok := v.(*object)
		if !ok {
			return nil
		}
		p, ok := o.values["$ref"].(string)
		if !ok {
			return o
		}
		if v, ok = lookup(s.doc, p); !ok {
			return nil
		}
	}
	return nil
}

// values are a schema's constants as JSON text; nil = it has none.
func values(o *object) []string {
	list, _ := o.values["enum"].([]any)
	if c, ok := o.values["const"]; ok {
		list = []any{c}
	}
	var all []string
	for _, v := range list {
		switch x := v.(type) {
		case *object, []any:
			return nil
		case json.Number: // 1 and 1.0 are one value
			f, err := x.Float64()
			if err != nil {
				return nil
			}
			v = f
		}
		all = append(all, fmt.Sprintf("%T %v", v, v))
	}
	return all
}

func required(o *object, key string) bool {
	list, _ := o.values["required"].([]any)
	return slices.Contains(list, any(key))
}
