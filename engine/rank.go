package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/token"
)

// KeyRankPrompt is where a reranker's file says how query and document become one text: llama.cpp's name for it.
const KeyRankPrompt = "tokenizer.chat_template.rerank"

// RankLabel is the one label of a reranker's head: a head of one logit is the log-odds that the document answers the query.
const RankLabel = "relevant"

// Ways to rank.
const (
	ByHead   = "head"   // a reranker's head: one logit
	ByWords  = "words"  // a model that generates is asked, and says yes or no
	ByCosine = "cosine" // the angle between embeddings of query and document
)

// RankTask says how documents are ranked. The zero value is what the file is made for: a reranker's head, or embeddings.
type RankTask struct {
	Prompt string              // with {query} and {document}, once each; asks a model that generates for yes or no
	System string              // system turn before the prompt
	Raw    bool                // feed the prompt as it is, without the chat template
	Words  map[string][]string // spellings of "yes" and "no"; nil = these
}

// rankWords are the labels of a question about a pair, in the order of LogProbs.
var rankWords = []string{"yes", "no"}

// Ranker is a RankTask made ready for a model. It may be used by several goroutines.
type Ranker struct {
	m    *Model
	by   string
	c    *Classifier
	pair *Pair
}

// Ranked is a document's place. Score is the probability that it answers the query; by embeddings it is their cosine.
type Ranked struct {
	Index int
	Score float64
}

// Ranks tells whether the model is a reranker: it has a head of one logit.
func (m *Model) Ranks() bool { return m.plan.class != nil && len(m.Spec.Labels) == 1 }

// NewRanker prepares a model to rank documents.
func (m *Model) NewRanker(t RankTask) (*Ranker, error) {
	r := &Ranker{m: m, by: ByWords, c: &Classifier{m: m, task: Task{Labels: rankWords, Words: t.Words, Raw: t.Raw}}}
	switch {
	case t.Prompt != "" && (m.Spec.Encoder || m.plan.class != nil):
		return nil, fmt.Errorf("engine: a prompt is given, and %s is no model that could answer it; leave the prompt out", m.file.Name)
	case t.Prompt == "" && m.Ranks():
		var err error
		if t.Prompt, err = m.file.String(KeyRankPrompt); err != nil {
			return nil, err
		}
		r.by, t.Raw, r.c.head = ByHead, true, true
	case t.Prompt == "" && m.plan.class == nil && m.Spec.Pooling != models.PoolNone:
		r.by = ByCosine
		return r, nil
	case t.Prompt == "":
		return nil, fmt.Errorf("engine: %s is neither a reranker nor a model for embeddings; one that generates can be asked: give a prompt with %s and %s", m.file.Name, queryMark, documentMark)
	}
	if err := CheckPairPrompt(t.Prompt); err != nil {
		return nil, fmt.Errorf("engine: the prompt %w", err)
	}
	prompt, err := m.userTurn(t.Prompt, t.System, t.Raw)
	if err != nil {
		return nil, err
	}
	if r.pair, err = NewPair(prompt); err != nil {
		return nil, fmt.Errorf("%s: with the chat template %w", m.file.Name, err)
	}
	if r.by == ByHead {
		return r, nil
	}
	if err := r.c.task.check(); err != nil {
		return nil, err
	}
	r.c.frame = frame{r.pair.parts[0] + r.pair.parts[1], r.pair.parts[2]}
	return r, r.c.labelTokens()
}

// By is how it ranks: ByHead, ByWords or ByCosine.
func (r *Ranker) By() string { return r.by }

// Tokens is what the model reads: a prompt for each document, or by cosine the query and then each document.
func (r *Ranker) Tokens(query string, documents []string) ([][]int32, error) {
	t, err := r.m.LoadTokenizer()
	if err != nil {
		return nil, err
	}
	if r.by != ByCosine {
		all := make([][]int32, len(documents))
		for i, d := range documents {
			all[i] = r.pair.Encode(t, query, d)
		}
		return all, nil
	}
	all := [][]int32{t.Encode(nil, query, token.EncodeOptions{AddSpecial: true})}
	for _, d := range documents {
		all = append(all, t.Encode(nil, d, token.EncodeOptions{AddSpecial: true}))
	}
	return all, nil
}

