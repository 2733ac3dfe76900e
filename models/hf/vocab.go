package hf

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/token"
)

// vocabulary writes the tokenizer.ggml.* keys: tokens to the embedding's number of rows, merges, pre-tokenizer, roles,
// and the chat template.
func vocabulary(dir string, cfg *config, rows int, w *gguf.Writer) error {
	tc := &config{file: filepath.Join(dir, "tokenizer_config.json")}
	gen := &config{file: filepath.Join(dir, "generation_config.json")}
	for _, c := range []*config{tc, gen} {
		if exists(c.file) {
			if err := readJSON(c.file, &c.fields); err != nil {
				return err
			}
		}
	}
	path, t, err := readTokenizer(dir, tc)
	if err != nil {
		return err
	}
	ids, err := t.write(path, rows, tc, w)
	if err != nil {
		return err
	}
	if err := t.roles(path, ids, rows, tc, cfg, gen, w); err != nil {
		return err
	}
	return chatTemplate(dir, tc, w)
}

// readTokenizer reads the folder's tokenizer.json, or where there is none tokenizer.model. path is the file that was read.
func readTokenizer(dir string, tc *config) (path string, t *tokenizer, err error) {
	path = filepath.Join(dir, "tokenizer.json")
	model := filepath.Join(dir, "tokenizer.model")
	if exists(path) || !exists(model) {
		text, err := readFile(path)
		if err != nil {
			return path, nil, err
		}
		t, err = parseTokenizer(path, text)
		return path, t, err
	}
	data, err := readFile(model)
	if err != nil {
		return model, nil, err
	}
	s, err := parseSentencePiece(model, data)
	if err != nil {
		return model, nil, err
	}
	t, err = s.tokenizer(dir, tc)
	return model, t, err
}

const ns = "tokenizer.ggml."

// write writes tokens to the given number of rows, their types, merges and pre-tokenizer. It returns the ids of the tokens.
func (t *tokenizer) write(path string, rows int, tc *config, w *gguf.Writer) (map[string]int, error) {
	tokens, types := make([]string, rows), make([]int32, rows)
	for id := range tokens { // as llama.cpp fills up
		tokens[id], types[id] = padName(id), token.Unused
	}
	ids := make(map[string]int, len(t.tokens))
	for id, text := range t.tokens {
		if id >= rows {
			return nil, &Error{path, "token " + quote(text), fmt.Sprint("id ", id), fmt.Sprintf("ids below vocab_size %d of config.json", rows)}
		}
		tokens[id], types[id], ids[text] = text, token.Normal, id
		switch {
		case t.pieces != nil && id < len(t.pieces.pieces):
			types[id] = t.pieces.pieces[id].kind
		case t.sentence && isByteName(text):
			types[id] = token.Byte
		}
	}
	for _, a := range t.added {
		types[a.ID] = token.UserDefined
		if a.Special || looksSpecial(a.Content) {
			types[a.ID] = token.Control
		}
	}
	if id, ok := ids[t.unknown]; ok && (t.sentence || t.words) {
		types[id] = token.Unknown
	}
	if t.words {
		for id := range tokens {
			if types[id] == token.Normal {
				tokens[id] = ggufPiece(tokens[id])
			}
		}
	}
	w.Set(ns+"tokens", tokens)
	w.Set(ns+"token_type", types)
	switch {
	case t.pieces != nil:
		return ids, t.pieces.write(types, tc, w)
	case t.words: // its roles are part of its method
		return ids, nil
	}
	return ids, t.method(path, types, w)
}

// roles writes the ids of special tokens, and which of them a text begins and ends with.
func (t *tokenizer) roles(path string, ids map[string]int, rows int, tc, cfg, gen *config, w *gguf.Writer) error {
	for _, role := range roles {
		id, ok, err := roleOf(role.theirs, ids, tc, cfg, gen)
		if err != nil {
			return err
		}
		if ok {
			if id >= rows {
				return &Error{path, role.theirs + "_token_id", fmt.Sprint(id), fmt.Sprintf("an id below %d", rows)}
			}
			w.Set(ns+role.ours+"_token_id", uint32(id))
		}
	}
	if t.words {
		if err := t.bertMethod(path, ids, rows, tc, cfg, gen, w); err != nil {
			return err
		}
	}
	w.Set(ns+"add_bos_token", tc.flag("add_bos_token", t.bos))
	w.Set(ns+"add_eos_token", tc.flag("add_eos_token", t.eos))
	return tc.err
}

