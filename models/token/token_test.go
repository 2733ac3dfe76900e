package token

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// byteVocab is a byte-level BPE vocabulary of the 256 bytes, a few merges and two special tokens.
func byteVocab(t testing.TB, pre string) Vocab {
	v, err := Default("gpt2", pre)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range byteRune {
		v.Tokens = append(v.Tokens, string(r))
	}
	v.Merges = []string{"a b", "ab c", "b c", "Ġ a", "a a", "aa aa", "Ġ Ġ", "Ã ©", "0 0"}
	for _, m := range v.Merges {
		v.Tokens = append(v.Tokens, strings.Replace(m, " ", "", 1))
	}
	v.Tokens = append(v.Tokens, "<|im_end|>", "<tool>")
	v.Types = make([]int32, len(v.Tokens))
	for i := range v.Types {
		v.Types[i] = Normal
	}
	v.Types[len(v.Types)-1] = UserDefined
	v.BOS, v.EOS, v.CleanSpaces = 0, 0, false
	v.AddBOS = false
	DetectSpecial(&v)
	return v
}

// rawVocab is a vocabulary of raw text: the 256 bytes, some characters and merges.
func rawVocab(t testing.TB, pre string) Vocab {
	v, err := Default("gpt2", pre)
	if err != nil {
		t.Fatal(err)
	}
	for b := range 256 {
		v.Tokens = append(v.Tokens, byteName(byte(b)))
		v.Types = append(v.Types, Byte)
	}
	v.Merges = []string{"a b", "ab c", "▁ a", "▁ ▁", "\n \n", "é a", "▁a b"}
	for _, text := range []string{"a", "b", "c", "▁", "é", "\n", "ab", "abc", "▁a", "▁▁", "\n\n", "▁ab"} {
		v.Tokens = append(v.Tokens, text)
		v.Types = append(v.Types, Normal)
	}
	v.Tokens = append(v.Tokens, "<|im_end|>", "<tool>")
	v.Types = append(v.Types, Normal, UserDefined)
	v.BOS, v.EOS, v.AddBOS, v.CleanSpaces = 0, 0, false, false
	DetectSpecial(&v)
	return v
}

// anyVocab is one of the two, and what its tokens give back of a text.
func anyVocab(t testing.TB, p *pre) (v Vocab, back func(string) string) {
	name := strings.Fields(p.names)[0]
	switch {
	case p.metaspace: // it adds spaces: none is told from another
		return rawVocab(t, name), func(s string) string { return strings.ReplaceAll(unmark(repair(s)), " ", "") }
	case p.marks:
		return rawVocab(t, name), func(s string) string { return unmark(repair(s)) }
	case p.raw: // decoded as if it were spelled, as in llama.cpp: only ASCII comes back
		return rawVocab(t, name), func(s string) string {
			return strings.Map(func(r rune) rune {
				if r >= 0x80 {
					return -1
				}
				return r
			}, repair(s))
		}
	}
	return byteVocab(t, name), repair
}

