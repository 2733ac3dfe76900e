package distill

import "github.com/freehold-slm/freehold/kernels"

// BM25's parameters, the usual ones (Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009).
const (
	bm25K1 = 1.2  // how soon further occurrences of a word count no more
	bm25B  = 0.75 // how much a long document's words count less
)

// bm25 is the baseline of a reranker: it scores a document by the words that it shares with the query.
type bm25 struct {
	documents int
	length    float64        // mean number of words of a document
	holding   map[string]int // documents that hold a word
}

// newBM25 counts the words of a collection; documents that stand there twice count once.
func newBM25(documents []string) *bm25 {
	b := &bm25{holding: map[string]int{}}
	seen := map[string]bool{}
	total := 0
	for _, d := range documents {
		if seen[d] {
			continue
		}
		seen[d] = true
		held := map[string]bool{}
		for _, w := range answerWords(d) {
			total++
			if !held[w] {
				held[w] = true
				b.holding[w]++
			}
		}
	}
	b.documents = len(seen)
	b.length = float64(total) / float64(max(1, len(seen)))
	return b
}

// idf is how rare a word is; it is never negative.
func (b *bm25) idf(word string) float64 {
	n := float64(b.holding[word])
	return kernels.Log(1 + (float64(b.documents)-n+0.5)/(n+0.5))
}

// score of a document for a query: sum over the query's words of idf tf / (tf + k1 (1 - b + b length/mean)), as Lucene has it.
func (b *bm25) score(query, document string) float64 {
	count, words := map[string]float64{}, answerWords(document)
	for _, w := range words {
		count[w]++
	}
	norm := bm25K1 * (1 - bm25B)
	if b.length > 0 {
		norm += float64(bm25K1 * bm25B * float64(len(words)) / b.length)
	}
	sum := 0.0
	for _, w := range answerWords(query) {
		if tf := count[w]; tf > 0 {
			sum += float64(b.idf(w)*tf) / (tf + norm)
		}
	}
	return sum
}
