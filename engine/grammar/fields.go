package grammar

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Field is a property of a flat object: a text, or a list of texts.
type Field struct {
	Name      string
	List      bool
	Nullable  bool // null where there is none
	Required  bool
	MaxLength int // of a text, in characters; 0 = any
	MaxItems  int // of a list; 0 = any
}

// notes are the keywords that say nothing about values.
var notes = []string{"title", "description", "examples", "default", "$comment", "$schema", "$id", "deprecated", "readOnly", "writeOnly"}

// Fields reads a schema whose values can all be copied from a text: an object of texts and of lists of texts, which nothing but their lengths
// binds. Of any other the error says what stands in the way, and where.
func Fields(schema []byte) ([]Field, error) {
	doc, err := parse(schema)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	root, ok := doc.(*object)
	if !ok || root.values["type"] != "object" {
		return nil, errors.New(`schema "#": is not of type object: fields of a text are the properties of one flat object`)
	}
	props, ok := root.values["properties"].(*object)
	if !ok || len(props.keys) == 0 {
		return nil, errors.New(`schema "#/properties": is missing: they are the fields`)
	}
	if err := onlyKeys(root, "#", "properties", "required", "additionalProperties"); err != nil {
		return nil, err
	}
	required, _ := root.values["required"].([]any)
	for _, name := range required {
		if name, ok := name.(string); !ok || props.values[name] == nil {
			return nil, fmt.Errorf(`schema "#/required": %v is not among the properties`, name)
		}
	}
	var fields []Field
	for _, name := range props.keys {
		f, err := field(name, props.values[name], slices.Contains(required, any(name)))
		if err != nil {
			return nil, err
		}
		fields = append(fields, f)
	}
	return fields, nil
}

// field reads one property.
func field(name string, v any, required bool) (f Field, err error) {
	at := "#/properties/" + name
	f = Field{Name: name, Required: required}
	o, ok := v.(*object)
	if !ok {
		return f, fmt.Errorf("schema %q: is not an object", at)
	}
	kinds, _ := o.values["type"].([]any)
	if kinds == nil && o.values["type"] != nil {
		kinds = []any{o.values["type"]}
	}
	if i := slices.Index(kinds, any("null")); i >= 0 {
		f.Nullable, kinds = true, slices.Delete(slices.Clone(kinds), i, i+1)
	}
	texts := o // what the texts' keywords stand in
	switch {
	case len(kinds) == 1 && kinds[0] == "string":
	case len(kinds) == 1 && kinds[0] == "array":
		f.List = true
		if err := onlyKeys(o, at, "items", "maxItems"); err != nil {
			return f, err
		}
		if texts, ok = o.values["items"].(*object); !ok || texts.values["type"] != "string" {
			return f, fmt.Errorf("schema %q: is not of type string: a list's items are copied from the text", at+"/items")
		}
		f.MaxItems, at = most(o, "maxItems"), at+"/items"
	default:
		return f, fmt.Errorf("schema %q: is %s: a value is copied from the text, so it is a string or an array of them", at, typeText(o))
	}
	if err := onlyKeys(texts, at, "maxLength"); err != nil {
		return f, err
	}
	f.MaxLength = most(texts, "maxLength")
	return f, nil
}

// most is a bound; 0 = none.
func most(o *object, key string) int {
	if n, ok := o.values[key].(json.Number); ok {
		if v, err := n.Int64(); err == nil && v > 0 && v < 1<<31 {
			return int(v)
		}
	}
	return 0
}

func typeText(o *object) string {
	switch v := o.values["type"].(type) {
	case nil:
		return "without a type"
	case string:
		return "of type " + v
	}
	return "of several types"
}

// onlyKeys refuses keywords that would bind what is copied.
func onlyKeys(o *object, at string, known ...string) error {
	for _, key := range o.keys {
		if key != "type" && !slices.Contains(known, key) && !slices.Contains(notes, key) {
			return fmt.Errorf("schema %q: binds what a value may be, and what is copied from a text is as it stands there (known here: %s)", at+"/"+key, strings.Join(append([]string{"type"}, known...), ", "))
		}
	}
	return nil
}
