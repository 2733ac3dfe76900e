package token_test

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/token"
)

// llama is llama.cpp itself, in the package that `make bench-peers` installs.
type llama struct {
	in  io.WriteCloser
	out *bufio.Reader
	dir string // for vocabularies
}

func startLlama(t *testing.T) *llama {
	if os.Getenv("FREEHOLD_LONG") != "1" {
		t.Skip("long test: set FREEHOLD_LONG=1")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	found, _ := filepath.Glob(filepath.Join(cache, "freehold", "peers", "xllamacpp-*"))
	python, err := exec.LookPath("python3")
	if len(found) == 0 || err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("llama.cpp is not installed, or python3 is not (make bench-peers)")
		}
		t.Skip("NOT TESTED against llama.cpp: it is not installed, or python3 is not (make bench-peers)")
	}
	cmd := exec.Command(python, "testdata/llama_tokenize.py", found[len(found)-1])
	cmd.Stderr = os.Stderr
	l := &llama{dir: t.TempDir()}
	if l.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	l.out = bufio.NewReaderSize(out, 1<<20)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("llama.cpp: %v", err)
		}
	})
	return l
}

// answer is what llama.cpp makes of a text: ids plain, special, parse and special_parse; the text of the first, and of the last
// with special tokens shown and removed.
type answer struct {
	IDs  [4][]int32
	Text [3]string // hex
}

// ask returns the answers to texts, and what each token stands for, in hex.
func (l *llama) ask(t *testing.T, path string, texts []string) (answers []answer, pieces []string) {
	t.Helper()
	ask := struct {
		GGUF  string   `json:"gguf"`
		Texts []string `json:"texts"`
	}{GGUF: path}
	for _, text := range texts {
		ask.Texts = append(ask.Texts, hex.EncodeToString([]byte(text)))
	}
	if err := json.NewEncoder(l.in).Encode(ask); err != nil {
		t.Fatal(err)
	}
	line, err := l.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("llama.cpp ended: %v", err)
	}
	var got struct {
		Error   string
		Answers []answer
		Pieces  []string
	}
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err)
	}
	if got.Error != "" || len(got.Answers) != len(texts) {
		t.Fatalf("llama.cpp: %q, %d answers, want %d", got.Error, len(got.Answers), len(texts))
	}
	return got.Answers, got.Pieces
}

// compare holds a vocabulary's tokens and texts against llama.cpp's.
func (l *llama) compare(t *testing.T, w *gguf.Writer, texts []string) {
	t.Helper()
	path := filepath.Join(l.dir, "vocab.gguf")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Encode(file); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	l.compareFile(t, path, texts)
}

func (l *llama) compareFile(t *testing.T, path string, texts []string) {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tok, err := token.New(vocabulary(t, f))
	if err != nil {
		t.Fatal(err)
	}
	answers, pieces := l.ask(t, path, texts)
	noted := map[int32]bool{} // tokens whose text cannot be read: llama.cpp writes a note in its place
	for id, want := range pieces {
		if strings.Contains(want, hex.EncodeToString([]byte("[UNK_BYTE_0x"))) {
			noted[int32(id)] = true
		} else if got := hex.EncodeToString(tok.Piece(int32(id), true)); got != want {
			t.Errorf("token %d, %q: piece %s, want %s", id, tok.Text(int32(id)), got, want)
		}
	}
	wrong := 0
	for i, want := range answers {
		if !sameTokens(t, tok, texts[i], want) || !sameTexts(t, tok, want, noted) {
			if wrong++; wrong == 5 {
				t.Fatal("and more")
			}
		}
	}
}

func sameTokens(t *testing.T, tok *token.Tokenizer, text string, want answer) bool {
	t.Helper()
	for k, opt := range []token.EncodeOptions{plain, special, parse, specialParse} {
		got, want := tok.Encode(nil, text, opt), want.IDs[k]
		if slices.Equal(got, want) {
			continue
		}
		at := 0
		for at < min(len(got), len(want)) && got[at] == want[at] {
			at++
		}
		before := tok.Decode(nil, got[:at], token.DecodeOptions{UnparseSpecial: true})
		t.Errorf("%+v of %q: after %q %s, want %s", opt, text, before, spellNext(tok, got[at:]), spellNext(tok, want[at:]))
		return false
	}
	return true
}

func sameTexts(t *testing.T, tok *token.Tokenizer, want answer, noted map[int32]bool) bool {
	t.Helper()
	for k, d := range []struct {
		ids []int32
		opt token.DecodeOptions
	}{
		{want.IDs[0], token.DecodeOptions{}},
		{want.IDs[3], token.DecodeOptions{UnparseSpecial: true}},
		{want.IDs[3], token.DecodeOptions{RemoveSpecial: true}},
	} {
		if slices.ContainsFunc(d.ids, func(id int32) bool { return noted[id] }) {
			continue
		}
		if got := hex.EncodeToString(tok.Decode(nil, d.ids, d.opt)); got != want.Text[k] {
			t.Errorf("text %+v of %v: %s, want %s", d.opt, d.ids, got, want.Text[k])
			return false
		}
	}
	return true
}

