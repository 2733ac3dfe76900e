package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/token"
)

type tokenizeCmd struct {
	Model        string `arg:"" complete:"model" help:"GGUF file or catalogue name; a file with a vocabulary only will do."`
	Text         string `arg:"" optional:"" help:"Text, or token ids with --decode; - or nothing reads standard input."`
	IDs          bool   `name:"ids" help:"Print the ids alone, on one line."`
	Decode       bool   `help:"The other way: ids, separated by spaces or commas, to text."`
	AddSpecial   bool   `help:"Add the begin and end tokens that the model asks for."`
	ParseSpecial bool   `help:"Read special tokens such as <|im_end|> in the text as such (with --decode: show them)."`
}

// tokens is freehold/tokenize/1.
type tokens struct {
	Schema string     `json:"schema"`
	Model  string     `json:"model"`
	Text   string     `json:"text"`
	Tokens []tokenRow `json:"tokens"`
}

type tokenRow struct {
	ID   int32  `json:"id"`
	Text string `json:"text"`
}

func (c *tokenizeCmd) Run(a *app) error {
	f, err := openFile(c.Model)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read-only
	t, err := models.Tokenizer(f)
	if err != nil {
		return asInput(err)
	}
	text := c.Text
	if text == "" || text == "-" {
		if text == "" && isTerminal(os.Stdin) {
			return usagef("no text: give it as an argument or on standard input")
		}
		if text, err = readAll(os.Stdin); err != nil {
			return err
		}
		if c.Decode {
			text = strings.TrimSpace(text)
		}
	}
	var ids []int32
	if c.Decode {
		if ids, err = parseIDs(text, t.Size()); err != nil {
			return err
		}
		text = string(t.Decode(nil, ids, token.DecodeOptions{UnparseSpecial: c.ParseSpecial}))
	} else {
		ids = t.Encode(nil, text, token.EncodeOptions{AddSpecial: c.AddSpecial, ParseSpecial: c.ParseSpecial})
	}
	switch {
	case a.json:
		d := tokens{Schema: "freehold/tokenize/1", Model: c.Model, Text: text, Tokens: []tokenRow{}}
		for _, id := range ids {
			d.Tokens = append(d.Tokens, tokenRow{id, string(t.Piece(id, true))})
		}
		return a.emit(d)
	case c.Decode:
		a.write("%s\n", text)
	case c.IDs:
		words := make([]string, len(ids))
		for i, id := range ids {
			words[i] = strconv.Itoa(int(id))
		}
		a.write("%s\n", strings.Join(words, " "))
	default:
		rows := make([][]string, len(ids))
		for i, id := range ids {
			rows[i] = []string{fmt.Sprintf("%7d", id), strconv.Quote(string(t.Piece(id, true)))}
		}
		a.columns(rows)
		a.note("%d tokens", len(ids))
	}
	return nil
}

// parseIDs reads token ids below size.
func parseIDs(text string, size int) ([]int32, error) {
	var ids []int32
	for _, w := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,\t\r\n[]", r) }) {
		id, err := strconv.Atoi(w)
		if err != nil || id < 0 || id >= size {
			return nil, usagef("%q is no token id, want numbers from 0 to %d", w, size-1)
		}
		ids = append(ids, int32(id))
	}
	return ids, nil
}
