package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/freehold-slm/freehold/distill/stats"
	"github.com/freehold-slm/freehold/engine"
)

// Startup is how long a user waits, the file being in the page cache; medians in milliseconds.
type Startup struct {
	ReadyMS      float64 `json:"ready_ms"`       // the model is open
	TokenizerMS  float64 `json:"tokenizer_ms"`   // and its tokenizer is built
	FirstTokenMS float64 `json:"first_token_ms"` // and a prompt of firstPrompt tokens has given logits
}

// firstPrompt is the tokens of the prompt that Startup waits for.
const firstPrompt = 16

// measureStartup opens m's file again and again, as m was opened.
func measureStartup(ctx context.Context, m *engine.Model, repetitions int) (*Startup, error) {
	opts := []engine.Option{engine.WithThreads(m.Threads()), engine.WithContext(m.Context()), engine.WithLevel(m.Level())}
	opts = append(opts, engine.WithNumeric(m.Numeric()))
	if m.Numeric() != engine.Reference {
		opts = append(opts, engine.WithKV(m.KV()))
	}
	tokens := spread(m, min(firstPrompt, m.Context()))
	var ready, tokenizer, first []float64
	for range repetitions {
		start := time.Now()
		x, err := engine.Open(m.File().Name, opts...)
		if err != nil {
			return nil, fmt.Errorf("startup: %w", err)
		}
		ready = append(ready, milliseconds(start))
		_, err = x.LoadTokenizer()
		tokenizer = append(tokenizer, milliseconds(start))
		if err == nil {
			s := x.NewSession()
			_, err = s.Eval(ctx, tokens)
			s.Close()
		}
		first = append(first, milliseconds(start))
		x.Close() //nolint:errcheck // read only
		if err != nil {
			return nil, fmt.Errorf("startup: %w", err)
		}
	}
	return &Startup{stats.Median(ready), stats.Median(tokenizer), stats.Median(first)}, nil
}

func milliseconds(since time.Time) float64 { return float64(time.Since(since).Microseconds()) / 1000 }
