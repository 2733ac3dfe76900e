package distill

import (
	"context"
	"math"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
)

// OnPolicy has a student answer the prompts of some steps itself, and learn what a teacher holds likely at each token that it
// said (generalised knowledge distillation, Agarwal et al., arXiv:2306.13649). So it learns where its own answers lead, which
// answers of others do not show. No gradient goes through the drawing of tokens.
type OnPolicy struct {
	Share       float64 // part of the steps from First on that are such ones, spread evenly
	First       int     // from 0
	Loss        Loss    // between whole rows of logits
	MaxTokens   int     // of an answer
	Temperature float64 // of the drawing
	Seed        uint64

	Student func() (*engine.Model, error) // opens the student with the weights that it has now
	Teacher *engine.Model
	Prompts [][]int32 // of each example, as the teacher reads it
	Keep    []int32   // the teacher's ids of the student's tokens, rising; nil = the same ids

	logits []float32 // of the teacher, for the tokens of a micro-batch
}

// ownLogits of the teacher are held at a time (128 MiB), but of one answer at least.
const ownLogits = 32 << 20

// at tells whether step n (from 0) is on-policy.
func (o *OnPolicy) at(n int) bool {
	if o == nil || n < o.First {
		return false
	}
	steps := func(n int) float64 { return math.Floor(float64(n) * o.Share) }
	return steps(n-o.First+1) > steps(n-o.First)
}

// steps counts the on-policy ones of n steps.
func (o *OnPolicy) steps(n int) (count int) {
	for i := range n {
		if o.at(i) {
			count++
		}
	}
	return count
}

// ownAnswers is what metrics.jsonl holds of a step on answers of the student's own.
type ownAnswers struct {
	Tokens int `json:"tokens"` // drawn
	Ended  int `json:"ended"`  // answers that came to an end; the others were cut
}

// onPolicyStep computes the gradients of on-policy step n.
func (t *Trainer) onPolicyStep(ctx context.Context, g *Graph, n int, rows []int) (loss float64, tokens int, said *ownAnswers, err error) {
	o := t.OnPolicy
	prompts := make([][]int32, len(rows))
	for i, r := range rows {
		prompts[i] = t.Data[r].prompt()
	}
	replies, ended, err := o.answer(ctx, n, prompts)
	if err != nil {
		return 0, 0, nil, err
	}
	said = &ownAnswers{Ended: ended}
	ex := make([]Example, len(rows))
	for i, reply := range replies {
		ex[i] = Example{Tokens: append(append([]int32(nil), prompts[i]...), reply[:len(reply)-1]...), Answer: &AnswerTargets{Labels: reply}}
		said.Tokens += len(reply)
		prompts[i] = o.Prompts[rows[i]]
	}
	vocab := t.Student.Spec.Vocab
	loss, tokens, err = t.learnAnswers(g, o.Loss, ex, 1, ownLogits/vocab, func(from, to int, targets []Target) error {
		return o.teach(ctx, prompts[from:to], replies[from:to], vocab, targets)
	})
	return loss, tokens, said, err
}

// answer lets the student answer prompts, and gives each answer's tokens with the one that ended it, unless it was cut.
func (o *OnPolicy) answer(ctx context.Context, step int, prompts [][]int32) (replies [][]int32, ended int, err error) {
	m, err := o.Student()
	if err != nil {
		return nil, 0, err
	}
	defer m.Close()
	draws, requests := make([]ownDraws, len(prompts)), make([]engine.Request, len(prompts))
	for i, p := range prompts {
		draws[i] = ownDraws{level: m.Level(), invT: float32(1 / o.Temperature), seed: o.Seed, step: uint32(step), row: uint32(i)}
		requests[i] = engine.Request{Tokens: p, Gen: engine.Gen{MaxTokens: o.MaxTokens, Sampler: &draws[i]}}
	}
	for r, err := range m.Batch(ctx, requests) {
		if err != nil {
			return nil, 0, err
		}
		if r.Reason == engine.ReasonEnd {
			ended++
		}
		replies = append(replies, draws[r.Index].ids)
	}
	return replies, ended, nil
}

// ownDraws draws the tokens of one answer from the student's probabilities. A draw is a function of seed, step, row and place
// alone, so it does not matter what was computed together, or where a run was resumed.
type ownDraws struct {
	level     *kernels.Level
	invT      float32
	seed      uint64
	step, row uint32
	ids       []int32 // drawn so far
}

// Sample is engine.Sampler's.
func (d *ownDraws) Sample(logits []float32, _ engine.Draw) int32 {
	r := kernels.Philox(d.seed, [4]uint32{kernels.PurposeOwn, d.step, d.row, uint32(len(d.ids))})
	softmax(d.level, logits, logits, d.invT)
	total := 0.0
	for _, p := range logits {
		total += float64(p)
	}
	target := float64(float64(uint64(r[0])<<21|uint64(r[1])>>11) / (1 << 53) * total)
	id, sum := int32(-1), 0.0
	for i, p := range logits {
		if p > 0 {
			id, sum = int32(i), sum+float64(p)
			if sum > target {
				break
			}
		}
	}
	d.ids = append(d.ids, id)
	return id
}

// teach lets the teacher read answers after its own prompts and puts its logits of the student's tokens into their targets.
func (o *OnPolicy) teach(ctx context.Context, prompts, replies [][]int32, vocab int, targets []Target) error {
	o.logits = resize(o.logits, len(targets)*vocab)
	first, read := make([]int, len(replies)), make([][]int32, len(replies))
	n := 0
	for i, reply := range replies {
		first[i] = n
		n += len(reply)
		read[i] = reply
		if o.Keep != nil {
			read[i] = pick(o.Keep, reply)
		}
	}
	return o.Teacher.Read(ctx, prompts, read, func(i, t int, logits []float32) error {
		at := first[i] + t
		row := o.logits[at*vocab : (at+1)*vocab]
		if targets[at].Teacher = row; o.Keep == nil {
			copy(row, logits)
			return nil
		}
		for k, id := range o.Keep {
			row[k] = logits[id]
		}
		return nil
	})
}
