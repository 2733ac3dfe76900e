package token_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/token"
)

// english is prose: the repository's own licence and Go's style of comments make a poor sample, so it is written here.
var english = strings.Repeat(`The old house on the hill had been empty for years. When Margaret finally opened the door, `+
	`she found 3 letters on the floor, each addressed to "the owner"; nobody had answered them since 1987. It wasn't `+
	`what she'd expected, but then again, nothing about the place was: the kitchen smelled of oranges, the clock in `+
	`the hallway still kept perfect time, and somebody (who?) had been watering the plants.

She sat down at the table and read. "Dear owner," the first one began, "we regret to inform you that your `+
	`application for planning permission, reference 22/0147-B, has been refused..." `, 200)

var benchVocabularies = []string{"gpt-2", "qwen2", "llama-bpe", "llama-spm"}

func BenchmarkNew(b *testing.B) {
	for _, name := range benchVocabularies {
		v := vocabulary(b, vocabFile(b, name))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := token.New(v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// corpus is a text to measure on: FREEHOLD_CORPUS, or the built-in prose.
func corpus(b *testing.B) string {
	if path := os.Getenv("FREEHOLD_CORPUS"); path != "" {
		data, err := os.ReadFile(filepath.Clean(path))
		if err != nil {
			b.Fatal(err)
		}
		return string(data)
	}
	return english
}

func BenchmarkEncode(b *testing.B) {
	text := corpus(b)
	for _, name := range benchVocabularies {
		tok := fixtureTokenizer(b, name)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			var ids []int32
			for b.Loop() {
				ids = tok.Encode(ids[:0], text, token.EncodeOptions{ParseSpecial: true})
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, name := range benchVocabularies {
		tok := fixtureTokenizer(b, name)
		ids := tok.Encode(nil, english, token.EncodeOptions{})
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(english)))
			b.ReportAllocs()
			s := tok.NewStreamer(false)
			for b.Loop() {
				for _, id := range ids {
					s.Push(id)
				}
			}
		})
	}
}
