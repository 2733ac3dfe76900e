package peers

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/bench"
	"github.com/freehold-slm/freehold/distill/stats"
	"github.com/freehold-slm/freehold/engine"
)

const (
	labelRows   = 128 // a round, as many as a shard
	labelTokens = 2048
	labelSlots  = 16
)

// Labelling short rows is at least 2.5 times as fast as with llama.cpp's server, which answers sixteen rows together and keeps the prompt's beginning, by its
// fastest settings; and gives the same answers. Same file, prompts and labels, in turns. FREEHOLD_LABEL is the number of rounds of 128 film reviews.
func TestLlamaLabel(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("FREEHOLD_LABEL"))
	if err != nil || rounds < 1 {
		t.Skip("takes minutes of a quiet machine: make bench-label")
	}
	path := realModel(t, loadModel)
	n := threads(t)
	m, err := engine.Open(path, engine.WithThreads(n), engine.WithChunk(labelTokens))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()                                                                 //nolint:errcheck // read-only
	c, err := m.NewClassifier(engine.Task{Labels: []string{"negative", "positive"}, // the recipe's that `freehold init --template sentiment` writes
		Prompt: "Is the sentiment of this movie review snippet positive or negative? Answer with one word.\n\nReview: {text}"})
	if err != nil {
		t.Fatal(err)
	}
	rows := reviews(t, (rounds+1)*labelRows)
	best := fastestServer(t, path, settings{Threads: n, Parallel: labelSlots, Context: 512}, func(l *llama) float64 {
		l.label(c, rows[:labelSlots])
		return labelRows / 2 / timed(func() { l.label(c, rows[:labelRows/2]) })
	})
	l := startLlama(t, path, best)
	ours := func(texts []string) [][]float64 {
		lp, err := c.LogProbs(t.Context(), texts)
		if err != nil {
			t.Fatal(err)
		}
		return lp
	}
	warm := rows[rounds*labelRows:][:labelSlots]
	ours(warm)
	l.label(c, warm)
	var rates, peerRates []float64
	same, widest := 0, 0.0
	for round := range rounds {
		texts := rows[round*labelRows:][:labelRows]
		var a, b [][]float64
		var s, peer float64
		if round%2 == 0 {
			s = timed(func() { a = ours(texts) })
			peer = timed(func() { b = l.label(c, texts) })
		} else {
			peer = timed(func() { b = l.label(c, texts) })
			s = timed(func() { a = ours(texts) })
		}
		for i := range texts {
			if (a[i][1] > a[i][0]) == (b[i][1] > b[i][0]) {
				same++
			} else {
				widest = max(widest, math.Abs(a[i][1]-a[i][0]))
			}
		}
		rates, peerRates = append(rates, labelRows/s), append(peerRates, labelRows/peer)
		t.Logf("round %d, load %v: freehold %.1f rows/s, llama.cpp %.1f", round, bench.LoadAverage(), labelRows/s, labelRows/peer)
	}
	ratio, lo, hi := stats.RatioOfMedians(rates, peerRates)
	t.Logf("%s, %d threads, %d rows: freehold %.1f rows/s, llama.cpp %.1f (xllamacpp %s, %s); ratio %.2f [%.2f, %.2f]; %d answers are the same, where they are not the labels are %.2f nats apart at most",
		loadModel, n, rounds*labelRows, stats.Median(rates), stats.Median(peerRates), l.Version, best, ratio, lo, hi, same, widest)
	if ratio < 2.5 {
		t.Errorf("labels %.2f times as many rows a second as llama.cpp, want 2.5", ratio)
	}
	if same*100 < rounds*labelRows*97 || widest > 0.5 {
		t.Errorf("%d of %d answers are llama.cpp's, and others are up to %.2f nats from a tie", same, rounds*labelRows, widest)
	}
}

// reviews are the first n texts of the demo's data set.
func reviews(t *testing.T, n int) (texts []string) {
	t.Helper()
	for _, text := range reviewLines(t) {
		if text != "" && len(texts) < n {
			texts = append(texts, text)
		}
	}
	if len(texts) < n {
		t.Fatalf("the data set has %d rows, want %d", len(texts), n)
	}
	return texts
}

// reviewLines are the texts of the demo's data set by line, "" where a line has none.
func reviewLines(t *testing.T) (texts []string) {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(cache, "freehold", "data", "movie-review-snippets.txt"))
	if err != nil {
		t.Fatalf("%v; run: freehold pull --accept-licence unknown movie-review-snippets", err)
	}
	for line := range strings.SplitSeq(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n") {
		text := ""
		if p := strings.SplitN(line, "\t", 3); len(p) == 3 {
			text = p[2]
		}
		texts = append(texts, text)
	}
	return texts
}

func timed(f func()) (seconds float64) {
	start := time.Now()
	f()
	return time.Since(start).Seconds()
}

// label returns [texts][labels] log-probabilities of the labels' first tokens: -Inf for a label with none among the twenty likeliest.
func (l *llama) label(c *engine.Classifier, texts []string) [][]float64 {
	l.t.Helper()
	first, err := c.FirstTokens()
	if err != nil {
		l.t.Fatal(err)
	}
	out := make([][]float64, len(texts))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range labelSlots {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(texts); i = int(next.Add(1)) - 1 {
				row, err := l.labelRow(c, first, texts[i])
				if err != nil {
					l.t.Error(err)
					row = make([]float64, len(first))
				}
				out[i] = row
			}
		})
	}
	wg.Wait()
	return out
}

func (l *llama) labelRow(c *engine.Classifier, first [][]int32, text string) ([]float64, error) {
	ids, err := c.Tokens(text)
	if err != nil {
		return nil, err
	}
	var got completion
	if err := l.ask("/completion", object{"prompt": ids, "n_predict": 1, "n_probs": 20, "cache_prompt": true, "temperature": 0, "top_k": 1}, &got); err != nil {
		return nil, err
	}
	if len(got.Probabilities) != 1 {
		return nil, fmt.Errorf("llama.cpp gave %d tokens for %q, want one", len(got.Probabilities), text)
	}
	row := make([]float64, len(first))
	for label, tokens := range first {
		p := 0.0
		for _, top := range got.Probabilities[0].Top {
			for _, id := range tokens {
				if top.ID == id {
					p += math.Exp(top.LogProb)
				}
			}
		}
		row[label] = math.Log(p)
	}
	return row, nil
}
