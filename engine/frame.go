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

// newFrame finds the frame of a prompt that holds {text} once. Raw prompts stand as they are; others are the user's turn
// of the file's chat template, after a system turn where there is one.
func (m *Model) newFrame(prompt, system string, raw bool) (f frame, err error) {
	if !raw {
		var msgs []chat.Message
		if system != "" {
			msgs = append(msgs, chat.Message{Role: "system", Content: system})
		}
		if prompt, err = m.ChatText(append(msgs, chat.Message{Role: "user", Content: prompt}), true); err != nil {
			return f, err
		}
	} else if system != "" {
		return f, fmt.Errorf("engine: a raw prompt has no system turn")
	}
	var ok bool
	if f.before, f.after, ok = strings.Cut(prompt, textMark); !ok {
		return f, fmt.Errorf("%s: the chat template drops the user's text", m.file.Name)
	}
	return f, nil
}

// encode gives the tokens of the whole prompt. The text's own special tokens are ordinary text.
func (f *frame) encode(t *token.Tokenizer, text string) []int32 {
	whole := f.before + text + f.after
	opt := token.EncodeOptions{AddSpecial: true, ParseSpecial: true}
	tokens := t.Encode(nil, whole, opt)
	if plain := t.Encode(nil, text, token.EncodeOptions{}); !slices.Equal(plain, t.Encode(nil, text, token.EncodeOptions{ParseSpecial: true})) {
		// The text spells special tokens: encode it apart from the template.
		tokens = append(t.Encode(nil, f.before, token.EncodeOptions{AddSpecial: true, ParseSpecial: true}), plain...)
		tokens = t.Encode(tokens, f.after, token.EncodeOptions{ParseSpecial: true})
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
