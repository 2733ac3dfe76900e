package distill

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// topShard is a shard of random logits, some peaked and some flat.
func topShard(t testing.TB, vocab, k int, tokens ...int) (*TopShard, [][][]float32) {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(vocab), uint64(k)))
	s := &TopShard{Key: "question", Vocab: vocab, K: k}
	tmp := make([]float32, vocab)
	var all [][][]float32
	for i, n := range tokens {
		row := TopRow{make([]int32, n*k), make([]float32, n*k), make([]float32, n)}
		var logits [][]float32
		for at := range n {
			z := normal(r, vocab, []float64{0.01, 2, 30}[(i+at)%3])
			logits = append(logits, z)
			topOf(best(t), &row, at, k, z, tmp)
		}
		s.Rows, all = append(s.Rows, row), append(all, logits)
	}
	return s, all
}

// What is read is what was written: the same ids in the same order, log-probabilities within half a step of those of the
// logits where they count, a whole of 1, and the error figure is that of the difference.
func TestTopShard(t *testing.T) {
	for _, c := range []struct{ vocab, k int }{{1, 1}, {2, 1}, {260, 32}, {257, 257 - 1}, {32, 32}, {3000, 7}} {
		s, logits := topShard(t, c.vocab, c.k, 3, 0, 5, 1)
		b, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseTopShard("shard", b)
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		if got.Key != "question" || got.Vocab != c.vocab || got.K != c.k || len(got.Rows) != 4 || got.Error != s.Error {
			t.Fatalf("%+v: read %+v", c, got)
		}
		worst := 0.0
		for r, row := range got.Rows {
			if !slices.Equal(row.IDs, s.Rows[r].IDs) {
				t.Fatalf("%+v: row %d has other ids", c, r)
			}
			for at := range row.Rest {
				want := logSoftmax(to64(logits[r][at]))
				order := fallingOrder(to64(logits[r][at]))
				mass, left := 0.0, 1.0
				for i := range c.k {
					id, lp := row.IDs[at*c.k+i], float64(row.LogProbs[at*c.k+i])
					if int(id) != order[i] {
						t.Fatalf("%+v: entry %d is token %d, want %d", c, i, id, order[i])
					}
					mass += math.Exp(lp)
					left -= math.Exp(want[id])
					worst = max(worst, math.Abs(math.Exp(lp)-math.Exp(want[id])))
					if want[order[0]]-want[id] < 15 && math.Abs(lp-want[id]) > 1.0/topUnits+1e-4 {
						t.Errorf("%+v: log-probability %v, want %v", c, lp, want[id])
					}
				}
				if rest := math.Exp(float64(row.Rest[at])); math.Abs(mass+rest-1) > 1e-5 || left > 1e-3 && math.Abs(rest-left) > 0.05*left {
					t.Errorf("%+v: %v known and %v left of 1, want %v left", c, mass, rest, left)
				} else {
					worst = max(worst, math.Abs(rest-max(left, 0)))
				}
			}
		}
		if math.Abs(worst-s.Error.P) > 0.01*worst+1e-5 || s.Error.KL > 1e-3 || s.Error.KL < -1e-6 {
			t.Errorf("%+v: the error figure is %+v, the largest error %v", c, s.Error, worst)
		}
		if again, err := got.Encode(); err != nil || !bytes.Equal(again[bytes.IndexByte(again, '\n'):], b[bytes.IndexByte(b, '\n'):]) {
			t.Errorf("%+v: packed again, the body is another (%v)", c, err)
		}
	}
	for _, s := range []TopShard{{Vocab: 0, K: 1}, {Vocab: 5, K: 6}, {Vocab: 5, K: 0}, {Vocab: 1 << 25, K: 1}, {Vocab: 1000, K: 300}} {
		if _, err := s.Encode(); err == nil {
			t.Errorf("%d of %d tokens are packed", s.K, s.Vocab)
		}
	}
}

// Any flipped bit and any cut is found.
func TestTopShardDamage(t *testing.T) {
	s, _ := topShard(t, 300, 8, 4, 2)
	whole, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(whole) {
		b := slices.Clone(whole)
		b[bit/8] ^= 1 << (bit % 8)
		if _, err := ParseTopShard("some/shard", b); err == nil || !strings.Contains(err.Error(), "some/shard") {
			t.Errorf("bit %d of byte %d flipped: %v", bit%8, bit/8, err)
		}
	}
	for n := range whole {
		if _, err := ParseTopShard("shard", whole[:n]); err == nil {
			t.Errorf("cut after %d bytes of %d: accepted", n, len(whole))
		}
	}
}

