// Package hf turns a model folder as Hugging Face transformers writes it (config.json, tokenizer.json, safetensors) into a
// GGUF file, as llama.cpp's convert_hf_to_gguf.py does. One file an architecture; what is not known is refused by name.
package hf

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"

	"github.com/freehold-slm/freehold/models/gguf"
)

// Error says what of a model folder cannot be converted: which file, which field, what it holds and what it should hold.
type Error struct {
	File  string
	Field string
	Got   string // already quoted where it is the file's text
	Want  string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s: got %s, want %s", e.File, e.Field, e.Got, e.Want)
}

func quote(s string) string { return gguf.Quote(s) }

// maxJSON bounds a JSON file, in bytes; the largest known tokenizer.json has 35 MB.
const maxJSON = 128 << 20

// readFile reads the file at path, of at most maxJSON bytes.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxJSON {
		return nil, &Error{path, "file", fmt.Sprintf("%v of %d bytes", info.Mode().Type(), info.Size()), fmt.Sprintf("a regular file of at most %d bytes", maxJSON)}
	}
	return os.ReadFile(path)
}

// readJSON decodes the file at path into to.
func readJSON(path string, to any) error {
	text, err := readFile(path)
	if err != nil {
		return err
	}
	return decodeJSON(path, text, to)
}

// notJSON are strings, and the numbers that Python writes and JSON does not have.
var notJSON = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b`)

// jsonOf puts null for numbers that JSON does not have.
func jsonOf(text []byte) []byte {
	return notJSON.ReplaceAllFunc(text, func(b []byte) []byte {
		if b[0] == '"' {
			return b
		}
		return []byte("null")
	})
}

// decodeJSON decodes the text of the file at path into to.
func decodeJSON(path string, text []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(to); err != nil {
		return &Error{path, "JSON", quote(err.Error()), "valid JSON of a model folder"}
	}
	if d.More() {
		return &Error{path, "JSON", "more after its end", "one value"}
	}
	return nil
}
