package grammar

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// manyPlaces is a grammar with some hundred views.
func manyPlaces(t *testing.T, name string) *Grammar {
	var s strings.Builder
	for i := range 60 {
		fmt.Fprintf(&s, `%s"%s %d": {"enum": ["%s one of %d", "%s two of %d"]}`, ", "[:2*min(i, 1)], name, i, name, i, name, i)
	}
	return must(t)(Schema([]byte(`{"type": "object", "properties": {` + s.String() + `}}`)))
}

// wordVocab has n random words, after all bytes.
func wordVocab(n int) (*Vocab, func(id int32) []byte) {
	r := rand.New(rand.NewPCG(4, 6))
	words := make([]string, n)
	for i := range words {
		for range 2 + r.IntN(4) {
			words[i] += string([]byte{"abcdefgh two one of\": ,"[r.IntN(23)]})
		}
		if i < 256 {
			words[i] = string([]byte{byte(i)})
		}
	}
	text := func(id int32) []byte { return []byte(words[id]) }
	return NewVocab(n, text, nil), text
}

// What a vocabulary keeps is bounded in bytes over all grammars, and what is made again is the same; by many goroutines at once (go test -race).
func TestKept(t *testing.T) {
	v, text := wordVocab(3000)
	free, _ := wordVocab(3000)
	v.kept.most = 100 << 10
	grammars := []*Grammar{manyPlaces(t, "a"), manyPlaces(t, "one"), must(t)(AnyJSON())}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(worker), 1))
			for round := range 6 {
				g := grammars[(worker+round)%len(grammars)]
				m, twin := g.NewMatcher(), g.NewMatcher()
				for range 200 {
					mask := m.Mask(v)
					if !slices.Equal(mask, twin.Mask(free)) {
						t.Error("a mask is another one where views were dropped")
						return
					}
					var all []int32
					for id := range int32(3000) {
						if mask.Has(id) {
							all = append(all, id)
						}
					}
					if len(all) == 0 || t.Failed() {
						break
					}
					id := all[r.IntN(len(all))]
					if !m.Accept(text(id)) || !twin.Accept(text(id)) {
						t.Errorf("%q is within the mask and not taken", text(id))
						return
					}
				}
			}
		})
	}
	wg.Wait()
	sum, n := 0, 0
	for _, all := range v.kept.of {
		for key, e := range all {
			w := e.Value.(*keptView)
			if sum, n = sum+w.size(), n+1; w.key != key {
				t.Errorf("%q is kept as %q", w.key, key)
			}
		}
	}
	k := &v.kept
	if sum != k.bytes || n != k.order.Len() || sum > k.most || sum < k.most/2 {
		t.Errorf("%d views of %d bytes are kept, %d of %d counted, want at most %d and more than half", n, sum, k.order.Len(), k.bytes, k.most)
	}
	if free.kept.bytes < 3*k.most {
		t.Errorf("without a bound there are %d bytes; hardly any view had to go", free.kept.bytes)
	}
}

// The bytes that are counted are those that are taken, and a grammar that nobody has any more takes none.
func TestKeptBytes(t *testing.T) {
	heap := func() int {
		runtime.GC()
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		return int(now.HeapAlloc)
	}
	v, _ := wordVocab(40000)
	fill := func(g *Grammar, texts int) {
		m := g.NewMatcher()
		for i := range texts { // each a place of its own
			m.Reset()
			for _, b := range fmt.Appendf(nil, `{"a %d": "a one of %d"`, i, i) {
				m.Mask(v)
				if !m.Accept([]byte{b}) {
					t.Fatalf("%q is refused in text %d", b, i)
				}
			}
		}
	}
	g := manyPlaces(t, "a")
	fill(g, 1)
	before, counted := heap(), v.kept.bytes
	fill(g, 60)
	took, said := heap()-before, v.kept.bytes-counted
	t.Logf("%d views, %d bytes said, %d taken with the grammar's probe", v.kept.order.Len(), said, took)
	if said < 3<<20 || took > said+2<<20 || took < said/2 {
		t.Errorf("%d bytes were said, %d taken", said, took)
	}
	runtime.KeepAlive(g)
	g = nil
	for end := time.Now().Add(10 * time.Second); v.kept.bytes > 0; time.Sleep(time.Millisecond) {
		if runtime.GC(); time.Now().After(end) {
			t.Fatalf("%d bytes of a grammar are kept that nobody has", v.kept.bytes)
		}
	}
}
