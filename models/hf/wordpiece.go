package hf

import (
	"fmt"
	"strings"

	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/token"
)

// WordPiece vocabularies (BERT) mark tokens within a word in tokenizer.json, by ##, and those at its beginning in GGUF, by a space mark.
const withinWord = "##"

// ggufPiece is how GGUF spells a token.
func ggufPiece(text string) string {
	if rest, within := strings.CutPrefix(text, withinWord); within {
		return rest
	}
	return spaceMark + text
}

// wordPiece is the way back.
func wordPiece(text string) string {
	if rest, begins := strings.CutPrefix(text, spaceMark); begins {
		return rest
	}
	return withinWord + text
}

// bertMethod writes what a WordPiece vocabulary does to text, where that is what BERT does.
func (t *tokenizer) bertMethod(path string, ids map[string]int, rows int, tc, cfg, gen *config, w *gguf.Writer) error {
	normalizer, _ := t.normalizer.(map[string]any)
	pre, _ := t.pre.(map[string]any)
	switch {
	case normalizer["type"] != "BertNormalizer":
		return &Error{path, "normalizer", shown(t.normalizer), "BertNormalizer"}
	case normalizer["clean_text"] != true || normalizer["handle_chinese_chars"] != true:
		return &Error{path, "normalizer", shown(t.normalizer), "clean_text and handle_chinese_chars"}
	case pre["type"] != "BertPreTokenizer":
		return &Error{path, "pre_tokenizer", shown(t.pre), "BertPreTokenizer"}
	}
	lower := normalizer["lowercase"] == true
	strip, given := normalizer["strip_accents"].(bool)
	w.Set(ns+"model", "bert")
	w.Set(ns+"pre", "default")
	w.Set(ns+"normalizer.lowercase", lower)
	w.Set(ns+"normalizer.strip_accents", given && strip || !given && lower)
	for _, role := range []struct {
		theirs, text string
		ours         []string
	}{{"cls", "[CLS]", []string{"bos", "cls"}}, {"sep", "[SEP]", []string{"eos", "seperator"}}, {"unk", t.unknown, []string{"unknown"}}} {
		id, ok, err := roleOf(role.theirs, ids, tc, cfg, gen)
		if err != nil {
			return err
		}
		if !ok {
			if id, ok = ids[role.text]; !ok {
				return &Error{path, role.theirs + "_token", "nothing", "a token, here or in tokenizer_config.json"}
			}
		}
		if id >= rows {
			return &Error{path, role.theirs + "_token_id", fmt.Sprint(id), fmt.Sprintf("an id below %d", rows)}
		}
		for _, name := range role.ours {
			w.Set(ns+name+"_token_id", uint32(id))
		}
	}
	return nil
}

// bertJSON writes what is BERT's of tokenizer.json.
func bertJSON(v *token.Vocab, out, model object) {
	clear(model)
	vocab := object{}
	for id, text := range v.Tokens {
		if kind := v.TypeOf(id); kind == token.Unused && text == padName(id) {
			continue
		} else if kind == token.Normal {
			text = wordPiece(text)
		}
		vocab[text] = id
	}
	model["type"], model["unk_token"], model["continuing_subword_prefix"], model["max_input_chars_per_word"], model["vocab"] = "WordPiece", v.Tokens[v.UNK], withinWord, 100, vocab
	out["normalizer"] = object{"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": v.StripAccents, "lowercase": v.Lowercase}
	out["pre_tokenizer"] = object{"type": "BertPreTokenizer"}
	out["decoder"] = object{"type": "WordPiece", "prefix": withinWord, "cleanup": true}
	framed := *v
	framed.AddBOS, framed.AddEOS, framed.EOS = true, true, v.SEP
	out["post_processor"] = template1(&framed)
}
