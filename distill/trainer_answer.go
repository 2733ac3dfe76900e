package distill

import "slices"

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

// answerStep computes the gradients of a step on prompts and answers. Only the tokens of answers count: position i
// predicts token i+1, and each of the step's tokens weighs the same.
func (t *Trainer) answerStep(g *Graph, rows []int) (loss float64, tokens int) {
	counted := 0
	for _, r := range rows {
		counted += len(t.Data[r].Answer.Labels)
	}
	weight := 1 / float32(counted)
	var b Batch
	var targets []Target
	for i := 0; i < len(rows); {
		b.Reset()
		targets = targets[:0]
		for first := i; i < len(rows); i++ {
			ex := &t.Data[rows[i]]
			if i > first && len(b.Tokens)+len(ex.Tokens) > t.MaxTokens {
				break
			}
			b.Add(ex.Tokens)
			n := len(ex.Answer.Labels)
			for k, label := range ex.Answer.Labels {
				target := Target{Label: label, Weight: weight}
				if ex.Answer.IDs != nil {
					target.IDs, target.Teacher = ex.Answer.IDs[k], ex.Answer.LogProbs[k]
				}
				targets = append(targets, target)
				b.Want = append(b.Want, len(b.Tokens)-n+k)
			}
		}
		g.Forward(&b)
		loss += t.head.Loss(t.Loss, func(r int) Target { return targets[r] }, true)
		g.Backward()
		tokens += len(b.Tokens)
	}
	return loss, tokens
}
