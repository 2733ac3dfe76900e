package hf

import (
	"fmt"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/token"
)

// vocabulary writes tokenizer.json, tokenizer_config.json and generation_config.json, and the ids of roles into cfg.
func (e *Export) vocabulary(cfg map[string]any) error {
	v, err := models.Vocabulary(e.file)
	if err != nil {
		return err
	}
	tc := map[string]any{"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": cfg["max_position_embeddings"], "clean_up_tokenization_spaces": false,
		"add_bos_token": v.AddBOS, "add_eos_token": v.AddEOS}
	gen := map[string]any{"_from_model_config": true}
	for _, role := range roles {
		id := map[string]int{"bos": v.BOS, "eos": v.EOS, "unk": v.UNK, "pad": v.PAD, "sep": v.SEP, "mask": v.MASK}[role.theirs]
		if role.theirs == "pad" {
			cfg["pad_token_id"] = nil // some classes of transformers have another default
		}
		if id == token.None || !e.file.Has("tokenizer.ggml."+role.ours+"_token_id") && v.Model == "gpt2" {
			continue
		}
		if name := map[string]string{"bos": "cls", "eos": "sep"}[role.theirs]; name != "" && v.Model == "bert" {
			tc[name+"_token"] = v.Tokens[id]
			continue
		}
		tc[role.theirs+"_token"] = v.Tokens[id]
		if role.theirs == "bos" || role.theirs == "eos" || role.theirs == "pad" {
			cfg[role.theirs+"_token_id"], gen[role.theirs+"_token_id"] = id, id
		}
	}
	if e.chat, err = e.file.StringOr("tokenizer.chat_template", ""); err != nil {
		return err
	}
	tok, err := e.tokenizerJSON(&v)
	if err != nil {
		return err
	}
	e.json["tokenizer.json"], e.json["tokenizer_config.json"], e.json["generation_config.json"] = tok, tc, gen
	return nil
}

type object = map[string]any

// tokenizerJSON writes tokenizer.json: the vocabulary without the tokens that only fill up the embedding, and each token that is more
// than text as an added one.
func (e *Export) tokenizerJSON(v *token.Vocab) (object, error) {
	bad := func(field, got, want string) error { return &Error{e.file.Name, "tokenizer.ggml." + field, got, want} }
	vocab, added := make(object, len(v.Tokens)), []any{}
	for id, text := range v.Tokens {
		kind := v.TypeOf(id)
		if kind == token.Unused && text == padName(id) {
			continue
		}
		if !validText(text) {
			return nil, bad(fmt.Sprintf("tokens[%d]", id), quote(text), "UTF-8: JSON holds nothing else")
		}
		if _, twice := vocab[text]; twice {
			return nil, bad(fmt.Sprintf("tokens[%d]", id), quote(text)+" a second time", "each text once: tokenizer.json has ids by text")
		}
		vocab[text] = id // added ones too: the tokenizers library gives others new ids, whatever the file says
		if kind == token.Control || kind == token.UserDefined || kind == token.Unknown {
			added = append(added, object{"id": id, "content": text, "single_word": false, "lstrip": slices.Contains(v.LStrip, int32(id)), "rstrip": slices.Contains(v.RStrip, int32(id)),
				"normalized": false, "special": kind != token.UserDefined})
		}
	}
	model := object{"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil, "end_of_word_suffix": nil, "fuse_unk": false, "byte_fallback": false,
		"ignore_merges": false, "vocab": vocab, "merges": v.Merges}
	out := object{"version": "1.0", "truncation": nil, "padding": nil, "added_tokens": added, "normalizer": nil, "pre_tokenizer": nil, "decoder": nil,
		"post_processor": template1(v), "model": model}
	switch v.Model {
	case "bert":
		bertJSON(v, out, model)
	case "gpt2":
		i := slices.IndexFunc(known, func(k preSteps) bool { return k.name == v.Pre })
		if i < 0 {
			return nil, bad("pre", quote(v.Pre), "one of: "+strings.Join(knownNames(), ", "))
		}
		steps := known[i].steps
		if n := len(steps) - 1; steps[n] == "whole" {
			steps, model["ignore_merges"] = steps[:n], true
		}
		out["pre_tokenizer"], out["decoder"] = stepsJSON(steps), byteLevel(true)
	case "llama":
		model["merges"] = spmMerges(v)
		model["byte_fallback"], model["fuse_unk"] = true, true
		if v.UNK != token.None {
			model["unk_token"] = v.Tokens[v.UNK]
		}
		out["normalizer"], out["decoder"] = spmNormalizer(v.AddSpacePrefix), spmDecoder(v.AddSpacePrefix)
	default:
		return nil, bad("model", quote(v.Model), "gpt2, llama or bert")
	}
	return out, nil
}

// template1 is the post-processor that adds BOS and EOS; nil where neither is added.
func template1(v *token.Vocab) any {
	if !v.AddBOS && !v.AddEOS {
		return nil
	}
	special := object{}
	piece := func(id int) object {
		text := v.Tokens[id]
		special[text] = object{"id": text, "ids": []int{id}, "tokens": []string{text}}
		return object{"SpecialToken": object{"id": text, "type_id": 0}}
	}
	text := func(name string, kind int) []any {
		list := []any{object{"Sequence": object{"id": name, "type_id": kind}}}
		if v.AddBOS {
			list = slices.Insert(list, 0, any(piece(v.BOS)))
		}
		if v.AddEOS {
			list = append(list, piece(v.EOS))
		}
		return list
	}
	single := text("A", 0)
	return object{"type": "TemplateProcessing", "single": single, "pair": append(text("A", 0), text("B", 1)...), "special_tokens": special}
}

func byteLevel(regex bool) object {
	return object{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": regex}
}

// stepsJSON is the way back of steps.
func stepsJSON(steps []string) any {
	var list []any
	for _, s := range steps {
		switch name, expression, _ := strings.Cut(s, " "); name {
		case "bytes+gpt2", "bytes":
			list = append(list, byteLevel(name != "bytes"))
		case "digits", "numbers":
			list = append(list, object{"type": "Digits", "individual_digits": name == "digits"})
		case "punctuation":
			list = append(list, object{"type": "Punctuation", "behavior": "Contiguous"})
		case "split":
			list = append(list, object{"type": "Split", "pattern": object{"Regex": expression}, "behavior": "Isolated", "invert": false})
		default:
			panic("hf: no pre-tokenizer of tokenizer.json for the step " + s)
		}
	}
	if len(list) == 1 {
		return list[0]
	}
	return object{"type": "Sequence", "pretokenizers": list}
}
