package distill

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/bits"

	"github.com/freehold-slm/freehold/kernels"
)

// TopRow is what the teacher held most likely at each token of one row's answer: k ids a token, the most likely first,
// their log-probabilities, and that of all other tokens together.
type TopRow struct {
	IDs      []int32   // [tokens, k]
	LogProbs []float32 // [tokens, k]
	Rest     []float32 // [tokens] log of the mass that is left; -Inf = none
}

// TopShard is a packed shard of such rows. Its file describes itself:
//
//	one line of JSON (topHeader), then the range-coded body: for each token of each row
//	| k ids, vocabulary bits each | rest, 9 bits | k-1 steps, 8 bits |
//
// A log-probability is kept as its distance below the most likely token's, in 16ths of a nat, at most 255 of them, and as
// the step from the one before; the rest as its distance, plus 192, 511 = nothing is left. As everything sums up to 1,
// the most likely token's own follows.
type TopShard struct {
	Key    string // which question it answers
	Vocab  int
	Tokens string // hash of the vocabulary that the ids are of, see tokensHash; "" = not said
	K      int
	Rows   []TopRow
	Error  TopError
}

// TopError says what packing cost.
type TopError struct {
	KL float64 `json:"kl"` // mean divergence of what is read from what was written, nats a token
	P  float64 `json:"p"`  // largest error of a probability
}

type topHeader struct {
	Schema string   `json:"schema"`
	Key    string   `json:"key"`
	Vocab  int      `json:"vocab"`
	Of     string   `json:"vocab_sha256,omitempty"` // of its tokens, in their order
	K      int      `json:"k"`
	Unit   string   `json:"unit"`
	Tokens []int    `json:"tokens"` // of each row
	Error  TopError `json:"error"`
	Bytes  int      `json:"bytes"`  // of the body
	SHA256 string   `json:"sha256"` // of this line without it, and the body
}

const (
	topSchema  = "freehold/topk/1"
	topUnit    = "1/16 nat"
	topUnits   = 16 // a nat
	topFar     = 255
	restBits   = 9
	restZero   = 192
	restNone   = 1<<restBits - 1
	maxTopK    = 256
	maxTopRows = 1 << 16
	// topEntries a byte of the body at most: an entry takes 8 coded bits or more, of 0.011 each.
	topEntries = 100
)

// topModels are the coder's models.
type topModels struct {
	idBits int
	ids    []bitModel
	rest   []bitModel
	step   [6][]bitModel
}

func newTopModels(vocab int) *topModels {
	m := &topModels{idBits: bits.Len(uint(vocab - 1))}
	m.ids, m.rest = make([]bitModel, 1<<m.idBits), make([]bitModel, 1<<restBits)
	for i := range m.step {
		m.step[i] = make([]bitModel, 256)
	}
	return m
}

// stepModel is the model of the step to entry i: steps shrink with the rank.
func (m *topModels) stepModel(i int) []bitModel {
	return m.step[min(bits.Len(uint(i))-1, len(m.step)-1)]
}

