package hf

import "strings"

// Tokenizer is what a tokenizer's file says by itself.
type Tokenizer struct {
	Model  string // as in GGUF: gpt2, llama or bert
	Pre    string // pre-tokenizer; "" = none is named
	Tokens int
	Merges int
	Added  int // special and other added tokens
}

// ReadTokenizer reads and checks a tokenizer.json, or a tokenizer.model where the name ends so. A tokenizer.json without a pre-tokenizer is
// read too, though no model can be converted with it.
func ReadTokenizer(path string) (*Tokenizer, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(path, ".model") {
		s, err := parseSentencePiece(path, data)
		if err != nil {
			return nil, err
		}
		return &Tokenizer{Model: "llama", Tokens: len(s.pieces)}, nil
	}
	t, err := parseTokenizer(path, data)
	if err != nil {
		return nil, err
	}
	facts := &Tokenizer{Model: "gpt2", Tokens: len(t.tokens), Merges: len(t.merges), Added: len(t.added)}
	switch {
	case t.words:
		facts.Model = "bert"
	case t.sentence:
		facts.Model = "llama"
		_, err = t.spmPrefix(path)
	case t.pre != nil:
		facts.Pre, err = t.preName(path)
	}
	if err != nil {
		return nil, err
	}
	return facts, nil
}
