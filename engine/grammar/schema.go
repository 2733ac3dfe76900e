package grammar

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// AnyJSON is a grammar of any JSON object.
func AnyJSON() (*Grammar, error) {
	rules := jsonRules()
	rules[root] = Ref(ruleObject)
	return Compile(rules)
}

// Schema makes a grammar of the JSON texts that a JSON Schema (2020-12) allows. Objects have their properties in the order of
// the schema, further ones after them. A keyword that is not enforced is refused with its place, as a JSON pointer; those
// that say nothing about the text (title, description, default, ...) are let be.
func Schema(text []byte) (*Grammar, error) {
	return Compose(Ref(part), map[string][]byte{part: text})
}

// part is the name of a schema that is alone.
const part = "schema"

// Compose makes a grammar of the texts that e matches, in which Ref(name) stands for JSON of a schema, as Schema reads it.
func Compose(e Expr, schemas map[string][]byte) (*Grammar, error) {
	rules := jsonRules()
	rules[root] = e
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		if rules[name] != nil {
			return nil, fmt.Errorf("schema: the name %q is taken", name)
		}
		doc, err := parse(schemas[name])
		if err != nil {
			return nil, fmt.Errorf("schema: %w", err)
		}
		s := &schema{doc: doc, name: name, rules: rules, refs: map[string]string{}}
		if rules[name], err = s.value(doc, ""); err != nil {
			return nil, err
		}
	}
	g, err := Compile(rules)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	return g, nil
}

// SchemaError is a part of a schema that is wrong or not enforced.
type SchemaError struct {
	Pointer string // RFC 6901
	Msg     string
}

func (e *SchemaError) Error() string { return fmt.Sprintf("schema: %q: %s", "#"+e.Pointer, e.Msg) }

func bad(at, format string, args ...any) error { return &SchemaError{at, fmt.Sprintf(format, args...)} }

// schema compiles one document.
type schema struct {
	doc   any
	name  string // before those of its rules
	rules map[string]Expr
	refs  map[string]string // rule of each pointer that is referred to
	deep  int
}

// said are the keywords that say nothing about the text.
var said = []string{"$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$anchor"}