// Encode packs the shard and sets Error.
func (s *TopShard) Encode() ([]byte, error) {
	if s.Vocab < 1 || s.Vocab > 1<<24 || s.K < 1 || s.K > min(maxTopK, s.Vocab) {
		return nil, fmt.Errorf("distill: the %d most likely of %d tokens cannot be packed", s.K, s.Vocab)
	}
	h := topHeader{Schema: topSchema, Key: s.Key, Vocab: s.Vocab, Of: s.Tokens, K: s.K, Unit: topUnit, Tokens: []int{}}
	e, m := newRangeEncoder(), newTopModels(s.Vocab)
	codes := make([]int, s.K)
	total, back := 0, TopRow{IDs: make([]int32, s.K), LogProbs: make([]float32, s.K), Rest: make([]float32, 1)}
	for _, row := range s.Rows {
		n := len(row.Rest)
		h.Tokens = append(h.Tokens, n)
		for t := range n {
			ids, lp := row.IDs[t*s.K:t*s.K+s.K], row.LogProbs[t*s.K:t*s.K+s.K]
			rest := topCodes(codes, lp, row.Rest[t])
			for i, id := range ids {
				e.number(m.ids, m.idBits, uint32(id))
				if i == 0 {
					e.number(m.rest, restBits, uint32(rest))
				} else {
					e.number(m.stepModel(i), 8, uint32(codes[i]-codes[i-1]))
				}
			}
			topDecode(back.LogProbs, &back.Rest[0], codes, rest)
			kl, p := topError(lp, row.Rest[t], back.LogProbs, back.Rest[0])
			h.Error.KL += kl
			h.Error.P = max(h.Error.P, p)
			total++
		}
	}
	h.Error.KL /= float64(max(1, total))
	h.Error.KL, h.Error.P = short(h.Error.KL), short(h.Error.P)
	s.Error = h.Error
	body := e.finish()
	h.Bytes = len(body)
	var err error
	if h.SHA256, err = h.seal(body); err != nil {
		return nil, err
	}
	line, err := json.Marshal(h)
	return append(append(line, '\n'), body...), err
}

// short is x with three digits: an error figure needs no more.
func short(x float64) float64 {
	var y float64
	fmt.Sscanf(fmt.Sprintf("%.2e", x), "%g", &y)
	return y
}

func (h topHeader) seal(body []byte) (string, error) {
	h.SHA256 = ""
	line, err := json.Marshal(h)
	sum := sha256.Sum256(append(append(line, '\n'), body...))
	return hex.EncodeToString(sum[:]), err
}

// topCodes writes the distances of falling log-probabilities below the first and returns that of the rest.
func topCodes(codes []int, lp []float32, rest float32) int {
	for i, v := range lp {
		codes[i] = topFar
		if d := float64(lp[0]-v) * topUnits; d < topFar {
			codes[i] = max(0, int(math.RoundToEven(d)))
		}
		if i > 0 {
			codes[i] = max(codes[i], codes[i-1])
		}
	}
	if math.IsInf(float64(rest), -1) {
		return restNone
	}
	return min(max(int(math.RoundToEven(float64(lp[0]-rest)*topUnits))+restZero, 0), restNone-1)
}

// topDecode turns distances into log-probabilities that sum up to 1 with the rest.
func topDecode(lp []float32, rest *float32, codes []int, restCode int) {
	sum, left := 0.0, math.Inf(-1)
	for _, c := range codes {
		sum += kernels.Exp(float64(-c) / topUnits)
	}
	if restCode != restNone {
		left = float64(restZero-restCode) / topUnits
		sum += kernels.Exp(left)
	}
	norm := kernels.Log(sum)
	for i, c := range codes {
		lp[i] = float32(float64(-c)/topUnits - norm)
	}
	*rest = float32(left - norm)
}

// topError is the divergence of b from a over the entries and the rest, and the largest difference of a probability.
func topError(a []float32, restA float32, b []float32, restB float32) (kl, p float64) {
	one := func(x, y float32) {
		px, py := 0.0, 0.0
		if !math.IsInf(float64(x), -1) {
			px = kernels.Exp(float64(x))
		}
		if !math.IsInf(float64(y), -1) {
			py = kernels.Exp(float64(y))
		}
		p = max(p, math.Abs(px-py))
		if px > 0 && py > 0 {
			kl += float64(px * float64(x-y))
		}
	}
	for i := range a {
		one(a[i], b[i])
	}
	one(restA, restB)
	return kl, p
}

