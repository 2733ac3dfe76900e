package distill

import (
	"context"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	taskTypes["rerank"] = taskType{
		form:    data.OnePair,
		keys:    []string{"task.words", "student.prompt", "student.attention", "train.gold", "data.columns.query"},
		losses:  []string{"bce", "listwise_kl", "mse"},
		metrics: []string{"ndcg@10", "mrr@10", "map", "recall@10", "kendall_tau", "agreement", "retention", "over_baseline", "size_ratio", "speed_ratio"},
		check:   checkRerank,
		fill:    fillRerank,
		work:    func(j *Job) (work, error) { return newRankWork(j), nil },
	}
}

// pairPrompt is how a student reads query and document where the recipe does not say: the document after the query, so that its tokens
// see the query, which is computed once for all documents; and the same last token always, whose state is read.
const pairPrompt = "query: {query}\ndocument: {document}\nrelevant:"

// batchOf is what train.batch counts.
func (r *Recipe) batchOf() string {
	if r.pairs() {
		return "queries"
	}
	return "rows"
}

// fillRerank puts in what a recipe does not say. A row of a step is a query with all its documents.
func fillRerank(r *Recipe, said func(path ...string) bool) {
	r.Student.Head, r.Teacher.Calibration = "", ""
	if r.Student.Prompt == "" {
		r.Student.Prompt = pairPrompt
	}
	if !said("train", "loss") {
		r.Train.Loss = "listwise_kl"
	}
	if !said("train", "batch") {
		r.Train.Batch = 8
	}
}

// checkRerank refuses what rows of pairs cannot have.
func checkRerank(r *Recipe, at func(msg string, path ...string) error) (errs []error) {
	if err := engine.CheckPairPrompt(r.Task.Prompt); err != nil {
		errs = append(errs, at("task.prompt "+err.Error()+": the teacher is asked whether the document answers the query, and says yes or no", "task", "prompt"))
	}
	if err := engine.CheckPairPrompt(r.Student.Prompt); err != nil {
		errs = append(errs, at("student.prompt "+err.Error(), "student", "prompt"))
	}
	errs = append(errs, checkYesNo(r.Task.Words, at)...)
	for _, no := range []struct {
		given bool
		msg   string
		path  []string
	}{
		{r.Teacher.remote(), "teacher.openai is given, and a remote teacher is not asked about pairs: what it says of yes and no is rarely a probability; use a model of this machine", []string{"teacher", "openai"}},
		{r.Data.Corrections != "", "data.corrections are labels of a text, and rerank has pairs; change the rows' label in their file", []string{"data", "corrections"}},
		{r.Data.Collected != "", "data.collected are texts that a server was not sure of, and rerank has pairs; leave it out", []string{"data", "collected"}},
		{r.augments(), "data.augment makes texts, and rerank has pairs; leave it out", []string{"data", "augment"}},
		{r.Data.Duplicates == "near", "data.duplicates is near, which would take documents of one query for repetitions of each other; use exact or keep", []string{"data", "duplicates"}},
		{len(r.Eval.Slices) > 0, "eval.slices cut rows that are right or wrong, and rerank has rankings; leave it out", []string{"eval", "slices"}},
	} {
		if no.given {
			errs = append(errs, at(no.msg, no.path...))
		}
	}
	return errs
}

// rankWork: the teacher says how likely a document answers a query, and the student learns to order a query's documents as it does.
type rankWork struct {
	j      *Job
	labels Labels  // log-probabilities of yes and no
	most   float64 // the greatest relevance of a training row
}

func newRankWork(j *Job) *rankWork {
	w := &rankWork{j: j, most: 1}
	for _, r := range j.data.Train {
		w.most = max(w.most, r.Relevance)
	}
	return w
}

func (w *rankWork) key() string { return "" }

func (w *rankWork) label(ctx context.Context) (err error) {
	t := w.j.labellers()[0]
	w.labels, err = w.j.label(ctx, t, func() (asker, func(), error) {
		r, close, err := w.j.openRanker(t)
		return func(ctx context.Context, rows []Row) ([][]float64, error) { return rankRows(ctx, r, rows, nil) }, close, err
	})
	return err
}

