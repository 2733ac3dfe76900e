package distill

import (
	"math"
	"slices"
)

// AnswerTargets are what a student's answer should be, one a token, the end of the turn last.
type AnswerTargets struct {
	Labels   []int32     // [tokens]
	IDs      [][]int32   // [tokens] the teacher's most likely tokens; nil = it was not asked
	LogProbs [][]float32 // [tokens] their log-probabilities
}

// whole is the example with the last token of its answer, which nothing reads on.
func (e *Example) whole() []int32 {
	if e.Answer == nil {
		return e.Tokens
	}
	return append(slices.Clone(e.Tokens), e.Answer.Labels[len(e.Answer.Labels)-1])
}

// prompt is the example without the answer.
func (e *Example) prompt() []int32 { return e.Tokens[:len(e.Tokens)-len(e.Answer.Labels)+1] }

// answerStep computes the gradients of a step on prompts and answers.
func (t *Trainer) answerStep(g *Graph, rows []int) (loss float64, tokens int) {
	ex := make([]Example, len(rows))
	for i, r := range rows {
		ex[i] = t.Data[r]
	}
	loss, tokens, _ = t.learnAnswers(g, t.Loss, ex, 1, math.MaxInt, nil)
	return loss, tokens
}

// learnAnswers adds to the gradients what examples teach. Only the tokens of answers count: position i predicts token i+1, and
// each of them weighs the same: times / their number. A micro-batch has so many of them at most (but one answer at least), and teach, unless
// nil, puts the teacher's logits into the targets of examples [from, to).
func (t *Trainer) learnAnswers(g *Graph, of Loss, ex []Example, times float32, most int, teach func(from, to int, targets []Target) error) (loss float64, tokens int, err error) {
	counted := 0
	for i := range ex {
		counted += len(ex[i].Answer.Labels)
	}
	weight := times / float32(counted)
	var b Batch
	var targets []Target
	for i := 0; i < len(ex); {
		b.Reset()
		targets = targets[:0]
		first := i
		for ; i < len(ex); i++ {
			answer, n := ex[i].Answer, len(ex[i].Answer.Labels)
			if i > first && (len(b.Tokens)+len(ex[i].Tokens) > t.MaxTokens || len(targets)+n > most) {
				break
			}
			b.Add(ex[i].Tokens)
			for k, label := range answer.Labels {
				target := Target{Label: label, Weight: weight}
				if answer.IDs != nil {
					target.IDs, target.Teacher = answer.IDs[k], answer.LogProbs[k]
				}
				targets = append(targets, target)
				b.Want = append(b.Want, len(b.Tokens)-n+k)
			}
		}
		if teach != nil {
			if err := teach(first, i, targets); err != nil {
				return 0, 0, err
			}
		}
		g.Forward(&b)
		loss += t.head.Loss(of, func(r int) Target { return targets[r] }, true)
		g.Backward()
		tokens += len(b.Tokens)
	}
	return loss, tokens, nil
}
