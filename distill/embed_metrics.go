package distill

import (
	"cmp"
	"math"
	"slices"

	"github.com/freehold-slm/freehold/distill/stats"
	"github.com/freehold-slm/freehold/kernels"
)

// nearest10 is how many neighbours of a text are looked at.
const nearest10 = 10

// EmbedScores are the metrics of vectors of the test rows. Those against the teacher's are nil of itself, those by labels or groups where no test row has another that belongs to it.
type EmbedScores struct {
	Cosine     *Interval `json:"cosine,omitempty"`     // to the teacher's vectors; nil where these have another width
	Neighbours *Interval `json:"neighbours,omitempty"` // share of the teacher's ten nearest test rows that are among the ten nearest
	Spearman   *Interval `json:"spearman,omitempty"`   // of how alike a row is to all others, with the teacher's; mean over the rows
	Recall1    *Interval `json:"recall_1,omitempty"`   // share of what belongs to a row that comes first: of so many rows, 1 at most
	Recall10   *Interval `json:"recall_10,omitempty"`  // the same of the first ten
	MRR        *Interval `json:"mrr,omitempty"`        // 1 / the place of the first row that belongs to it
	NDCG10     *Interval `json:"ndcg_10,omitempty"`

	byRow map[string]rowScores
	near  [][]int // [row] the ten nearest others
	cos   []float64
	found []int // [row] place of the first row that belongs to it, from 1; 0 = none does
}

// intervals are the metrics by their names in gates.
func (s *EmbedScores) intervals() map[string]*Interval {
	return map[string]*Interval{"cosine": s.Cosine, "neighbours": s.Neighbours, "spearman": s.Spearman, "recall@1": s.Recall1, "recall@10": s.Recall10, "mrr": s.MRR, "ndcg@10": s.NDCG10}
}

// likenesses gives how alike test row i is to each test row.
type likenesses func(i int) []float64

// byCosine compares vectors of length 1.
func byCosine(level *kernels.Level, x [][]float32) likenesses {
	return func(i int) []float64 {
		like := make([]float64, len(x))
		for k, v := range x {
			like[k] = float64(level.Dot(x[i], v))
		}
		return like
	}
}

// embedJudge holds what vectors of the test rows are judged by.
type embedJudge struct {
	teacher likenesses
	belongs [][]int // [row] others that belong to it
	asked   []int   // rows to which others belong
	order   []int   // [row] place among equals, which says nothing of a row
	seed    uint64
	par     Parallel
}

// newEmbedJudge takes rows with one gold answer, label or group, for such as belong together.
func newEmbedJudge(rows []Row, teacher likenesses, seed uint64, par Parallel) *embedJudge {
	judge := &embedJudge{teacher: teacher, belongs: make([][]int, len(rows)), order: shuffled(seed, 0, len(rows)), seed: seed, par: par}
	same := map[string][]int{}
	for i, r := range rows {
		if r.Gold >= 0 {
			same[r.Answer] = append(same[r.Answer], i)
		}
	}
	for i, r := range rows {
		if r.Gold < 0 || len(same[r.Answer]) < 2 {
			continue
		}
		for _, k := range same[r.Answer] {
			if k != i {
				judge.belongs[i] = append(judge.belongs[i], k)
			}
		}
		judge.asked = append(judge.asked, i)
	}
	return judge
}

// main is the metric that retention, the baseline's distance and the quantised files are measured by.
func (judge *embedJudge) main() string {
	if judge.asked != nil {
		return "ndcg@10"
	}
	return "neighbours"
}

