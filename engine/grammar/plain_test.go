package grammar

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// Where plain texts may come as they are, all of them are allowed at once; where one character is missing they are not.
func TestPlain(t *testing.T) {
	for _, c := range []struct {
		of, said string
		n        int
		sure     bool
	}{
		{`{"type": "string"}`, `"`, mostPlain, true},
		{`{"type": "string"}`, ``, 0, true},
		{`{"type": "string"}`, `"\`, 0, false}, // b, f, n, r, t and u, of all that is plain
		{`{"type": "string", "maxLength": 5}`, `"ab`, 3, true},
		{`{"type": "string", "maxLength": 5}`, `"abcdé`, 0, true},
		{`{"type": "string", "minLength": 900, "maxLength": 5000}`, `"ab`, mostPlain, true},
		{`{"type": "string", "pattern": "^.{3,7}$"}`, `"ab`, 5, true},
		{`{"type": "string", "pattern": "^.{3}x*$"}`, `"`, 3, false},
		{`{"type": "string", "pattern": "^[^é]*$"}`, `"`, 0, false},
		{`{"type": "array", "items": {"type": "string"}}`, `["a", "`, mostPlain, true},
		{`{"enum": ["a", "b"]}`, `"`, 0, false},
	} {
		g := must(t)(Schema([]byte(c.of)))
		m := g.NewMatcher()
		if !m.Accept([]byte(c.said)) {
			t.Fatalf("%s: %q is no beginning", c.of, c.said)
		}
		p, at := g.look(m)
		if n, sure := p.plain(at); n != c.n || sure != c.sure {
			t.Errorf("%s after %s: %d characters, sure %v, want %d, %v", c.of, c.said, n, sure, c.n, c.sure)
		}
	}
	for text, want := range map[string]int{"abc": 3, " größe": 6, "日本😀": 3, strings.Repeat("é", mostPlain): mostPlain, strings.Repeat("a", mostPlain+1): 0, "": 0, "a\"": 0, "\n": 0, "<b": 0, "\xc3": 0, "a\xc3": 0, "\xa9": 0,
		"\xed\xa0\x80": 0, "\xc0\xaf": 0, "\u2028": 0, "\x7f": 0, "\u0080": 1} {
		if n := plainChars([]byte(text)); n != want {
			t.Errorf("%q has %d plain characters, want %d", text, n, want)
		}
	}
}

// Masks hold what the grammar takes, token by token, where plain tokens are taken or refused together: in strings that are nearly full, in patterns
// that leave out a plain character, at the end of what is above.
func TestPlainMasks(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 3))
	parts := []string{"a", "b", "c", "q", "é", "日", "😀", " ", "x", "1", "\"", "\\", "<", "\n", ",", "]", "}", "\xc3", "\xa9", "\xe6\x97", "\x7f"}
	pieces := append([]string(nil), parts...)
	for len(pieces) < 900 {
		var p strings.Builder
		for range 1 + r.IntN(6)*r.IntN(6) {
			p.WriteString(parts[min(r.IntN(len(parts)), r.IntN(len(parts)))]) // rather plain
		}
		pieces = append(pieces, p.String())
	}
	text := func(id int32) []byte { return []byte(pieces[id]) }
	v := NewVocab(len(pieces), text, nil)
	if v.others == 0 || int(v.others) == len(v.nodes) || v.plain[mostPlain].Empty() {
		t.Fatal("the vocabulary is all plain, or not at all")
	}
	schema := func(text string) func() (*Grammar, error) {
		return func() (*Grammar, error) { return Schema([]byte(text)) }
	}
	gbnf := func(text string) func() (*Grammar, error) { return func() (*Grammar, error) { return GBNF(text) } }
	for name, compile := range map[string]func() (*Grammar, error){
		"string":  schema(`{"type": "string"}`),
		"counted": schema(`{"type": "array", "items": {"type": "string", "minLength": 3, "maxLength": 20}}`),
		"exact":   schema(`{"type": "string", "minLength": 7, "maxLength": 7}`),
		"longer":  schema(`{"type": "string", "maxLength": 60}`),
		"dot":     schema(`{"type": "string", "pattern": "^.{2,30}$"}`),
		"but q":   schema(`{"type": "string", "pattern": "^[^q]{2,30}$"}`),
		"but é":   schema(`{"type": "string", "pattern": "^[^é]*$"}`),
		"then q":  schema(`{"type": "string", "pattern": "^.{5}q+.{4}$"}`),
		"either":  schema(`{"anyOf": [{"type": "string", "maxLength": 4}, {"type": "string", "pattern": "^a[a-c]*$"}]}`),
		"free":    gbnf("root ::= [^<]*"),
		"above":   gbnf("root ::= (word \" \")*\nword ::= char{1,5}\nchar ::= [^<\\\"\\n]"), // goes on with a blank outside the view
		"deep":    gbnf("root ::= one{0,3} \"]\"\none ::= two \",\"\ntwo ::= three{2,4}\nthree ::= [^\\x00-\\x1f]"),
		"bytes":   gbnf("root ::= [a-c]{0,9} [^a-c]{0,9} \"x\""),
		"tool":    func() (*Grammar, error) { return Compile(map[string]Expr{root: Without("<tool>")}) },
		"unlike":  func() (*Grammar, error) { return Compile(map[string]Expr{root: Unlike("abc")}) },
	} {
		t.Run(name, func(t *testing.T) {
			g := must(t)(compile())
			m := g.NewMatcher()
			for range 10 {
				m.Reset()
				var said []byte
				for range 30 {
					mask := m.Mask(v)
					try := g.NewMatcher()
					try.Accept(said)
					var all []int32
					for id := range int32(len(pieces)) {
						want := try.Allows(text(id))
						if mask.Has(id) != want {
							t.Fatalf("after %q token %q: in the mask %v, taken %v", said, text(id), mask.Has(id), want)
						}
						if want {
							all = append(all, id)
						}
					}
					if len(all) == 0 {
						break
					}
					id := all[r.IntN(len(all))]
					if r.IntN(3) > 0 && all[0] < int32(len(parts)) { // step by step through the counts
						id = all[0]
					}
					m.Accept(text(id))
					said = append(said, text(id)...)
				}
			}
		})
	}
}
