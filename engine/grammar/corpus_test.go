package grammar

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dlclark/regexp2"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Random schemas over all keywords that are enforced. Texts that are walked at random along their masks come to an end from wherever they
// are, and an independent validator finds each of them valid.
func TestCorpus(t *testing.T) {
	schemas, texts := 200, 6
	switch {
	case os.Getenv("FREEHOLD_SOAK") != "":
		schemas, texts = 1000, 30
	case os.Getenv("FREEHOLD_LONG") == "1":
		schemas, texts = 1000, 4
	}
	used, refused, tried := map[string]int{}, map[string]int{}, 0
	var bytesOfAll int
	for n := 0; n < schemas; tried++ {
		m := &maker{r: rand.New(rand.NewPCG(uint64(tried), 17))}
		schema := m.document()
		g, err := Schema([]byte(schema))
		if err != nil {
			refused[reason(err)]++
			continue
		}
		n++
		for k := range m.used {
			used[k]++
		}
		valid := validator(t, schema)
		w := newWalker(g, bytesVocab)
		for range texts {
			text, err := w.walk(m.r, m.r.IntN(300))
			if err != nil {
				t.Fatalf("schema %d: %s\nafter %q: %v", tried, schema, text, err)
			}
			bytesOfAll += len(text)
			if err := valid(text); err != nil {
				t.Errorf("schema %d: %s\ngives %s\n%v", tried, schema, text, err)
				break
			}
		}
		if t.Failed() && n > 20 {
			return
		}
	}
	for _, k := range claimed() {
		if used[k] < schemas/100 {
			t.Errorf("%s is in %d of %d schemas; the maker leaves it out", k, used[k], schemas)
		}
	}
	if tried > 2*schemas {
		t.Errorf("%d of %d schemas were refused: %v", tried-schemas, tried, refused)
	}
	t.Logf("%d schemas with %d texts each, %d bytes; %d more were refused: %v; %d matches of patterns were left to RE2 alone", schemas, texts, bytesOfAll, tried-schemas, refused, undecided)
	if undecided > schemas*texts/100 {
		t.Errorf("%d matches were not decided", undecided)
	}
}