func mustNew(t testing.TB, v Vocab) *Tokenizer {
	t.Helper()
	tok, err := New(v)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// spell shows tokens as their texts.
func spell(tok *Tokenizer, ids []int32) string {
	var texts []string
	for _, id := range ids {
		texts = append(texts, tok.Text(id))
	}
	return strings.Join(texts, " ")
}

// Each pre-tokenizer's cuts, where the expressions differ: | marks a cut.
func TestPreTokenizers(t *testing.T) {
	for _, c := range []struct{ pre, want string }{
		{"gpt-2", "Hello| world| 1234|!!|  | it|'s|\n|\n|x"},
		{"gpt-2", "IT|'|S|  "},
		{"gpt-2", "tab|\t|s"},
		{"smollm", "a|1|2| |3| b"},
		{"smollm", "²|½|Ⅷ"},
		{"qwen2", "IT|'S|!\n\n|x|1|2|3|4"},
		{"qwen2", "tab|\ts|  \n|  | y|\t\t\t\n|z"},
		{"llama-bpe", "123|456|7|\ufeffx"},
		{"llama-bpe", " |123|.a| !?\r\n|b"},
		{"default", "a|+|b| |...|123|45|,| x"},
		{"falcon", "`|a|123|4"},
		{"stablelm2", "é|'LL|中文|！！"},
		{"dbrx", "𠮷野| |٣٤٥|٦"},
		{"qwen35", "कि\u0301a| िक"},
		{"ufakzeka", "Ankara|'da|'s"},
		{"seed-coder", "a|!?|\n\n|b"},
		{"laguna", "a|\n\n|b|  | c"},
		{"minicpm5", " |123|4| a"},
		{"exaone-moe", "a b कि c| | |1| d|!//"},
		{"k2-horizon", "می\u200cشود\u200d|123"},
		{"kimi-k2", "中文|abc's| |漢字|123|4|!\n"},
		{"gpt-4o", "Hello|World's|ABCdef'LL| XMLHttp|/\n|123|4"},
		{"gpt-4o", "éABCx|ABCé"},
		{"tekken", "Don|'t|1|2|./"},
		{"granite-embed-multi-97m", "\u0301ABCकि"},
		{"tiny_aya", "ab|12|345|678| ef"},
		{"youtu", "a|한국|中文|，。|ㄅ| b|1|2"},
		{"jais-2", "a|    |  | b"},
		{"chameleon", "<|sentinel|:|1|2|>|IMGIMGABZ|    |  | a|!|!|1|2"},
		{"deepseek-llm", "Hello| world|\n|中文|  "},
		{"deepseek-coder", "if| x|()|\n|1|2"},
		{"deepseek-v3", "123|4| .|com|中文| !?\n|\x01|\x02a"},
		{"spark2_5", "1|2|3|4| !?|\n|\n|a"},
		{"afmoe", "12|345|ไ|ทย| a"},
		{"bloom", " Hello|,| wor|. | x"},
		{"viking", " a|1|2|.| b"},
		{"superbpe", "ab |1|234|567| c|12"},
		{"gemma4", "a b|\n\n| c"},
		{"whitespace", "a|  |b"},
	} {
		p, err := preTokenizer(c.pre)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		var cut func(text string, stages []stage)
		cut = func(text string, stages []stage) {
			for len(text) > 0 {
				n := stages[0](text)
				if len(stages) > 1 {
					cut(text[:n], stages[1:])
				} else {
					got = append(got, text[:n])
				}
				text = text[n:]
			}
		}
		cut(strings.ReplaceAll(c.want, "|", ""), p.stages)
		if strings.Join(got, "|") != c.want {
			t.Errorf("%s: %q, want %q", c.pre, strings.Join(got, "|"), c.want)
		}
	}
}

// Every name of the table builds, and its stages always move on and stay inside the text.
func TestEveryPreTokenizer(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range pres {
		v, back := anyVocab(t, &pres[i])
		tok := mustNew(t, v)
		for range 300 {
			text := randomText(rng, 40)
			ids := tok.Encode(nil, text, EncodeOptions{})
			if got := string(tok.Decode(nil, ids, DecodeOptions{})); back(got) != back(text) {
				t.Fatalf("%s: %q became %q", v.Pre, text, got)
			}
		}
	}
}

// randomText mixes what tokenizers trip over.
func randomText(rng *rand.Rand, parts int) string {
	var b strings.Builder
	for range rng.IntN(parts) {
		switch rng.IntN(8) {
		case 0:
			b.WriteString(strings.Repeat(" ", 1+rng.IntN(5)))
		case 1:
			b.WriteByte("\r\n\t'!.`$0123456789"[rng.IntN(17)])
		case 2:
			b.WriteString([]string{"'s", "'RE", "<|im_end|>", "<tool>", "▁", "\u00a0", "\u2028", "é", "中", "🏳️‍🌈"}[rng.IntN(10)])
		case 3:
			b.WriteRune(rune(rng.IntN(0x110000)))
		case 4:
			b.WriteByte(byte(rng.IntN(256)))
		default:
			b.WriteString("abcaabbcc"[rng.IntN(8):])
		}
	}
	return b.String()
}

// The heap and the short scan are two ways to the same merges; the definition is a third.
func TestMergeOrder(t *testing.T) {
	v := byteVocab(t, "gpt-2")
	tok := mustNew(t, v)
	b := tok.encoder.(*bpe)
	s := &scratch{}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		piece := make([]byte, 2+rng.IntN(shortPiece-1))
		for i := range piece {
			piece[i] = "abc a0"[rng.IntN(6)]
		}
		want := mergeByDefinition(&v, string(piece))
		if got := spell(tok, b.short(nil, string(piece))); got != want {
			t.Fatalf("short %q: %s, want %s", piece, got, want)
		}
		c := &s.chain
		c.reset()
		for _, x := range piece {
			c.push(1, b.byteID[x])
		}
		c.merge(b)
		var ids []int32
		for i := int32(0); i >= 0; i = c.syms[i].next {
			ids = append(ids, c.syms[i].id)
		}
		if got := spell(tok, ids); got != want {
			t.Fatalf("heap %q: %s, want %s", piece, got, want)
		}
	}
}

