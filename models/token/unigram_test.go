package token

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// unigramVocab is a vocabulary of characters, words of chance and their scores.
func unigramVocab(t testing.TB) Vocab {
	v, err := Default("t5", "")
	if err != nil {
		t.Fatal(err)
	}
	v.Tokens = []string{"<pad>", "</s>", "<unk>", "▁", "a", "b", "é", "<x>"}
	v.Types = []int32{Control, Control, Unknown, Normal, Normal, Normal, Normal, UserDefined}
	r := rand.New(rand.NewPCG(4, 2))
	for len(v.Tokens) < 80 {
		var b strings.Builder
		for range 1 + r.IntN(5) {
			b.WriteString([]string{"▁", "a", "b", "c", "é", "中"}[r.IntN(6)])
		}
		if !slices.Contains(v.Tokens, b.String()) {
			v.Tokens, v.Types = append(v.Tokens, b.String()), append(v.Types, Normal)
		}
	}
	for range v.Tokens {
		v.Scores = append(v.Scores, -float32(1+r.IntN(1<<20))/1024) // no two ways alike
	}
	v.AddSpacePrefix, v.MergeSpaces = true, true
	return v
}

// The score of what Encode takes is that of the best way there is: every cut of every beginning is looked at.
func TestUnigramByDefinition(t *testing.T) {
	v := unigramVocab(t)
	tok := mustNew(t, v)
	m := tok.encoder.(*unigram)
	r := rand.New(rand.NewPCG(8, 3))
	for range 2000 {
		var b strings.Builder
		for range 1 + r.IntN(20) {
			b.WriteString([]string{"▁", "a", "b", "c", "é", "中", "z"}[r.IntN(7)])
		}
		text := b.String()
		chars := strings.Split(text, "")
		best := make([]float64, len(chars)+1)
		for end := 1; end <= len(chars); end++ {
			best[end] = math.Inf(-1)
			for from := range end {
				part := strings.Join(chars[from:end], "")
				if id := slices.Index(v.Tokens, part); id >= 0 && v.Types[id] == Normal {
					best[end] = max(best[end], best[from]+float64(v.Scores[id]))
				} else if end == from+1 {
					best[end] = max(best[end], best[from]+m.unknown)
				}
			}
		}
		got, spelled := 0.0, ""
		for _, id := range m.pieceUncached(nil, text, &scratch{}) {
			if id == m.unk { // stands for a run of characters that no token spells
				for n := 0; len(spelled) < len(text); n++ {
					c := charLen(text[len(spelled):])
					if slices.Contains(v.Tokens, text[len(spelled):][:c]) {
						break
					}
					spelled += text[len(spelled):][:c]
					got += m.unknown
				}
				continue
			}
			got += float64(v.Scores[id])
			spelled += v.Tokens[id]
		}
		if spelled != text || math.Abs(got-best[len(chars)]) > 1e-9 {
			t.Fatalf("%q became %q of score %v, want %v", text, spelled, got, best[len(chars)])
		}
	}
}

func TestUnigram(t *testing.T) {
	tok := mustNew(t, unigramVocab(t))
	for _, text := range []string{"", "a", "a b", "zz a z", "é中", "\xff\xff", "<x>a", strings.Repeat("ab ", 50) + "zz zz"} {
		ids := tok.Encode(nil, text, EncodeOptions{AddSpecial: true})
		if ids[len(ids)-1] != 1 || slices.Contains(ids[:len(ids)-1], 1) {
			t.Errorf("%q: %v does not end in </s>", text, ids)
		}
		for i := range len(ids) - 1 {
			if ids[i] == 2 && ids[i+1] == 2 {
				t.Errorf("%q: %v has two unknown tokens in a row", text, ids)
			}
		}
	}
	v := unigramVocab(t)
	v.UNK = None
	if _, err := New(v); err == nil || !strings.Contains(err.Error(), "names no unknown token") {
		t.Errorf("without an unknown token: error %v", err)
	}
}

// The lexicon finds the tokens that a text begins with, and how far any goes.
func TestLexicon(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 1))
	word := func(n int) string {
		b := make([]byte, 1+r.IntN(n))
		for i := range b {
			b[i] = "ab\x00\xff"[r.IntN(4)]
		}
		return string(b)
	}
	for range 200 {
		var texts []string
		var ids []int32
		for range 1 + r.IntN(60) {
			if w := word(6); !slices.Contains(texts, w) {
				ids = append(ids, int32(len(texts)))
				texts = append(texts, w)
			}
		}
		x, err := newIndex(texts)
		if err != nil {
			t.Fatal(err)
		}
		lex := newLexicon(x, ids)
		for range 50 {
			text := word(10)
			var got, want []int32
			common := 0
			lex.prefixes(text, func(id int32, n int) {
				if len(texts[id]) != n {
					t.Fatalf("token %q is found with length %d", texts[id], n)
				}
				got = append(got, id)
			})
			for n := 1; n <= len(text); n++ {
				if id := slices.Index(texts, text[:n]); id >= 0 {
					want = append(want, int32(id))
				}
				if slices.ContainsFunc(texts, func(s string) bool { return strings.HasPrefix(s, text[:n]) }) {
					common = n
				}
			}
			if !slices.Equal(got, want) || lex.common(text) != common {
				t.Fatalf("%q in %q: %v, common %d; want %v, %d", text, texts, got, lex.common(text), want, common)
			}
		}
	}
}

// A word is cut from its left into the longest tokens, or unknown; what stands for itself stands alone.
func TestWordPiece(t *testing.T) {
	v, err := Default("bert", "")
	if err != nil {
		t.Fatal(err)
	}
	v.Tokens = []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "▁un", "▁una", "aff", "able", "ff", "▁.", "▁中", "▁e", "▁the", "ᄒ", "▁한", "▁ᄒ", "▁A", "▁É"}
	v.PAD, v.UNK, v.BOS, v.SEP, v.MASK = 0, 1, 2, 3, 4
	for _, c := range []struct {
		lower, strip bool
		text, want   string
	}{
		{true, true, "unaffable", "▁una ff able"},
		{true, true, "unaffablex THE", "[UNK] ▁the"},
		{true, true, "the.中the\u00a0\u200bthe", "▁the ▁. ▁中 ▁the ▁the"},
		{true, true, "É e\u0301", "▁e ▁e"},
		{false, false, "É A the", "▁É ▁A ▁the"},
		{true, true, "한", "▁ᄒ"}, // the first of the syllable's letters, as in llama.cpp
		{true, false, "한", "▁한"},
		{true, true, "\x00\ufffd\xff \t", ""},
	} {
		v.Lowercase, v.StripAccents = c.lower, c.strip
		tok := mustNew(t, v)
		if got := spell(tok, tok.Encode(nil, c.text, EncodeOptions{})); got != c.want {
			t.Errorf("%q, lower %v, strip %v: %s, want %s", c.text, c.lower, c.strip, got, c.want)
		}
	}
	tok := mustNew(t, v)
	if got := spell(tok, tok.Encode(nil, "the", EncodeOptions{AddSpecial: true})); got != "[CLS] ▁the [SEP]" {
		t.Errorf("framed: %s", got)
	}
	v.SEP = None
	if _, err := New(v); err == nil || !strings.Contains(err.Error(), "names no seperator token") {
		t.Errorf("without a separator: error %v", err)
	}
}
