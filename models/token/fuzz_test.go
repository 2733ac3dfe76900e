package token

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// maxFuzz bounds the inputs of fuzzing, in bytes: it finds nothing more in long ones, and is slower.
const maxFuzz = 1024

// spmVocab is a vocabulary of llama's kind: the 256 bytes and a few texts.
func spmVocab(t testing.TB) Vocab {
	v, err := Default("llama", "")
	if err != nil {
		t.Fatal(err)
	}
	v.Tokens = []string{"<unk>", "<s>", "</s>"}
	v.Types = []int32{Unknown, Control, Control}
	for b := range 256 {
		v.Tokens = append(v.Tokens, fmt.Sprintf("<0x%02X>", b))
		v.Types = append(v.Types, Byte)
	}
	for _, text := range []string{"▁", "a", "b", "▁a", "ab", "é", "▁▁", "b▁"} {
		v.Tokens = append(v.Tokens, text)
		v.Types = append(v.Types, Normal)
	}
	return v
}

// wordPieceVocab is a vocabulary of bert's kind.
func wordPieceVocab(t testing.TB) Vocab {
	v, err := Default("bert", "")
	if err != nil {
		t.Fatal(err)
	}
	v.Tokens = []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "▁a", "▁b", "a", "b", "▁中", "▁1", "2", "▁ab", "▁,", "<x>"}
	v.Types = []int32{Control, Unknown, Control, Control, Normal, Normal, Normal, Normal, Normal, Normal, Normal, Normal, Normal, UserDefined}
	v.BOS, v.SEP, v.UNK, v.PAD, v.MASK = 2, 3, 1, 0, None
	return v
}

// rwkvVocab is a vocabulary of rwkv's kind.
func rwkvVocab(t testing.TB) Vocab {
	v, err := Default("rwkv", "")
	if err != nil {
		t.Fatal(err)
	}
	v.Tokens, v.Types = []string{"<s>"}, []int32{Control}
	for b := range 256 {
		v.Tokens = append(v.Tokens, fmt.Sprintf(`\x%02x`, b))
	}
	v.Tokens = append(v.Tokens, "ab", "abc", "b c", `\n\n`, `\xe4\xb8`, `\xe4\xb8\xad`, `\\\'`, "Hello wor")
	for len(v.Types) < len(v.Tokens) {
		v.Types = append(v.Types, Normal)
	}
	v.BOS, v.EOS = 0, 0
	return v
}

// FuzzEncode: any bytes encode without a panic with every kind and pre-tokenizer, and BPE and llama's kind give them back, U+FFFD for
// what is not UTF-8. A special token with white-space stripping would lose that white space; none is in these vocabularies.
func FuzzEncode(f *testing.F) {
	var toks []*Tokenizer
	var backs []func(string) string
	for i := range pres {
		v, back := anyVocab(f, &pres[i])
		toks, backs = append(toks, mustNew(f, v)), append(backs, back)
	}
	// SentencePiece reads a space as the mark and shows the mark as a space, except where the mark was cut in two.
	toks, backs = append(toks, mustNew(f, spmVocab(f))), append(backs, unmark)
	toks, backs = append(toks, mustNew(f, rwkvVocab(f))), append(backs, func(s string) string { return s })
	lossy := func(string) string { return "" }
	toks = append(toks, mustNew(f, unigramVocab(f)), mustNew(f, wordPieceVocab(f)))
	backs = append(backs, lossy, lossy)
	for i := range toks {
		for _, seed := range []string{"", " ", "Hello world", "it's 123 \r\n\t", "a\xff\xc0\xaf", "\xf4\xcd", "<|im_end|> x", "\xed\xa0\x80", "▁a ▁", "中文🏳️‍🌈"} {
			f.Add(uint8(i), seed)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		if len(text) > maxFuzz {
			return
		}
		i := int(which) % len(toks)
		tok, back := toks[i], backs[i]
		for _, parse := range []bool{false, true} {
			ids := tok.Encode(nil, text, EncodeOptions{ParseSpecial: parse})
			MustStream(t, tok, ids)
			decoded := string(tok.Decode(nil, ids, DecodeOptions{UnparseSpecial: true}))
			if got, want := back(decoded), back(text); got != want && (tok.model != "llama" || !parse) {
				t.Fatalf("%s %s: %q became %q", tok.Model(), tok.Pre(), want, got)
			}
		}
	})
}

