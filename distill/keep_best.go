package distill

// Keeping the best weights: where checkpoints are saved, and at the end, the student's loss on validation rows is looked at, and
// the weights with which it was least are what training leaves (early stopping, but for the steps that it would save).

// keepBest gives every weight that learns a place for its best value.
func (s *Student) keepBest() {
	for _, p := range s.Params {
		if !p.Frozen() {
			p.Best = make([]float32, len(p.W))
		}
	}
}

// useBest makes the best weights the student's.
func (s *Student) useBest() {
	for _, p := range s.Params {
		if p.Best != nil {
			copy(p.W, p.Best)
		}
	}
}

// validate looks at the validation loss after a step, where it is due, and keeps the weights if it is the least so far. It
// returns 0 where none is due or it is not a number. Rows are seen as training sees them then: rounded, where weights are.
func (t *Trainer) validate(g *Graph, state *checkpointManifest) float64 {
	step := state.Step - 1
	if t.Valid == nil || step < t.QuantizeFrom || state.Step < t.Steps && (t.SaveEvery <= 0 || state.Step%t.SaveEvery != 0) {
		return 0
	}
	return t.judge(g, state)
}

// judge is validate where it is due.
func (t *Trainer) judge(g *Graph, state *checkpointManifest) float64 {
	rows := make([]int, len(t.Valid))
	for i := range rows {
		rows[i] = i
	}
	t.round.enter(t.Par)
	loss, _ := t.pass(g, t.Valid, rows, false)
	t.round.leave()
	if !finite(loss) {
		return 0
	}
	if state.BestStep == 0 || loss < state.Best {
		state.BestStep, state.Best = state.Step, loss
		for _, p := range t.Student.Params {
			copy(p.Best, p.W)
		}
	}
	return loss
}
