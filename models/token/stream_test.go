package token_test

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/token"
)

// TestFixturesStream pushes tokens at random, and those that spell bytes more often, through a Streamer of every vocabulary: no rune
// is ever cut, nothing is lost, and at most three bytes are held back.
func TestFixturesStream(t *testing.T) {
	packed, _ := filepath.Glob(filepath.Join(fixtures(t, "tokenizers"), "ggml-vocab-*.gguf.gz"))
	if len(packed) < 4 {
		t.Fatalf("%d vocabularies, want 4 at least", len(packed))
	}
	for _, path := range packed {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "ggml-vocab-"), ".gguf.gz")
		t.Run(name, func(t *testing.T) {
			tok := fixtureTokenizer(t, name)
			var parts []int32 // tokens of text that hold no whole rune alone
			for id := range int32(tok.Size()) {
				if piece := tok.Piece(id, false); len(piece) > 0 && strings.ToValidUTF8(string(piece), "") != string(piece) {
					parts = append(parts, id)
				}
			}
			if len(parts) < 100 && tok.Model() != "bert" {
				t.Errorf("%d tokens hold parts of runes, want 100 at least: the test shows nothing", len(parts))
			}
			rng := rand.New(rand.NewPCG(6, 19))
			text := tok.Encode(nil, "zwölf 中文 🏳️‍🌈 नमस्ते \U0001F9D1\u200d\U0001F680 x\xff\xf0\x9f", token.EncodeOptions{})
			for range 500 {
				var ids []int32
				for range 60 {
					switch i := rng.IntN(4); {
					case i == 0 && len(parts) > 0:
						ids = append(ids, parts[rng.IntN(len(parts))])
					case i == 1:
						ids = append(ids, text[rng.IntN(len(text))])
					case i == 2:
						ids = append(ids, int32(rng.IntN(tok.Size())))
					default: // a run of a real text
						from := rng.IntN(len(text))
						ids = append(ids, text[from:min(len(text), from+3)]...)
					}
				}
				token.MustStream(t, tok, ids)
			}
		})
	}
}
