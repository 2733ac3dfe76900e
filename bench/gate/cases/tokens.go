package cases

import (
	"context"
	"math/rand/v2"
	"path/filepath"

	"github.com/freehold-slm/freehold/engine"
)

func init() {
	for _, format := range []string{"Q8_0", "Q4_K_M"} {
		pieces = append(pieces, piece{"Token/llama256." + format, token("llama256." + format + ".gguf")})
	}
	pieces = append(pieces, piece{"Prompt/llama-gqa.Q8_0", prompt("llama-gqa.Q8_0.gguf", 4)})
}

// token decodes one token at position 8 of a tiny model, on one thread: the engine's own steps and the kernels.
func token(file string) func(r *rand.Rand) (func(), error) {
	return func(*rand.Rand) (func(), error) {
		m, err := engine.Open(filepath.Join(fixtures, file), engine.WithThreads(1))
		if err != nil {
			return nil, err
		}
		s, tokens := m.NewSession(), []int32{1, 2, 3, 4, 5, 6, 7, 8, 9}
		return func() {
			tokens[len(tokens)-1] ^= 1 // so that the last token is never there already
			if _, err := s.Eval(context.Background(), tokens); err != nil {
				panic(err)
			}
		}, nil
	}
}

// prompt computes n tokens in one pass of a tiny model, on one thread.
func prompt(file string, n int) func(r *rand.Rand) (func(), error) {
	return func(*rand.Rand) (func(), error) {
		m, err := engine.Open(filepath.Join(fixtures, file), engine.WithThreads(1))
		if err != nil {
			return nil, err
		}
		s, tokens := m.NewSession(), make([]int32, n)
		return func() {
			for i := range tokens {
				tokens[i] = tokens[i]&1 ^ 1 + int32(2*i)
			}
			if _, err := s.Eval(context.Background(), tokens); err != nil {
				panic(err)
			}
		}, nil
	}
}
