package hf

import (
	"fmt"
	"sort"
	"strings"
)

// Published expressions of Split, and the pre-tokenizer of package token that cuts like it.
const (
	llama3Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	qwen2Pattern  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// known are the pre-tokenizers by the steps of tokenizer.json, as steps writes them. "whole" is ignore_merges.
var known = map[string]string{
	"bytes+gpt2":                              "gpt-2",
	"digits bytes+gpt2":                       "smollm",
	"split " + llama3Pattern + " bytes":       "dbrx",
	"split " + llama3Pattern + " bytes whole": "llama-bpe",
	"split " + qwen2Pattern + " bytes":        "qwen2",
}

func knownNames() (names []string) {
	for _, n := range known {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
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
	name, ok := known[strings.Join(list, " ")]
	if !ok {
		return "", &Error{path, "pre_tokenizer", quote(strings.Join(list, " ")), "what one of these does: " + strings.Join(knownNames(), ", ")}
	}
	if m, ok := t.normalizer.(map[string]any); t.normalizer != nil && (!ok || m["type"] != "NFC") { // llama.cpp leaves NFC out too
		return "", &Error{path, "normalizer", shown(t.normalizer), "none, or NFC"}
	}
	return name, nil
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
	case "Split":
		pattern, _ := m["pattern"].(map[string]any)
		expression, ok := pattern["Regex"].(string)
		if ok && is("behavior", "Isolated") && is("invert", false) {
			return []string{"split", expression}, nil
		}
	}
	return nil, fmt.Errorf("%s", shown(v))
}
