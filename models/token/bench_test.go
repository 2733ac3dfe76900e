package token_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
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

// chinese is prose, as english is.
var chinese = strings.Repeat("山上的老房子空了很多年。玛格丽特终于打开门的时候，发现地上有三封信，每一封都写着“房主收”；自一九八七年以来，没有人回过信。"+
	"这里的一切都出乎她的意料：厨房里有橙子的香味，走廊里的钟依然走得很准，还有人（是谁呢？）一直在给植物浇水。\n", 400)

// texts are what to measure on: prose, this package's source, and the file FREEHOLD_CORPUS where it is set.
func texts(b *testing.B) map[string]string {
	all := map[string]string{"english": english, "chinese": chinese}
	files, err := filepath.Glob("*.go")
	if err != nil {
		b.Fatal(err)
	}
	if path := os.Getenv("FREEHOLD_CORPUS"); path != "" {
		all["corpus"] = readText(b, path)
	}
	for _, path := range files {
		all["code"] += readText(b, path)
	}
	return all
}

func readText(b *testing.B, path string) string {
	data, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		b.Fatal(err)
	}
	return string(data)
}

func BenchmarkEncode(b *testing.B) {
	all := texts(b)
	for _, name := range benchVocabularies {
		tok := fixtureTokenizer(b, name)
		for _, kind := range slices.Sorted(maps.Keys(all)) {
			text := all[kind]
			b.Run(name+"/"+kind, func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				var ids []int32
				for b.Loop() {
					ids = tok.Encode(ids[:0], text, token.EncodeOptions{ParseSpecial: true})
				}
			})
		}
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