// mergeByDefinition applies the best merge to its leftmost place until none applies.
func mergeByDefinition(v *Vocab, piece string) string {
	var parts []string
	for i := range len(piece) {
		parts = append(parts, string(byteRune[piece[i]]))
	}
	for {
		best, at := len(v.Merges), 0
		for i := range len(parts) - 1 {
			if rank := slices.Index(v.Merges, parts[i]+" "+parts[i+1]); rank >= 0 && rank < best {
				best, at = rank, i
			}
		}
		if best == len(v.Merges) {
			return strings.Join(parts, " ")
		}
		parts = slices.Replace(parts, at, at+2, parts[at]+parts[at+1])
	}
}

// A merge may lead through a text that is no token; what stays is spelled by its bytes.
func TestMergeThroughNonToken(t *testing.T) {
	v := byteVocab(t, "gpt-2")
	v.Merges = append(v.Merges, "x y", "xy z")
	v.Tokens = append(v.Tokens, "xyz")
	v.Types = append(v.Types, Normal)
	tok := mustNew(t, v)
	if got := spell(tok, tok.Encode(nil, "xyz", EncodeOptions{})); got != "xyz" {
		t.Errorf("xyz: %s", got)
	}
	if got := spell(tok, tok.Encode(nil, "xyb", EncodeOptions{})); got != "x y b" {
		t.Errorf("xyb: %s", got)
	}
}

func TestSpecialTokens(t *testing.T) {
	v := byteVocab(t, "gpt-2")
	for _, text := range []string{"<a>", "<a><b>", "<b>c", "\n\n"} {
		v.Tokens = append(v.Tokens, text)
		v.Types = append(v.Types, UserDefined)
	}
	v.LStrip = []int32{int32(slices.Index(v.Tokens, "<tool>"))}
	v.RStrip = []int32{int32(slices.Index(v.Tokens, "<|im_end|>"))}
	tok := mustNew(t, v)
	for _, c := range []struct {
		text  string
		parse bool
		want  string
	}{
		{"<|im_end|>", false, "< | i m _ e n d | >"},
		{"x<|im_end|>y", true, "x <|im_end|> y"},
		{"x <tool> y", false, "x <tool> Ġ y"},
		{"<tool>  <tool>", false, "<tool> <tool>"},
		{"<|im_end|> \n\n<a>", true, "<|im_end|> <a>"}, // the longer token's stripping comes first
		{"<|im_end|>  ", true, "<|im_end|>"},
		{"<a><b>c", false, "<a><b> c"}, // the longest claims first
		{"<b>c<a><b>", false, "<b>c <a><b>"},
		{"<a", false, "< a"},
	} {
		if got := spell(tok, tok.Encode(nil, c.text, EncodeOptions{ParseSpecial: c.parse})); got != c.want {
			t.Errorf("%q: %s, want %s", c.text, got, c.want)
		}
	}
}