// Rank orders documents by how well they answer the query, the best first; of equals the one that was named first.
func (r *Ranker) Rank(ctx context.Context, query string, documents []string) ([]Ranked, error) {
	tokens, err := r.Tokens(query, documents)
	if err != nil {
		return nil, err
	}
	return r.RankTokens(ctx, tokens)
}

// RankTokens is Rank of what Tokens gives.
func (r *Ranker) RankTokens(ctx context.Context, tokens [][]int32) (all []Ranked, err error) {
	var scores []float64
	if r.by == ByCosine {
		scores, err = r.cosines(ctx, tokens)
	} else {
		var lists [][][]float64
		if lists, err = r.logProbs(ctx, [][][]int32{tokens}); err == nil {
			for _, lp := range lists[0] {
				scores = append(scores, probability(lp))
			}
		}
	}
	if err != nil {
		return nil, err
	}
	for i, s := range scores {
		all = append(all, Ranked{i, s})
	}
	slices.SortStableFunc(all, func(a, b Ranked) int { return cmp.Compare(b.Score, a.Score) })
	return all, nil
}

// LogProbs gives for each document the log-probabilities of yes and no. What their prompts share, the query among it, is computed once.
func (r *Ranker) LogProbs(ctx context.Context, query string, documents []string) ([][]float64, error) {
	all, err := r.LogProbsLists(ctx, []string{query}, [][]string{documents})
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// LogProbsLists is LogProbs of several queries, documents[i] those of queries[i], which are computed together: lists of few documents fill passes so.
func (r *Ranker) LogProbsLists(ctx context.Context, queries []string, documents [][]string) ([][][]float64, error) {
	if r.by == ByCosine {
		return nil, fmt.Errorf("engine: %s ranks by embeddings, which are no probabilities", r.m.file.Name)
	}
	var lists [][][]int32
	for i, q := range queries {
		tokens, err := r.Tokens(q, documents[i])
		if err != nil {
			return nil, err
		}
		lists = append(lists, tokens)
	}
	return r.logProbs(ctx, lists)
}

// logProbs takes lists together until they have labelRows prompts.
func (r *Ranker) logProbs(ctx context.Context, lists [][][]int32) ([][][]float64, error) {
	var all [][][]float64
	for len(lists) > 0 {
		n, prompts := 0, 0
		for n < len(lists) && prompts < labelRows {
			prompts += len(lists[n])
			n++
		}
		some, err := r.logProbsTogether(ctx, lists[:n])
		if err != nil {
			return nil, err
		}
		all, lists = append(all, some...), lists[n:]
	}
	return all, nil
}

// logProbsTogether computes what each list's prompts share, all at once, and then all prompts.
func (r *Ranker) logProbsTogether(ctx context.Context, lists [][][]int32) ([][][]float64, error) {
	var prompts [][]int32
	var bases []*Session // of each prompt
	var beginnings []Seq
	for _, list := range lists {
		for i, ids := range list {
			if len(ids) == 0 {
				return nil, fmt.Errorf("engine: document %d makes an empty prompt", i+1)
			}
			if len(ids) > r.m.cfg.context {
				return nil, fmt.Errorf("document %d: %w", i+1, &ContextError{len(ids), r.m.cfg.context})
			}
		}
		base := r.m.NewSession()
		defer base.Close()
		if n := r.c.shared(list); n > 0 {
			beginnings = append(beginnings, r.c.prefix(base, list[0][:n]))
		}
		for _, ids := range list {
			prompts, bases = append(prompts, ids), append(bases, base)
		}
	}
	if err := r.m.EvalBatch(ctx, beginnings); err != nil {
		return nil, err
	}
	rows, err := r.c.logProbsAfter(ctx, prompts, func(i int) *Session { return bases[i] })
	if err != nil {
		return nil, err
	}
	all := make([][][]float64, len(lists))
	for i, list := range lists {
		all[i], rows = rows[:len(list)], rows[len(list):]
	}
	return all, nil
}

// probability of yes, of what LogProbs gives for a document.
func probability(lp []float64) float64 { return kernels.Sigmoid(lp[0] - lp[1]) }

// cosines of the first text's embedding and each of the others'.
func (r *Ranker) cosines(ctx context.Context, tokens [][]int32) ([]float64, error) {
	vectors, err := r.m.EmbedTokens(ctx, tokens, EmbedOptions{})
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(vectors)-1)
	for i, v := range vectors[1:] {
		for k, x := range v {
			out[i] += float64(float64(x) * float64(vectors[0][k]))
		}
	}
	return out, nil
}
