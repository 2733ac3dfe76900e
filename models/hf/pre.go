package hf

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Published expressions of Split, and the pre-tokenizer of package token that cuts like it.
const (
	llama3Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	o200kPattern  = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	bloomPattern  = ` ?[^(\s|[.,!?…。，、।۔،])]+`
	qwen2Pattern  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// deepseekLetters are the letters of scripts with capitals, in the list of ranges that DeepSeek published.
const deepseekLetters = "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚ" +
	"Ḁ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄ" +
	"Ⰰ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"

// spelling undoes what happens to expressions on their way: line ends stand as they are or escaped, and some letters are normalised in copies.
var spelling = strings.NewReplacer("\r", `\r`, "\n", `\n`, "\u1f7d", "ώ", "\u1fbe", "ι", "\u1fd3", "ΐ", "\u1fdb", "Ί", "\u2126", "Ω", "\u212a", "K")

// known are the pre-tokenizers by the steps of tokenizer.json, as steps writes them; the first of a name is what is written. "whole" is ignore_merges.
var known = []preSteps{
	{"gpt-2", []string{"bytes+gpt2"}},
	{"smollm", []string{"digits", "bytes+gpt2"}},
	{"dbrx", []string{"split " + llama3Pattern, "bytes"}},
	{"llama-bpe", []string{"split " + llama3Pattern, "bytes", "whole"}},
	{"qwen2", []string{"split " + qwen2Pattern, "bytes"}},
	{"gpt-4o", []string{"split " + o200kPattern, "bytes"}},
	{"gpt-4o", []string{"split " + o200kPattern, "bytes", "whole"}}, // all its tokens are made by its merges
	{"bloom", []string{"split " + bloomPattern, "bytes"}},
	{"falcon", []string{"punctuation", "bytes+gpt2", "numbers", "split [0-9][0-9][0-9]"}},
	{"deepseek-llm", []string{`split [\r\n]`, `split \s?[` + deepseekLetters + "]+", `split \s?[!-/:-~！-／：-～‘-‟　-。]+`, `split \s+$`, "split [一-龥ࠀ-一가-\ud7ff]+", "digits", "bytes"}},
}

type preSteps struct {
	name  string
	steps []string
}

func knownNames() (names []string) {
	for _, k := range known {
		names = append(names, k.name)
	}
	sort.Strings(names)
	return slices.Compact(names)
}

// preName finds tokenizer.ggml.pre by what the pre-tokenizer does.
func (t *tokenizer) preName(path string) (string, error) {
	list, err := steps(t.pre, 8)
	if err != nil {
		return "", &Error{path, "pre_tokenizer", err.Error(), "one of the known pre-tokenizers"}
	}
	if t.wholeTokens {
		list = append(list, "whole")
	}
	got := spelling.Replace(strings.Join(list, " then "))
	i := slices.IndexFunc(known, func(k preSteps) bool { return spelling.Replace(strings.Join(k.steps, " then ")) == got })
	if i < 0 {
		return "", &Error{path, "pre_tokenizer", quote(got), "what one of these does: " + strings.Join(knownNames(), ", ")}
	}
	if m, ok := t.normalizer.(map[string]any); t.normalizer != nil && (!ok || m["type"] != "NFC" && !nothing(m)) { // llama.cpp leaves NFC out too
		return "", &Error{path, "normalizer", shown(t.normalizer), "none, or NFC"}
	}
	return known[i].name, nil
}

// nothing tells a sequence of no steps.
func nothing(m map[string]any) bool {
	list, ok := m["normalizers"].([]any)
	return m["type"] == "Sequence" && ok && len(list) == 0
}

// steps writes a pre-tokenizer as one word a step.
func steps(v any, depth int) ([]string, error) {
	m, ok := v.(map[string]any)
	if !ok || depth == 0 {
		return nil, fmt.Errorf("%s", shown(v))
	}
	is := func(field string, want any) bool { return m[field] == want }
	switch m["type"] {
	case "Sequence":
		list, _ := m["pretokenizers"].([]any)
		var all []string
		for _, p := range list {
			s, err := steps(p, depth-1)
			if err != nil {
				return nil, err
			}
			all = append(all, s...)
		}
		return all, nil
	case "ByteLevel":
		switch {
		case !is("add_prefix_space", false):
			return nil, fmt.Errorf("ByteLevel with add_prefix_space %s", shown(m["add_prefix_space"]))
		case is("use_regex", false):
			return []string{"bytes"}, nil
		case is("use_regex", true) || is("use_regex", nil):
			return []string{"bytes+gpt2"}, nil
		}
	case "Digits":
		if is("individual_digits", true) {
			return []string{"digits"}, nil
		}
		return []string{"numbers"}, nil
	case "Punctuation":
		if is("behavior", "Contiguous") {
			return []string{"punctuation"}, nil
		}
	case "Split":
		pattern, _ := m["pattern"].(map[string]any)
		expression, ok := pattern["Regex"].(string)
		if ok && is("behavior", "Isolated") && is("invert", false) {
			return []string{"split " + expression}, nil
		}
	}
	return nil, fmt.Errorf("%s", shown(v))
}
