package token

import (
	"fmt"
	"slices"
	"strings"
)

// encoder turns text between special tokens into tokens; start says that the text stands at the beginning or after a special
// token. It may be shared by goroutines.
type encoder interface {
	encode(dst []int32, text string, start bool, s *scratch) []int32
}

// kind is what a value of tokenizer.ggml.model stands for.
type kind struct {
	name     string
	pre      bool                                             // it has merges, and a pre-tokenizer by name
	defaults func(v *Vocab)                                   // what llama.cpp assumes, where it is not None and false
	build    func(v *Vocab, texts *index) (encoder, error)    // of a checked Vocab
	piece    func(t *Tokenizer) func(dst, text []byte) []byte // how a normal token's text is read
}

// kinds of tokenizer, one a model.
var kinds = []kind{
	{"gpt2", true, func(v *Vocab) { v.BOS, v.EOS = 11, 11 }, buildBPE, bpePiece},
	{"whitespace", true, func(v *Vocab) { v.BOS, v.EOS = 11, 11 }, newBlankless, bpePiece},
	{"gemma4", true, func(v *Vocab) {}, buildBPE, bpePiece},
	{"llama", false, spmDefaults, buildSPM, markPiece},
	{"t5", false, unigramDefaults, newUnigram, markPiece},
	{"bert", false, wordPieceDefaults, newWordPiece, markPiece},
	{"rwkv", false, func(v *Vocab) {}, newRWKV, rwkvPiece},
}

// KnownModels lists the values of Vocab.Model that New accepts.
func KnownModels() (names []string) {
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

func kindOf(model string) (*kind, error) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == model })
	if i < 0 {
		return nil, fmt.Errorf("token: tokenizer model %q is not known (known: %s)", model, strings.Join(KnownModels(), ", "))
	}
	return &kinds[i], nil
}

// Default returns an empty Vocab of the given model kind and pre-tokenizer with the special ids and flags that
// llama.cpp assumes where a file is silent. An empty pre is read as "default", as llama.cpp does.
// An unknown model or pre-tokenizer is an error that lists what is known.
func Default(model, pre string) (Vocab, error) {
	v := Vocab{Model: model, Pre: pre}
	for _, id := range v.roles() {
		*id.ID = None
	}
	k, err := kindOf(model)
	if err != nil {
		return Vocab{}, err
	}
	k.defaults(&v)
	if !k.pre {
		return v, nil
	}
	switch {
	case model == "gemma4":
		v.Pre = "gemma4"
	case v.Pre == "":
		v.Pre = "default"
	}
	p, err := preTokenizer(v.Pre)
	if err != nil {
		return Vocab{}, err
	}
	if p.noBOS {
		v.BOS = None
	}
	v.AddBOS, v.CleanSpaces, v.Lowercase = p.addBOS || p.keepBOS, p.cleanSpaces, !p.cased
	return v, nil
}

// HasMerges reports whether a Vocab of this model wants Merges.
func HasMerges(model string) bool {
	k, err := kindOf(model)
	return err == nil && k.pre
}

func buildBPE(v *Vocab, texts *index) (encoder, error) { return newBPE(v, texts) }
func buildSPM(v *Vocab, texts *index) (encoder, error) { return newSPM(v, texts) }

// bpePiece reads GPT-2's spelling, marks for spaces, or the bytes as they are.
func bpePiece(t *Tokenizer) func(dst, text []byte) []byte {
	p, _ := preTokenizer(t.pre) // New has looked it up
	if p.marks {
		return appendUnmarked
	}
	return appendUnspelled
}

func markPiece(*Tokenizer) func(dst, text []byte) []byte { return appendUnmarked }
