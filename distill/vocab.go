package distill

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/freehold-slm/freehold/models/token"
)

// TrimVocab returns the ids that a vocabulary keeps for the given used tokens, rising: the used ones, every part of a
// kept token under the merges that may build it, the 256 single bytes, and all special tokens. Text whose tokens are
// all among used encodes the same under both vocabularies, because every merge on its way is kept and the kept merges
// keep their order.
func TrimVocab(v token.Vocab, used map[int32]bool) ([]int32, error) {
	parts, bytes, err := partsOf(v)
	if err != nil {
		return nil, err
	}
	keep := map[int32]bool{}
	var add func(t int32)
	add = func(t int32) {
		if !keep[t] {
			keep[t] = true
			for _, p := range parts(t) {
				add(p)
			}
		}
	}
	for t := range used {
		add(t)
	}
	for i, text := range v.Tokens {
		special := v.Types != nil && v.Types[i] != token.Normal
		if special || bytes(text) {
			add(int32(i))
		}
	}
	for _, r := range v.Roles() {
		if *r.ID >= 0 {
			add(int32(*r.ID))
		}
	}
	list := make([]int32, 0, len(keep))
	for t := range keep {
		list = append(list, t)
	}
	slices.Sort(list)
	return list, nil
}

// partsOf gives for a token the tokens that merge to it, in any of the ways there are, and tells which texts stand for
// single bytes.
func partsOf(v token.Vocab) (parts func(t int32) []int32, bytes func(text string) bool, err error) {
	id := make(map[string]int32, len(v.Tokens))
	for i, t := range v.Tokens {
		id[t] = int32(i)
	}
	switch v.Model {
	case "gpt2": // merges are listed; a byte is one character
		made := map[int32][]int32{}
		for _, m := range v.Merges {
			l, r, ok := cutMerge(m)
			whole, known := id[l+r]
			if !ok || !known {
				continue
			}
			made[whole] = append(made[whole], id[l], id[r])
		}
		return func(t int32) []int32 { return made[t] }, func(text string) bool { return utf8.RuneCountInString(text) == 1 }, nil
	case "llama": // any two neighbours merge that make a token; bytes are special tokens
		return func(t int32) (list []int32) {
			text := v.Tokens[t]
			for i := range text {
				l, known := id[text[:i]]
				r, also := id[text[i:]]
				if known {
					list = append(list, l)
				}
				if also && i > 0 {
					list = append(list, r)
				}
			}
			return list
		}, func(string) bool { return false }, nil
	}
	return nil, nil, fmt.Errorf("vocabulary trimming knows byte-level BPE (gpt2) and SPM (llama), got tokenizer model %q; use vocab: full", v.Model)
}

// cutMerge splits "left right"; the separator is the first space after the first byte.
func cutMerge(m string) (l, r string, ok bool) {
	if m == "" {
		return "", "", false
	}
	i := strings.IndexByte(m[1:], ' ')
	if i < 0 {
		return "", "", false
	}
	return m[:i+1], m[i+2:], true
}