func (w *rankWork) recall() (err error) {
	w.labels, err = w.j.recall(w.j.labellers()[0])
	return err
}

func (w *rankWork) missing() (missing, all int) { return w.j.missingOf(w.j.labellers()[0]) }

// odds are the teacher's log-odds that a row's document answers its query.
func (w *rankWork) odds(r Row) float64 { lp := w.labels[r.ID]; return lp[0] - lp[1] }

// learnt are the log-odds that are learnt: the teacher's, mixed with the row's own relevance where that counts.
func (w *rankWork) learnt(r Row) float64 {
	gold := w.j.recipe.Train.Gold
	if gold == 0 || r.Gold < 0 {
		return w.odds(r)
	}
	p := float64((1-gold)*kernels.Sigmoid(w.odds(r))) + float64(gold*r.Relevance/w.most)
	p = min(max(p, leastGold), 1-leastGold)
	return kernels.Log(p / (1 - p))
}

// confidence is the probability of what the teacher rather says, yes or no.
func (w *rankWork) confidence(r Row) (p float64, label string, asked bool) {
	if x := w.odds(r); x > 0 {
		return kernels.Sigmoid(x), "yes", true
	} else {
		return kernels.Sigmoid(-x), "no", true
	}
}

// read takes the pair as the student reads it.
func (w *rankWork) read(f *gguf.File, r *reading) error {
	pair, err := engine.NewPair(w.j.recipe.Student.Prompt)
	if err != nil {
		return err
	}
	r.encode = func(t *tokenizer, row Row) []int32 { return pair.Encode(t, row.Query, row.Text) }
	return nil
}

func (w *rankWork) check(*reading) error { return nil }

// shape: a head of one logit on the last token's state, the only one that has seen all of query and document.
func (w *rankWork) shape(p *Prune) {
	p.Labels, p.Pooling = []string{engine.RankLabel}, models.PoolLast
}

// write keeps how a pair becomes text, where llama.cpp looks for it too.
func (w *rankWork) write(b *Base) error {
	meta := metaList(b.Meta)
	meta.Set(engine.KeyRankPrompt, w.j.recipe.Student.Prompt)
	b.Meta = meta
	return nil
}

// examples are the training rows; those of a query are a list.
func (w *rankWork) examples(read *reading) ([]Example, error) {
	return w.j.headExamples(read, func(r Row, ids []int32) Example {
		return Example{ID: r.ID, List: r.Query, Tokens: ids, Target: []float32{float32(w.learnt(r))}, Label: -1}
	})
}

// openRanker opens a teacher that is asked about pairs.
func (j *Job) openRanker(by labeller) (*engine.Ranker, func(), error) {
	m, err := j.openTeacherModel(by.path, "")
	if err != nil {
		return nil, nil, err
	}
	r, err := m.NewRanker(engine.RankTask{Prompt: by.prompt, System: j.recipe.Task.System, Words: j.recipe.Task.Words})
	if err != nil {
		m.Close()
		return nil, nil, err
	}
	return r, func() { m.Close() }, nil
}

// rankedTogether is how many rows a model is asked about between two signs of progress.
const rankedTogether = 256

// rankRows asks a model about rows, those of a query together, and calls done with the rows done so far.
func rankRows(ctx context.Context, r *engine.Ranker, rows []Row, done func(rows int)) ([][]float64, error) {
	out, n := make([][]float64, len(rows)), 0
	for all := rankings(rows); len(all) > 0; {
		var queries []string
		var documents [][]string
		for asked := 0; len(queries) < len(all) && asked < rankedTogether; {
			q := all[len(queries)]
			var texts []string
			for _, i := range q.rows {
				texts = append(texts, rows[i].Text)
			}
			queries, documents, asked = append(queries, q.query), append(documents, texts), asked+len(texts)
		}
		lp, err := r.LogProbsLists(ctx, queries, documents)
		if err != nil {
			return nil, err
		}
		for k, list := range lp {
			for i, row := range all[k].rows {
				out[row] = list[i]
			}
			n += len(list)
		}
		if all = all[len(queries):]; done != nil {
			done(n)
		}
	}
	return out, nil
}
