package distill

import (
	"math"
	"slices"
	"testing"
)

// oneQuery is a ranking of documents that are told apart by nothing but their scores.
func oneQuery(gold []float64) ranking {
	q := ranking{known: slices.Max(gold) > 0, gold: gold, order: make([]string, len(gold))}
	for i := range gold {
		q.rows = append(q.rows, i)
	}
	return q
}

// The metrics of rankings whose values are easily worked out by hand: relevances in the order of the ranking.
func TestRankMetricsByHand(t *testing.T) {
	log2 := func(x float64) float64 { return math.Log2(x) }
	beyond := make([]float64, 12)
	beyond[11] = 1
	for _, c := range []struct {
		ranked                []float64
		ndcg, mrr, ap, recall float64
	}{
		{[]float64{1, 0, 0}, 1, 1, 1, 1},
		{[]float64{0, 1, 0}, 1 / log2(3), 0.5, 0.5, 1},
		{[]float64{0, 0, 1, 1}, (1/log2(4) + 1/log2(5)) / (1 + 1/log2(3)), 1.0 / 3, (1.0/3 + 2.0/4) / 2, 1},
		{[]float64{1, 3}, (1 + 3/log2(3)) / (3 + 1/log2(3)), 1, 1, 1},
		{beyond, 0, 0, 1.0 / 12, 0},
	} {
		got := []float64{ndcg(c.ranked), reciprocalRank(c.ranked), averagePrecision(c.ranked), recall(c.ranked)}
		for i, want := range []float64{c.ndcg, c.mrr, c.ap, c.recall} {
			if !(math.Abs(got[i]-want) <= 1e-12) {
				t.Errorf("%v: ndcg, mrr, ap, recall are %v, want %v", c.ranked, got, []float64{c.ndcg, c.mrr, c.ap, c.recall})
				break
			}
		}
	}
	if tau, ok := kendall([]float64{1, 2, 3}, []float64{1, 3, 2}); !ok || math.Abs(tau-1.0/3) > 1e-12 { // 2 pairs alike, 1 otherwise
		t.Errorf("tau %v", tau)
	}
	if _, ok := kendall([]float64{1, 1}, []float64{1, 2}); ok {
		t.Error("a ranking that ties all has a tau")
	}
	if share, ok := agreementOf([]float64{1, 1, 0}, []float64{3, 2, 1}); !ok || math.Abs(share-2.5/3) > 1e-12 { // 2 alike and a tie
		t.Errorf("agreement %v", share)
	}
	if share, _ := agreementOf([]float64{3, 2, 1}, []float64{1, 1, 0}); math.Abs(share-1) > 1e-12 { // the teacher's tie does not count
		t.Errorf("agreement with ties of the teacher %v", share)
	}
}

// The same numbers as trec_eval (pytrec_eval-terrier 0.5.11) and scipy.stats.kendalltau (1.17.1).
func TestRankMetricsOfPeers(t *testing.T) {
	for i, c := range []struct {
		gold, scores, teacher   []float64
		ndcg, ap, recall10, tau float64
	}{
		{[]float64{2, 0, 3}, []float64{-1.132, 1.524, 2.732}, []float64{0.1, 1.8, 5.5}, 0.9385574520455129, 0.8333333333333333, 1, 1},
		{[]float64{0, 3, 0, 0, 0, 0, 1, 0}, []float64{-0.954, -3.184, -2.005, 1.849, -0.735, -2.543, 2.94, -0.885},
			[]float64{1.1, -6.6, -1.1, 1.4, -3.7, 1.2, -1.0, 1.3}, 0.5360595666833466, 0.625, 1, 0.2857142857142857},
		{[]float64{0, 0, 0, 0, 0, 2, 3, 3, 0, 0, 3, 0, 1, 0}, []float64{-3.827, -0.681, 3.486, -1.89, -1.345, 2.539, 0.689, 0.768, 1.661, -3.472, -1.157, -1.551, 1.571, -2.522},
			[]float64{-4.0, -3.3, 1.5, 1.6, 2.2, 1.4, -0.1, 1.2, 1.0, -4.5, 1.6, -1.9, 3.2, -1.5}, 0.6371042725866237, 0.5783333333333334, 1, 0.37569634167468435},
		{[]float64{0, 0, 0, 1, 0, 2, 0, 2, 0, 1, 0, 2, 3, 0, 0, 0, 1, 0, 0, 0, 2, 2, 0, 0, 0},
			[]float64{-1.795, 1.621, -3.263, 1.488, -1.551, 2.39, 1.014, 1.769, -1.526, -0.13, 1.761, -3.352, 0.805, 3.389, -3.745, 1.924, -1.249, -1.998, 1.208, -2.835, 3.832, 1.107, 2.413, -1.327, -2.344},
			[]float64{2.1, 2.1, -6.2, 4.7, -2.2, -0.3, 0, -1.8, -2.2, -3.0, 5.1, -2.4, -1.8, 3.6, -0.1, 3.4, -2.7, -3.8, 1.0, 0.4, 0.7, 3.7, 2.7, -3.9, 1.2},
			0.45270763904653916, 0.5298735215401883, 0.4444444444444444, 0.3852644958493646},
	} {
		s := scoreRanking([]ranking{oneQuery(c.gold)}, c.scores, c.teacher, 1)
		for name, want := range map[string]float64{"ndcg@10": c.ndcg, "map": c.ap, "recall@10": c.recall10, "kendall_tau": c.tau} {
			if got, ok := s.metric(name); !ok || !(math.Abs(got.Mean-want) <= 1e-9) {
				t.Errorf("case %d: %s is %v, want %v", i, name, got.Mean, want)
			}
		}
	}
}

// Equal scores give no place by the order in the file: a positive that is named first would have it always.
func TestRankTies(t *testing.T) {
	first := 0
	for i := range 200 {
		var rows []Row
		for k, text := range []string{"good", "bad", "worse", "worst"} {
			rows = append(rows, Row{Query: "q", Text: text + string(rune('a'+i)), Relevance: float64(b2i(k == 0))})
		}
		if q := rankings(rows); q[0].ranked(make([]float64, 4))[0] > 0 {
			first++
		}
	}
	if first < 30 || first > 70 {
		t.Errorf("of 200 ties of 4 the document that is named first came first %d times, want about 50", first)
	}
}

// BM25 as bm25s (0.3.16, method lucene) reckons it; a document that is there twice counts once.
func TestBM25(t *testing.T) {
	documents := []string{"the cat sat on the mat", "a dog and a cat", "birds fly over the river and over the hill", "the the the dog", "mat"}
	b := newBM25(append(documents, documents[1]))
	for query, want := range map[string][]float64{
		"cat mat":        {0.735688015, 0.397940335, 0, 0, 0.591532931},
		"The dog!":       {0.318932841, 0.397940335, 0.274998215, 0.83563656, 0},
		"over fly zebra": {0, 0, 1.182051384, 0, 0},
		"cat cat":        {0.735688015, 0.79588067, 0, 0, 0},
	} {
		for i, d := range documents {
			if got := b.score(query, d); !(math.Abs(got-want[i]) <= 1e-8) {
				t.Errorf("%q, document %d: %.9f, want %.9f", query, i, got, want[i])
			}
		}
	}
	if got := newBM25(nil).score("cat", "cat"); !finite(got) {
		t.Errorf("without a collection: %v", got)
	}
}
