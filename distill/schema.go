package distill

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/freehold-slm/freehold/engine/grammar"
)

// Schema is the JSON Schema of answers: a path, or the schema itself; in YAML also as a mapping, whose order counts.
type Schema string

// UnmarshalYAML takes text as it is and turns a mapping into JSON.
func (s *Schema) UnmarshalYAML(n ast.Node) error {
	if _, ok := entries(n); !ok {
		if text, ok := n.(ast.ScalarNode); ok {
			*s = Schema(fmt.Sprint(text.GetValue()))
			return nil
		}
		return fmt.Errorf("task.schema is %s, want a path or a JSON Schema", said(n))
	}
	var b bytes.Buffer
	if err := nodeJSON(&b, n); err != nil {
		return err
	}
	*s = Schema(b.String())
	return nil
}

// nodeJSON writes a YAML value as JSON, keys in their order.
func nodeJSON(b *bytes.Buffer, n ast.Node) error {
	if values, ok := entries(n); ok {
		b.WriteByte('{')
		for i, v := range values {
			if i > 0 {
				b.WriteByte(',')
			}
			key, err := json.Marshal(v.Key.GetToken().Value)
			if err != nil {
				return err
			}
			b.Write(append(key, ':'))
			if err := nodeJSON(b, v.Value); err != nil {
				return err
			}
		}
		b.WriteByte('}')
		return nil
	}
	switch n := n.(type) {
	case *ast.SequenceNode:
		b.WriteByte('[')
		for i, v := range n.Values {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := nodeJSON(b, v); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	case ast.ScalarNode:
		v, err := json.Marshal(n.GetValue())
		b.Write(v)
		return err
	}
	return fmt.Errorf("task.schema holds %s, want JSON", said(n))
}

// inline tells the schema itself from a path.
func (s Schema) inline() bool { return strings.HasPrefix(strings.TrimSpace(string(s)), "{") }

// text reads the schema, from its file where it is a path, and compiles it.
func (s Schema) text(r *Recipe) ([]byte, *grammar.Grammar, error) {
	b, from := []byte(s), "task.schema"
	if !s.inline() {
		from = r.path(string(s))
		var err error
		if b, err = os.ReadFile(from); err != nil {
			return nil, nil, &DataError{File: from, Msg: "cannot be read: " + errText(err), Fix: "task.schema is a path beside the recipe, or the schema itself"}
		}
	}
	g, err := grammar.Schema(b)
	if err != nil {
		if s.inline() {
			return nil, nil, &RecipeError{File: r.file, Msg: "task.schema: " + strings.TrimPrefix(err.Error(), "schema: ")}
		}
		return nil, nil, &DataError{File: from, Msg: strings.TrimPrefix(err.Error(), "schema: ")}
	}
	return b, g, nil
}
