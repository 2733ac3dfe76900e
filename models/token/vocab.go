// Package token turns text into token ids and back, as llama.cpp does for the same GGUF vocabulary.
//
// Built in are byte-level BPE ("gpt2" in GGUF) with a pre-tokenizer per model family, BPE over raw text ("gemma4" and some
// pre-tokenizers), SentencePiece's merging by score ("llama") and Unigram ("t5"), WordPiece ("bert"), and the longest token ("rwkv"). A Tokenizer
// is immutable and may be shared by goroutines.
package token

import (
	"fmt"
	"math"
	"strconv"
)

// Type says what a token is (tokenizer.ggml.token_type).
const (
	Undefined   int32 = iota
	Normal            // ordinary text
	Unknown           // stands for what the vocabulary cannot say
	Control           // <s>, <|im_end|>: recognised in text only with ParseSpecial
	UserDefined       // recognised in text always, before everything else
	Unused            // has no text
	Byte              // <0x00> to <0xFF>
)

// None is the id of a special token that the vocabulary lacks.
const None = -1

// Vocab is what a Tokenizer is built from: the tokenizer.ggml.* keys of a GGUF file, defaults filled in.
// Start from Default, which knows what llama.cpp assumes for the model kind and pre-tokenizer.
type Vocab struct {
	Model string // see KnownModels
	Pre   string // pre-tokenizer of a vocabulary with merges: see KnownPre

	Tokens []string  // text of each id, in the vocabulary's own spelling (Ġ or ▁ for a space)
	Scores []float32 // "llama": merge priority, higher first; "t5": log-probability; nil = all 0
	Types  []int32   // nil = all Normal
	Merges []string  // see HasMerges: "left right", best first
	Chars  []byte    // "t5": SentencePiece's precompiled character map; nil = text stays as it is

	// Ids of tokens with a role; None where there is none.
	BOS, EOS, EOT, EOM, UNK, SEP, PAD, MASK                  int
	FIMPrefix, FIMSuffix, FIMMiddle, FIMPad, FIMRepo, FIMSep int

	EOG []int // tokens that end a generation; see DetectSpecial

	AddBOS, AddEOS bool // what AddSpecial adds
	AddSpacePrefix bool // "llama", "t5": a space goes before text at the start and after a special token
	MergeSpaces    bool // "t5": several spaces are read as one, none at the end
	Lowercase      bool // "bert", "whitespace": text is read in lower case
	StripAccents   bool // "bert": letters are read without their marks
	CleanSpaces    bool // Decode removes the space before ? ! . , and in some contractions

	LStrip, RStrip []int32 // special tokens that swallow the white space to their left, right
}

// Role is a special token's place in the GGUF metadata: tokenizer.ggml.<Name>_token_id.
type Role struct {
	Name string
	ID   *int
}

// Roles returns the special tokens by their GGUF names; writing through ID sets the field.
func (v *Vocab) Roles() []Role { return v.roles() }

func (v *Vocab) roles() []Role {
	return []Role{
		{"bos", &v.BOS}, {"eos", &v.EOS}, {"eot", &v.EOT}, {"eom", &v.EOM}, {"unknown", &v.UNK},
		{"seperator", &v.SEP}, {"padding", &v.PAD}, {"mask", &v.MASK},
		{"fim_pre", &v.FIMPrefix}, {"fim_suf", &v.FIMSuffix}, {"fim_mid", &v.FIMMiddle},
		{"fim_pad", &v.FIMPad}, {"fim_rep", &v.FIMRepo}, {"fim_sep", &v.FIMSep},
	}
}

// check verifies what New relies on.
func (v *Vocab) check() error {
	n := len(v.Tokens)
	if n == 0 {
		return fmt.Errorf("token: the vocabulary has no tokens")
	}
	if n >= maxSymbols {
		return fmt.Errorf("token: the vocabulary has %d tokens, want fewer than %d", n, maxSymbols)
	}
	if v.Scores != nil && len(v.Scores) != n {
		return fmt.Errorf("token: %d scores for %d tokens", len(v.Scores), n)
	}
	if v.Types != nil && len(v.Types) != n {
		return fmt.Errorf("token: %d token types for %d tokens", len(v.Types), n)
	}
	for i, s := range v.Scores {
		if math.IsNaN(float64(s)) {
			return fmt.Errorf("token: score of token %d is NaN, want a number", i)
		}
	}
	for i, t := range v.Types {
		if t < Undefined || t > Byte {
			return fmt.Errorf("token: type of token %d is %d, want 0 (undefined), 1 (normal), 2 (unknown), 3 (control), 4 (user-defined), 5 (unused) or 6 (byte)", i, t)
		}
		if t == Byte {
			if _, ok := parseByte(v.Tokens[i]); !ok {
				return fmt.Errorf("token: token %d has type byte and the text %.20q, want <0x00> to <0xFF>", i, v.Tokens[i])
			}
		}
	}
	for _, r := range v.roles() {
		if *r.ID < None || *r.ID >= n {
			return fmt.Errorf("token: %s token id is %d, want %d (none) to %d", r.Name, *r.ID, None, n-1)
		}
	}
	for _, id := range v.EOG {
		if id < 0 || id >= n {
			return fmt.Errorf("token: end-of-generation id %d is outside the vocabulary of %d tokens", id, n)
		}
	}
	for _, id := range append(append([]int32{}, v.LStrip...), v.RStrip...) {
		if id < 0 || int(id) >= n {
			return fmt.Errorf("token: white-space stripping id %d is outside the vocabulary of %d tokens", id, n)
		}
	}
	if v.AddBOS && v.BOS == None {
		return fmt.Errorf("token: a BOS token is to be added and the vocabulary names none")
	}
	if v.AddEOS && v.EOS == None {
		return fmt.Errorf("token: an EOS token is to be added and the vocabulary names none")
	}
	return nil
}

// frame returns what AddSpecial puts in front and at the end, or None: BOS and EOS as the vocabulary asks, and always
// [CLS] and [SEP] in "bert".
func (v *Vocab) frame() (front, end int) {
	front, end = None, None
	if v.Model == "bert" {
		return v.BOS, v.SEP
	}
	if v.AddBOS {
		front = v.BOS
	}
	if v.AddEOS {
		end = v.EOS
	}
	return front, end
}

// TypeOf returns the type of an id.
func (v *Vocab) TypeOf(id int) int32 {
	if v.Types == nil {
		return Normal
	}
	return v.Types[id]
}

// byteName is the text of the token that spells a byte.
func byteName(b byte) string { return fmt.Sprintf("<0x%02X>", b) }

// parseByte reads <0xHH>.
func parseByte(text string) (byte, bool) {
	if len(text) != 6 || text[:3] != "<0x" || text[5] != '>' {
		return 0, false
	}
	b, err := strconv.ParseUint(text[3:5], 16, 8)
	return byte(b), err == nil
}
