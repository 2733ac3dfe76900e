package hf

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/freehold-slm/freehold/models/token"
)

// SentencePiece vocabularies (Llama 2, Gemma) stand in tokenizer.json as BPE over characters with byte_fallback, whose merges are all
// ways to split a token in two tokens, best token first. GGUF keeps a score a token instead, and llama.cpp joins the two neighbours
// whose union has the best one. Both say the same where all splits are merges and those of a token follow one another.

// spaceMark stands for a space.
const spaceMark = "▁"

// pairsOf calls f with every way to split text into two tokens that ids holds.
func pairsOf(text string, ids map[string]int, f func(left, right string)) {
	for i := range text {
		if i == 0 {
			continue
		}
		_, okL := ids[text[:i]]
		_, okR := ids[text[i:]]
		if okL && okR {
			f(text[:i], text[i:])
		}
	}
}

// spmMerges are the merges that the scores of a vocabulary stand for.
func spmMerges(v *token.Vocab) []string {
	ids := map[string]int{}
	var order []int
	for id, text := range v.Tokens {
		if v.TypeOf(id) == token.Normal {
			ids[text] = id
			order = append(order, id)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(v.Scores[b], v.Scores[a]) })
	merges := []string{}
	for _, id := range order {
		pairsOf(v.Tokens[id], ids, func(left, right string) { merges = append(merges, left+" "+right) })
	}
	return merges
}

// spmScores are the scores that the merges stand for: the results of merges in their order, then the other normal tokens by id; 0
// for tokens that nothing is merged to.
func (t *tokenizer) spmScores(path string, types []int32) ([]float32, error) {
	ids := map[string]int{}
	for id, text := range t.tokens {
		if types[id] == token.Normal {
			ids[text] = id
		}
	}
	scores, merged := make([]float32, len(types)), make(map[int]int, len(ids))
	next, last := 0, ""
	for i, m := range t.merges {
		left, right, _ := strings.Cut(m, " ")
		text := left + right
		id, ok := ids[text]
		if !ok {
			continue // an added token: it is found in the text before anything is merged
		}
		if merged[id] > 0 && text != last {
			return nil, &Error{path, fmt.Sprintf("model.merges[%d]", i), quote(m) + ", apart from the others that give " + quote(text), "SentencePiece's merges, those of a token together"}
		}
		if merged[id] == 0 {
			scores[id] = float32(-next)
			next++
		}
		_, okL := ids[left]
		_, okR := ids[right]
		if last = text; okL && okR {
			merged[id]++
		} else {
			merged[id] += 1 << 20 // counts as merged, and is no split of normal tokens
		}
	}
	for id, kind := range types {
		text := t.tokens[id]
		if kind != token.Normal {
			continue
		}
		splits := 0
		pairsOf(text, ids, func(string, string) { splits++ })
		if got := merged[id] % (1 << 20); got != splits {
			return nil, &Error{path, "model.merges of " + quote(text), fmt.Sprint(got), fmt.Sprintf("%d, all ways to split it in two tokens: SentencePiece's merges", splits)}
		}
		if merged[id] == 0 {
			scores[id] = float32(-next)
			next++
		}
	}
	return scores, nil
}

// spmPrefix tells whether a space goes in front of a text, and refuses what changes the text in another way.
func (t *tokenizer) spmPrefix(path string) (bool, error) {
	switch got := compact(t.normalizer) + " " + compact(t.pre); got {
	case "prepend+replace none":
		return true, nil
	case "replace none", "replace split":
		return false, nil
	case "none metaspace":
		m, _ := t.pre.(map[string]any)
		scheme, _ := m["prepend_scheme"].(string)
		if scheme == "" && m["add_prefix_space"] == false {
			scheme = "never"
		}
		return scheme != "never", nil
	}
	return false, &Error{path, "normalizer and pre_tokenizer", shown(t.normalizer) + ", " + shown(t.pre), "SentencePiece's: spaces become " + spaceMark + ", with or without one in front"}
}

// compact names a step of normalizer or pre_tokenizer that is known of SentencePiece vocabularies.
func compact(v any) string {
	m, ok := v.(map[string]any)
	if !ok {
		if v == nil {
			return "none"
		}
		return "?"
	}
	pattern, _ := m["pattern"].(map[string]any)
	switch {
	case m["type"] == "Prepend" && m["prepend"] == spaceMark:
		return "prepend"
	case m["type"] == "Replace" && m["content"] == spaceMark && pattern["String"] == " ":
		return "replace"
	case m["type"] == "Split" && pattern["String"] == " " && m["behavior"] == "MergedWithPrevious": // nothing is left for it to split
		return "split"
	case m["type"] == "Metaspace" && m["replacement"] == spaceMark && m["split"] != true:
		return "metaspace"
	case m["type"] == "Sequence":
		var names []string
		list, _ := m["normalizers"].([]any)
		for _, n := range list {
			names = append(names, compact(n))
		}
		return strings.Join(names, "+")
	}
	return "?"
}

func spmNormalizer(prefix bool) object {
	replace := object{"type": "Replace", "pattern": object{"String": " "}, "content": spaceMark}
	if !prefix {
		return replace
	}
	return object{"type": "Sequence", "normalizers": []any{object{"type": "Prepend", "prepend": spaceMark}, replace}}
}

func spmDecoder(prefix bool) object {
	steps := []any{object{"type": "Replace", "pattern": object{"String": spaceMark}, "content": " "}, object{"type": "ByteFallback"}, object{"type": "Fuse"}}
	if prefix {
		steps = append(steps, object{"type": "Strip", "content": " ", "start": 1, "stop": 0})
	}
	return object{"type": "Sequence", "decoders": steps}
}

func validText(s string) bool { return utf8.ValidString(s) }

// isByteName tells tokens that spell a byte: <0x00> to <0xFF>.
func isByteName(s string) bool {
	const digits = "0123456789ABCDEF"
	return len(s) == 6 && s[:3] == "<0x" && s[5] == '>' && strings.Contains(digits, s[3:4]) && strings.Contains(digits, s[4:5])
}
