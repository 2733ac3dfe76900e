package server

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"github.com/freehold-slm/freehold/engine/grammar"
)

// grammarCache keeps the grammars that were asked for last, so that requests of one form share their masks (which the model's vocabulary keeps, within
// a bound of its own).
type grammarCache struct {
	mu    sync.Mutex
	kept  []keptGrammar // the last that was asked for is at the end
	bytes int
}

type keptGrammar struct {
	key [32]byte
	*grammar.Grammar
}

// At most so many are kept, of so many bytes in all.
const (
	mostGrammars     = 32
	mostGrammarBytes = 64 << 20
)

func (c *grammarCache) get(key string, make func() (*grammar.Grammar, error)) (*grammar.Grammar, error) {
	sum := sha256.Sum256([]byte(key))
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := c.find(sum); g != nil {
		return g, nil
	}
	c.mu.Unlock()
	g, err := make()
	c.mu.Lock()
	if err != nil {
		return nil, err
	}
	if have := c.find(sum); have != nil { // somebody else was faster
		return have, nil
	}
	c.kept, c.bytes = append(c.kept, keptGrammar{sum, g}), c.bytes+g.Bytes()
	for len(c.kept) > mostGrammars || c.bytes > mostGrammarBytes {
		c.bytes -= c.kept[0].Bytes()
		c.kept = slices.Delete(c.kept, 0, 1)
	}
	return g, nil
}

// find looks a grammar up that is kept; c.mu is held.
func (c *grammarCache) find(key [32]byte) *grammar.Grammar {
	i := slices.IndexFunc(c.kept, func(k keptGrammar) bool { return k.key == key })
	if i < 0 {
		return nil
	}
	k := c.kept[i]
	c.kept = append(slices.Delete(c.kept, i, i+1), k)
	return k.Grammar
}

// schema compiles a JSON Schema that stands at a field.
func (s *Server) schema(param string, text json.RawMessage) (*grammar.Grammar, error) {
	g, err := s.grammars.get("schema "+string(text), func() (*grammar.Grammar, error) { return grammar.Schema(text) })
	if err != nil {
		return nil, schemaError(param, err)
	}
	return g, nil
}

func (s *Server) gbnf(text string) (*grammar.Grammar, error) {
	g, err := s.grammars.get("gbnf "+text, func() (*grammar.Grammar, error) { return grammar.GBNF(text) })
	if err != nil {
		return nil, badField("grammar", codeSchema, "%v", err)
	}
	return g, nil
}

// schemaError says what of a schema is not enforced, with its place.
func schemaError(param string, err error) error {
	if at := (*grammar.SchemaError)(nil); errors.As(err, &at) {
		return badField(param+"#"+at.Pointer, codeSchema, "%s", at.Msg)
	}
	return badField(param, codeSchema, "%v", err)
}
