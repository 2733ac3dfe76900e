package distill

// tagStep computes the gradients of a step on the tags of tokens. Each that is learnt weighs the same.
func (t *Trainer) tagStep(g *Graph, rows []int) (loss float64, tokens int) {
	counted := 0
	for _, r := range rows {
		for _, tag := range t.Data[r].Tags {
			if tag >= 0 {
				counted++
			}
		}
	}
	weight := 1 / float32(max(1, counted))
	var b Batch
	var tags []int32
	for i := 0; i < len(rows); {
		b.Reset()
		tags = tags[:0]
		for first := i; i < len(rows); i++ {
			ex := &t.Data[rows[i]]
			if i > first && len(b.Tokens)+len(ex.Tokens) > t.MaxTokens {
				break
			}
			b.Add(ex.Tokens)
			tags = append(tags, ex.Tags...)
		}
		g.Forward(&b)
		loss += g.ClassLoss(t.Loss, func(r int) Target {
			if tags[r] < 0 {
				return Target{Label: -1}
			}
			return Target{Label: tags[r], Weight: weight}
		}, true)
		g.Backward()
		tokens += len(b.Tokens)
	}
	return loss, tokens
}
