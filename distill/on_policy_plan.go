package distill

import (
	"fmt"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
)

// ownPlan is what on-policy steps take beside what every step does.
type ownPlan struct {
	what    string
	seconds float64
	ram     int64
}

// planOnPolicy estimates the on-policy steps after the given one: the student's writing in f32, every answer as long as it may be, and the teacher's reading.
// tokens are those of the rows that are learnt from, sizes the weights of the blocks.
func (j *Job) planOnPolicy(step int, tokens, student, teacher, int8Peak, f32Peak float64) (p ownPlan) {
	r := j.recipe.Train.OnPolicy
	if r.Share == 0 {
		return p
	}
	o := OnPolicy{Share: r.Share, First: r.first(j.steps())}
	all := o.steps(j.steps())
	p.what = fmt.Sprintf(", %d of them on its own answers", all)
	rows, drawn := float64(j.recipe.Train.Batch), float64(r.MaxTokens)
	read := rows * tokens / float64(max(1, len(j.learns().Train)))
	turns := float64((j.recipe.Train.Batch + engine.BatchStreams - 1) / engine.BatchStreams)
	perStep := (read+rows*drawn)*2*student/(trainShare*f32Peak) + turns*drawn*4*student/answerReads + (read+rows*drawn)*2*teacher/(prefillShare*int8Peak)
	p.seconds = perStep * float64(all-o.steps(step))

	s := j.base.spec
	heads := int64(s.Vocab) * int64(s.Dim)
	if !s.Tied {
		heads *= 2
	}
	pages := int64((j.recipe.Train.MaxTokens + kernels.PageKeys - 1) / kernels.PageKeys * kernels.PageKeys)
	keys := func(s *models.Spec, layers int, bytes int64) int64 {
		return engine.BatchStreams * pages * int64(layers) * int64(2*s.KVHeads*s.HeadDim) * bytes
	}
	p.ram = 4*(int64(student)+heads) + 4*max(ownLogits, int64(r.MaxTokens)*int64(s.Vocab)) + keys(s, len(j.recipe.Student.Layers), 4) + keys(j.teacher.spec, j.teacher.spec.Layers, 2)
	return p
}
