package hf

import (
	"encoding/json"
	"fmt"
	"strings"
)

// maxTokens bounds token ids: a table is made of them.
const maxTokens = 1 << 24

// tokenizer is what of tokenizer.json a GGUF file needs.
type tokenizer struct {
	tokens      map[int]string // by id, added ones included
	merges      []string       // "left right", best first
	added       []addedToken
	bos         bool // the template begins with a special token
	eos         bool // and ends with one
	wholeTokens bool // ignore_merges: a piece that is a token is that token
	words       bool // WordPiece, see wordpiece.go
	sentence    bool // byte_fallback: SentencePiece's, see spm.go
	unknown     string
	pieces      *sentencePiece // of tokenizer.model, where the tokenizer is that file's

	pre, normalizer any // as they are
}

type addedToken struct {
	ID         int    `json:"id"`
	Content    string `json:"content"`
	Special    bool   `json:"special"`
	SingleWord bool   `json:"single_word"`
}

// parseTokenizer reads and checks the text of tokenizer.json, which path names: a BPE model, each id once, merges of known
// tokens.
func parseTokenizer(path string, text []byte) (*tokenizer, error) {
	var file struct {
		Added         []addedToken `json:"added_tokens"`
		Normalizer    any          `json:"normalizer"`
		Pre           any          `json:"pre_tokenizer"`
		PostProcessor any          `json:"post_processor"`
		Model         struct {
			Type         string          `json:"type"`
			Vocab        json.RawMessage `json:"vocab"`
			Merges       []any           `json:"merges"`
			IgnoreMerges bool            `json:"ignore_merges"`
			ByteFallback bool            `json:"byte_fallback"`
			Unknown      *string         `json:"unk_token"`
			Within       string          `json:"continuing_subword_prefix"`
		} `json:"model"`
	}
	if err := decodeJSON(path, text, &file); err != nil {
		return nil, err
	}
	bad := func(field, got, want string) error { return &Error{path, field, got, want} }
	words := file.Model.Type == "WordPiece"
	if !words && file.Model.Type != "BPE" {
		return nil, bad("model.type", quote(file.Model.Type), "BPE or WordPiece")
	}
	if words && file.Model.Within != withinWord {
		return nil, bad("model.continuing_subword_prefix", quote(file.Model.Within), withinWord)
	}
	var vocab map[string]int
	if err := json.Unmarshal(file.Model.Vocab, &vocab); err != nil || len(vocab) == 0 {
		return nil, bad("model.vocab", "no table of whole numbers", "token: id, ...")
	}
	t := &tokenizer{tokens: make(map[int]string, len(vocab)), added: file.Added, wholeTokens: file.Model.IgnoreMerges, words: words, sentence: file.Model.ByteFallback, pre: file.Pre, normalizer: file.Normalizer}
	if file.Model.Unknown != nil {
		t.unknown = *file.Model.Unknown
	}
	for text, id := range vocab {
		if id < 0 || id >= maxTokens {
			return nil, bad("model.vocab "+quote(text), fmt.Sprint("id ", id), fmt.Sprintf("0 to %d", maxTokens-1))
		}
		if other, twice := t.tokens[id]; twice {
			return nil, bad("model.vocab "+quote(max(text, other)), fmt.Sprintf("id %d, which %s has too", id, quote(min(text, other))), "each id once")
		}
		t.tokens[id] = text
	}
	for i, m := range file.Model.Merges {
		parts, err := mergeParts(m)
		field := fmt.Sprintf("model.merges[%d]", i)
		if err != "" {
			return nil, bad(field, shown(m), err)
		}
		for _, p := range []string{parts[0], parts[1], parts[0] + parts[1]} {
			if _, ok := vocab[p]; !ok {
				return nil, bad(field, quote(p)+", which is no token", "parts and result of model.vocab")
			}
		}
		t.merges = append(t.merges, parts[0]+" "+parts[1])
	}
	for i, a := range t.added {
		field := fmt.Sprintf("added_tokens[%d]", i)
		if a.Content == "" {
			return nil, bad(field, "an empty token", "text")
		}
		if a.ID < 0 || a.ID >= maxTokens {
			return nil, bad(field, fmt.Sprint("id ", a.ID), fmt.Sprintf("0 to %d", maxTokens-1))
		}
		if other, there := t.tokens[a.ID]; there && other != a.Content {
			return nil, bad(field+" "+quote(a.Content), fmt.Sprintf("id %d, which %s has", a.ID, quote(other)), "an id of its own")
		}
		t.tokens[a.ID] = a.Content
	}
	t.bos, t.eos = template(file.PostProcessor)
	return t, nil
}

// mergeParts reads a merge: "left right", or a list of two in newer files.
func mergeParts(m any) (parts [2]string, problem string) {
	const want = "two parts without spaces"
	var list []string
	switch m := m.(type) {
	case string:
		list = strings.Split(m, " ")
	case []any:
		for _, p := range m {
			s, ok := p.(string)
			if !ok {
				return parts, want
			}
			list = append(list, s)
		}
	}
	if len(list) != 2 || list[0] == "" || list[1] == "" || strings.Contains(list[0]+list[1], " ") {
		return parts, want
	}
	return [2]string{list[0], list[1]}, ""
}

// template tells whether the post-processor puts a special token before and after a text.
func template(v any) (before, after bool) {
	m, _ := v.(map[string]any)
	switch m["type"] {
	case "Sequence":
		list, _ := m["processors"].([]any)
		for _, p := range list {
			b, a := template(p)
			before, after = before || b, after || a
		}
	case "BertProcessing":
		return true, true
	case "TemplateProcessing":
		list, _ := m["single"].([]any)
		special := func(i int) bool {
			item, _ := list[i].(map[string]any)
			return item["SpecialToken"] != nil
		}
		if len(list) > 1 {
			before, after = special(0), special(len(list)-1)
		}
	}
	return before, after
}
