package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/engine/grammar"
)

// Grammars that were asked for last are kept, in a bounded number and of a bounded size.
func TestGrammarsKept(t *testing.T) {
	var c grammarCache
	large, err := grammar.GBNF(`root ::= "` + strings.Repeat("a", 800_000) + `"`)
	if err != nil {
		t.Fatal(err)
	}
	if large.Bytes() < mostGrammarBytes/4 {
		t.Fatalf("a large grammar says that it has %d bytes", large.Bytes())
	}
	made := 0
	get := func(key string) *grammar.Grammar {
		t.Helper()
		g, err := c.get(key, func() (*grammar.Grammar, error) {
			made++
			if strings.HasPrefix(key, "large") {
				return large, nil
			}
			return grammar.Choice(key)
		})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	first := get("first")
	for i := range 2 * mostGrammars {
		get(fmt.Sprint("other ", i))
		if get("first") != first {
			t.Fatalf("the grammar that is always asked for was made again after %d others", i+1)
		}
	}
	if len(c.kept) != mostGrammars || made != 1+2*mostGrammars {
		t.Errorf("%d grammars are kept and %d were made", len(c.kept), made)
	}
	for i := range 5 {
		get(fmt.Sprint("large ", i))
		sum := 0
		for _, k := range c.kept {
			sum += k.Bytes()
		}
		if sum != c.bytes || sum > mostGrammarBytes {
			t.Fatalf("%d bytes are kept and %d counted, want %d at most", sum, c.bytes, mostGrammarBytes)
		}
	}
	if get("first") == first {
		t.Error("small grammars that were not asked for are kept, and large ones were not")
	}
}
