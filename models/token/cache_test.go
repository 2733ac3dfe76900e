package token

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The cache gives what merging gives, for pieces that differ in little more than length and push each other out; and
// it does remember: the last two pieces of one place.
func TestWordCache(t *testing.T) {
	tok := mustNew(t, bigVocab(t))
	r := rand.New(rand.NewPCG(3, 9))
	s, plain := newScratch(tok.Size()), newScratch(tok.Size())
	var pieces []string
	for len(pieces) < 20000 {
		if piece := tok.Piece(int32(r.IntN(tok.Size())), true); len(piece) > 0 && len(piece) <= maxCached+2 {
			pieces = append(pieces, string(piece))
		}
	}
	known := 0
	for range 60000 {
		piece := pieces[r.IntN(len(pieces))]
		if r.IntN(2) == 0 {
			piece = pieces[r.IntN(100)]
		}
		if len(piece) <= maxCached && s.words.find(piece).n > 0 {
			known++
		}
		got, want := tok.encoder.(*bpe).piece(nil, piece, s), tok.encoder.(*bpe).pieceUncached(nil, piece, plain)
		if !slices.Equal(got, want) {
			t.Fatalf("%q: %v, want %v", piece, got, want)
		}
	}
	if known < 10000 {
		t.Errorf("%d of 60000 pieces were known", known)
	}

	// Two pieces of one place take turns; a third pushes out the older.
	one, place := "aaaa", s.words.find("aaaa")
	var same []string
	for len(same) < 2 {
		piece := make([]byte, 12)
		for i := range piece {
			piece[i] = "abcdefgh"[r.IntN(8)]
		}
		if s.words.find(string(piece)) == place {
			same = append(same, string(piece))
		}
	}
	ids := []int32{1, 2}
	remember := func(piece string) { s.words.find(piece).fill(ids) }
	remember(one)
	remember(same[0])
	for range 3 {
		if s.words.find(one).n != 2 || s.words.find(same[0]).n != 2 {
			t.Error("two pieces of one place push each other out")
		}
	}
	remember(same[1])
	if s.words.find(same[0]).n != 2 || s.words.find(one).n != 0 {
		t.Error("a third piece did not push out the one used longest ago")
	}
	s.words.find("no such word").fill([]int32{1, 2, 3, 4})
	if s.words.find("no such word").n != 0 {
		t.Error("a piece of four tokens is said to have other tokens")
	}
}
