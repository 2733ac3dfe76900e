package grammar

import (
	"strings"
	"testing"
)

// maxFuzz bounds the inputs of fuzzing, in bytes: it finds nothing more in long ones, and is slower.
const maxFuzz = 512

// FuzzSchema: any schema is compiled or refused, and what is compiled can be asked for masks and takes or refuses any text.
func FuzzSchema(f *testing.F) {
	for _, s := range []string{`{"type": "object", "properties": {"a": {"type": ["integer", "null"], "minimum": 3}}, "required": ["a", "b"]}`,
		`{"type": "array", "items": {"type": "string", "pattern": "a+", "format": "date"}, "minItems": 2}`, `{"$ref": "#/$defs/x", "$defs": {"x": {"anyOf": [{"$ref": "#"}, {"const": {"a": [1]}}]}}}`,
		`{"oneOf": [{"enum": ["a", 1]}, {"type": "number", "exclusiveMinimum": -2}]}`, `{"type": "string", "maxLength": 16777216}`, `true`} {
		f.Add(s, `{"a": 3, "b": [null]}`)
	}
	f.Fuzz(func(t *testing.T, schema, text string) {
		if len(schema)+len(text) > maxFuzz {
			return
		}
		if g, err := Schema([]byte(schema)); err == nil {
			try(t, g, text)
		}
	})
}

// FuzzGBNF is the same for grammars.
func FuzzGBNF(f *testing.F) {
	for _, s := range []string{"root ::= [a-z]{2,5} (\"x\" | root)? # c\n", "root ::= a b*\na ::= \"\\u00e9\" | .\nb ::= [^\\]\\n-]+\n", "root ::= ((\"\" | \"a\"){9}){9}"} {
		f.Add(s, "aéx")
	}
	f.Fuzz(func(t *testing.T, grammar, text string) {
		if len(grammar)+len(text) > maxFuzz {
			return
		}
		if g, err := GBNF(grammar); err == nil {
			try(t, g, text)
		}
	})
}

// FuzzRegex is the same for regular expressions.
func FuzzRegex(f *testing.F) {
	f.Add(`^(a|aa){2,9}[^\\d]?$`, "aaaab")
	f.Add(`(?i)x*?\pL+|\x{10FFFF}`, "Xé")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern)+len(text) > maxFuzz/4 {
			return
		}
		if g, err := Regex(pattern); err == nil {
			try(t, g, text)
		}
	})
}

var bytesVocab = NewVocab(257, func(id int32) []byte { return []byte{byte(id)} }, []int32{256})

func try(t *testing.T, g *Grammar, text string) {
	m := g.NewMatcher()
	for i := range min(len(text), 64) {
		mask := m.Mask(bytesVocab)
		allowed := mask.Has(int32(text[i]))
		if took := m.Accept([]byte{text[i]}); took != allowed && m.Err() == nil {
			t.Fatalf("after %q byte %q: mask %v, taken %v", text[:i], text[i], allowed, took)
		}
		if !allowed {
			return
		}
	}
	if mask := m.Mask(bytesVocab); mask.Empty() && m.Err() == nil && !m.Complete() {
		t.Fatalf("after %q nothing may follow, and the text is not complete: %s", text, strings.TrimSpace(text))
	}
}
