package server

import (
	"strings"

	"github.com/freehold-slm/freehold/models/token"
)

// tokenizeRequest is the body of /tokenize.
type tokenizeRequest struct {
	Model            string    `json:"model" doc:"a name of /v1/models; may be left out where there is one model"`
	Prompt           *string   `json:"prompt" doc:"a text"`
	Messages         []message `json:"messages" range:"1,10000" doc:"in place of prompt: a conversation, as /v1/chat/completions would read it"`
	Tools            []tool    `json:"tools" range:"0,128" doc:"with messages"`
	AddSpecialTokens *bool     `json:"add_special_tokens" doc:"with prompt: the begin and end tokens that the model asks for; default true"`
	ParseSpecial     bool      `json:"parse_special" doc:"with prompt: read special tokens in the text as such"`
	ReturnTokenStrs  bool      `json:"return_token_strs" doc:"with the tokens' texts"`
}

type tokenized struct {
	Count       int      `json:"count"`
	MaxModelLen int      `json:"max_model_len"`
	Tokens      []int32  `json:"tokens"`
	TokenStrs   []string `json:"token_strs,omitempty"`
}

// tokenize answers /tokenize.
func (c *call) tokenize() error {
	var r tokenizeRequest
	if err := decodeBody(c.body, &r); err != nil {
		return err
	}
	m, err := c.use(r.Model)
	if err != nil {
		return err
	}
	t, err := m.LoadTokenizer()
	if err != nil {
		return badField("model", codeUnsupported, "%v", err)
	}
	var tokens []int32
	switch {
	case (r.Prompt == nil) == (r.Messages == nil):
		return badField("prompt", codeMissing, "or messages must be given, and not both")
	case r.Prompt != nil && r.Tools != nil:
		return badField("tools", codeValue, "goes with messages")
	case r.Prompt != nil:
		tokens = t.Encode(nil, *r.Prompt, token.EncodeOptions{AddSpecial: value(r.AddSpecialTokens, true), ParseSpecial: r.ParseSpecial})
	case r.AddSpecialTokens != nil || r.ParseSpecial:
		return badField("add_special_tokens", codeValue, "and parse_special go with prompt; the chat template says what a conversation has")
	default:
		chat := &chatRequest{Messages: r.Messages, Tools: r.Tools}
		if err := chat.check(); err != nil {
			return err
		}
		in, _, err := c.input(chat)
		if err != nil {
			return err
		}
		if tokens, err = c.encode(in); err != nil {
			return err
		}
	}
	out := tokenized{Count: len(tokens), MaxModelLen: m.Context(), Tokens: append([]int32{}, tokens...)}
	if r.ReturnTokenStrs {
		for _, id := range tokens {
			out.TokenStrs = append(out.TokenStrs, tokenText(t.Piece(id, true)))
		}
	}
	writeJSON(c.w, 200, out)
	return nil
}

// detokenizeRequest is the body of /detokenize.
type detokenizeRequest struct {
	Model  string  `json:"model" doc:"a name of /v1/models; may be left out where there is one model"`
	Tokens []int32 `json:"tokens" need:"true" range:"0,1000000"`
	// Special tokens have no text but this.
	Special bool `json:"special" doc:"show special tokens"`
}

type detokenized struct {
	Prompt string `json:"prompt"`
}

// detokenize answers /detokenize.
func (c *call) detokenize() error {
	var r detokenizeRequest
	if err := decodeBody(c.body, &r); err != nil {
		return err
	}
	m, err := c.use(r.Model)
	if err != nil {
		return err
	}
	t, err := m.LoadTokenizer()
	if err != nil {
		return badField("model", codeUnsupported, "%v", err)
	}
	for _, id := range r.Tokens {
		if id < 0 || int(id) >= t.Size() {
			return badField("tokens", codeValue, "holds %d, want 0 to %d", id, t.Size()-1)
		}
	}
	text := t.Decode(nil, r.Tokens, token.DecodeOptions{UnparseSpecial: r.Special})
	writeJSON(c.w, 200, detokenized{strings.ToValidUTF8(string(text), "\uFFFD")})
	return nil
}

// tokenizerInfo is the answer of /tokenizer_info, by which lm_eval finds out that it needs no tokenizer of its own.
type tokenizerInfo struct {
	Class    string  `json:"tokenizer_class"`
	BOS      *string `json:"bos_token" null:"true"` // null: /tokenize reads special tokens as plain text unless it is told to, so no text stands for them
	EOS      *string `json:"eos_token" null:"true"`
	Template string  `json:"chat_template,omitempty"`
}

// tokenizerInfo answers /tokenizer_info; where there are several models, with an error.
func (c *call) tokenizerInfo() error {
	m, err := c.use("")
	if err != nil {
		return err
	}
	var out tokenizerInfo
	if out.Class, err = m.File().String("tokenizer.ggml.model"); err != nil {
		return badField("model", codeUnsupported, "%v", err)
	}
	out.Template, _ = m.File().StringOr("tokenizer.chat_template", "") // of another type it is none
	writeJSON(c.w, 200, out)
	return nil
}