// sealedShard makes a shard of a header and a body that fit each other, as an attacker can.
func sealedShard(h topHeader, body []byte) []byte {
	h.Schema, h.Unit, h.Bytes = topSchema, topUnit, len(body)
	h.SHA256, _ = h.seal(body)
	line, _ := json.Marshal(h)
	return append(append(line, '\n'), body...)
}

// A shard made to fill the memory is refused before it does.
func TestTopShardBombs(t *testing.T) {
	many := make([]int, maxTopRows+1)
	for name, h := range map[string]topHeader{
		"tokens": {Vocab: 9, K: 9, Tokens: []int{1 << 40}}, "many tokens": {Vocab: 9, K: 1, Tokens: []int{900, 900}}, "negative": {Vocab: 9, K: 9, Tokens: []int{-1}},
		"vocabulary": {Vocab: 1 << 40, K: 9, Tokens: []int{1}}, "no vocabulary": {K: 1, Tokens: []int{1}}, "k": {Vocab: 1 << 20, K: 1 << 20, Tokens: []int{1}}, "no k": {Vocab: 5, Tokens: []int{1}},
		"rows": {Vocab: 5, K: 1, Tokens: many},
	} {
		if _, err := ParseTopShard("shard", sealedShard(h, make([]byte, 8))); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// The coder gives back any numbers; a bit never costs less than the reader's cap says.
func TestRangeCoder(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, skew := range []float64{0.5, 0.01, 0.999, 0} {
		var values []uint32
		for range 5000 {
			v := uint32(0)
			for range 7 {
				v <<= 1
				if r.Float64() < skew {
					v |= 1
				}
			}
			values = append(values, v)
		}
		e, tree := newRangeEncoder(), make([]bitModel, 128)
		for _, v := range values {
			e.number(tree, 7, v)
		}
		b := e.finish()
		d, tree := newRangeDecoder(b), make([]bitModel, 128)
		for i, v := range values {
			if got := d.number(tree, 7); got != v {
				t.Fatalf("skew %v: number %d is %d, want %d", skew, i, got, v)
			}
		}
		if d.short != 0 || len(d.in) != 0 {
			t.Errorf("skew %v: %d bytes are missing, %d left", skew, d.short, len(d.in))
		}
		entropy := 0.0
		if skew > 0 {
			entropy = -(skew*math.Log2(skew) + (1-skew)*math.Log2(1-skew))
		}
		bits := float64(8*len(b)) / 35000
		if bits > entropy+0.05 || bits < 0.0112 {
			t.Errorf("skew %v: %.4f bits a bit, the entropy is %.4f", skew, bits, entropy)
		}
	}
}

// FuzzTopShard: any bytes are refused, or are a shard that is packed and read again as the same.
func FuzzTopShard(f *testing.F) {
	const maxFuzz = 4096
	s, _ := topShard(f, 300, 8, 4, 2)
	b, err := s.Encode()
	if err != nil {
		f.Fatal(err)
	}
	_, body, _ := bytes.Cut(b, []byte("\n"))
	f.Add(uint32(300), uint8(8), uint8(4), uint8(2), body)
	f.Add(uint32(1), uint8(1), uint8(200), uint8(0), []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, vocab uint32, k, one, two uint8, body []byte) {
		if len(body) > maxFuzz || vocab > 1<<16 {
			return
		}
		if _, err := ParseTopShard("shard", body); err == nil {
			t.Error("a body without a header is accepted")
		}
		s, err := ParseTopShard("shard", sealedShard(topHeader{Vocab: int(vocab), K: int(k), Tokens: []int{int(one), int(two)}}, body))
		if err != nil {
			return
		}
		for _, row := range s.Rows {
			for i, lp := range row.LogProbs {
				if !(lp <= 0) || math.IsInf(float64(lp), 0) || int(row.IDs[i]) >= s.Vocab {
					t.Fatalf("token %d has log-probability %v", row.IDs[i], lp)
				}
			}
		}
		packed, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseTopShard("shard", packed)
		if err != nil {
			t.Fatal(err)
		}
		for r := range s.Rows {
			if !slices.Equal(again.Rows[r].IDs, s.Rows[r].IDs) || !slices.Equal(again.Rows[r].LogProbs, s.Rows[r].LogProbs) {
				t.Fatal("packed and read again, the shard is another")
			}
		}
	})
}