// The scan for the special tokens that occur must miss none: all tokens tried in turn, longest first, find the same.
func TestPartitionByDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	for range 300 {
		v := Vocab{}
		for len(v.Tokens) < 1+rng.IntN(40) {
			text := make([]byte, 1+rng.IntN(5))
			for i := range text {
				text[i] = "<a>\n"[rng.IntN(4)]
			}
			if !slices.Contains(v.Tokens, string(text)) {
				v.Tokens = append(v.Tokens, string(text))
				v.Types = append(v.Types, []int32{Normal, Control, UserDefined, Unknown}[rng.IntN(4)])
			}
		}
		s := newSpecials(&v)
		for range 20 {
			text := make([]byte, 1+rng.IntN(40))
			for i := range text {
				text[i] = "<a>\nb"[rng.IntN(5)]
			}
			parse := rng.IntN(2) == 0
			want := []fragment{{0, len(text), -1}}
			for i := range s.byLength {
				var next []fragment
				for _, fr := range want {
					switch {
					case fr.id < 0 && (parse || s.byLength[i].always):
						next = s.byLength[i].split(next, string(text), fr)
					default:
						next = append(next, fr)
					}
				}
				want = next
			}
			if got := s.partition(string(text), parse); !slices.Equal(got, want) {
				t.Fatalf("%q, tokens %q, parse %v: %v, want %v", text, v.Tokens, parse, got, want)
			}
		}
	}
}

func TestInvalidUTF8(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"ok é", "ok é"},
		{"\xff\xfe", "\ufffd\ufffd"},
		{"\xc3(", "\ufffd("},
		{"\xf0\x9f\x98", "\ufffd\ufffd\ufffd"},
		{"\xc0\xaf", "/"},                                // overlong
		{"\xed\xa0\x80", "\xed\xa0\x80"},                 // a surrogate passes
		{"\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"}, // beyond U+10FFFF
		{"\xe2\x82", "\ufffd\ufffd"},
	} {
		if got := repair(c.in); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
		if got := repair(repair(c.in)); got != c.want {
			t.Errorf("%q: repaired twice %q, want %q", c.in, got, c.want)
		}
	}
}

