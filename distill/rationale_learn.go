package distill

import "math"

// Rationales is how the rationales of examples are learnt: in each step those of the step's rows, after their answers.
type Rationales struct {
	Loss   Loss    // of their tokens, of which each weighs the same
	Weight float64 // of that mean beside the answers' mean
}

// rationaleStep is what metrics.jsonl holds of the rationales of a step.
type rationaleStep struct {
	Loss   float64 `json:"loss"`   // a token, without the weight
	Tokens int     `json:"tokens"` // that were read for them, part of the step's
}

// rationaleStep adds to the gradients what the rationales of a step's rows teach; nil = they have none.
func (t *Trainer) rationaleStep(g *Graph, rows []int) *rationaleStep {
	if t.Rationales == nil || t.Rationales.Weight == 0 {
		return nil
	}
	var ex []Example
	for _, r := range rows {
		if why := t.Data[r].Rationale; why != nil {
			ex = append(ex, *why)
		}
	}
	if len(ex) == 0 {
		return nil
	}
	loss, tokens, _ := t.learnAnswers(g, t.Rationales.Loss, ex, float32(t.Rationales.Weight), math.MaxInt, nil)
	return &rationaleStep{loss / float64(float32(t.Rationales.Weight)), tokens}
}
