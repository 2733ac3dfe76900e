package grammar

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Order writes a JSON value as texts of a schema's grammar have it: without white space, and with the keys of objects in the
// order of the schema's properties, others after them as they come. It does not check the value; the grammar does.
func Order(schema, value []byte) ([]byte, error) {
	doc, err := parse(schema)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	v, err := parse(value)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = writeOrdered(&out, doc, doc, v)
	return out.Bytes(), err
}

// writeOrdered writes v by schema s of the document doc.
func writeOrdered(out *bytes.Buffer, doc, s, v any) error {
	s = followRefs(doc, s)
	of := func(key string) any {
		if o, ok := s.(*object); ok {
			return o.values[key]
		}
		return nil
	}
	switch v := v.(type) {
	case *object:
		keys := v.keys
		if known, ok := of("properties").(*object); ok {
			keys = slices.Clone(keys)
			rank := func(key string) int {
				if i := slices.Index(known.keys, key); i >= 0 {
					return i
				}
				return len(known.keys)
			}
			slices.SortStableFunc(keys, func(a, b string) int { return rank(a) - rank(b) })
		}
		out.WriteByte('{')
		for i, k := range keys {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := writeScalar(out, k); err != nil {
				return err
			}
			out.WriteByte(':')
			sub := of("additionalProperties")
			if known, ok := of("properties").(*object); ok && known.values[k] != nil {
				sub = known.values[k]
			}
			if err := writeOrdered(out, doc, sub, v.values[k]); err != nil {
				return err
			}
		}
		out.WriteByte('}')
	case []any:
		out.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				out.WriteByte(',')
			}
			sub := of("items")
			if first, ok := of("prefixItems").([]any); ok && i < len(first) {
				sub = first[i]
			}
			if err := writeOrdered(out, doc, sub, item); err != nil {
				return err
			}
		}
		out.WriteByte(']')
	default:
		return writeScalar(out, v)
	}
	return nil
}

// followRefs gives what a chain of references within the document ends at; nil where it does not.
func followRefs(doc, s any) any {
	for range maxNested {
		o, ok := s.(*object)
		if !ok {
			return s
		}
		ref, ok := o.values["$ref"].(string)
		if !ok {
			return s
		}
		if s, ok = lookup(doc, ref); !ok {
			return nil
		}
	}
	return nil
}

// writeScalar writes a value that holds no others; text as models write it, not made safe for HTML.
func writeScalar(out *bytes.Buffer, v any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	out.Truncate(out.Len() - 1) // the line's end
	return nil
}
