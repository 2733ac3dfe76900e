package distill

import (
	"cmp"
	"math"
	"slices"

	"github.com/freehold-slm/freehold/distill/stats"
	"github.com/freehold-slm/freehold/kernels"
)

// rankDepth is how many of the best documents ndcg@10, mrr@10 and recall@10 look at.
const rankDepth = 10

// RankScores are the metrics of a ranking of the test queries' documents, each a mean over queries.
type RankScores struct {
	// Against the rows' own relevance, over the queries that have a relevant document; nil = there is none.
	NDCG   *Interval `json:"ndcg@10,omitempty"`
	MRR    *Interval `json:"mrr@10,omitempty"`
	MAP    *Interval `json:"map,omitempty"`
	Recall *Interval `json:"recall@10,omitempty"`

	// Against the teacher's order; nil of the teacher.
	Tau       *Interval `json:"kendall_tau,omitempty"`
	Agreement *Interval `json:"agreement,omitempty"`

	byQuery map[string][]float64 // values of each query that has any
}

// ranking is the documents of one query as they are judged.
type ranking struct {
	query string
	rows  []int     // of the test rows
	gold  []float64 // relevance; unjudged documents count as not relevant
	known bool      // one of them is relevant
	order []string  // breaks ties: hashes of the documents, which know nothing of their order in the file
}

// rankings groups rows by query, in the order in which queries first stand there.
func rankings(rows []Row) (all []ranking) {
	at := map[string]int{}
	for i, r := range rows {
		k, ok := at[r.Query]
		if !ok {
			k, at[r.Query] = len(all), len(all)
			all = append(all, ranking{query: r.Query})
		}
		q := &all[k]
		q.rows, q.gold, q.order = append(q.rows, i), append(q.gold, r.Relevance), append(q.order, hashOf(r.Text))
		q.known = q.known || r.Relevance > 0
	}
	return all
}

// of picks a query's values from those of all rows.
func (q *ranking) of(values []float64) []float64 {
	out := make([]float64, len(q.rows))
	for i, r := range q.rows {
		out[i] = values[r]
	}
	return out
}

// ranked is the relevance of the documents in the order of falling scores.
func (q *ranking) ranked(scores []float64) []float64 {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(scores[b], scores[a]), cmp.Compare(q.order[a], q.order[b]))
	})
	out := make([]float64, len(order))
	for i, k := range order {
		out[i] = q.gold[k]
	}
	return out
}

// dcg sums relevances by rank from 1, each over log2(1 + rank) (Järvelin and Kekäläinen 2002, with linear gain, as trec_eval has it).
func dcg(relevance []float64) float64 {
	sum := 0.0
	for i, r := range relevance[:min(len(relevance), rankDepth)] {
		sum += r / (kernels.Log(float64(i+2)) / math.Ln2)
	}
	return sum
}

// ndcg is dcg over that of the best order.
func ndcg(ranked []float64) float64 {
	best := slices.Clone(ranked)
	slices.SortFunc(best, func(a, b float64) int { return cmp.Compare(b, a) })
	return dcg(ranked) / dcg(best)
}

// reciprocalRank is 1 over the rank of the first relevant document, 0 beyond rankDepth.
func reciprocalRank(ranked []float64) float64 {
	for i, r := range ranked[:min(len(ranked), rankDepth)] {
		if r > 0 {
			return 1 / float64(i+1)
		}
	}
	return 0
}

// averagePrecision is the mean, over relevant documents, of the share of relevant ones down to each.
func averagePrecision(ranked []float64) float64 {
	sum, found := 0.0, 0.0
	for i, r := range ranked {
		if r > 0 {
			found++
			sum += found / float64(i+1)
		}
	}
	return sum / found
}

// recall is the share of relevant documents among the first rankDepth.
func recall(ranked []float64) float64 {
	found, all := 0.0, 0.0
	for i, r := range ranked {
		if r > 0 {
			if all++; i < rankDepth {
				found++
			}
		}
	}
	return found / all
}

// pairs counts the pairs of documents that two scores order alike and otherwise, and the ties of each.
func pairs(a, b []float64) (alike, otherwise, tiedA, tiedB int) {
	for i := range a {
		for k := range i {
			x, y := cmp.Compare(a[i], a[k]), cmp.Compare(b[i], b[k])
			switch {
			case x == 0 && y == 0:
				tiedA, tiedB = tiedA+1, tiedB+1
			case x == 0:
				tiedA++
			case y == 0:
				tiedB++
			case x == y:
				alike++
			default:
				otherwise++
			}
		}
	}
	return alike, otherwise, tiedA, tiedB
}

// kendall is tau-b of two scores of the same documents; ok = neither ties all.
func kendall(a, b []float64) (tau float64, ok bool) {
	alike, otherwise, tiedA, tiedB := pairs(a, b)
	all := len(a) * (len(a) - 1) / 2
	if all == tiedA || all == tiedB {
		return 0, false
	}
	return float64(alike-otherwise) / math.Sqrt(float64(all-tiedA)*float64(all-tiedB)), true
}

// agreementOf is the share of pairs of documents that two scores order alike, of those that the second does not tie; a tie of the
// first is half alike. ok = there is such a pair.
func agreementOf(a, b []float64) (share float64, ok bool) {
	alike, otherwise, _, tiedB := pairs(a, b)
	all := len(a)*(len(a)-1)/2 - tiedB
	return (float64(alike) + float64(0.5*float64(all-alike-otherwise))) / float64(max(1, all)), all > 0
}

// scoreRanking holds scores of all test rows against gold and, unless teacher is nil, against the teacher's.
func scoreRanking(queries []ranking, scores, teacher []float64, seed uint64) RankScores {
	s := RankScores{byQuery: map[string][]float64{}}
	add := func(name string, v float64) { s.byQuery[name] = append(s.byQuery[name], v) }
	for i := range queries {
		q := &queries[i]
		mine := q.of(scores)
		if q.known {
			ranked := q.ranked(mine)
			add("ndcg@10", ndcg(ranked))
			add("mrr@10", reciprocalRank(ranked))
			add("map", averagePrecision(ranked))
			add("recall@10", recall(ranked))
		}
		if teacher == nil {
			continue
		}
		theirs := q.of(teacher)
		if v, ok := kendall(mine, theirs); ok {
			add("kendall_tau", v)
		}
		if v, ok := agreementOf(mine, theirs); ok {
			add("agreement", v)
		}
	}
	for name, to := range map[string]**Interval{"ndcg@10": &s.NDCG, "mrr@10": &s.MRR, "map": &s.MAP, "recall@10": &s.Recall, "kendall_tau": &s.Tau, "agreement": &s.Agreement} {
		if values := s.byQuery[name]; values != nil {
			v := interval(values, seed)
			*to = &v
		}
	}
	return s
}

// metric is one of the metrics by its name in gates.
func (s *RankScores) metric(name string) (Interval, bool) {
	v := map[string]*Interval{"ndcg@10": s.NDCG, "mrr@10": s.MRR, "map": s.MAP, "recall@10": s.Recall, "kendall_tau": s.Tau, "agreement": s.Agreement}[name]
	if v == nil {
		return Interval{}, false
	}
	return *v, true
}

// of is one of the metrics for paired tests over queries.
func (s *RankScores) of(name string) rowScores {
	return rowScores{rows: len(s.byQuery[name]), of: stats.MeanOf(s.byQuery[name])}
}
