package distill

import (
	"math"
	"sort"
	"strings"
	"unicode"

	"github.com/freehold-slm/freehold/kernels"
)

// Baseline is what a student must beat to be worth having: a linear classifier on TF-IDF of words, trained on what the
// student learns. With pairs, neighbouring words count as terms too: a stronger baseline, reported beside the plain one.
type Baseline struct {
	pairs  bool
	apart  bool // each label by itself (one against the rest), not one of them
	labels int
	index  map[string]int
	idf    []float64
	w      [][]float64 // [labels][features]
	bias   []float64
}

type feature struct {
	id int
	x  float64
}

// words lower-cases a text and splits it into runs of letters and digits of two or more runes.
func words(text string) []string {
	var out []string
	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if len([]rune(w)) > 1 {
			out = append(out, w)
		}
	}
	return out
}

// terms are the words of a text and, with pairs, each two neighbours.
func (b *Baseline) terms(text string) []string {
	ws := words(text)
	if !b.pairs {
		return ws
	}
	out := append([]string(nil), ws...)
	for i := 1; i < len(ws); i++ {
		out = append(out, ws[i-1]+" "+ws[i])
	}
	return out
}

// baselineDecays are the L2 penalties tried; the one that agrees best with the teacher on held-out rows is kept.
var baselineDecays = []float64{1e-5, 3e-5, 1e-4, 3e-4}

// trainBaseline fits softmax regression to the teacher's probabilities over texts.
func trainBaseline(texts []string, probs [][]float64, labels int, pairs bool, seed uint64) *Baseline {
	return trainLinear(texts, probs, labels, pairs, false, seed)
}

// trainLinear is trainBaseline, with apart for logistic regression of each label by itself. The penalty is chosen on every tenth row, held out, and the
// final fit uses all rows.
func trainLinear(texts []string, probs [][]float64, labels int, pairs, apart bool, seed uint64) *Baseline {
	var fitT, heldT []string
	var fitP, heldP [][]float64
	for i := range texts {
		if i%10 == 9 {
			heldT, heldP = append(heldT, texts[i]), append(heldP, probs[i])
		} else {
			fitT, fitP = append(fitT, texts[i]), append(fitP, probs[i])
		}
	}
	good := agreement
	if apart { // the same labels at 0.5 say little of rare ones
		good = closeness
	}
	best, bestDecay := math.Inf(-1), baselineDecays[0]
	for _, decay := range baselineDecays {
		if a := good(fitBaseline(fitT, fitP, labels, decay, pairs, apart, seed).all(heldT), heldP); a > best {
			best, bestDecay = a, decay
		}
	}
	return fitBaseline(texts, probs, labels, bestDecay, pairs, apart, seed)
}

// closeness is the mean of -(a-b)² (Brier's score, turned round) over rows and labels.
func closeness(a, b [][]float64) (sum float64) {
	for i := range a {
		for l := range a[i] {
			sum -= float64((a[i][l]-b[i][l])*(a[i][l]-b[i][l])) / float64(len(a)*len(a[i]))
		}
	}
	return sum
}

func (b *Baseline) all(texts []string) [][]float64 {
	out := make([][]float64, len(texts))
	for i, t := range texts {
		out[i] = b.Probabilities(t)
	}
	return out
}

const baselineEpochs = 20

// newBaseline counts the terms of texts: its vocabulary and how rare each of it is.
func newBaseline(texts []string, labels int, pairs bool) *Baseline {
	b := &Baseline{pairs: pairs, labels: labels, index: map[string]int{}, bias: make([]float64, labels)}
	df := map[string]int{}
	for _, t := range texts {
		seen := map[string]bool{}
		for _, w := range b.terms(t) {
			if !seen[w] {
				seen[w] = true
				df[w]++
			}
		}
	}
	var vocab []string
	for w := range df {
		vocab = append(vocab, w)
	}
	sort.Strings(vocab)
	for i, w := range vocab {
		b.index[w] = i
		b.idf = append(b.idf, kernels.Log(float64(1+len(texts))/float64(1+df[w]))+1)
	}
	return b
}

// fitBaseline is averaged stochastic gradient descent on cross-entropy with the teacher's probabilities.
func fitBaseline(texts []string, probs [][]float64, labels int, decay float64, pairs, apart bool, seed uint64) *Baseline {
	b := newBaseline(texts, labels, pairs)
	b.apart = apart
	xs := make([][]feature, len(texts))
	for i, t := range texts {
		xs[i] = b.features(t)
	}
	b.w = make([][]float64, labels)
	avg := make([][]float64, labels)
	avgBias := make([]float64, labels)
	for l := range b.w {
		b.w[l], avg[l] = make([]float64, len(b.idf)), make([]float64, len(b.idf))
	}
	scale, t := 1.0, 0.0 // the weights are scale*w, so that decay costs nothing per row
	const rate0 = 4.0
	for e := range baselineEpochs {
		for _, i := range shuffled(seed, e, len(texts)) {
			eta := rate0 / (1 + float64(rate0*decay*t)) // a product is rounded before it is added: arm64 would fuse the two
			p := b.predict(xs[i], scale)
			scale *= 1 - float64(eta*decay)
			for l := range b.w {
				g := float64(eta*(p[l]-probs[i][l])) / scale
				for _, f := range xs[i] {
					b.w[l][f.id] -= float64(g * f.x)
				}
				b.bias[l] -= float64(0.01 * eta * (p[l] - probs[i][l]))
			}
			t++
		}
		if e >= baselineEpochs/2 {
			for l := range avg {
				for k, v := range b.w[l] {
					avg[l][k] += float64(scale * v)
				}
				avgBias[l] += b.bias[l]
			}
		}
	}
	n := float64(baselineEpochs - baselineEpochs/2)
	for l := range avg {
		for k := range avg[l] {
			avg[l][k] /= n
		}
		avgBias[l] /= n
	}
	b.w, b.bias = avg, avgBias
	return b
}

// features are the TF-IDF values of a text, term frequency damped by 1+log, L2-normalised.
func (b *Baseline) features(text string) []feature {
	count := map[int]int{}
	for _, w := range b.terms(text) {
		if id, ok := b.index[w]; ok {
			count[id]++
		}
	}
	out := make([]feature, 0, len(count))
	norm := 0.0
	for id, c := range count {
		x := float64((1 + kernels.Log(float64(c))) * b.idf[id])
		out = append(out, feature{id, x})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].id < out[j].id })
	for _, f := range out {
		norm += float64(f.x * f.x)
	}
	for i := range out {
		out[i].x /= math.Sqrt(norm)
	}
	return out
}

func (b *Baseline) predict(x []feature, scale float64) []float64 {
	z := make([]float64, b.labels)
	for l := range z {
		z[l] = b.bias[l]
		for _, f := range x {
			z[l] += float64(float64(scale*b.w[l][f.id]) * f.x)
		}
	}
	if b.apart {
		return sigmoids(z)
	}
	return expAll(logSoftmax(z))
}

// Probabilities over the labels for a text.
func (b *Baseline) Probabilities(text string) []float64 { return b.predict(b.features(text), 1) }
