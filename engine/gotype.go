package engine

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TypeError says why a Go type has no JSON Schema.
type TypeError struct {
	Path string // of the field, as in Claim.Items[].Price
	Type string
	Why  string
}

func (e *TypeError) Error() string { return fmt.Sprintf("engine: %s (%s): %s", e.Path, e.Type, e.Why) }

// SchemaFor makes a JSON Schema of a Go type, as encoding/json reads it: names of json tags, fields with omitempty or omitzero
// optional and all others required, in their order; pointers may be null; the strings of enum:"a,b" and the text of
// description:"..." from tags. Whole numbers are within their type and 1e15, others within 1e15, without exponents. A struct may hold itself, through a
// pointer, slice or map. What is none of these is refused with a TypeError.
func SchemaFor[T any]() ([]byte, error) {
	t := reflect.TypeFor[T]()
	s := &typeSchema{defs: map[reflect.Type]string{}, open: map[reflect.Type]bool{}}
	name := t.Name()
	if name == "" {
		name = t.Kind().String()
	}
	root, err := s.of(t, name, nil)
	if err != nil {
		return nil, err
	}
	if len(s.texts) == 0 {
		return []byte(root), nil
	}
	return fmt.Appendf(nil, `{"$ref":%q,"$defs":{%s}}`, strings.TrimSuffix(strings.TrimPrefix(root, `{"$ref":"`), `"}`), strings.Join(s.texts, ",")), nil
}

// typeSchema writes the schema of a type.
type typeSchema struct {
	defs  map[reflect.Type]string // structs: their names in $defs
	texts []string                // "name":schema
	open  map[reflect.Type]bool   // slices, maps and pointers with names that are being written
}

// largest whole number that a grammar bounds.
const largestWhole = 1_000_000_000_000_000

var (
	timeType      = reflect.TypeFor[time.Time]()
	rawType       = reflect.TypeFor[json.RawMessage]()
	jsonReader    = reflect.TypeFor[json.Unmarshaler]()
	textReader    = reflect.TypeFor[encoding.TextUnmarshaler]()
	emptyAny      = reflect.TypeFor[any]()
	unsignedKinds = []reflect.Kind{reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64}
)

// of is the schema of a type; enum = the texts that strings in it may be, nil = any.
func (s *typeSchema) of(t reflect.Type, path string, enum []string) (string, error) {
	refuse := func(why string) (string, error) { return "", &TypeError{path, t.String(), why} }
	switch {
	case t == timeType:
		return `{"type":"string","format":"date-time"}`, nil
	case t == rawType || t == emptyAny:
		return "true", nil
	case t.Kind() != reflect.Pointer && (reflect.PointerTo(t).Implements(jsonReader) || reflect.PointerTo(t).Implements(textReader)):
		return refuse("reads JSON in a way of its own, which no schema can be made of")
	}
	if t.Name() != "" && t.PkgPath() != "" && slices.Contains([]reflect.Kind{reflect.Slice, reflect.Array, reflect.Map, reflect.Pointer}, t.Kind()) {
		if s.open[t] {
			return refuse("holds itself; only structs may")
		}
		s.open[t] = true
		defer delete(s.open, t)
	}
	k := t.Kind()
	switch {
	case k == reflect.String && enum != nil:
		list, err := json.Marshal(enum)
		return fmt.Sprintf(`{"enum":%s}`, list), err
	case k == reflect.String:
		return `{"type":"string"}`, nil
	case k == reflect.Bool:
		return `{"type":"boolean"}`, nil
	case k >= reflect.Int && k <= reflect.Int64:
		most := min(largestWhole, int64(1)<<(t.Bits()-1)-1)
		return fmt.Sprintf(`{"type":"integer","minimum":%d,"maximum":%d}`, max(-largestWhole, -most-1), most), nil
	case slices.Contains(unsignedKinds, k):
		return fmt.Sprintf(`{"type":"integer","minimum":0,"maximum":%d}`, min(largestWhole, uint64(1)<<(t.Bits()-1)-1+uint64(1)<<(t.Bits()-1))), nil
	case k == reflect.Float32 || k == reflect.Float64:
		return fmt.Sprintf(`{"type":"number","minimum":%d,"maximum":%d}`, -largestWhole, largestWhole), nil
	case k == reflect.Pointer:
		e, err := s.of(t.Elem(), path, enum)
		return fmt.Sprintf(`{"anyOf":[%s,{"type":"null"}]}`, e), err
	case k == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return refuse("bytes are base64 in JSON, which is not stated; use a string")
	case k == reflect.Slice:
		e, err := s.of(t.Elem(), path+"[]", enum)
		return fmt.Sprintf(`{"type":"array","items":%s}`, e), err
	case k == reflect.Array:
		e, err := s.of(t.Elem(), path+"[]", enum)
		return fmt.Sprintf(`{"type":"array","items":%s,"minItems":%d,"maxItems":%[2]d}`, e, t.Len()), err
	case k == reflect.Map && t.Key().Kind() != reflect.String:
		return refuse("keys of JSON are strings")
	case k == reflect.Map:
		e, err := s.of(t.Elem(), path+"{}", enum)
		return fmt.Sprintf(`{"type":"object","additionalProperties":%s}`, e), err
	case k == reflect.Struct:
		return s.structOf(t, path)
	}
	return refuse("has no form in JSON")
}

