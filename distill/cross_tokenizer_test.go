package distill

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/token"
)

// crossVocabulary is byte-level BPE of ASCII with the given merges ("t+h th+e"), two tokens that end a turn and one without a text.
func crossVocabulary(t testing.TB, merges string) *tokenizer {
	t.Helper()
	return crossVocabularyOf(t, merges, merges)
}

// crossVocabularyOf has the merges in another order than the tokens that they make.
func crossVocabularyOf(t testing.TB, tokens, merges string) *tokenizer {
	t.Helper()
	v, err := token.Default("gpt2", "gpt-2")
	if err != nil {
		t.Fatal(err)
	}
	for c := '!'; c <= '~'; c++ {
		v.Tokens = append(v.Tokens, string(c))
	}
	v.Tokens = append(v.Tokens, "Ġ")
	for _, pair := range strings.Fields(tokens) {
		v.Tokens = append(v.Tokens, strings.Replace(pair, "+", "", 1))
	}
	for _, pair := range strings.Fields(merges) {
		v.Merges = append(v.Merges, strings.Replace(pair, "+", " ", 1))
	}
	n := len(v.Tokens)
	v.Types = slices.Repeat([]int32{token.Normal}, n)
	v.Tokens, v.Types = append(v.Tokens, "<pad>", "<end>", "<eos>"), append(v.Types, token.Control, token.Control, token.Control)
	v.PAD, v.EOT, v.EOS, v.EOG = n, n+1, n+2, []int{n + 1, n + 2}
	tok, err := token.New(v)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// sentencePiece has a blank before words, as some vocabularies put it before an answer.
func sentencePiece(t testing.TB, words ...string) *tokenizer {
	t.Helper()
	v, err := token.Default("llama", "")
	if err != nil {
		t.Fatal(err)
	}
	v.Tokens, v.Types = []string{"<unk>", "<end>"}, []int32{token.Unknown, token.Control}
	for b := range 256 {
		v.Tokens, v.Types = append(v.Tokens, fmt.Sprintf("<0x%02X>", b)), append(v.Types, token.Byte)
	}
	for _, w := range words {
		v.Tokens, v.Types = append(v.Tokens, w), append(v.Types, token.Normal)
	}
	v.UNK, v.EOS, v.EOG = 0, 1, []int{1}
	tok, err := token.New(v)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// idsOf are tokens by their spelling.
func idsOf(t testing.TB, tok *tokenizer, words ...string) (ids []int32) {
	t.Helper()
	for _, w := range words {
		id, ok := tok.TokenID(w)
		if !ok {
			t.Fatalf("the vocabulary has no token %q", w)
		}
		ids = append(ids, id)
	}
	return ids
}

// topBy makes what a shard holds of "word p word p" at each token; what lacks to k is a token without a text.
func topBy(t testing.TB, tok *tokenizer, lists ...string) *TopRow {
	t.Helper()
	const k = 6
	row := &TopRow{Rest: make([]float32, len(lists))}
	for _, list := range lists {
		fields := strings.Fields(list)
		for e := range k {
			if 2*e >= len(fields) {
				row.IDs, row.LogProbs = append(row.IDs, 0), append(row.LogProbs, float32(math.Inf(-1)))
				continue
			}
			var p float64
			fmt.Sscan(fields[2*e+1], &p)
			row.IDs, row.LogProbs = append(row.IDs, idsOf(t, tok, fields[2*e])[0]), append(row.LogProbs, float32(math.Log(p)))
		}
	}
	return row
}

// What a teacher holds likely at its tokens, by hand for the student's: tokens of the same bytes, a student's that is longer, shorter, or
// cut elsewhere, ends of the turn, a blank in front, and where the teacher says nothing.
func TestCrossTokenizer(t *testing.T) {
	short := crossVocabulary(t, "t+h r+e th+e a+b")
	long := crossVocabulary(t, "t+h r+e th+e the+re the+n b+c th+i thi+s")
	spm := sentencePiece(t, "▁yes", "▁no", "▁n", "yes", "no")
	for _, c := range []struct {
		name             string
		teacher, student *tokenizer
		theirs, own      string
		lists            []string
		want             []string
		alone            int
	}{
		{"the student's tokens are shorter", long, short, "there <end>", "the re <end>",
			[]string{"there .5 the .2 then .1 this .05 a .1", "<end> .9"},
			[]string{"the 0.8 a 0.1", "re 0.625 n 0.125", "<end> 0.9"}, 0}, // after "the", of there, the and then
		{"the student's token is longer", short, long, "the re <end>", "there <end>",
			[]string{"the .6 a .2 th .1", "re .5 r .3", "<end> 1"},
			[]string{"a 0.2 th 0.1 there 0.3", "<end> 1"}, 0}, // what follows "the" otherwise may be any of its tokens
		{"both cut elsewhere", long, short, "a bc <end>", "ab c <end>",
			[]string{"a .7 b .1 bc .1", "bc .5 b .2 c .1", "<end> 1"},
			[]string{"b 0.1 ab 0.49", "c 0.714286", "<end> 1"}, 0}, // .7 of a, (.5+.2) of what begins with b
		{"any end of the turn is the student's", long, short, "a <end>", "a <eos>",
			[]string{"a .5 <eos> .1 <end> .2", "<end> .6 <eos> .2 ! .1"},
			[]string{"a 0.5 <eos> 0.3", "<eos> 0.8 ! 0.1"}, 0},
		{"a blank before the teacher's answer", spm, short, "▁yes <end>", "y e s <end>",
			[]string{"▁yes .6 ▁no .2 ▁n .1 no .1", "<end> 1"},
			[]string{"y 0.666667 n 0.111111", "e 1", "s 1", "<end> 1"}, 0}, // of .9 with a blank; "no" is no token of the student's
		{"a blank before the student's answer", crossVocabulary(t, "y+e ye+s n+o"), spm, "yes <end>", "▁yes <end>",
			[]string{"yes .6 no .2 ye .1 n .05", "<end> 1"},
			[]string{"▁yes 0.6 ▁no 0.2 ▁n 0.05", "<end> 1"}, 0},
		{"the answer's token is not likely", long, short, "there <end>", "the re <end>",
			[]string{"then .5 a .4", "<end> 1"},
			[]string{"the 0.5 a 0.4", "re 1", "<end> 1"}, 1},
		{"nothing likely is the student's", long, short, "a <end>", "a <end>",
			[]string{"this .6 then .3", "<end> 1"},
			[]string{"a 1", "<end> 1"}, 1},
		{"other texts", long, short, "a <end>", "b <end>", []string{"a 1", "<end> 1"}, []string{"b 1", "<end> 1"}, 2},
	} {
		x := newCrossTokenizer(c.teacher, c.student, nil)
		own := idsOf(t, c.student, strings.Fields(c.own)...)
		ids, lp := x.targets(topBy(t, c.teacher, c.lists...), idsOf(t, c.teacher, strings.Fields(c.theirs)...), own, own)
		var got []string
		for i := range ids {
			var parts []string
			for e, id := range ids[i] {
				parts = append(parts, fmt.Sprintf("%s %.6g", c.student.Text(id), math.Exp(float64(lp[i][e]))))
			}
			got = append(got, strings.Join(parts, " "))
		}
		if !slices.Equal(got, c.want) || x.sum.TextAlone != c.alone || x.sum.StudentTokens != len(own) {
			t.Errorf("%s: %q, want %q; %+v, want %d alone", c.name, got, c.want, x.sum, c.alone)
		}
	}
}

// Where both have one vocabulary, the bytes say what the ids say.
func TestCrossTokenizerOfOne(t *testing.T) {
	tok := crossVocabulary(t, "t+h th+e i+n a+n an+d o+n r+e e+r s+t Ġ+t Ġ+a Ġ+the o+r e+n")
	r := rand.New(rand.NewPCG(5, 6))
	const k = 12
	for range 200 {
		text := make([]byte, 1+r.IntN(30))
		for i := range text {
			text[i] = "then an order is at the rest "[r.IntN(29)]
		}
		reply := append(tok.Encode(nil, string(text), token.EncodeOptions{}), int32(tok.EOT()))
		row := &TopRow{Rest: make([]float32, len(reply))}
		for _, id := range reply {
			list := []int32{id}
			for len(list) < k {
				if n := int32(r.IntN(tok.PAD())); !slices.Contains(list, n) { // texts
					list = append(list, n)
				}
			}
			row.IDs = append(row.IDs, list...)
			for i, v := range logSoftmax(to64(normal(r, k+1, 2))) {
				if i < k {
					row.LogProbs = append(row.LogProbs, float32(v))
				}
			}
		}
		x := newCrossTokenizer(tok, tok, nil)
		ids, lp := x.targets(row, reply, reply, reply)
		want, logs := row.mapped(nil)
		for i := range want {
			if !slices.Equal(ids[i], want[i]) {
				t.Fatalf("%q, token %d: %v, want %v", text, i, ids[i], want[i])
			}
			for e := range want[i] {
				if math.Abs(float64(lp[i][e]-logs[i][e])) > 1e-6*(1+math.Abs(float64(logs[i][e]))) {
					t.Fatalf("%q, token %d: %v, want %v", text, i, lp[i], logs[i])
				}
			}
		}
		if x.sum.Aligned != len(reply) || x.sum.TextAlone != 0 {
			t.Fatalf("%q: %+v", text, x.sum)
		}
	}
}

// Whatever the vocabularies and lists are: ids differ and are of the student's, probabilities are at most 1 together, and every token has a target.
func TestCrossTokenizerBounds(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	vocabulary := func() *tokenizer {
		parts, merges := []string{"a", "b", "c", "Ġ"}, []string{}
		for range 2 + r.IntN(12) {
			x, y := parts[r.IntN(len(parts))], parts[r.IntN(len(parts))]
			if !slices.Contains(parts, x+y) && !strings.Contains(y, "Ġ") {
				parts, merges = append(parts, x+y), append(merges, x+"+"+y)
			}
		}
		return crossVocabulary(t, strings.Join(merges, " "))
	}
	longer, shorter := 0, 0
	for range 200 {
		teacher, student := vocabulary(), vocabulary()
		text := make([]byte, r.IntN(16))
		for i := range text {
			text[i] = "abc "[r.IntN(4)]
		}
		theirs := append(teacher.Encode(nil, string(text), token.EncodeOptions{}), int32(teacher.EOT()))
		own := append(student.Encode(nil, string(text), token.EncodeOptions{}), int32(student.EOS()))
		var keep []int32
		for id := range int32(student.Size()) {
			if slices.Contains(own, id) || r.IntN(3) > 0 {
				keep = append(keep, id)
			}
		}
		labels := (&reading{keep: keep}).small(own)
		all := teacher.Size() // everything is in the list: nothing is lost to the rest that was there
		row := &TopRow{Rest: make([]float32, len(theirs))}
		for range theirs {
			for i, v := range logSoftmax(to64(normal(r, all, 3))) {
				row.IDs, row.LogProbs = append(row.IDs, int32(i)), append(row.LogProbs, float32(v))
			}
		}
		x := newCrossTokenizer(teacher, student, keep)
		ids, lp := x.targets(row, theirs, own, labels)
		if len(ids) != len(own) {
			t.Fatalf("%d targets of %d tokens", len(ids), len(own))
		}
		if len(own) > len(theirs) {
			shorter++
		} else if len(own) < len(theirs) {
			longer++
		}
		for i := range ids {
			sum := 0.0
			for e, id := range ids[i] {
				if id < 0 || int(id) >= len(keep) || slices.Index(ids[i], id) != e {
					t.Fatalf("%q, token %d: ids %v of %d", text, i, ids[i], len(keep))
				}
				sum += math.Exp(float64(lp[i][e]))
			}
			if !(sum <= 1+1e-5) || !slices.Contains(ids[i], labels[i]) {
				t.Fatalf("%q, token %d (%q): %v, together %v", text, i, student.Text(own[i]), ids[i], sum)
			}
		}
	}
	if longer < 20 || shorter < 20 {
		t.Errorf("the student's tokens were longer %d times, shorter %d times", longer, shorter)
	}
}
