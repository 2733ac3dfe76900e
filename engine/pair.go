package engine

import (
	"fmt"
	"strings"

	"github.com/freehold-slm/freehold/models/token"
)

// Marks of a prompt about a query and a document, as llama.cpp's tokenizer.chat_template.rerank has them.
const (
	queryMark    = "{query}"
	documentMark = "{document}"
)

// CheckPairPrompt refuses a prompt that does not hold {query} and {document} once each.
func CheckPairPrompt(prompt string) error {
	for _, mark := range []string{queryMark, documentMark} {
		if n := strings.Count(prompt, mark); n != 1 {
			return fmt.Errorf("holds %s %d times, want once", mark, n)
		}
	}
	return nil
}

// Pair is a prompt about a query and a document, ready to be filled in.
type Pair struct {
	parts         []string // before the first of them, between them, after the second
	documentFirst bool
}

// NewPair takes apart a prompt that holds {query} and {document} once each, and stands as it is.
func NewPair(prompt string) (*Pair, error) {
	if err := CheckPairPrompt(prompt); err != nil {
		return nil, fmt.Errorf("engine: the prompt %w", err)
	}
	p := &Pair{documentFirst: strings.Index(prompt, documentMark) < strings.Index(prompt, queryMark)}
	first, second := queryMark, documentMark
	if p.documentFirst {
		first, second = second, first
	}
	before, rest, _ := strings.Cut(prompt, first)
	between, after, _ := strings.Cut(rest, second)
	p.parts = []string{before, between, after}
	return p, nil
}

// Encode gives the tokens of the whole prompt. Special tokens that query or document spell are ordinary text.
func (p *Pair) Encode(t *token.Tokenizer, query, document string) []int32 {
	if p.documentFirst {
		query, document = document, query
	}
	return encodeAmong(t, p.parts, query, document)
}
