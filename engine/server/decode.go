package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/freehold-slm/freehold/models/spell"
)

// Requests are decoded strictly into structs: a field that is not in the struct is refused, and so are a field given twice, one of
// another type and one out of its range. A field's tags say what it may hold; openapi.go describes it by the same tags:
//
//	json:"name"      its name
//	need:"true"      it must be there, and not null
//	range:"0,2"      a number's bounds; of a list or text, those of its length
//	only:"a,b"       the values it may have
//	doc:"text"       what it means
//
// null is the same as leaving an optional field out.

// union is a type that JSON can state in several ways.
type union interface {
	decode(raw []byte, path string) error
	schema(g *schemas) schema
}

var (
	unionType = reflect.TypeFor[union]()
	rawType   = reflect.TypeFor[json.RawMessage]()
)

// decodeBody decodes a request's body into *v.
func decodeBody(body []byte, v any) error {
	if !utf8.Valid(body) {
		return &apiError{Status: 400, Type: typeRequest, Code: codeJSON, Message: "the body is not UTF-8"}
	}
	if err := json.Unmarshal(body, new(any)); err != nil {
		return &apiError{Status: 400, Type: typeRequest, Code: codeJSON, Message: "the body is no JSON: " + strings.TrimPrefix(err.Error(), "json: ")}
	}
	return decodeValue(body, reflect.ValueOf(v).Elem(), "")
}

// decodeInto is decodeValue for unions.
func decodeInto(raw []byte, v any, path string) error {
	return decodeValue(raw, reflect.ValueOf(v).Elem(), path)
}