func spellNext(tok *token.Tokenizer, ids []int32) string {
	var texts []string
	for _, id := range ids[:min(len(ids), 4)] {
		texts = append(texts, fmt.Sprintf("%q", tok.Piece(id, true)))
	}
	return strings.Join(texts, " ")
}

// hostile lists what pre-tokenizers and normalisations trip over, a kind a line.
var hostile = []string{
	"the|Word|ALLCAPS|camelCase|XMLHttp|naïve|École|ÉCOLE|straße|İstanbul|ǅungla|ﬁne|Ａｂｃ|ｋ",
	"'s|'S|'t|'re|'RE|'ve|'m|'ll|'LL|'d|'x|''|’s|'K|don't|WE'RE",
	"1|12|123|1234|12345|1234567|999999999|٣|٣٤٥٦|½|Ⅷ|²|1_000|x86|3.14|12abc|é12|1٣2|१२३४",
	" |  |   |    |     |\t|\t\t|\n|\n\n|\r\n| \n|\n |\u00a0|\u3000|\u2028|\u0085|\u000b|\u2003\u2003|\ufeff|                                                                      ",
	".|,|!?|...|—|…|“x”|‘|！|，|、|。|؟|،|।|۔|·|_|(|)|[]|{}|<|>|=|+|$|€|^|~|`|||/|//|\\|#|%|&|*|@|.x|/path|!a|-b|~z",
	"中文|汉字测试|々|〇|ひらがな|カタカナ|ｶﾅ|한국어|ㄱㄴ|ㄅㄆ|𠮷|豈|\u2f00|\u3105",
	"हिन्दी|क्षि|বাংলা|తెలుగు|العربية|مُحَمَّد|עברית|שָׁלוֹם|ไทย|กำลัง|ລາວ|ខ្មែរ|မြန်မာ|አማርኛ|ᏣᎳᎩ|Ελληνικά|Русский|Ქართული|քԱ",
	"e\u0301|\u0301|a\u0308\u0323|\u0940|\u200d|\u200c|\u200b|\u00ad|\ufe0f|\u20e3|ؐ",
	"😀|🏳️‍🌈|👨‍👩‍👧|🇩🇪|☃|♥|1️⃣|🧑🏽|\U000e0041|\U0001f9ff",
	"\x00|\x01|\x1b|\x7f|\u0080|\ue000|\U000f0000|\u0378|\ufffd|\uffff|\U0010ffff|\u2fe0|\u31ef",
	"\xff|\xc3|\xe4\xb8|\xf0\x9f\x98|\x80|\xc0\xaf|\xed\xa0\x80|\xe0\x80\x80",
	"<sentinel:12>|<sentinel:>|<sentinel:7|IMGIMGABZ|IMGIMGABCDEZ|IMGIMG|AZ|<s>|</s>|<|im_end|>|<dna>|▁|▁▁|Ġ|<0x0A>",
}

// hostileTexts draws texts of the pieces above and of any runes at all.
func hostileTexts(seed uint64, n int) (texts []string) {
	r := rand.New(rand.NewPCG(seed, 11))
	var kinds [][]string
	for _, line := range hostile {
		kinds = append(kinds, strings.Split(line, "|"))
	}
	for range n {
		var b strings.Builder
		favourite := r.IntN(len(kinds))
		for range 1 + r.IntN(14) {
			k := favourite
			if r.IntN(2) == 0 {
				k = r.IntN(len(kinds))
			}
			switch r.IntN(10) {
			case 0:
				b.WriteRune(rune(r.IntN(0x3000)))
			case 1:
				if c := rune(r.IntN(0x20000)); c < 0xD800 || 0xE000 <= c {
					b.WriteRune(c)
				}
			case 2, 3:
				b.WriteByte(' ')
			default:
				b.WriteString(kinds[k][r.IntN(len(kinds[k]))])
			}
		}
		texts = append(texts, b.String())
	}
	return texts
}

