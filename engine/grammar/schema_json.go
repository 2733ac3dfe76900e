package grammar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

// object is a JSON object whose keys keep their order.
type object struct {
	keys   []string
	values map[string]any
}

// maxNested bounds how deep a schema's JSON is nested.
const maxNested = 200

// parse reads JSON: *object, []any, string, json.Number, bool, nil.
func parse(text []byte) (any, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := parseValue(d, 0)
	if err != nil {
		return nil, fmt.Errorf("is no JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("holds more than one JSON value")
	}
	return v, nil
}

func parseValue(d *json.Decoder, deep int) (any, error) {
	if deep > maxNested {
		return nil, fmt.Errorf("nested more than %d deep", maxNested)
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		o := &object{values: map[string]any{}}
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := parseValue(d, deep+1)
			if err != nil {
				return nil, err
			}
			key := k.(string)
			if _, ok := o.values[key]; ok {
				return nil, fmt.Errorf("the key %.60q stands twice in one object", key)
			}
			o.keys, o.values[key] = append(o.keys, key), v
		}
		_, err := d.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := parseValue(d, deep+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	}
	return t, nil
}

// jsonName names a value's type in JSON.
func jsonName(v any) string {
	switch v := v.(type) {
	case *object:
		return "object"
	case []any:
		return "array"
	case string:
		return "string"
	case bool:
		return "boolean"
	case json.Number:
		if f, err := v.Float64(); err == nil && f == math.Trunc(f) {
			return "integer"
		}
		return "number"
	}
	return "null"
}

// jsonText60 shows a value in a message.
func jsonText60(v any) string {
	switch v := v.(type) {
	case string:
		return fmt.Sprintf("%.60q", v)
	case json.Number, bool:
		return fmt.Sprintf("%.60v", v)
	}
	return "a JSON " + jsonName(v)
}

// escape makes a key a part of a JSON pointer.
func escape(key string) string {
	return strings.ReplaceAll(strings.ReplaceAll(key, "~", "~0"), "/", "~1")
}