// roles are special tokens by their names in transformers and in GGUF.
var roles = []struct{ theirs, ours string }{{"bos", "bos"}, {"eos", "eos"}, {"unk", "unknown"}, {"pad", "padding"}, {"sep", "seperator"}, {"mask", "mask"}}

// padName is the text of a token that only fills up the embedding, as llama.cpp has it.
func padName(id int) string { return fmt.Sprintf("[PAD%d]", id) }

// method writes how text becomes tokens: merges and a pre-tokenizer, or SentencePiece's scores.
func (t *tokenizer) method(path string, types []int32, w *gguf.Writer) error {
	if t.sentence {
		prefix, err := t.spmPrefix(path)
		if err != nil {
			return err
		}
		scores, err := t.spmScores(path, types)
		if err != nil {
			return err
		}
		w.Set(ns+"model", "llama")
		w.Set(ns+"pre", "default")
		w.Set(ns+"scores", scores)
		w.Set(ns+"add_space_prefix", prefix)
		return nil
	}
	pre, err := t.preName(path)
	if err != nil {
		return err
	}
	w.Set(ns+"model", "gpt2")
	w.Set(ns+"pre", pre)
	w.Set(ns+"merges", t.merges)
	return nil
}

// roleOf finds a special token: by its text in tokenizer_config.json, else by its id in config.json, else in
// generation_config.json; of several ids the first.
func roleOf(role string, ids map[string]int, tc, cfg, gen *config) (int, bool, error) {
	if v := tc.fields[role+"_token"]; v != nil {
		text, ok := tokenOf(v)
		id, known := ids[text]
		if !ok || !known {
			return 0, false, &Error{tc.file, role + "_token", shown(v), "a token of tokenizer.json"}
		}
		return id, true, nil
	}
	for _, c := range []*config{cfg, gen} {
		if v := c.fields[role+"_token_id"]; v != nil {
			id, ok := idOf(v)
			if !ok {
				return 0, false, &Error{c.file, role + "_token_id", shown(v), "a token id"}
			}
			return id, true, nil
		}
	}
	return 0, false, nil
}

// chatTemplate takes chat_template.jinja, as transformers does, or else tokenizer_config.json's: of several the default one.
func chatTemplate(dir string, tc *config, w *gguf.Writer) error {
	const key, limit = "tokenizer.chat_template", 1 << 20
	path := filepath.Join(dir, "chat_template.jinja")
	if info, err := os.Stat(path); err == nil {
		if !info.Mode().IsRegular() || info.Size() > limit {
			return &Error{path, "file", fmt.Sprintf("%d bytes", info.Size()), fmt.Sprintf("a regular file of at most %d bytes", limit)}
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		w.Set(key, string(text))
		return nil
	}
	switch v := tc.fields["chat_template"].(type) {
	case nil:
	case string:
		w.Set(key, v)
	case []any:
		for _, item := range v {
			m, _ := item.(map[string]any)
			if text, ok := m["template"].(string); ok && m["name"] == "default" {
				w.Set(key, text)
			}
		}
	default:
		return &Error{tc.file, "chat_template", shown(v), "text, or a list of named templates"}
	}
	return nil
}

// looksSpecial tells tokens that are special though the file does not say so, by llama.cpp's rules.
func looksSpecial(s string) bool {
	return s == "<pad>" || s == "<mask>" || s == "<2mass>" || s == "[@BOS@]" ||
		strings.HasPrefix(s, "<|") && strings.HasSuffix(s, "|>") || strings.HasPrefix(s, "<｜") && strings.HasSuffix(s, "｜>") ||
		strings.HasPrefix(s, "<unused")
}
