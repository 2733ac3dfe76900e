package token

import (
	"fmt"
	"slices"
	"strings"
)

// A stage returns the length of the first piece of s (not empty, repaired UTF-8). A pre-tokenizer is a list of
// stages: each cuts the pieces of the one before it, and no BPE merge crosses a cut. A stage sees only its own piece:
// the end of the piece is the end of the text to it, as in llama.cpp.
type stage func(s string) int

// pre is one pre-tokenizer and what else its name implies.
type pre struct {
	names        string // space-separated values of tokenizer.ggml.pre
	stages       []stage
	ignoreMerges bool // a piece that is a token is that token, whatever the merges say
	addBOS       bool // default of Vocab.AddBOS
	cleanSpaces  bool // Vocab.CleanSpaces
}

// The pre-tokenizers: one line a name or group of names that llama.cpp treats alike.
var pres = []pre{
	{names: "default", stages: []stage{cutPunctDefault, cutGPT2, cutNumbers, cutDigits3}, cleanSpaces: true},
	{names: "gpt-2 phi-2 mpt olmo jais gigachat a.x-4.0 mellum exaone4", stages: []stage{cutGPT2}, cleanSpaces: true},
	{names: "trillion granite-docling", stages: []stage{cutGPT2}},
	{names: "falcon", stages: []stage{cutPunctFalcon, cutGPT2, cutDigits3}, cleanSpaces: true},
	{names: "smollm command-r", stages: []stage{cutNumber1, cutGPT2}},
	{names: "starcoder refact codeshell exaone minerva-7b mellum2", stages: []stage{cutNumber1, cutGPT2}, cleanSpaces: true},
	{names: "qwen2 deepseek-r1-qwen kormo f2llmv2 hunyuan solar-open grok-2", stages: []stage{cutQwen2}},
	{names: "stablelm2 megrez", stages: []stage{cutQwen2}, cleanSpaces: true},
	{names: "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2", stages: []stage{cutLlama3}, ignoreMerges: true, addBOS: true, cleanSpaces: true},
	{names: "dbrx smaug-bpe", stages: []stage{cutLlama3}, cleanSpaces: true},
}

// KnownPre lists the values of Vocab.Pre that New accepts, sorted.
func KnownPre() []string {
	var names []string
	for _, p := range pres {
		names = append(names, strings.Fields(p.names)...)
	}
	slices.Sort(names)
	return names
}

func preTokenizer(name string) (*pre, error) {
	for i := range pres {
		if slices.Contains(strings.Fields(pres[i].names), name) {
			return &pres[i], nil
		}
	}
	return nil, fmt.Errorf("token: pre-tokenizer %q is not known (known: %s)", name, strings.Join(KnownPre(), ", "))
}

// The parts that the scanners share.

// runIn returns the end of the run of runes from i on that have any class of mask.
func runIn(s string, i int, mask uint8) int {
	for i < len(s) {
		if c := s[i]; c < 0x80 {
			if asciiClass[c]&mask == 0 {
				return i
			}
			i++
			continue
		}
		r, n := decode(s[i:])
		if class(r)&mask == 0 {
			return i
		}
		i += n
	}
	return i
}

// runOut returns the end of the run of runes from i on that have no class of mask.
func runOut(s string, i int, mask uint8) int {
	for i < len(s) {
		if c := s[i]; c < 0x80 {
			if asciiClass[c]&mask != 0 {
				return i
			}
			i++
			continue
		}
		r, n := decode(s[i:])
		if class(r)&mask != 0 {
			return i
		}
		i += n
	}
	return i
}

// contraction returns the length of 's 't 'm 'd 're 've 'll at the start of s, or 0; fold also takes capitals.
func contraction(s string, fold bool) int {
	if len(s) < 2 || s[0] != '\'' {
		return 0
	}
	at := func(i int) byte {
		if c := s[i]; fold && 'A' <= c && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return s[i]
	}
	switch at(1) {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if len(s) >= 3 && at(2) == 'e' {
			return 3
		}
	case 'l':
		if len(s) >= 3 && at(2) == 'l' {
			return 3
		}
	}
	return 0
}

// spaces matches \s+(?!\S)|\s+ at the start of s: a run that something follows leaves its last rune to it.
func spaces(s string) int {
	end := runIn(s, 0, space)
	if end == 0 || end == len(s) {
		return end
	}
	last := end - 1
	for s[last]&0xC0 == 0x80 {
		last--
	}
	if last > 0 {
		return last
	}
	return end
}