// pairsVocabulary merges any two bytes, in an order of chance: where a text is cut shows in its tokens.
func pairsVocabulary() *gguf.Writer {
	w := gguf.NewWriter()
	var tokens, merges []string
	for _, c := range byteSpelling() {
		tokens = append(tokens, c)
	}
	for _, left := range tokens[:256] {
		for _, right := range tokens[:256] {
			tokens = append(tokens, left+right)
			merges = append(merges, left+" "+right)
		}
	}
	r := rand.New(rand.NewPCG(5, 5))
	r.Shuffle(len(merges), func(i, j int) { merges[i], merges[j] = merges[j], merges[i] })
	tokens = append(tokens, "<s>", "</s>", "<|im_end|>", "<mask>")
	types := make([]int32, len(tokens))
	for i := range types {
		types[i] = token.Normal
	}
	types[len(types)-4], types[len(types)-3], types[len(types)-2] = token.Control, token.Control, token.UserDefined
	types[len(types)-1] = token.Control
	w.Set("general.architecture", "llama")
	w.Set("tokenizer.ggml.model", "gpt2")
	w.Set("tokenizer.ggml.tokens", tokens)
	w.Set("tokenizer.ggml.token_type", types)
	w.Set("tokenizer.ggml.merges", merges)
	w.Set("tokenizer.ggml.bos_token_id", uint32(len(tokens)-4))
	w.Set("tokenizer.ggml.eos_token_id", uint32(len(tokens)-3))
	return w
}

// byteSpelling is GPT-2's alphabet.
func byteSpelling() (spelling [256]string) {
	next := rune(0x100)
	for c := range spelling {
		if '!' <= c && c <= '~' || 0xA1 <= c && c <= 0xAC || 0xAE <= c {
			spelling[c] = string(rune(c))
		} else {
			spelling[c] = string(next)
			next++
		}
	}
	return spelling
}

// rawVocabulary merges any two of some characters.
func rawVocabulary() *gguf.Writer {
	w := gguf.NewWriter()
	tokens := []string{"<pad>", "<s>", "</s>", "<mask>"}
	types := []int32{token.Control, token.Control, token.Control, token.Control}
	for c := range 256 {
		tokens = append(tokens, fmt.Sprintf("<0x%02X>", c))
		types = append(types, token.Byte)
	}
	var merges []string
	chars := strings.Split("▁|\n|a|e|h|t|W|'|s|1|2|.|,|é|中|文|ि|न|😀|\u0301|T|\t|\u00a0|\r", "|")
	tokens = append(tokens, chars...)
	for _, left := range chars {
		for _, right := range chars {
			tokens = append(tokens, left+right)
			merges = append(merges, left+" "+right)
		}
	}
	r := rand.New(rand.NewPCG(6, 6))
	r.Shuffle(len(merges), func(i, j int) { merges[i], merges[j] = merges[j], merges[i] })
	tokens = append(tokens, "\n\n\n")
	for len(types) < len(tokens) {
		types = append(types, token.Normal)
	}
	w.Set("general.architecture", "llama")
	w.Set("tokenizer.ggml.model", "gpt2")
	w.Set("tokenizer.ggml.tokens", tokens)
	w.Set("tokenizer.ggml.token_type", types)
	w.Set("tokenizer.ggml.merges", merges)
	w.Set("tokenizer.ggml.bos_token_id", uint32(1))
	w.Set("tokenizer.ggml.eos_token_id", uint32(2))
	return w
}

var rawPre = []string{"gemma4", "granite-embed-multi-311m", "mmbert", "sarvam-moe"}

// The fixtures' vocabularies, and those of models in the cache, on texts that the fixtures do not hold.
func TestLlamaFiles(t *testing.T) {
	l := startLlama(t)
	texts := hostileTexts(3, 300)
	packed, _ := filepath.Glob(filepath.Join(fixtures(t, "tokenizers"), "*.gguf.gz"))
	for _, path := range packed {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "ggml-vocab-"), ".gguf.gz")
		t.Run(name, func(t *testing.T) {
			w := gguf.NewWriter()
			for _, kv := range vocabFile(t, name).KV {
				w.Set(kv.Key, kv.Value)
			}
			l.compare(t, w, texts)
		})
	}
	for _, m := range realModels {
		t.Run(m.name, func(t *testing.T) {
			f := realFile(t, m.name)
			path := f.Name
			f.Close()
			l.compareFile(t, path, texts)
		})
	}
}

// Each pre-tokenizer against llama.cpp, on vocabularies in which its cuts show.
func TestLlamaPre(t *testing.T) {
	l := startLlama(t)
	texts := append(hostileTexts(1, 150), "", strings.Repeat(" ", 1100)+"x", strings.Repeat("\u00a0", 700), strings.Repeat("7", 100))
	pairs, raw := pairsVocabulary(), rawVocabulary()
	for _, name := range token.KnownPre() {
		if name == "whitespace" { // another kind of vocabulary, which TestLlamaModels compares
			continue
		}
		t.Run(name, func(t *testing.T) {
			w := pairs
			if slices.Contains(rawPre, name) {
				w = raw
			}
			w.Set("tokenizer.ggml.pre", name)
			l.compare(t, w, texts)
		})
	}
}
