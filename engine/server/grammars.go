package server

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"sync"

	"github.com/freehold-slm/freehold/engine/grammar"
)

// grammarCache keeps the last grammars, so that requests of one form share their masks.
type grammarCache struct {
	mu    sync.Mutex
	byKey map[[32]byte]*grammar.Grammar
	order [][32]byte
}

// mostGrammars is how many are kept.
const mostGrammars = 32

func (c *grammarCache) get(key string, make func() (*grammar.Grammar, error)) (*grammar.Grammar, error) {
	sum := sha256.Sum256([]byte(key))
	c.mu.Lock()
	g := c.byKey[sum]
	c.mu.Unlock()
	if g != nil {
		return g, nil
	}
	g, err := make()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if have := c.byKey[sum]; have != nil { // somebody else was faster
		return have, nil
	}
	if c.byKey == nil {
		c.byKey = map[[32]byte]*grammar.Grammar{}
	}
	if len(c.order) == mostGrammars {
		delete(c.byKey, c.order[0])
		c.order = c.order[1:]
	}
	c.byKey[sum], c.order = g, append(c.order, sum)
	return g, nil
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
