package token

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// bigVocab is large enough for its tables to be built by several goroutines. Its merges come in no order, some twice, and every
// seventh makes a text that is no token.
func bigVocab(t testing.TB) Vocab {
	v := byteVocab(t, "gpt-2")
	v.Types = nil
	r := rand.New(rand.NewPCG(7, 7))
	known, token := append([]string{}, v.Tokens[:256]...), map[string]bool{}
	for _, text := range v.Tokens {
		token[text] = true
	}
	for len(v.Merges) < 30000 {
		left, right := known[r.IntN(len(known))], known[r.IntN(512)%len(known)]
		v.Merges = append(v.Merges, left+" "+right)
		if len(v.Merges)%100 == 0 {
			v.Merges = append(v.Merges, v.Merges[r.IntN(len(v.Merges))])
		}
		if text := left + right; len(text) < 48 {
			known = append(known, text)
			if !token[text] && len(v.Merges)%7 != 0 {
				token[text] = true
				v.Tokens = append(v.Tokens, text)
			}
		}
	}
	r.Shuffle(len(v.Tokens), func(i, j int) { v.Tokens[i], v.Tokens[j] = v.Tokens[j], v.Tokens[i] })
	return v
}

// processors sets GOMAXPROCS for the time of a test.
func processors(t *testing.T, n int) {
	before := runtime.GOMAXPROCS(n)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

// Whatever the number of goroutines, each token is found by its text, each pair has the rank of its first merge, and each
// merge makes what its two parts spell.
func TestTables(t *testing.T) {
	v := bigVocab(t)
	for _, n := range []int{1, 2, 7, 64} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			processors(t, n)
			tok := mustNew(t, v)
			for id, text := range v.Tokens {
				if got, ok := tok.TokenID(text); !ok || int(got) != id || tok.Text(int32(id)) != text {
					t.Fatalf("token %d is %q: found as %d, %q", id, text, got, tok.Text(int32(id)))
				}
			}
			first, inner := map[string]int{}, 0
			for rank, m := range v.Merges {
				if _, known := first[m]; !known {
					first[m] = rank
				}
				left, right, _ := strings.Cut(m, " ")
				l, r := tok.texts.find(left), tok.texts.find(right)
				if l < 0 || r < 0 || int(tok.encoder.(*bpe).rank(l, r)) != first[m] {
					t.Fatalf("merge %d is %q: symbols %d and %d, rank %d, want %d", rank, m, l, r, tok.encoder.(*bpe).rank(l, r), first[m])
				}
				made := tok.encoder.(*bpe).merged[rank]
				if got := string(tok.texts.text(made)); got != left+right {
					t.Fatalf("merge %d is %q and makes %q", rank, m, got)
				}
				if int(made) >= tok.Size() {
					inner++
				}
			}
			if inner < 1000 {
				t.Errorf("%d merges make no token, the test wants many", inner)
			}
		})
	}
}

// Of several faults in different ranges the lowest is told.
func TestTablesRefuse(t *testing.T) {
	processors(t, 8)
	v := bigVocab(t)
	for _, at := range []int{29000, 17000, 9000} {
		v.Merges[at] = "x"
		if _, err := New(v); err == nil || !strings.Contains(err.Error(), fmt.Sprintf(`merge %d is "x"`, at)) {
			t.Errorf("merge %d broken: got %v", at, err)
		}
	}
	for _, at := range []int{20000, 12000, 5000} {
		v.Tokens[at] = v.Tokens[3]
		if _, err := New(v); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("tokens 3 and %d are both", at)) {
			t.Errorf("token %d twice: got %v", at, err)
		}
	}
}
