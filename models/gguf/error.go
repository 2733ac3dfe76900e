package gguf

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Error says what is wrong with a GGUF file: which file, which field, what it holds and what it should hold.
// Every refusal by Open, Parse and the typed getters is an *Error, so a caller can tell a bad file from
// a missing one with errors.As.
type Error struct {
	File  string // as given to Open or Parse
	Field string // `key "general.alignment"`, `tensor "blk.0.attn_q.weight"`, `header`
	Got   string // what the file holds, already quoted where it is the file's text
	Want  string // what it should hold, or how to mend it
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s: got %s, want %s", e.File, e.Field, e.Got, e.Want)
}

// quoteLimit is how many bytes of a stranger's text one error may show.
const quoteLimit = 96

// Quote renders text out of a file for an error or a log line: quoted, control characters and
// terminal escapes spelled out, cut to a bounded length.
func Quote(s string) string {
	if len(s) <= quoteLimit {
		return strconv.Quote(s)
	}
	cut := quoteLimit
	for cut > quoteLimit-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%s... (%d bytes)", strconv.Quote(s[:cut]), len(s))
}