// structOf is a reference to the schema of a struct, which is written on first sight.
func (s *typeSchema) structOf(t reflect.Type, path string) (string, error) {
	name, ok := s.defs[t]
	if !ok {
		name = strconv.Itoa(len(s.defs))
		if t.Name() != "" {
			name = t.Name() + name
		}
		name = strings.NewReplacer("[", "-", "]", "-", "/", "-", "~", "-", "*", "-", ",", "-", " ", "-", `"`, "-").Replace(name) // of generic types
		s.defs[t] = name
		var props, required []string
		if err := s.fields(t, path, map[string]bool{}, &props, &required); err != nil {
			return "", err
		}
		s.texts = append(s.texts, fmt.Sprintf(`%q:{"type":"object","properties":{%s},"required":[%s],"additionalProperties":false}`,
			name, strings.Join(props, ","), strings.Join(required, ",")))
	}
	return fmt.Sprintf(`{"$ref":"#/$defs/%s"}`, name), nil
}

// fields writes a struct's fields, those of embedded structs among them.
func (s *typeSchema) fields(t reflect.Type, path string, seen map[string]bool, props, required *[]string) error {
	for f := range fieldsOf(t) {
		tag, tagged := f.Tag.Lookup("json")
		name, rest, _ := strings.Cut(tag, ",")
		options := strings.Split(rest, ",")
		if f.Anonymous && name == "" {
			e := f.Type
			if e.Kind() == reflect.Pointer {
				return &TypeError{path + "." + f.Name, f.Type.String(), "is an embedded pointer; embed the struct, or name the field"}
			}
			if e.Kind() == reflect.Struct && e != timeType {
				if err := s.fields(e, path, seen, props, required); err != nil {
					return err
				}
				continue
			}
		}
		if !f.IsExported() || tagged && tag == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		at := path + "." + f.Name
		if slices.Contains(options, "string") {
			return &TypeError{at, f.Type.String(), "has the json option string, which is not stated"}
		}
		if seen[strings.ToLower(name)] {
			return &TypeError{at, f.Type.String(), fmt.Sprintf("is %q in JSON, and so is another field, but for capitals", name)}
		}
		seen[strings.ToLower(name)] = true
		var enum []string
		if list, ok := f.Tag.Lookup("enum"); ok {
			enum = strings.Split(list, ",")
			if !stringsIn(f.Type) {
				return &TypeError{at, f.Type.String(), "has an enum, which is for strings"}
			}
		}
		schema, err := s.of(f.Type, at, enum)
		if err != nil {
			return err
		}
		key, err := json.Marshal(name)
		if err != nil {
			return err
		}
		if about := f.Tag.Get("description"); about != "" {
			text, err := json.Marshal(about)
			if err != nil {
				return err
			}
			if schema == "true" {
				schema = "{}"
			}
			schema = strings.Replace(fmt.Sprintf(`{"description":%s,%s`, text, schema[1:]), ",}", "}", 1)
		}
		*props = append(*props, fmt.Sprintf("%s:%s", key, schema))
		if !slices.Contains(options, "omitempty") && !slices.Contains(options, "omitzero") {
			*required = append(*required, string(key))
		}
	}
	return nil
}

// fieldsOf yields a struct's own fields.
func fieldsOf(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}

// stringsIn tells whether a type is a string, or some of them.
func stringsIn(t reflect.Type) bool {
	for slices.Contains([]reflect.Kind{reflect.Slice, reflect.Array, reflect.Map, reflect.Pointer}, t.Kind()) {
		t = t.Elem()
	}
	return t.Kind() == reflect.String
}