// ranked lists all rows but i, the most alike first.
func (judge *embedJudge) ranked(i int, like []float64) []int {
	all := make([]int, 0, len(like)-1)
	for k := range like {
		if k != i {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(a, b int) int {
		return cmp.Or(cmp.Compare(like[b], like[a]), cmp.Compare(judge.order[a], judge.order[b]))
	})
	return all
}

// score judges likenesses of the test rows; cos are cosines of a model's vectors with the teacher's, nil = there are none.
func (judge *embedJudge) score(of likenesses, cos []float64) *EmbedScores {
	n := len(judge.belongs)
	s := &EmbedScores{byRow: map[string]rowScores{}, near: make([][]int, n), cos: cos, found: make([]int, n)}
	shared, rank := make([]float64, n), make([]float64, n)
	values := map[string][]float64{"recall@1": make([]float64, n), "recall@10": make([]float64, n), "mrr": make([]float64, n), "ndcg@10": make([]float64, n)}
	judge.par(n, func(_, i int) {
		like, theirs := of(i), judge.teacher(i)
		ranked := judge.ranked(i, like)
		s.near[i] = ranked[:min(nearest10, len(ranked))]
		shared[i] = inCommon(s.near[i], judge.ranked(i, theirs)[:len(s.near[i])])
		rank[i] = spearman(without(like, i), without(theirs, i))
		if judge.belongs[i] == nil {
			return
		}
		var right []bool
		right, s.found[i] = judge.right(i, ranked)
		for name, v := range retrieval(right, s.found[i], len(judge.belongs[i])) {
			values[name][i] = v
		}
	})
	keep := func(name string, v []float64) *Interval {
		s.byRow[name] = rowScores{rows: len(v), of: stats.MeanOf(v)}
		one := interval(v, judge.seed)
		return &one
	}
	if cos != nil {
		s.Cosine = keep("cosine", cos)
	}
	s.Neighbours, s.Spearman = keep("neighbours", shared), keep("spearman", rank)
	if judge.asked == nil {
		return s
	}
	ofAsked := func(name string) *Interval {
		v := make([]float64, len(judge.asked))
		for k, i := range judge.asked {
			v[k] = values[name][i]
		}
		return keep(name, v)
	}
	s.Recall1, s.Recall10, s.MRR, s.NDCG10 = ofAsked("recall@1"), ofAsked("recall@10"), ofAsked("mrr"), ofAsked("ndcg@10")
	return s
}

// right tells which of the first ten belong to row i, and the place of the first of all that does.
func (judge *embedJudge) right(i int, ranked []int) (first []bool, place int) {
	for at, k := range ranked {
		_, is := slices.BinarySearch(judge.belongs[i], k)
		if at < nearest10 {
			first = append(first, is)
		}
		if is && place == 0 {
			place = at + 1
		}
		if place > 0 && at >= nearest10 {
			break
		}
	}
	return first, place
}

// retrieval are the metrics of one row: which of the first ten belong to it, the place of the first that does, and how many do in all. Recall is of as many as
// the first k can hold (BEIR's capped recall), so that 1 can be reached whatever the size of a group.
func retrieval(right []bool, place, all int) map[string]float64 {
	found, gain, ideal := 0, 0.0, 0.0
	for at, is := range right {
		discount := math.Ln2 / kernels.Log(float64(at+2))
		if is {
			found, gain = found+1, gain+discount
		}
		if at < all {
			ideal += discount
		}
	}
	first := 0.0
	if right[0] {
		first = 1
	}
	return map[string]float64{"recall@1": first, "recall@10": float64(found) / float64(min(nearest10, all)), "mrr": 1 / float64(place), "ndcg@10": gain / ideal}
}

// inCommon is the share of b that is in a; of nothing 1.
func inCommon(a, b []int) float64 {
	n := 0
	for _, k := range b {
		if slices.Contains(a, k) {
			n++
		}
	}
	return share(n, len(b))
}

func without(x []float64, i int) []float64 { return slices.Delete(slices.Clone(x), i, i+1) }

// spearman is the correlation of ranks, equal values having the mean of theirs; 0 where one side has nothing but equals.
func spearman(x, y []float64) float64 {
	a, b := ranks(x), ranks(y)
	mean := float64(float64(len(x)-1) / 2)
	ab, aa, bb := 0.0, 0.0, 0.0
	for i := range a {
		p, q := a[i]-mean, b[i]-mean
		ab, aa, bb = ab+float64(p*q), aa+float64(p*p), bb+float64(q*q)
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(float64(aa*bb))
}

// ranks are from 0.
func ranks(x []float64) []float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(x[a], x[b]) })
	out := make([]float64, len(x))
	for lo := 0; lo < len(order); {
		hi := lo
		for hi < len(order) && x[order[hi]] == x[order[lo]] {
			hi++
		}
		for _, i := range order[lo:hi] {
			out[i] = float64(lo+hi-1) / 2
		}
		lo = hi
	}
	return out
}
