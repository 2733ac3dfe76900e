package engine

import (
	"github.com/freehold-slm/freehold/models/chat"
	"github.com/freehold-slm/freehold/models/token"
)

// Render renders a conversation, with tools perhaps, with the file's chat template. BOS and EOS are filled in, and the day of
// WithDate where in names none.
func (m *Model) Render(in chat.Input) (string, error) {
	tpl, err := m.Template()
	if err != nil {
		return "", err
	}
	t, err := m.LoadTokenizer()
	if err != nil {
		return "", err
	}
	if in.Now.IsZero() {
		in.Now = m.cfg.date
	}
	in.BOS, in.EOS = t.Text(int32(t.BOS())), t.Text(int32(t.EOS()))
	return tpl.Render(in)
}

// RenderTokens renders a conversation and encodes the text.
func (m *Model) RenderTokens(in chat.Input) ([]int32, error) {
	text, err := m.Render(in)
	if err != nil {
		return nil, err
	}
	t, err := m.LoadTokenizer()
	if err != nil {
		return nil, err
	}
	tokens := t.Encode(nil, text, token.EncodeOptions{AddSpecial: true, ParseSpecial: true})
	// A template that writes BOS itself must not get a second one.
	if len(tokens) > 1 && t.AddsBOS() && tokens[0] == int32(t.BOS()) && tokens[1] == int32(t.BOS()) {
		tokens = tokens[1:]
	}
	if n := len(tokens); n > 0 && t.AddsEOS() && tokens[n-1] == int32(t.EOS()) {
		tokens = tokens[:n-1] // the turn goes on
	}
	return tokens, nil
}
