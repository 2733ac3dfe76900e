package token

import "slices"

// Token texts that stand for a role where the file does not name it. Conversion scripts do not write every id, so
// llama.cpp goes by the text; where several texts are present the first in the list wins.
var (
	eotTexts = []string{"<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>",
		"<EOT>", "_<EOT>", "[EOT]", "<｜end▁of▁sentence｜>", "<end_of_utterance>"}
	eomTexts       = []string{"<|eom_id|>"}
	fimPrefixTexts = []string{"<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>", "<|code_prefix|>", "<|prefix|>", "<|plamo:fim_prefix|>"}
	fimSuffixTexts = []string{"<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>", "<|code_suffix|>", "<|suffix|>", "<|plamo:fim_suffix|>"}
	fimMiddleTexts = []string{"<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>", "<|code_middle|>", "<|middle|>", "<|plamo:fim_middle|>"}
	fimPadTexts    = []string{"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"}
	fimRepoTexts   = []string{"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"}
	fimSepTexts    = []string{"<|file_sep|>", "<|plamo:file_separator|>"}

	eogTexts = []string{"<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>",
		"<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]",
		"<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>", "[e~[", "<|ifm|im_end|>"}

	// Tokens of the harmony format that carry structure and must be shown.
	shownTexts = []string{"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"}
)

// DetectSpecial completes a Vocab whose Tokens, Types and named ids are set: it finds EOT, EOM and the
// fill-in-the-middle tokens by their text where they are None, makes tokens found by text control tokens, and sets EOG.
// It writes to v.Types. The rules are llama.cpp's.
func DetectSpecial(v *Vocab) {
	if v.Types == nil {
		v.Types = make([]int32, len(v.Tokens))
		for i := range v.Types {
			v.Types[i] = Normal
		}
	}
	ids := v.find(eotTexts, eomTexts, fimPrefixTexts, fimSuffixTexts, fimMiddleTexts, fimPadTexts, fimRepoTexts,
		fimSepTexts, eogTexts, shownTexts, []string{"<|plamo:eos|>"})

	for _, role := range []struct {
		id    *int
		texts []string
	}{
		{&v.EOT, eotTexts}, {&v.EOM, eomTexts},
		{&v.FIMPrefix, fimPrefixTexts}, {&v.FIMSuffix, fimSuffixTexts}, {&v.FIMMiddle, fimMiddleTexts},
		{&v.FIMPad, fimPadTexts}, {&v.FIMRepo, fimRepoTexts}, {&v.FIMSep, fimSepTexts},
	} {
		if *role.id != None {
			continue
		}
		for _, text := range role.texts {
			if id, ok := ids[text]; ok {
				*role.id = id
				v.Types[id] = Control
				break
			}
		}
	}

	v.EOG = nil
	end := func(id int) {
		if id != None && !slices.Contains(v.EOG, id) {
			v.EOG = append(v.EOG, id)
		}
	}
	end(v.FIMPad)
	end(v.FIMRepo)
	end(v.FIMSep)
	for _, text := range eogTexts {
		if id, ok := ids[text]; ok {
			end(id)
			v.Types[id] = Control
		}
	}
	for _, text := range shownTexts {
		if id, ok := ids[text]; ok {
			v.Types[id] = UserDefined
		}
	}
	end(v.EOS)
	end(v.EOT)
	end(v.EOM)

	has := func(text string) bool {
		id, ok := ids[text]
		return ok && slices.Contains(v.EOG, id)
	}
	// In the harmony and solar formats <|end|> closes a part of a turn, not the turn.
	calls := has("<|call|>") || has("<|calls|>")
	if calls && (has("<|return|>") || has("<|flush|>")) && has("<|end|>") {
		v.reopen(ids["<|end|>"], UserDefined)
	}
	// These families have an ordinary token that happens to read </s>.
	if (has("<|tool_response>") || has("<|plamo:eos|>")) && has("</s>") {
		v.reopen(ids["</s>"], Normal)
	}
	slices.Sort(v.EOG)
}

// reopen takes a token off the EOG list.
func (v *Vocab) reopen(id int, typ int32) {
	v.EOG = slices.DeleteFunc(v.EOG, func(e int) bool { return e == id })
	v.Types[id] = typ
}

// find returns the ids of the given texts that are tokens.
func (v *Vocab) find(lists ...[]string) map[string]int {
	wanted := map[string]bool{}
	var first [256]bool // most tokens are refused by their first byte
	for _, list := range lists {
		for _, text := range list {
			wanted[text] = true
			first[text[0]] = true
		}
	}
	ids := map[string]int{}
	for id, text := range v.Tokens {
		if text != "" && first[text[0]] && wanted[text] {
			ids[text] = id
		}
	}
	return ids
}
