package server

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/freehold-slm/freehold/engine"
)

// tokenLogprob is a token of a chat's answer.
type tokenLogprob struct {
	Token       string       `json:"token"`
	Logprob     float64      `json:"logprob"`
	Bytes       []int        `json:"bytes"`
	TopLogprobs []topLogprob `json:"top_logprobs"`
}

type topLogprob struct {
	Token   string  `json:"token"`
	Logprob float64 `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

// chatLogprobs is the log-probabilities of a choice.
type chatLogprobs struct {
	Content []tokenLogprob `json:"content"`
	Refusal []tokenLogprob `json:"refusal" null:"true"`
}

// leastLogprob stands for a probability of 0, whose logarithm JSON cannot write.
const leastLogprob = -9999

func finite(x float64) float64 {
	if math.IsInf(x, -1) || x != x {
		return leastLogprob
	}
	return x
}

// tokenText spells a token; bytes that are no text are written \xNN.
func tokenText(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	for _, c := range b {
		fmt.Fprintf(&s, `\x%02x`, c)
	}
	return s.String()
}

func ints(b []byte) []int {
	out := make([]int, len(b))
	for i, c := range b {
		out[i] = int(c)
	}
	return out
}

// logprob tells of a token of the model.
func (l *loaded) logprob(t engine.Token) tokenLogprob {
	tok := l.Tokenizer()
	b := tok.Piece(t.ID, true)
	out := tokenLogprob{tokenText(b), finite(t.LogProb), ints(b), make([]topLogprob, len(t.Top))}
	for i, p := range t.Top {
		b := tok.Piece(p.ID, true)
		out.TopLogprobs[i] = topLogprob{tokenText(b), finite(p.LogProb), ints(b)}
	}
	return out
}
