package token

import (
	"slices"
	"sync"
)

// maxSymbols bounds the ids that fit a merge table key.
const maxSymbols = 1 << 21

// Tokenizer turns text into token ids and back. It is immutable and may be shared by goroutines.
type Tokenizer struct {
	texts    *index // tokens, then the symbols that only merges know
	size     int    // tokens
	special  *specials
	types    []int32 // nil = all Normal
	encoder  encoder
	pieces   []byte   // what each token decodes to, at the place of its text
	pieceEnd []uint32 // [size] piece i is pieces[texts.end[i]:pieceEnd[i]]
	scratch  sync.Pool

	model, pre              string
	bos, eos, eot, unk, pad int
	eog                     []int
	addBOS, addEOS          bool
	front, end              int // what AddSpecial adds, or None
	addSpacePrefix          bool
	cleanSpaces             bool
}

// New builds a tokenizer. It copies what it needs from v.
// An unknown Model or Pre is an error that names it and lists what is known.
func New(v Vocab) (*Tokenizer, error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	kind, err := kindOf(v.Model)
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{
		size: len(v.Tokens), types: slices.Clone(v.Types), model: v.Model, pre: v.Pre,
		bos: v.BOS, eos: v.EOS, eot: v.EOT, unk: v.UNK, pad: v.PAD, eog: slices.Clone(v.EOG),
		addBOS: v.AddBOS, addEOS: v.AddEOS, addSpacePrefix: v.AddSpacePrefix, cleanSpaces: v.CleanSpaces,
	}
	t.front, t.end = v.frame()
	t.scratch.New = func() any { return newScratch(len(v.Tokens)) }
	if t.texts, err = newIndex(v.Tokens); err != nil {
		return nil, err
	}
	t.special = newSpecials(&v)
	if t.encoder, err = kind.build(&v, t.texts); err != nil {
		return nil, err
	}
	t.buildPieces(kind.piece(t))
	return t, nil
}

// EncodeOptions says what Encode does beside cutting text; the names are llama.cpp's.
type EncodeOptions struct {
	AddSpecial   bool // add BOS and EOS as the vocabulary asks
	ParseSpecial bool // a control token's text stands for the token; otherwise it is ordinary text
}

// Encode appends the token ids of text to dst. Any bytes are accepted; all but "llama" read what is not UTF-8 as U+FFFD.
func (t *Tokenizer) Encode(dst []int32, text string, opt EncodeOptions) []int32 {
	if opt.AddSpecial && t.front != None {
		dst = append(dst, int32(t.front))
	}
	if text != "" {
		s := t.scratch.Get().(*scratch)
		afterSpecial := true // the start of the text counts as one
		for _, f := range t.special.partition(text, opt.ParseSpecial) {
			if f.id >= 0 {
				dst = append(dst, f.id)
			} else {
				dst = t.encoder.encode(dst, text[f.start:f.end], afterSpecial, s)
			}
			afterSpecial = f.id >= 0
		}
		t.scratch.Put(s)
	}
	if opt.AddSpecial && t.end != None {
		dst = append(dst, int32(t.end))
	}
	return dst
}

// Size returns the number of tokens.
func (t *Tokenizer) Size() int { return t.size }

// Model and Pre return what the tokenizer was built as.
func (t *Tokenizer) Model() string { return t.model }

// Pre returns the pre-tokenizer's name, "" for a kind that has none.
func (t *Tokenizer) Pre() string { return t.pre }

// BOS, EOS, EOT, UNK and PAD return a special token's id, or None.
func (t *Tokenizer) BOS() int { return t.bos }

// EOS returns the end-of-sequence token, or None.
func (t *Tokenizer) EOS() int { return t.eos }

// EOT returns the end-of-turn token, or None.
func (t *Tokenizer) EOT() int { return t.eot }

// UNK returns the unknown token, or None.
func (t *Tokenizer) UNK() int { return t.unk }

// PAD returns the padding token, or None.
func (t *Tokenizer) PAD() int { return t.pad }

// AddsBOS reports whether AddSpecial puts BOS in front.
func (t *Tokenizer) AddsBOS() bool { return t.addBOS }

// AddsEOS reports whether AddSpecial puts EOS at the end.
func (t *Tokenizer) AddsEOS() bool { return t.addEOS }

// EOG returns the tokens that end a generation, in rising order. The caller must not change the slice.
func (t *Tokenizer) EOG() []int { return t.eog }

// IsEOG reports whether the token ends a generation.
func (t *Tokenizer) IsEOG(id int32) bool { return slices.Contains(t.eog, int(id)) }

// Type returns the token's type; Undefined for an id outside the vocabulary.
func (t *Tokenizer) Type(id int32) int32 {
	switch {
	case id < 0 || int(id) >= t.size:
		return Undefined
	case t.types == nil:
		return Normal
	}
	return t.types[id]
}

// TokenID finds a token by its text in the vocabulary's own spelling: "<|im_end|>", "Ġthe", "▁the".
func (t *Tokenizer) TokenID(text string) (int32, bool) {
	id := t.texts.find(text)
	return id, id >= 0 && int(id) < t.size
}

// Text returns the token's text in the vocabulary's own spelling, "" for an id outside the vocabulary.
func (t *Tokenizer) Text(id int32) string {
	if id < 0 || int(id) >= t.size {
		return ""
	}
	return string(t.texts.text(id))
}
