package grammar

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// matches tells whether the grammar matches a whole text.
func matches(g *Grammar, text string) bool {
	m := g.NewMatcher()
	return m.Accept([]byte(text)) && m.Complete()
}

func must(t *testing.T) func(g *Grammar, err error) *Grammar {
	return func(g *Grammar, err error) *Grammar {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
}

// Regular expressions match what Go's package matches, on texts that nearly match.
func TestRegex(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, p := range []string{`a`, `^abc$`, `a*b+c?`, `(ab|a)(bc|c)`, `[a-c]{2,4}`, `(a|aa){2,3}`, `(a|aa){0,5}b`, `(a?){3}b`, `(a*){2,3}c`, `[^a]`, `\d{2}-\w+\s?`, `(?i)ab`, `.b.`, `[α-ωa]+`,
		`(a(b(c)?)?)?`, `x{0}`, `(a{2}){2}`, `[\x{80}-\x{10ffff}]{1,2}`, ``, `(ab)*a`} {
		g := must(t)(Regex(p))
		re := regexp.MustCompile(`^(?:` + strings.TrimSuffix(strings.TrimPrefix(p, "^"), "$") + `)$`)
		alphabet := []rune("aabbccAB-1 9\nαω€😀\u0080")
		for range 800 {
			var text strings.Builder
			for range r.IntN(8) {
				text.WriteRune(alphabet[r.IntN(len(alphabet))])
			}
			if got, want := matches(g, text.String()), re.MatchString(text.String()); got != want {
				t.Errorf("%q and %q: %v, want %v", p, text.String(), got, want)
			}
		}
	}
	for p, want := range map[string]string{`a(`: "missing closing", `a^b`: "^ stands within", `a$b`: "$ stands within", `\bword`: "has no place", `(^a|b)`: "has no place"} {
		if _, err := Regex(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", p, err, want)
		}
	}
}

// Every range of code points is matched in UTF-8, and no byte more.
func TestRunes(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	edges := []rune{0, 'a', 0x7f, 0x80, 0xbf, 0x7ff, 0x800, 0xfff, 0x1000, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x3ffff, 0x40000, 0x10ffff}
	for range 200 {
		lo, hi := edges[r.IntN(len(edges))]+rune(r.IntN(3)), edges[r.IntN(len(edges))]-rune(r.IntN(3))
		g, err := Compile(map[string]Expr{root: Runes(lo, hi)})
		if err != nil && len(tidy([]runeRange{{lo, hi}})) == 0 {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for range 300 {
			c := rune(r.IntN(0x110000))
			if r.IntN(2) == 0 {
				c = edges[r.IntN(len(edges))] + rune(r.IntN(5)-2)
			}
			if c < 0 || c > 0x10ffff || c >= 0xd800 && c < 0xe000 {
				continue
			}
			if got, want := matches(g, string(c)), lo <= c && c <= hi; got != want {
				t.Fatalf("%x in %x-%x: %v", c, lo, hi, got)
			}
		}
	}
	g := must(t)(Compile(map[string]Expr{root: Runes(0, 0x10ffff)}))
	for _, bad := range []string{"\x80", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe0\x80\x80", "a\x80"} {
		if matches(g, bad) {
			t.Errorf("%x passes for a code point", bad)
		}
	}
}

func TestGBNF(t *testing.T) {
	arithmetic := "root ::= expr \"\\n\" # a line\nexpr ::= term ([-+*/] term)*\nterm ::= num | \"(\" expr \")\" |\n  ident\nident ::= [a-z_] [a-z0-9_]{0,3}\nnum ::= [0-9]+\n"
	for _, c := range []struct{ grammar, yes, no string }{
		{arithmetic, "1+(2*x_9)-3\n|7\n|((a))\n", "1+\n|(1\n|1|abcde\n|X\n"},
		{`root ::= "a" "b"? | [^a-c\n]{2} | .`, "a|ab|xy|é|éx|€", "abc|ba|x\n|xyz"},
		{`root ::= "\x41\u00e9\U0001F600\"\\"`, `Aé😀"\`, "A"},
		{"root ::= (\n \"a\" |\n \"b\"\n){2,}", "ab|aaa", "a|c"},
		{`root ::= [a\]-]+`, "a|]|-|a-]", "b"},
		{`root ::= "yes" | "no"`, "yes|no", "y|yesno|"},
		{`root ::= ("" | "a"){3} "b"`, "b|ab|aaab", "aaaab|a"},
	} {
		g := must(t)(GBNF(c.grammar))
		for _, text := range strings.Split(c.yes, "|") {
			if !matches(g, text) {
				t.Errorf("%s does not match %q", c.grammar, text)
			}
		}
		for _, text := range strings.Split(c.no, "|") {
			if matches(g, text) {
				t.Errorf("%s matches %q", c.grammar, text)
			}
		}
	}
	for text, want := range map[string]string{
		"":                            "there is no rule \"root\"",
		"root ::= a":                  "rule root calls a, which is not defined",
		"root ::= root \"a\"":         "rule root can never end",
		"root ::= root \"a\" | \"b\"": "left recursion",
		"root ::= a\na ::= \"x\"? root b\nb ::= \"y\"": "can never end",
		"root ::= a \"z\" | \"q\"\na ::= \"x\"? root":  "left recursion",
		"root ::= \"a":                   "grammar:1: \" is missing at the end of the line",
		"root ::= \"a\"\nroot ::= \"b\"": "grammar:2: rule root is defined twice",
		"root := \"a\"":                  "want ::=",
		"root ::= [b-a]":                 "ends before it begins",
		"root ::= \"a\"{3,1}":            "is no count",
		"root ::= (\"a\"":                "want )",
		"root ::= \"\\q\"":               "unknown escape",
		"root ::= \"a\" )":               "want the end of rule root",
		"root ::= \"a\"?{5000}":          "want at most 100",
		"\xff":                           "is not UTF-8",
	} {
		if _, err := GBNF(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v\nwant %s", text, err, want)
		}
	}
}

// A mask holds the tokens that the grammar takes, neither more nor less, whatever was met before; also of long texts
// whose rounds are counted.
func TestMask(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	pieces := []string{"a", "b", "ab", "aa", "aaa", "{", "}", "\"", "{\"", "\":", " ", "\n", "1", "23", ",", "[", "]", "],", "]]", "}}", "true", "name", "é", "\xc3", "\xa9", "日本", "\\", "\\n", "\":\"", "aaaaaaaa", "\x00", strings.Repeat("a", 17), strings.Repeat("a", 18), strings.Repeat("a", 40), "aaaaaaaaaaaaaaaaaaaa\"}"}
	text := func(id int32) []byte { return []byte(pieces[id%int32(len(pieces))]) } // each twice
	n := 2*len(pieces) + 1
	end := int32(n - 1)
	v := NewVocab(n, text, []int32{end})
	for name, g := range map[string]*Grammar{
		"schema":   must(t)(Schema([]byte(`{"type": "object", "properties": {"name": {"type": "string", "maxLength": 30}, "a": {"type": "array", "items": {"type": "integer"}, "maxItems": 40}}, "required": ["name"]}`))),
		"any":      must(t)(AnyJSON()),
		"counted":  must(t)(Regex(`a{20,60}b`)),
		"far":      must(t)(Regex(`(a|é){2,50}b?`)),
		"doubtful": must(t)(Regex(`(a|aa|ab){10,15}b`)),
		"nested":   must(t)(GBNF(`root ::= "[" root{0,3} "]" | "a"`)),
		"runes":    must(t)(Regex(`[é日本]{3,9}`)),
		"choice":   must(t)(Choice("ab", "aaa", "name")),
	} {
		t.Run(name, func(t *testing.T) {
			m := g.NewMatcher()
			for range 12 {
				m.Reset()
				var said []byte
				for range 60 {
					mask := m.Mask(v)
					var all []int32
					for id := range int32(n) {
						try := g.NewMatcher()
						if !try.Accept(said) {
							t.Fatalf("%q is no beginning", said)
						}
						want := id == end && try.Complete() || id != end && try.Accept(text(id))
						if mask.Has(id) != want {
							t.Fatalf("after %q token %d %q: %v, want %v", said, id, text(id), mask.Has(id), want)
						}
						if want && id != end {
							all = append(all, id)
						}
					}
					if len(all) == 0 {
						break
					}
					id := all[r.IntN(len(all))]
					if !m.Accept(text(id)) {
						t.Fatalf("after %q token %q is refused", said, text(id))
					}
					said = append(said, text(id)...)
				}
			}
		})
	}
}

// A matcher that has met more states than it keeps goes on as before.
func TestRenew(t *testing.T) {
	g := must(t)(GBNF(`root ::= ("a" | "aa" | "b"){0,100000} "c"`))
	g2 := must(t)(GBNF(`root ::= "(" root ")" | "x"`))
	m, m2 := g.NewMatcher(), g2.NewMatcher()
	for i := range 40000 {
		if !m.Accept([]byte("ab"[i%2:i%2+1])) || !m2.Accept([]byte("(")) {
			t.Fatal(i)
		}
	}
	if len(m.states) > maxStates+1 || len(m2.frames) > 50000 {
		t.Errorf("%d states, %d frames", len(m.states), len(m2.frames))
	}
	if !m.Accept([]byte("c")) || !m.Done() || m2.Accept([]byte(")")) || !m2.Accept([]byte("x"+strings.Repeat(")", 40000))) || !m2.Done() {
		t.Error("lost its place")
	}
}

// What random tokens within a schema's masks spell is JSON of the schema.
func TestRandomJSON(t *testing.T) {
	type item struct {
		Name string         `json:"name"`
		Kind string         `json:"kind"`
		N    int            `json:"n"`
		X    float64        `json:"x"`
		Tags []string       `json:"tags"`
		Sub  *item          `json:"sub"`
		More map[string]int `json:"more"`
	}
	schema := `{"$ref": "#/$defs/item", "$defs": {"item": {"type": "object", "properties": {
		"name": {"type": "string", "minLength": 2, "maxLength": 5}, "kind": {"enum": ["a\"b", "ünï", ""]}, "n": {"type": "integer", "minimum": -17, "exclusiveMaximum": 205},
		"x": {"type": "number", "minimum": -3, "maximum": 12}, "tags": {"type": "array", "items": {"type": "string", "pattern": "^[a-c\"]{1,3}$"}, "minItems": 1, "maxItems": 3},
		"sub": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/item"}]}, "more": {"type": "object", "additionalProperties": {"type": "integer"}, "maxProperties": 2}},
		"required": ["name", "kind", "n", "x", "tags"], "additionalProperties": false}}}`
	g := must(t)(Schema([]byte(schema)))
	v := NewVocab(257, func(id int32) []byte { return []byte{byte(id)} }, []int32{256})
	r := rand.New(rand.NewPCG(5, 4))
	m := g.NewMatcher()
	done := 0
	for range 1000 {
		m.Reset()
		var text []byte
		for len(text) < 600 {
			mask := m.Mask(v)
			if mask.Has(256) && (m.Done() || r.IntN(3) == 0) {
				break
			}
			var all []byte
			for b := range 256 {
				if mask.Has(int32(b)) {
					all = append(all, byte(b))
				}
			}
			b := all[r.IntN(len(all))]
			if quote := strings.IndexByte(string(all), '"'); quote >= 0 && r.IntN(3) == 0 {
				b = '"'
			}
			m.Accept([]byte{b})
			text = append(text, b)
		}
		if !m.Complete() {
			continue
		}
		done++
		d := json.NewDecoder(strings.NewReader(string(text)))
		d.DisallowUnknownFields()
		var got item
		if err := d.Decode(&got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for it := &got; it != nil; it = it.Sub {
			n := len([]rune(it.Name))
			if n < 2 || n > 5 || it.Kind != "a\"b" && it.Kind != "ünï" && it.Kind != "" || it.N < -17 || it.N >= 205 || it.X < -3 || it.X > 12 ||
				len(it.Tags) < 1 || len(it.Tags) > 3 || len(it.More) > 2 || !regexp.MustCompile(`^[a-c"]{1,3}$`).MatchString(it.Tags[0]) {
				t.Fatalf("%s\n%+v", text, it)
			}
		}
	}
	if done < 100 {
		t.Errorf("only %d texts came to an end", done)
	}
}

// A grammar that is at too many places at once is given up, within a bounded time.
func TestTooMuch(t *testing.T) {
	g := must(t)(GBNF("root ::= a{0,90} \"z\"\na ::= b{0,90}\nb ::= c{0,90}\nc ::= (\"x\" | \"xx\")?\n"))
	m := g.NewMatcher()
	for range 20 {
		if !m.Accept([]byte("x")) {
			break
		}
	}
	if m.Err() == nil || !strings.Contains(m.Err().Error(), "places at once") {
		t.Errorf("%v", m.Err())
	}
	v := NewVocab(256, func(id int32) []byte { return []byte{byte(id)} }, nil)
	m.Mask(v)
}

func BenchmarkMask(b *testing.B) {
	const n = 150000
	r := rand.New(rand.NewPCG(2, 2))
	words := make([]string, n)
	for i := range words {
		var w strings.Builder
		if r.IntN(2) == 0 {
			w.WriteByte(' ')
		}
		for range 1 + r.IntN(9) {
			w.WriteByte(byte('a' + r.IntN(26)))
		}
		words[i] = w.String()
	}
	for i := range 256 {
		words[i] = string([]byte{byte(i)})
	}
	v := NewVocab(n, func(id int32) []byte { return []byte(words[id]) }, nil)
	g, err := Schema([]byte(`{"type": "object", "properties": {"text": {"type": "string", "maxLength": 5000}}, "required": ["text"]}`))
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct{ name, said string }{{"begin", ""}, {"string", `{"text": "`}} {
		b.Run(fmt.Sprint("first/", c.name), func(b *testing.B) {
			for b.Loop() {
				m := g.NewMatcher()
				m.Accept([]byte(c.said))
				m.Mask(v)
			}
		})
		b.Run(fmt.Sprint("again/", c.name), func(b *testing.B) {
			m := g.NewMatcher()
			m.Accept([]byte(c.said))
			for b.Loop() {
				if c.said != "" {
					m.Accept([]byte("a"))
				}
				m.Mask(v)
				if m.states[m.cur].at[0].node < 0 {
					m.Reset()
				}
			}
		})
	}
}
