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
	raw          bool // tokens hold text as it is, not spelled byte by byte
	marks        bool // with raw: a space is read as the mark of SentencePiece
	newlines     bool // with raw: line ends that are a token are that token, whatever the merges say
	metaspace    bool // with raw: each line begins with a mark, and each mark begins a piece
	addBOS       bool // default of Vocab.AddBOS
	keepBOS      bool // BOS is added even where the file says no
	noBOS        bool // no default of Vocab.BOS
	cased        bool // default of Vocab.Lowercase is false
	cleanSpaces  bool // Vocab.CleanSpaces
}

// The pre-tokenizers: one line a name or group of names that llama.cpp treats alike. Where its expression departs from
// the one a model was published with, its own counts: a GGUF file's ids are what llama.cpp makes of it.
var pres = []pre{
	{names: "default", stages: []stage{cutPunctDefault, cutGPT2, cutNumbers, cutDigits3}, cleanSpaces: true},
	{names: "gpt-2 phi-2 mpt olmo jais gigachat a.x-4.0 mellum exaone4 modern-bert roberta-bpe jina-es jina-de jina-v1-en jina-v2-es jina-v2-de jina-v2-code",
		stages: []stage{cutGPT2}, cleanSpaces: true},
	{names: "trillion granite-docling", stages: []stage{cutGPT2}},
	{names: "falcon", stages: []stage{cutPunctFalcon, cutGPT2, cutDigits3}, cleanSpaces: true},
	{names: "smollm command-r", stages: []stage{cutNumber1, cutGPT2}},
	{names: "starcoder refact codeshell exaone minerva-7b mellum2", stages: []stage{cutNumber1, cutGPT2}, cleanSpaces: true},
	{names: "chameleon", stages: []stage{isolate(sentinel), isolate(image), isolate(blank), cutNumber1, isolate(punctuation1), cutGPT2}, addBOS: true},

	{names: "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
		stages: []stage{llama3.cut}, ignoreMerges: true, addBOS: true, cleanSpaces: true},
	{names: "dbrx smaug-bpe", stages: []stage{llama3.cut}, cleanSpaces: true},
	{names: "chatglm-bpe", stages: []stage{llama3.cut}, noBOS: true, cleanSpaces: true},
	{names: "glm4 glm5", stages: []stage{llama3.cut}, noBOS: true, ignoreMerges: true, cleanSpaces: true},
	{names: "jais-2", stages: []stage{llama3.cut, cutSpaces512}, cleanSpaces: true},
	{names: "minicpm5", stages: []stage{isolate(numbers3), llama3.cut}, ignoreMerges: true, cleanSpaces: true},
	{names: "qwen2 deepseek-r1-qwen kormo f2llmv2 hunyuan solar-open grok-2 bailingmoe bailingmoe2 llada-moe", stages: []stage{qwen2.cut}},
	{names: "stablelm2 megrez", stages: []stage{qwen2.cut}, cleanSpaces: true},
	{names: "qwen35", stages: []stage{qwen35.cut}},
	{names: "laguna", stages: []stage{cutLines, qwen2.cut}},
	{names: "ufakzeka", stages: []stage{ufakzeka.cut}},
	{names: "seed-coder", stages: []stage{seedCoder.cut}},
	{names: "exaone-moe", stages: []stage{exaoneMoE.cut}, cleanSpaces: true},
	{names: "k2-horizon", stages: []stage{k2Horizon.cut}},
	{names: "kimi-k2", stages: []stage{kimiK2.cut}},

	{names: "gpt-4o llama4 kanana2 talkie minimax-m2", stages: []stage{gpt4o.cut}},
	{names: "granite-embed-multi-97m", stages: []stage{graniteEmbed.cut}, ignoreMerges: true},
	{names: "tekken", stages: []stage{tekken.cut}, ignoreMerges: true, addBOS: true},
	{names: "tiny_aya cohere2moe", stages: []stage{cutNumberTail, cutNumberThrees, tinyAya.cut}},
	{names: "youtu", stages: []stage{isolate(youtuScripts), youtu.cut}, ignoreMerges: true},

	{names: "deepseek-llm", stages: []stage{isolate(newline), isolate(casedWord), isolate(widePunctuation), cutTrailingSpace, isolate(eastAsian), cutNumbers}},
	{names: "deepseek-coder", stages: []stage{isolate(newline), isolate(spaceLetters), isolate(spacePunctuation), isolate(eastAsian), cutNumber1}},
	{names: "deepseek-v3 hunyuan-dense joyai-llm hy_v4", stages: []stage{isolate(numbers3), isolate(hanKana), isolate(deepseek3)}},
	{names: "spark2_5", stages: []stage{isolate(numbers3), isolate(hanKana), isolate(spark), cutNumber1}},
	{names: "afmoe", stages: []stage{cutNumberTail, cutNumberThrees, isolate(asianScripts), isolate(deepseek3)}},

	{names: "bloom gpt3-finnish", stages: []stage{isolate(bloomWord)}, cleanSpaces: true},
	{names: "poro-chat", stages: []stage{isolate(bloomWord)}},
	{names: "viking", stages: []stage{isolate(bloomWord), cutNumber1}},
	{names: "superbpe", stages: []stage{cutNumbers, cutBeforeThrees, cutThrees}},

	{names: "gemma4 granite-embed-multi-311m", stages: []stage{cutLines}, raw: true, marks: true, newlines: true, keepBOS: true, cleanSpaces: true},
	{names: "mmbert", stages: []stage{cutLines}, raw: true, marks: true, newlines: true, metaspace: true, cleanSpaces: true},
	{names: "sarvam-moe", stages: []stage{cutLines}, raw: true, marks: true},
	{names: "whitespace", stages: []stage{cutBlanks}, raw: true, cased: true, cleanSpaces: true},
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