func TestClasses(t *testing.T) {
	if n := len(classes().pages); n > 255 {
		t.Errorf("%d pages do not fit a byte", n)
	}
	for r := range rune(unicode.MaxRune + 1) {
		want := uint8(0)
		for _, c := range categories {
			if unicode.Is(c.table, r) {
				want |= c.class
			}
		}
		switch {
		case 0x2FFC <= r && r <= 0x2FFF, r == 0x31EF:
			want = symb
		case 0x2EBF0 <= r && r <= 0x2EE5D:
			want = letter
		}
		if got := class(r); got != want {
			t.Fatalf("class of %U is %b, want %b", r, got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	base := func() Vocab { return byteVocab(t, "gpt-2") }
	spm := func() Vocab {
		v, err := Default("llama", "")
		if err != nil {
			t.Fatal(err)
		}
		v.Tokens = []string{"<unk>", "<s>", "</s>", "▁a"}
		return v
	}
	for _, c := range []struct {
		name string
		v    Vocab
		edit func(v *Vocab)
		want string
	}{
		{"model", base(), func(v *Vocab) { v.Model = "quantum" }, `"quantum" is not known (known: gpt2, whitespace, gemma4, llama, t5, bert, rwkv)`},
		{"pre", base(), func(v *Vocab) { v.Pre = "no-such" }, `pre-tokenizer "no-such" is not known (known: a.x-4.0, `},
		{"no tokens", base(), func(v *Vocab) { *v = Vocab{Model: "gpt2", Pre: "gpt-2"} }, "no tokens"},
		{"scores", base(), func(v *Vocab) { v.Scores = []float32{1} }, "1 scores for"},
		{"types", base(), func(v *Vocab) { v.Types = v.Types[1:] }, "token types for"},
		{"type 99", base(), func(v *Vocab) { v.Types[5] = 99 }, "type of token 5 is 99"},
		{"byte text", base(), func(v *Vocab) { v.Types[5] = Byte }, "want <0x00> to <0xFF>"},
		{"eos", base(), func(v *Vocab) { v.EOS = 5000 }, "eos token id is 5000"},
		{"eog", base(), func(v *Vocab) { v.EOG = []int{-5} }, "id -5 is outside"},
		{"strip", base(), func(v *Vocab) { v.RStrip = []int32{9999} }, "id 9999 is outside"},
		{"add bos", base(), func(v *Vocab) { v.AddBOS, v.BOS = true, None }, "BOS token is to be added"},
		{"twice", base(), func(v *Vocab) { v.Tokens[7] = v.Tokens[6] }, "tokens 6 and 7 are both"},
		{"merge without space", base(), func(v *Vocab) { v.Merges[2] = "bc" }, `merge 2 is "bc"`},
		{"empty merge", base(), func(v *Vocab) { v.Merges[2] = "" }, `merge 2 is ""`},
		{"half merge", base(), func(v *Vocab) { v.Merges[2] = "b " }, `merge 2 is "b "`},
		{"bytes", spm(), func(v *Vocab) { v.UNK = None }, "no token <0x00>"},
		{"nan", spm(), func(v *Vocab) { z := float32(0); v.Scores = []float32{0, 0, 0, z / z} }, "score of token 3 is NaN"},
	} {
		c.edit(&c.v)
		_, err := New(c.v)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
	if _, err := Default("plamo2", ""); err == nil || !strings.Contains(err.Error(), `"plamo2"`) {
		t.Errorf("Default of rwkv: %v", err)
	}
}

func TestDetectSpecial(t *testing.T) {
	v := Vocab{Tokens: []string{"<|endoftext|>", "<|im_end|>", "<|fim_pad|>", "<|fim_prefix|>", "<|file_sep|>", "<|channel|>", "x"}}
	for _, r := range v.Roles() {
		*r.ID = None
	}
	v.EOS = 6
	DetectSpecial(&v)
	if v.EOT != 1 || v.FIMPad != 2 || v.FIMPrefix != 3 || v.FIMSep != 4 {
		t.Errorf("eot %d, fim pad %d, prefix %d, sep %d; want 1 2 3 4", v.EOT, v.FIMPad, v.FIMPrefix, v.FIMSep)
	}
	if want := []int{0, 1, 2, 4, 6}; !slices.Equal(v.EOG, want) {
		t.Errorf("eog %v, want %v", v.EOG, want)
	}
	if want := []int32{3, 3, 3, 3, 3, 4, 1}; !slices.Equal(v.Types, want) {
		t.Errorf("types %v, want %v", v.Types, want)
	}
	h := Vocab{Tokens: []string{"<|end|>", "<|return|>", "<|call|>", "</s>", "<|tool_response>"}}
	for _, r := range h.Roles() {
		*r.ID = None
	}
	DetectSpecial(&h)
	if want := []int{1, 2, 4}; !slices.Equal(h.EOG, want) {
		t.Errorf("harmony: eog %v, want %v", h.EOG, want)
	}
}

func TestStreamer(t *testing.T) {
	tok := mustNew(t, byteVocab(t, "gpt-2"))
	text := "a é 中 🏳️‍🌈 \u00a0z"
	ids := tok.Encode(nil, text, EncodeOptions{})
	s := tok.NewStreamer(false)
	var out []byte
	for _, id := range ids {
		part := s.Push(id)
		if !utf8.Valid(part) {
			t.Fatalf("a rune is split: %q", part)
		}
		out = append(out, part...)
	}
	if rest := s.Flush(); string(out) != text || len(rest) > 0 {
		t.Errorf("streamed %q and %q, want %q", out, rest, text)
	}
	for _, c := range []struct{ bytes, push, flush string }{
		{"\xf0\x9f\x98", "", "\xf0\x9f\x98"},
		{"\x80\xbf", "\x80\xbf", ""},
		{"\xff\xe4a", "\xff\xe4a", ""},
		{"é\xe4\xb8", "é", "\xe4\xb8"},
	} {
		out = nil
		for i := range len(c.bytes) {
			out = append(out, s.Push(int32(c.bytes[i]))...) // ids 0 to 255 are the bytes
		}
		if rest := string(s.Flush()); string(out) != c.push || rest != c.flush {
			t.Errorf("%q: pushed %q, flushed %q; want %q, %q", c.bytes, out, rest, c.push, c.flush)
		}
	}
	if n := testing.AllocsPerRun(100, func() {
		for _, id := range ids {
			s.Push(id)
		}
	}); n > 0 {
		t.Errorf("%v allocations a run, want 0", n)
	}
}

// Hostile input stays cheap: a megabyte of one character is one piece of a million symbols.
func TestLongPiece(t *testing.T) {
	if testing.Short() {
		t.Skip("a timing test")
	}
	bpe := mustNew(t, byteVocab(t, "gpt-2"))
	v, err := Default("llama", "")
	if err != nil {
		t.Fatal(err)
	}
	v.Tokens = []string{"<unk>", "<s>", "</s>", "▁", "a", "▁▁", "aa", "▁▁▁▁", "aaaa"}
	for range len(v.Tokens) {
		v.Scores = append(v.Scores, -float32(len(v.Scores)))
	}
	spm := mustNew(t, v)
	for _, c := range []string{"a", " ", "\n", "1", "é", "'", "<", "<|im_end|", "\xff", "ab "} {
		text := strings.Repeat(c, 1<<20/len(c))
		for name, tok := range map[string]*Tokenizer{"bpe": bpe, "spm": spm} {
			start := time.Now()
			ids := tok.Encode(nil, text, EncodeOptions{ParseSpecial: true})
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("%s: a megabyte of %q took %v", name, c, d)
			} else {
				t.Logf("%s: a megabyte of %q: %v, %d tokens", name, c, d.Round(time.Millisecond), len(ids))
			}
		}
	}
}

// One tokenizer serves many goroutines.
func TestConcurrent(t *testing.T) {
	tok := mustNew(t, byteVocab(t, "qwen2"))
	rng := rand.New(rand.NewPCG(5, 6))
	var texts []string
	var want [][]int32
	for range 200 {
		texts = append(texts, randomText(rng, 60))
		want = append(want, mustNew(t, byteVocab(t, "qwen2")).Encode(nil, texts[len(texts)-1], EncodeOptions{ParseSpecial: true}))
	}
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			for i := range texts {
				i = (i + g*50) % len(texts)
				if got := tok.Encode(nil, texts[i], EncodeOptions{ParseSpecial: true}); !slices.Equal(got, want[i]) {
					t.Errorf("%q: %v, want %v", texts[i], got, want[i])
				}
			}
		})
	}
	group.Wait()
}

