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

// fuzzPieces are tokens of more than one byte, most of them plain.
var fuzzPieces = []string{"aa", "ab", "abc", "aé", "é", "éé", "日本", "é\xc3", "a\xc3", "a\"", "\"a", "a\\", "\": ", "a,", "1a", "12", " a", "a ", "a<", "a\n", "aaaaaaaa", strings.Repeat("a", mostPlain), strings.Repeat("é", mostPlain),
	strings.Repeat("a", mostPlain+1), "abababab", "date", "null", "-1", "\u2028", "a\u2028"}

var fuzzVocab = NewVocab(256+len(fuzzPieces), fuzzText, nil)

func fuzzText(id int32) []byte {
	if id < 256 {
		return []byte{byte(id)}
	}
	return []byte(fuzzPieces[id-256])
}

func try(t *testing.T, g *Grammar, text string) {
	m := g.NewMatcher()
	for i := range min(len(text), 64) {
		mask := append(Mask(nil), m.Mask(fuzzVocab)...)
		for id := range int32(256 + len(fuzzPieces)) {
			if took := m.Allows(fuzzText(id)); m.Err() != nil {
				return
			} else if took != mask.Has(id) {
				t.Fatalf("after %q token %q: mask %v, taken %v", text[:i], fuzzText(id), mask.Has(id), took)
			}
		}
		if !m.Accept([]byte{text[i]}) {
			return
		}
	}
	if mask := m.Mask(bytesVocab); mask.Empty() && m.Err() == nil && !m.Complete() {
		t.Fatalf("after %q nothing may follow, and the text is not complete: %s", text, strings.TrimSpace(text))
	}
}
