package hf

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/freehold-slm/freehold/models/token"
)

// Every known pre-tokenizer is one of package token's, and tokenizer.json says it as it is read.
func TestPreTokenizersKnown(t *testing.T) {
	for _, k := range known {
		if !slices.Contains(token.KnownPre(), k.name) {
			t.Errorf("%s is no pre-tokenizer of package token", k.name)
		}
		plain := slices.DeleteFunc(slices.Clone(k.steps), func(s string) bool { return s == "whole" })
		text, err := json.Marshal(stepsJSON(plain))
		if err != nil {
			t.Fatal(err)
		}
		tok := &tokenizer{wholeTokens: len(plain) < len(k.steps)}
		if err := json.Unmarshal(text, &tok.pre); err != nil {
			t.Fatal(err)
		}
		if got, err := tok.preName("tokenizer.json"); err != nil || got != k.name {
			t.Errorf("%s is read as %q, %v", k.name, got, err)
		}
	}
	// Falcon's and DeepSeek's as they were published.
	for want, text := range map[string]string{
		"falcon": `{"type": "Sequence", "pretokenizers": [{"type": "Punctuation", "behavior": "Contiguous"}, {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
			{"type": "Digits", "individual_digits": false}, {"type": "Split", "pattern": {"Regex": "[0-9][0-9][0-9]"}, "behavior": "Isolated", "invert": false}]}`,
		"deepseek-llm": `{"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "[\r\n]"}, "behavior": "Isolated", "invert": false},
			{"type": "Split", "pattern": {"Regex": "\\s?[` + spelling.Replace(deepseekLetters) + `]+"}, "behavior": "Isolated", "invert": false},
			{"type": "Split", "pattern": {"Regex": "\\s?[!-/:-~！-／：-～‘-‟　-。]+"}, "behavior": "Isolated", "invert": false}, {"type": "Split", "pattern": {"Regex": "\\s+$"}, "behavior": "Isolated", "invert": false},
			{"type": "Split", "pattern": {"Regex": "[一-龥ࠀ-一가-\ud7ff]+"}, "behavior": "Isolated", "invert": false}, {"type": "Digits", "individual_digits": true},
			{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]}`,
		"": `{"type": "Punctuation", "behavior": "Isolated"}`,
	} {
		var tok tokenizer
		if err := json.Unmarshal([]byte(text), &tok.pre); err != nil {
			t.Fatal(err)
		}
		if got, err := tok.preName("tokenizer.json"); got != want || (err == nil) != (want != "") {
			t.Errorf("got %q and %v, want %q", got, err, want)
		}
	}
}
