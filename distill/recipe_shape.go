package distill

import (
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"github.com/freehold-slm/freehold/models/spell"
)

// Bounds on a recipe, far above any real one. YAML parsers take time and memory that grow faster than the text when it
// is nested or refers to itself, so what a recipe never needs is refused before parsing.
const (
	maxRecipeBytes  = 256 << 10
	maxRecipeTokens = 20000
	maxRecipeNest   = 16 // brackets within brackets
	maxRecipeDashes = 4  // list entries that begin on one line
)

// checkTokens refuses text that is not a plain recipe: too large, too nested, not UTF-8, or with anchors, aliases,
// tags, merge keys and complex keys.
func checkTokens(file string, b []byte) error {
	bad := func(line, col int, format string, args ...any) error {
		return &RecipeError{file, line, col, fmt.Sprintf(format, args...)}
	}
	if len(b) > maxRecipeBytes {
		return bad(0, 0, "is %d bytes long, want at most %d", len(b), maxRecipeBytes)
	}
	for i, line := range strings.Split(string(b), "\n") {
		if !utf8.ValidString(line) || strings.ContainsRune(line, 0) {
			return bad(i+1, 1, "the line is not UTF-8 text")
		}
	}
	tokens := lexer.Tokenize(string(b))
	if len(tokens) > maxRecipeTokens {
		return bad(0, 0, "has %d YAML tokens, want at most %d", len(tokens), maxRecipeTokens)
	}
	nest, dashes, line := 0, 0, 0
	for _, t := range tokens {
		p := t.Position
		if p.Line != line {
			line, dashes = p.Line, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			if nest++; nest > maxRecipeNest {
				return bad(p.Line, p.Column, "brackets are nested more than %d deep", maxRecipeNest)
			}
		case token.SequenceEndType, token.MappingEndType:
			nest--
		case token.SequenceEntryType:
			if dashes++; dashes > maxRecipeDashes {
				return bad(p.Line, p.Column, "lists are nested more than %d deep", maxRecipeDashes)
			}
		case token.AnchorType, token.AliasType, token.TagType, token.MergeKeyType, token.MappingKeyType, token.DirectiveType:
			return bad(p.Line, p.Column, "%q: anchors, aliases, tags, merge keys and complex keys are not part of a recipe; quote the value if it is text", t.Value)
		}
	}
	return nil
}

// checkShape holds a node against the Go type that it will be read into: unknown and repeated keys and values of
// another kind are refused with their place, keys with the nearest known one.
func checkShape(file, path string, n ast.Node, t reflect.Type) error {
	bad := func(n ast.Node, format string, args ...any) error {
		p := n.GetToken().Position
		return &RecipeError{file, p.Line, p.Column, fmt.Sprintf(format, args...)}
	}
	want := func(what string) error { return bad(n, "%s is %s, want %s", orTop(path), said(n), what) }
	if _, ok := n.(*ast.NullNode); ok && path != "" {
		return nil // a key without a value keeps its default
	}
	if t == reflect.TypeOf(Layers(nil)) {
		switch n := n.(type) {
		case *ast.IntegerNode:
			return nil
		case *ast.SequenceNode:
			for _, v := range n.Values {
				if _, ok := v.(*ast.IntegerNode); !ok {
					return bad(v, "%s holds %s, want layer numbers", path, said(v))
				}
			}
			return nil
		}
		return want("a count or a list of layer numbers")
	}
	if t == reflect.TypeOf(Schema("")) {
		if _, ok := entries(n); ok {
			return nil // the grammar says what it wants of a schema
		}
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		values, ok := entries(n)
		if !ok {
			return want("a mapping of keys to values")
		}
		seen := map[string]bool{}
		for _, v := range values {
			key := v.Key.GetToken().Value
			if seen[key] {
				return bad(v.Key, "key %q in %s is given twice", key, orTop(path))
			}
			seen[key] = true
			var of reflect.Type
			if t.Kind() == reflect.Map {
				of = t.Elem()
			} else if of = fieldOf(t, key); of == nil {
				if s := sectionWith(key); s != "" && s != path {
					return bad(v.Key, "unknown key %q in %s; it stands under %s", key, orTop(path), s)
				}
				return bad(v.Key, "%s", spell.Unknown("key", key, orTop(path), keysOf(t)))
			}
			if err := checkShape(file, strings.TrimPrefix(path+"."+key, "."), v.Value, of); err != nil {
				return err
			}
		}
	case reflect.Slice:
		list, ok := n.(*ast.SequenceNode)
		if !ok {
			return want("a list such as [a, b]")
		}
		for i, v := range list.Values {
			if err := checkShape(file, fmt.Sprintf("%s[%d]", path, i), v, t.Elem()); err != nil {
				return err
			}
		}
	case reflect.Int:
		if _, ok := n.(*ast.IntegerNode); !ok {
			return want("a whole number")
		}
	case reflect.Uint64:
		if _, ok := n.(*ast.IntegerNode); !ok || strings.HasPrefix(n.GetToken().Value, "-") {
			return want("a whole number from 0")
		}
	case reflect.Float64:
		switch n.(type) {
		case *ast.IntegerNode, *ast.FloatNode:
		default: // the parser takes 1e-4 for text
			if v, err := strconv.ParseFloat(n.GetToken().Value, 64); err != nil || !finite(v) || n.GetToken().Type != token.StringType {
				return want("a number")
			}
		}
	case reflect.String:
		switch n.(type) {
		case *ast.StringNode, *ast.LiteralNode:
		case *ast.IntegerNode, *ast.FloatNode:
			if !strings.HasPrefix(path, "eval.gates.") { // check says what a gate wants
				return want("text; put it in quotes")
			}
		default:
			return want("text; put it in quotes")
		}
	}
	return nil
}

// said is how a message names a value.
func said(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "empty"
	case *ast.StringNode, *ast.LiteralNode:
		return fmt.Sprintf("%.60q", n.GetToken().Value)
	}
	return fmt.Sprintf("%.60s", n.GetToken().Value)
}

// entries lists the keys and values of a mapping.
func entries(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}, true
	}
	return nil, false
}

func fieldOf(t reflect.Type, key string) reflect.Type {
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("yaml") == key && key != "" {
			return t.Field(i).Type
		}
	}
	return nil
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if tag := t.Field(i).Tag.Get("yaml"); tag != "" {
			keys = append(keys, tag)
		}
	}
	sort.Strings(keys)
	return keys
}

// sectionWith is the one section of a recipe that has a key; "" = none, or several.
func sectionWith(key string) (name string) {
	recipe := reflect.TypeOf(Recipe{})
	for i := range recipe.NumField() {
		f := recipe.Field(i)
		if f.Type.Kind() != reflect.Struct || f.Tag.Get("yaml") == "" || fieldOf(f.Type, key) == nil {
			continue
		}
		if name != "" {
			return ""
		}
		name = f.Tag.Get("yaml")
	}
	return name
}

func orTop(path string) string {
	if path == "" {
		return "the recipe"
	}
	return path
}