// ParseTopShard reads a shard; file names it in errors. Damage anywhere is found, and nothing is believed that the bytes
// at hand cannot hold.
func ParseTopShard(file string, b []byte) (*TopShard, error) {
	bad := func(format string, args ...any) (*TopShard, error) {
		return nil, fmt.Errorf("%s: %s", file, fmt.Sprintf(format, args...))
	}
	line, body, _ := bytes.Cut(b, []byte("\n"))
	var h topHeader
	if err := json.Unmarshal(line, &h); err != nil || h.Schema != topSchema {
		return bad("the first line is not a %s header", topSchema)
	}
	again, err := json.Marshal(h)
	if err != nil || !bytes.Equal(again, line) {
		return bad("the header is damaged")
	}
	if sum, err := h.seal(body); err != nil || sum != h.SHA256 {
		return bad("sha256 is %s, the header says %.64q", sum, h.SHA256)
	}
	switch {
	case h.Bytes != len(body):
		return bad("the body has %d bytes, the header says %d", len(body), h.Bytes)
	case h.Unit != topUnit:
		return bad("unit is %.40q, want %q", h.Unit, topUnit)
	case h.Vocab < 1 || h.Vocab > 1<<24:
		return bad("vocab is %d, want 1 to %d", h.Vocab, 1<<24)
	case h.K < 1 || h.K > min(maxTopK, h.Vocab):
		return bad("k is %d, want 1 to %d", h.K, min(maxTopK, h.Vocab))
	case len(h.Tokens) > maxTopRows:
		return bad("holds %d rows, want at most %d", len(h.Tokens), maxTopRows)
	}
	left := topEntries * (len(body) + 1) / h.K
	for i, n := range h.Tokens {
		if n < 0 || n > left {
			return bad("row %d has %d tokens, more than %d bytes can hold", i, n, len(body))
		}
		left -= n
	}
	s := &TopShard{Key: h.Key, Vocab: h.Vocab, Tokens: h.Of, K: h.K, Error: h.Error, Rows: make([]TopRow, len(h.Tokens))}
	d, m := newRangeDecoder(body), newTopModels(h.Vocab)
	codes, at := make([]int, h.K), map[int32]bool{}
	for r, n := range h.Tokens {
		row := TopRow{make([]int32, n*h.K), make([]float32, n*h.K), make([]float32, n)}
		for t := range n {
			clear(at)
			ids, rest := row.IDs[t*h.K:t*h.K+h.K], 0
			for i := range ids {
				ids[i] = int32(d.number(m.ids, m.idBits))
				if int(ids[i]) >= h.Vocab || at[ids[i]] {
					return bad("row %d, token %d: id %d is given twice or is not below %d", r, t, ids[i], h.Vocab)
				}
				at[ids[i]] = true
				if i == 0 {
					rest = int(d.number(m.rest, restBits))
					codes[0] = 0
				} else if codes[i] = codes[i-1] + int(d.number(m.stepModel(i), 8)); codes[i] > topFar {
					return bad("row %d, token %d: entry %d is %d below the first, want at most %d", r, t, i, codes[i], topFar)
				}
			}
			topDecode(row.LogProbs[t*h.K:t*h.K+h.K], &row.Rest[t], codes, rest)
		}
		s.Rows[r] = row
	}
	if d.short > 0 || len(d.in) > 0 {
		return bad("the body is %d bytes too short or %d too long", d.short, len(d.in))
	}
	return s, nil
}

// topOf writes the k most likely tokens of logits [vocab], their log-probabilities and the rest's, as entry t of row.
func topOf(l *kernels.Level, row *TopRow, t, k int, logits, tmp []float32) {
	lse := softmax(l, tmp, logits, 1)
	sum := 0.0
	for i, id := range largest(logits, k) {
		row.IDs[t*k+i] = int32(id)
		row.LogProbs[t*k+i] = float32(float64(logits[id]) - lse)
		sum += float64(tmp[id])
		tmp[id] = 0
	}
	row.Rest[t] = float32(math.Inf(-1))
	if rest := float64(l.Sum(tmp)); rest > 0 && k < len(logits) {
		row.Rest[t] = float32(kernels.Log(rest))
	}
}