// FuzzVocabulary: any vocabulary is refused with an error or gives a tokenizer that takes any text and gives ids of its own.
func FuzzVocabulary(f *testing.F) {
	for i, k := range kinds {
		f.Add(uint8(i), "a\nb\nab\n▁\n▁a\nĠ\n<0x61>\n<|im_end|>\n</s>\n[UNK]", "a b\nĠ a\nab a", []byte{1, 1, 1, 1, 1, 1, 6, 3, 3, 2}, []byte{9, 200, 3, 40, 5}, "ab a <|im_end|>ba")
		f.Add(uint8(i), strings.Join(unigramVocab(f).Tokens, "\n"), k.name, []byte{1}, CharMap(map[string]string{"a": "b"})[:4+4*300], "abc é中")
	}
	for i := range pres {
		f.Add(uint8(i)<<3, "a\nb\nab\n▁\n\n\n<0x0A>\n0\n00", "a b\n0 0", []byte{1, 1, 1, 1, 4}, []byte{0}, "ab 000\n\n a")
	}
	f.Fuzz(func(t *testing.T, which uint8, tokens, merges string, types, rest []byte, text string) {
		if len(tokens)+len(merges)+len(types)+len(text) > maxFuzz || len(rest) > 4*maxFuzz {
			return
		}
		k := kinds[int(which&7)%len(kinds)]
		v, err := Default(k.name, "")
		if err != nil {
			t.Fatal(err)
		}
		if k.pre {
			v.Pre = strings.Fields(pres[int(which>>3)%len(pres)].names)[0]
		}
		v.Tokens, v.Merges, v.Chars = strings.Split(tokens, "\n"), strings.Split(merges, "\n"), rest
		if k.name == "rwkv" {
			for b := range 256 {
				v.Tokens = append(v.Tokens, fmt.Sprintf(`\x%02x`, b))
			}
		}
		if len(types) > 0 {
			for i := range v.Tokens {
				v.Types = append(v.Types, int32(types[i%len(types)]%16)-1) // 7 and more are no types, nor is -1
			}
		}
		if len(rest) > 0 {
			at := func(i int) int { return int(rest[i%len(rest)]) }
			for i := range v.Tokens {
				v.Scores = append(v.Scores, float32(at(i))-128)
			}
			for i, r := range v.roles() {
				if n := at(i); n < 2*len(v.Tokens) {
					*r.ID = n - len(v.Tokens)/2
				}
			}
			for i, flag := range []*bool{&v.AddBOS, &v.AddEOS, &v.AddSpacePrefix, &v.MergeSpaces, &v.Lowercase, &v.StripAccents, &v.CleanSpaces} {
				*flag = at(len(rest)/2)>>i&1 == 1
			}
			v.LStrip, v.RStrip = []int32{int32(at(1) % 16)}, []int32{int32(at(2) % 16)}
			if len(rest)%2 == 1 {
				v.Chars = nil
			}
		}
		if v.check() == nil {
			DetectSpecial(&v)
		}
		tok, err := New(v)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "token: ") || len(err.Error()) > 2000 {
				t.Fatalf("error %q", err)
			}
			return
		}
		for _, opt := range []EncodeOptions{{}, {AddSpecial: true, ParseSpecial: true}} {
			ids := tok.Encode(nil, text, opt)
			if again := tok.Encode(nil, text, opt); !slices.Equal(ids, again) {
				t.Fatalf("%q gives %v, and then %v", text, ids, again)
			}
			if len(ids) > 4*len(text)+5 { // beside the text BOS, EOS, and the mark in front of it, whose three bytes may each be unknown
				t.Fatalf("%q gives %d tokens", text, len(ids))
			}
			MustStream(t, tok, ids)
			tok.Decode(nil, ids, DecodeOptions{RemoveSpecial: true})
		}
	})
}

// FuzzCharMap: a damaged map of characters is not read beyond its end.
func FuzzCharMap(f *testing.F) {
	f.Add(CharMap(map[string]string{"a": "b"})[:4+4*300], "abc")
	f.Fuzz(func(t *testing.T, chars []byte, text string) {
		if len(text) > maxFuzz || len(chars) > 8*maxFuzz {
			return
		}
		if m, err := newNormaliser(&Vocab{Chars: chars}, nil); err == nil {
			m.appendNormal(nil, text)
		}
	})
}

// MustStream fails the test when an id is outside the vocabulary, or what a Streamer gives is not the pieces one after the
// other, cut between runes.
func MustStream(t *testing.T, tok *Tokenizer, ids []int32) {
	t.Helper()
	for _, special := range []bool{true, false} {
		mustStream(t, tok, ids, special)
	}
}

func mustStream(t *testing.T, tok *Tokenizer, ids []int32, special bool) {
	t.Helper()
	var want, got []byte
	cuts := make([]int, 0, len(ids))
	s := tok.NewStreamer(special)
	for _, id := range ids {
		if id < 0 || int(id) >= tok.Size() {
			t.Fatalf("id %d of a vocabulary of %d", id, tok.Size())
		}
		want = append(want, tok.Piece(id, special)...)
		got = append(got, s.Push(id)...)
		if cuts = append(cuts, len(got)); len(want)-len(got) >= utf8.UTFMax {
			t.Fatalf("tokens %v: %d bytes are held back", ids, len(want)-len(got))
		}
	}
	if got = append(got, s.Flush()...); !bytes.Equal(got, want) {
		t.Fatalf("tokens %v stream as %q, want %q", ids, got, want)
	}
	// A rune that begins at i and has n bytes holds no cut from i+1 to i+n-1.
	for i, c := 0, 0; i < len(want); {
		_, n := utf8.DecodeRune(want[i:])
		for ; c < len(cuts) && cuts[c] < i+n; c++ {
			if cuts[c] > i {
				t.Fatalf("tokens %v: the text is cut after byte %d, within the rune %q", ids, cuts[c], want[i:i+n])
			}
		}
		i += n
	}
}