func unmark(s string) string { return strings.ReplaceAll(s, spaceMark, " ") }

// rwkv takes the longest token, and wants one for each byte.
func TestRWKV(t *testing.T) {
	v := rwkvVocab(t)
	tok := mustNew(t, v)
	for text, want := range map[string]string{
		"abcab":         "abc ab",
		"ab cd":         `ab \x20 \x63 \x64`,
		"中\n\n\n":       `\xe4\xb8\xad \n\n \x0a`,
		"\xe4\xb8":      `\xe4\xb8`,
		`\'`:            `\\\'`,
		"Hello worHell": `Hello wor \x48 \x65 \x6c \x6c`,
		"<s>":           "<s>",
	} {
		ids := tok.Encode(nil, text, EncodeOptions{})
		if got := spell(tok, ids); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
		if got := string(tok.Decode(nil, ids, DecodeOptions{UnparseSpecial: true})); got != text {
			t.Errorf("%q: decoded %q", text, got)
		}
	}
	for _, c := range []struct {
		id         int
		text, want string
	}{{5, "xyz", "no token for the byte 0x04"}, {257, `a\`, "token 257 is spelled"}, {257, `\x4`, "is spelled"}, {257, `\xg0`, "is spelled"}, {257, `\x61`, "are both"}, {258, "a", "are both"}} {
		bad := rwkvVocab(t)
		bad.Tokens[c.id] = c.text
		if _, err := New(bad); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("token %d %q: error %v, want one with %q", c.id, c.text, err, c.want)
		}
	}
}