// claimed are the keywords that are enforced.
func claimed() []string {
	all := []string{"type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"}
	for _, keys := range kinds {
		all = append(all, keys...)
	}
	for name := range formats {
		all = append(all, "format "+name)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// reason is an error without what it is about.
func reason(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, `": `); i >= 0 {
		text = text[i+3:]
	}
	return fmt.Sprintf("%.40s", strings.TrimLeft(text, "0123456789is ,"))
}

// validator is that of github.com/santhosh-tekuri/jsonschema, with formats.
func validator(t testing.TB, schema string) func(text []byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	if err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.UseRegexpEngine(dialects)
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	return func(text []byte) error {
		if !json.Valid(text) {
			return fmt.Errorf("is no JSON")
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return err
		}
		return s.Validate(v)
	}
}

// twoDialects is a pattern as ECMA-262 has it and, but for what RE2 lacks, as Go does: a text has to match both.
type twoDialects struct {
	pattern string
	ecma    *regexp2.Regexp
	re2     *regexp.Regexp
}

func dialects(pattern string) (jsonschema.Regexp, error) {
	e, err := regexp2.Compile(pattern, regexp2.ECMAScript)
	if err != nil {
		return nil, err
	}
	e.MatchTimeout = time.Second // it goes back and forth, without end in some patterns
	d := &twoDialects{pattern: pattern, ecma: e}
	if !strings.Contains(pattern, `\u`) && !strings.Contains(pattern, "[[:") {
		d.re2, err = regexp.Compile(pattern)
	}
	return d, err
}

// undecided counts the texts that the ECMA-262 engine had no time for.
var undecided int

func (d *twoDialects) String() string { return d.pattern }

func (d *twoDialects) MatchString(text string) bool {
	ok, err := d.ecma.MatchString(text)
	if err != nil { // out of time: RE2's answer alone, where there is one
		undecided++
		ok = true
	}
	return ok && (d.re2 == nil || d.re2.MatchString(text))
}

// walker makes texts of a grammar. It knows how far each place is from the end, so it can always go there.
type walker struct {
	g    *Grammar
	m    *Matcher
	v    *Vocab
	left []int // bytes from each node to the end of its rule, or of its loop's body
}

const never = 1 << 40

func newWalker(g *Grammar, v *Vocab) *walker {
	w := &walker{g: g, m: g.NewMatcher(), v: v, left: make([]int, len(g.nodes))}
	for i := range w.left {
		w.left[i] = never
	}
	for again := true; again; {
		again = false
		for i := range g.nodes {
			if n := w.from(&g.nodes[i]); n < w.left[i] {
				w.left[i], again = n, true
			}
		}
	}
	return w
}

func (w *walker) from(n *node) int {
	at := func(i int32) int {
		if i < 0 {
			return never
		}
		return w.left[i]
	}
	switch n.kind {
	case opByte:
		if w.g.sets[n.set] == (Bytes{}) {
			return never
		}
		return min(never, 1+at(n.next))
	case opSplit:
		return min(at(n.next), at(n.alt))
	case opCall:
		return min(never, at(n.alt)+at(n.next))
	case opLoop:
		body := 0
		if n.min > 0 {
			if body = at(n.alt); body < never {
				body *= int(n.min)
			}
		}
		return min(never, body+at(n.next))
	}
	return 0 // the end of a rule, or of a round
}

// toEnd is how many bytes are missing from a state at least.
func (w *walker) toEnd(state int32) int {
	best := never
	for _, c := range w.m.states[state].at {
		if c.node < 0 {
			return 0
		}
		n := w.left[c.node]
		for id := c.frame; id != 0; {
			f := w.m.frames[id]
			loop := &w.g.nodes[f.node]
			if n += w.left[loop.next]; loop.kind == opLoop && loop.min > f.count+1 {
				n += int(loop.min-f.count-1) * w.left[loop.alt]
			}
			id = f.parent
		}
		best = min(best, n)
	}
	return best
}

// walk takes about free bytes at random, and then the shortest way to the end. In between it looks whether there is a way.
func (w *walker) walk(r *rand.Rand, free int) ([]byte, error) {
	m := w.m
	m.Reset()
	var text []byte
	for {
		mask := m.Mask(w.v)
		if m.Err() != nil {
			return text, m.Err()
		}
		missing := w.toEnd(m.cur)
		if missing >= never {
			return text, fmt.Errorf("no way leads to the end")
		}
		if m.Complete() != mask.Has(256) {
			return text, fmt.Errorf("complete %v, and the mask of the end %v", m.Complete(), mask.Has(256))
		}
		if m.Complete() && (len(text) >= free || m.Done() || r.IntN(4) == 0) {
			return text, nil
		}
		b, ok := w.next(r, mask, len(text) >= free, missing)
		if !ok {
			return text, fmt.Errorf("the text is not complete and nothing may follow, or nothing that leads to the end in %d bytes", missing)
		}
		if !m.Accept([]byte{b}) {
			return text, fmt.Errorf("byte %q is within the mask and refused", b)
		}
		text = append(text, b)
	}
}

func (w *walker) next(r *rand.Rand, mask Mask, home bool, missing int) (byte, bool) {
	var all, plain []byte
	for b := range 256 {
		switch {
		case !mask.Has(int32(b)):
		case home:
			to := w.m.step(w.m.cur, byte(b))
			if to != dead && w.toEnd(to) == missing-1 {
				return byte(b), true
			}
		default:
			all = append(all, byte(b))
			if strings.IndexByte(`"{}[],:\`, byte(b)) >= 0 {
				plain = append(plain, byte(b))
			}
		}
	}
	switch {
	case len(all) == 0:
		return 0, false
	case len(plain) > 0 && r.IntN(3) == 0:
		return plain[r.IntN(len(plain))], true
	}
	for range 3 { // ASCII rather than the many bytes of other characters
		if b := all[r.IntN(len(all))]; b < 0x80 {
			return b, true
		}
	}
	return all[r.IntN(len(all))], true
}
