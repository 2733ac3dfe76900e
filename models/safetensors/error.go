package safetensors

import (
	"fmt"

	"github.com/freehold-slm/freehold/models/gguf"
)

// Error says what is wrong with a safetensors file or the index of a sharded one: which file, which field, what it holds and
// what it should hold. Every refusal of a file's content is an *Error.
type Error struct {
	File  string // as given to Open or Parse
	Field string // `header`, `tensor "model.norm.weight" data_offsets`
	Got   string // what the file holds, already quoted where it is the file's text
	Want  string // what it should hold, or how to mend it
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s: got %s, want %s", e.File, e.Field, e.Got, e.Want)
}

// quote renders a stranger's text, bounded and without control characters.
func quote(s string) string { return gguf.Quote(s) }
