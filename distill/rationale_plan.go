package distill

import "fmt"

// PlanRationales is what the teacher's rationales take, of which the stages' estimates hold their part.
type PlanRationales struct {
	Rows         int     `json:"rows"`        // training rows that the teacher is asked about
	Tokens       int     `json:"tokens"`      // that it writes: half of train.rationale.max_tokens each, until they are there
	Missing      int     `json:"missing"`     // rows whose rationale is not there yet
	LabelFLOPs   float64 `json:"label_flops"` // estimates of what is left
	LabelSeconds float64 `json:"label_seconds"`
	TrainFLOPs   float64 `json:"train_flops"`
	TrainSeconds float64 `json:"train_seconds"`
}

// planRationales estimates them by the same rates as the rest of the plan; part is the part of the training that is left, epochs how often a row is
// seen in all of it, and sizes are the weights of the blocks. nil = there are none.
func (j *Job) planRationales(part, epochs, student, teacher, int8Peak, f32Peak float64) *PlanRationales {
	w, ok := j.work.(*answerWork)
	if !ok || !w.explains() {
		return nil
	}
	q, p := j.recipe.Train.Rationale, &PlanRationales{}
	read, wrote, learnt := 0.0, 0.0, 0.0
	learns := map[string]bool{}
	for _, r := range j.learns().Train {
		learns[r.ID] = q.Weight > 0
	}
	row := func(r Row, answer string, known *rationaleLine) {
		tokens := q.MaxTokens / 2
		if known != nil {
			tokens = known.Tokens
		} else {
			p.Missing++
			read, wrote = read+float64(len(r.Text)+len(answer))/4+6, wrote+float64(tokens)
		}
		if p.Rows, p.Tokens = p.Rows+1, p.Tokens+tokens; learns[r.ID] {
			learnt += float64(len(q.StudentPrompt)+len(r.Text))/4 + float64(tokens)
		}
	}
	for s, rows := range w.shards() {
		there, _, err := w.find(s, rows)
		lines := there.lines
		if err != nil { // every answer may come to its end
			lines = make([]answerLine, len(rows))
		}
		why, _, err := w.findRationales(s, rows, lines)
		for i, k := range w.reasons(rows, lines) {
			if err == nil {
				row(rows[k], "", &why[i])
			} else {
				row(rows[k], rows[k].Answer, nil)
			}
		}
	}
	p.LabelFLOPs = (read + wrote) * 2 * teacher
	p.LabelSeconds = read*2*teacher/(prefillShare*int8Peak) + written(wrote, float64(j.teacher.Bytes), teacher, int8Peak)
	p.TrainFLOPs = part * epochs * learnt * 6 * student
	p.TrainSeconds = p.TrainFLOPs / (trainShare * f32Peak)
	return p
}

// asked and taught are what the stages' lines say of them.
func (p *PlanRationales) asked() string {
	if p == nil {
		return ""
	}
	return fmt.Sprintf(", rationales of %d training rows (%d missing, %d tokens)", p.Rows, p.Missing, p.Tokens)
}

func (p *PlanRationales) taught(q RationaleRecipe) string {
	if p == nil || q.Weight == 0 {
		return ""
	}
	return fmt.Sprintf(", rationales beside answers at weight %v", q.Weight)
}
