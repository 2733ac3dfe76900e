package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/models/chat"
	"github.com/freehold-slm/freehold/models/token"
)

const textMark = "{text}"

// frame is what goes around a text in a prompt, chat template included.
type frame struct {
	before string // prompt up to the text
	after  string // and from it on
}

// newFrame finds the frame of a prompt that holds {text} once.
func (m *Model) newFrame(prompt, system string, raw bool) (f frame, err error) {
	if prompt, err = m.userTurn(prompt, system, raw); err != nil {
		return f, err
	}
	var ok bool
	if f.before, f.after, ok = strings.Cut(prompt, textMark); !ok {
		return f, fmt.Errorf("%s: the chat template drops the user's text", m.file.Name)
	}
	return f, nil
}

// userTurn is a prompt as the model reads it. Raw prompts stand as they are; others are the user's turn of the file's chat
// template, after a system turn where there is one.
func (m *Model) userTurn(prompt, system string, raw bool) (string, error) {
	if raw && system != "" {
		return "", fmt.Errorf("engine: a raw prompt has no system turn")
	}
	if raw {
		return prompt, nil
	}
	var msgs []chat.Message
	if system != "" {
		msgs = append(msgs, chat.Message{Role: "system", Content: system})
	}
	return m.ChatText(append(msgs, chat.Message{Role: "user", Content: prompt}), true)
}

// encode gives the tokens of the whole prompt. The text's own special tokens are ordinary text.
func (f *frame) encode(t *token.Tokenizer, text string) []int32 {
	return encodeAmong(t, []string{f.before, f.after}, text)
}

// encodeAmong encodes texts with parts of a prompt before, between and after them. The texts' own special tokens are ordinary text.
func encodeAmong(t *token.Tokenizer, parts []string, texts ...string) []int32 {
	whole, spells := parts[0], false
	for i, text := range texts {
		whole += text + parts[i+1]
		spells = spells || !slices.Equal(t.Encode(nil, text, token.EncodeOptions{}), t.Encode(nil, text, token.EncodeOptions{ParseSpecial: true}))
	}
	tokens := t.Encode(nil, whole, token.EncodeOptions{AddSpecial: true, ParseSpecial: true})
	if spells { // encode the texts apart from the template
		tokens = t.Encode(nil, parts[0], token.EncodeOptions{AddSpecial: true, ParseSpecial: true})
		for i, text := range texts {
			tokens = t.Encode(tokens, text, token.EncodeOptions{})
			tokens = t.Encode(tokens, parts[i+1], token.EncodeOptions{ParseSpecial: true})
		}
		if t.AddsEOS() {
			tokens = slices.DeleteFunc(tokens, func(id int32) bool { return id == int32(t.EOS()) })
		}
		return tokens
	}
	if len(tokens) > 1 && t.AddsBOS() && tokens[0] == int32(t.BOS()) && tokens[1] == int32(t.BOS()) {
		tokens = tokens[1:]
	}
	if n := len(tokens); n > 1 && t.AddsEOS() && tokens[n-1] == int32(t.EOS()) {
		tokens = tokens[:n-1]
	}
	return tokens
}
