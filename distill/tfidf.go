package distill

import (
	"math"

	"github.com/freehold-slm/freehold/kernels"
)

// tfidf weighs the words of texts by how rare they are among some: the baseline for whatever finds texts that are alike.
type tfidf struct {
	texts int
	seen  map[string]int // texts that hold a word
}

func newTFIDF(texts []string) *tfidf {
	t := &tfidf{len(texts), map[string]int{}}
	for _, text := range texts {
		for word := range wordCounts(text) {
			t.seen[word]++
		}
	}
	return t
}

func wordCounts(text string) map[string]float64 {
	b := map[string]float64{}
	for _, word := range answerWords(text) {
		b[word]++
	}
	return b
}

// vector is a text's words, times log((texts+1)/(texts that hold it + 1)), as a vector of length 1; empty where no word tells it from others.
func (t *tfidf) vector(text string) map[string]float64 {
	b, norm := wordCounts(text), 0.0
	for _, word := range sortedKeys(b) {
		b[word] *= kernels.Log(float64(t.texts+1) / float64(t.seen[word]+1))
		norm += float64(b[word] * b[word])
	}
	if norm > 0 {
		for word := range b {
			b[word] /= math.Sqrt(norm)
		}
	}
	return b
}

// wordIndex finds the texts that a text has words in common with.
type wordIndex struct {
	docs []map[string]float64
	rows map[string][]int // by word
}

func (t *tfidf) index(texts []string) *wordIndex {
	x := &wordIndex{rows: map[string][]int{}}
	for i, text := range texts {
		d := t.vector(text)
		x.docs = append(x.docs, d)
		for _, word := range sortedKeys(d) {
			x.rows[word] = append(x.rows[word], i)
		}
	}
	return x
}

// to are the cosines of a vector with all texts of the index.
func (x *wordIndex) to(v map[string]float64) []float64 {
	like := make([]float64, len(x.docs))
	for _, word := range sortedKeys(v) {
		for _, row := range x.rows[word] {
			like[row] += float64(v[word] * x.docs[row][word])
		}
	}
	return like
}