// kinds are the keywords of each type. Those of a type that a value cannot have are let be.
var kinds = map[string][]string{
	"object":  {"properties", "required", "additionalProperties", "minProperties", "maxProperties"},
	"array":   {"items", "prefixItems", "minItems", "maxItems"},
	"string":  {"minLength", "maxLength", "pattern", "format"},
	"integer": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
	"number":  {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
	"boolean": nil,
	"null":    nil,
}

var typeNames = []string{"object", "array", "string", "number", "integer", "boolean", "null"}

// value compiles a schema that stands at a pointer.
func (s *schema) value(v any, at string) (Expr, error) {
	if s.deep++; s.deep > maxNested {
		return nil, bad(at, "is nested more than %d deep", maxNested)
	}
	defer func() { s.deep-- }()
	switch v := v.(type) {
	case bool:
		if v {
			return Ref(ruleValue), nil
		}
		return nil, bad(at, "false allows no value")
	case *object:
		return s.object(v, at)
	}
	return nil, bad(at, "is %s, want a schema: an object or true", jsonName(v))
}

// object compiles a schema that is an object.
func (s *schema) object(o *object, at string) (Expr, error) {
	if _, ok := o.values["$id"]; ok && at != "" {
		return nil, bad(at+"/$id", "gives the references below it another base, which is not followed; leave it out")
	}
	for _, k := range []string{"$ref", "const", "enum", "anyOf", "oneOf", "allOf"} {
		v, ok := o.values[k]
		if !ok {
			continue
		}
		for _, other := range o.keys { // together they would have to hold both
			if other != k && !slices.Contains(said, other) && !(other == "type" && (k == "const" || k == "enum")) {
				return nil, bad(at+"/"+escape(other), "stands beside %s, which is not enforced together; put it into the alternatives", k)
			}
		}
		at := at + "/" + k
		switch k {
		case "$ref":
			return s.ref(v, at)
		case "const":
			return s.constant(v, o, at)
		case "enum":
			list, ok := v.([]any)
			if !ok || len(list) == 0 {
				return nil, bad(at, "is %s, want a list of values", jsonName(v))
			}
			var all Alt
			for i, c := range list {
				e, err := s.constant(c, o, fmt.Sprintf("%s/%d", at, i))
				if err != nil {
					return nil, err
				}
				all = append(all, e)
			}
			return all, nil
		case "allOf":
			if list, ok := v.([]any); ok && len(list) == 1 {
				return s.value(list[0], at+"/0")
			}
			return nil, bad(at, "is not enforced with more than one schema; write them as one")
		default:
			list, ok := v.([]any)
			if !ok || len(list) == 0 {
				return nil, bad(at, "is %s, want a list of schemas", jsonName(v))
			}
			if k == "oneOf" {
				if err := s.apart(list, at); err != nil {
					return nil, err
				}
			}
			var all Alt
			for i, c := range list {
				e, err := s.value(c, fmt.Sprintf("%s/%d", at, i))
				if err != nil {
					return nil, err
				}
				all = append(all, e)
			}
			return all, nil
		}
	}
	types, err := s.types(o, at)
	if err != nil {
		return nil, err
	}
	for _, k := range o.keys {
		if k == "type" || slices.Contains(said, k) {
			continue
		}
		known := false
		for _, keys := range kinds {
			known = known || slices.Contains(keys, k)
		}
		if !known {
			return nil, bad(at+"/"+escape(k), "the keyword is not enforced here; leave it out, or write what it means another way")
		}
	}
	var all Alt
	for _, t := range types {
		e, err := s.typed(t, o, at)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// types are those that a schema allows: as it says, or as its keywords tell, or all.
func (s *schema) types(o *object, at string) ([]string, error) {
	v, ok := o.values["type"]
	if !ok {
		for _, t := range []string{"object", "array", "string", "number"} {
			if slices.ContainsFunc(o.keys, func(k string) bool { return slices.Contains(kinds[t], k) }) {
				return nil, bad(at, "has keywords of the type %s and no type; say \"type\": %q, for without it any other type passes", t, t)
			}
		}
		return []string{"any"}, nil
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var types []string
	for _, t := range list {
		name, _ := t.(string)
		if !slices.Contains(typeNames, name) {
			return nil, bad(at+"/type", "is %s, want one of: %s", jsonName(t), strings.Join(typeNames, ", "))
		}
		types = append(types, name)
	}
	if len(types) == 0 {
		return nil, bad(at+"/type", "is empty")
	}
	return types, nil
}

// typed compiles a schema for one of its types.
func (s *schema) typed(t string, o *object, at string) (Expr, error) {
	switch t {
	case "any":
		return Ref(ruleValue), nil
	case "null":
		return Literal("null"), nil
	case "boolean":
		return Alt{Literal("true"), Literal("false")}, nil
	case "integer", "number":
		return s.number(t, o, at)
	case "string":
		return s.text(o, at)
	case "array":
		return s.array(o, at)
	}
	return s.members(o, at)
}

// constant matches one value, which must be of the type where one is said.
func (s *schema) constant(v any, o *object, at string) (Expr, error) {
	if _, ok := o.values["type"]; ok {
		types, err := s.types(o, strings.TrimSuffix(at, "/const"))
		if err != nil {
			return nil, err
		}
		if is := jsonName(v); !slices.Contains(types, is) && !(is == "integer" && slices.Contains(types, "number")) {
			return nil, bad(at, "is %s, and the type is %s", is, strings.Join(types, " or "))
		}
	}
	return literal(v)
}

// literal matches a value as it stands.
func literal(v any) (Expr, error) {
	sp := Ref(ruleSpace)
	switch v := v.(type) {
	case string:
		return jsonText(v), nil
	case []any:
		out := Seq{Literal("["), sp}
		for i, x := range v {
			if i > 0 {
				out = append(out, Literal(","), sp)
			}
			e, err := literal(x)
			if err != nil {
				return nil, err
			}
			out = append(out, e, sp)
		}
		return append(out, Literal("]")), nil
	case *object:
		out := Seq{Literal("{"), sp}
		for i, k := range v.keys {
			if i > 0 {
				out = append(out, Literal(","), sp)
			}
			e, err := literal(v.values[k])
			if err != nil {
				return nil, err
			}
			out = append(out, jsonText(k), sp, Literal(":"), sp, e, sp)
		}
		return append(out, Literal("}")), nil
	case json.Number:
		return Literal(v.String()), nil
	case bool:
		return Literal(strconv.FormatBool(v)), nil
	}
	return Literal("null"), nil
}

// count reads a keyword that holds a number of things.
func count(o *object, key, at string, otherwise int) (int, error) {
	v, ok := o.values[key]
	if !ok {
		return otherwise, nil
	}
	n, _ := v.(json.Number)
	f, err := n.Float64()
	if err != nil || f != math.Trunc(f) || f < 0 || f > maxRepeat {
		return 0, bad(at+"/"+key, "is %s, want a whole number from 0 to %d", jsonText60(v), maxRepeat)
	}
	return int(f), nil
}