func decodeValue(raw []byte, v reflect.Value, path string) error {
	raw = bytes.TrimSpace(raw)
	if v.CanAddr() && v.Addr().Type().Implements(unionType) {
		return v.Addr().Interface().(union).decode(raw, path)
	}
	wrong := func(want string) error { return badType(path, want, raw) }
	switch {
	case v.Type() == rawType:
		v.SetBytes(slices.Clone(raw))
		return nil
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return decodeValue(raw, v.Elem(), path)
	}
	switch v.Kind() {
	case reflect.Struct:
		return decodeStruct(raw, v, path)
	case reflect.Slice:
		if raw[0] != '[' {
			return wrong("a list")
		}
		var items []json.RawMessage
		json.Unmarshal(raw, &items) //nolint:errcheck // it is JSON, and a list
		v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
		for i, item := range items {
			if err := decodeValue(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		keys, values, err := members(raw, path)
		if err != nil {
			return err
		}
		v.Set(reflect.MakeMap(v.Type()))
		for i, k := range keys {
			item := reflect.New(v.Type().Elem()).Elem()
			if err := decodeValue(values[i], item, path+"."+k); err != nil {
				return err
			}
			v.SetMapIndex(reflect.ValueOf(k), item)
		}
	case reflect.String:
		if raw[0] != '"' {
			return wrong("a string")
		}
		var s string
		json.Unmarshal(raw, &s) //nolint:errcheck // it is a JSON string
		v.SetString(s)
	case reflect.Bool:
		if raw[0] != 't' && raw[0] != 'f' {
			return wrong("true or false")
		}
		v.SetBool(raw[0] == 't')
	case reflect.Int, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(string(raw), 10, v.Type().Bits())
		if err != nil {
			return wrong("a whole number")
		}
		v.SetInt(n)
	case reflect.Float64:
		if c := raw[0]; c != '-' && (c < '0' || c > '9') {
			return wrong("a number")
		}
		f, err := strconv.ParseFloat(string(raw), 64)
		if err != nil {
			return wrong("a number that 64 bits hold")
		}
		v.SetFloat(f)
	default:
		panic(fmt.Sprintf("server: a request has a field of type %v", v.Type()))
	}
	return nil
}

// members are the keys and values of an object, in order; a key that comes twice is refused.
func members(raw []byte, path string) (keys []string, values []json.RawMessage, err error) {
	if raw[0] != '{' {
		return nil, nil, badType(path, "an object", raw)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.Token() //nolint:errcheck // {
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		key := t.(string)
		if slices.Contains(keys, key) {
			return nil, nil, badField(join(path, key), codeJSON, "is given twice")
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil && err != io.EOF {
			return nil, nil, err
		}
		keys, values = append(keys, key), append(values, value)
		if len(keys) > 10_000 {
			return nil, nil, badField(path, codeValue, "has more than 10000 members")
		}
	}
	return keys, values, nil
}

func decodeStruct(raw []byte, v reflect.Value, path string) error {
	keys, values, err := members(raw, path)
	if err != nil {
		return err
	}
	fields := fieldsOf(v.Type())
	for i, key := range keys {
		f := slices.IndexFunc(fields, func(f field) bool { return f.name == key })
		if f < 0 {
			e := badField(join(path, key), codeUnknown, "the field is not known here")
			if near := nearest(key, fields); near != "" {
				e.Message += fmt.Sprintf("; did you mean %q?", near)
			}
			return e
		}
		if string(values[i]) == "null" && !fields[f].need {
			continue
		}
		at := v.FieldByIndex(fields[f].index)
		if err := decodeValue(values[i], at, join(path, key)); err != nil {
			return err
		}
		if err := fields[f].check(at, join(path, key)); err != nil {
			return err
		}
	}
	for _, f := range fields {
		if f.need && !slices.Contains(keys, f.name) {
			return badField(join(path, f.name), codeMissing, "is missing")
		}
	}
	return nil
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// field is a field of a request or an answer.
type field struct {
	name, doc string
	index     []int
	of        reflect.Type
	need      bool
	omits     bool // answers: left out where it is empty
	null      bool // answers: may be null
	bounded   bool
	low, high float64
	only      []string
}

// fieldsOf lists a struct's fields, those of embedded structs with them.
func fieldsOf(t reflect.Type) []field {
	var all []field
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				all = append(all, inner)
			}
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || name == "" {
			continue
		}
		x := field{name: name, doc: f.Tag.Get("doc"), index: []int{i}, of: f.Type, need: f.Tag.Get("need") != "", omits: strings.Contains(options, "omitempty"),
			null: f.Tag.Get("null") != ""}
		if low, high, ok := strings.Cut(f.Tag.Get("range"), ","); ok {
			x.bounded = true
			x.low, _ = strconv.ParseFloat(low, 64)
			x.high, _ = strconv.ParseFloat(high, 64)
		}
		if only := f.Tag.Get("only"); only != "" {
			x.only = strings.Split(only, ",")
		}
		all = append(all, x)
	}
	return all
}

// check holds a value against its field's tags.
func (f *field) check(v reflect.Value, path string) error {
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if f.bounded {
		x, of := 0.0, ""
		switch v.Kind() {
		case reflect.Int, reflect.Int32, reflect.Int64:
			x = float64(v.Int())
		case reflect.Float64:
			x = v.Float()
		case reflect.String:
			x, of = float64(utf8.RuneCountInString(v.String())), " characters"
		case reflect.Slice, reflect.Map:
			x, of = float64(v.Len()), " elements"
		default:
			panic(fmt.Sprintf("server: %s has bounds and is %v", path, v.Type()))
		}
		if !(x >= f.low && x <= f.high) {
			return badField(path, codeValue, "is %v%s, want %v to %v", x, of, f.low, f.high)
		}
	}
	if f.only != nil {
		if is := fmt.Sprint(v.Interface()); !slices.Contains(f.only, is) {
			return badField(path, codeUnsupported, "is %.60q; supported here: %s", is, strings.Join(f.only, ", "))
		}
	}
	return nil
}

func badType(path, want string, raw []byte) error {
	if path == "" {
		path = "body"
	}
	return badField(path, codeType, "is %s, want %s", kindOf(raw), want)
}

// kindOf names what a JSON text is.
func kindOf(raw []byte) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return string(raw)
	case 'n':
		return "null"
	}
	return fmt.Sprintf("%.40s", raw)
}

// nearest is the field that key may be a slip of; "" where none is near.
func nearest(key string, fields []field) string {
	best, name := 3, ""
	for _, f := range fields {
		if d := spell.Distance(key, f.name); d < best && d < len(key)/2+1 {
			best, name = d, f.name
		}
	}
	return name
}
