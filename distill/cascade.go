package distill

import (
	_ "embed"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/engine"
)

// Cascade says what it brings and costs to ask the teacher where the student is not sure, from test rows that both have
// answered.
type Cascade struct {
	StudentFLOPs float64        `json:"student_flops"` // a row: 2 x weights of the blocks x tokens, prompt included
	TeacherFLOPs float64        `json:"teacher_flops"`
	Points       []CascadePoint `json:"points"` // by rising share

	teachers float64 // FLOPs of all teachers that label a row; TeacherFLOPs are those of the one that is asked again
}

// CascadePoint is a line to abstain at.
type CascadePoint struct {
	AbstainBelow float64 `json:"abstain_below"`
	Escalated    float64 `json:"escalated"` // share of rows that the teacher answers
	Accuracy     float64 `json:"accuracy"`
	FLOPs        float64 `json:"flops"` // a row, mean
}

// cascadeSteps is how many steps the curve has, from none to all rows.
const cascadeSteps = 20

// cascade finds the points of the curve; costs fills in what they cost.
func cascade(student, teacher [][]float64, gold []int) *Cascade {
	n := len(gold)
	sure := make([]float64, n)
	for i, p := range student {
		sure[i] = p[argmax(p)]
	}
	sorted := slices.Sorted(slices.Values(sure))
	c := &Cascade{}
	for step := range cascadeSteps + 1 {
		p := CascadePoint{AbstainBelow: 1}
		switch k := step * n / cascadeSteps; {
		case step == 0:
			p.AbstainBelow = 0
		case k < n:
			p.AbstainBelow = sorted[k]
		}
		asked, right := 0, 0
		for i, g := range gold {
			says := student[i]
			if sure[i] < p.AbstainBelow {
				says = teacher[i]
				asked++
			}
			if argmax(says) == g {
				right++
			}
		}
		p.Escalated, p.Accuracy = float64(asked)/float64(max(1, n)), float64(right)/float64(max(1, n))
		if last := len(c.Points) - 1; last < 0 || c.Points[last].Escalated < p.Escalated { // rows of equal probability go together
			c.Points = append(c.Points, p)
		}
	}
	return c
}

// costs counts what a test row costs student and teacher, and what the points of the curve cost. Of several teachers the tokens of all count; the first is
// the one that a student asks that is not sure.
func (j *Job) costs(sum *Summary, student, teacher *engine.Classifier, others []*engine.Classifier) error {
	c := sum.Cascade
	perRow := func(k *engine.Classifier) (float64, error) {
		tokens := 0
		for _, r := range j.data.Test {
			ids, err := k.Tokens(r.Text)
			if err != nil {
				return 0, err
			}
			tokens += len(ids)
		}
		return float64(tokens) / float64(max(1, len(j.data.Test))), nil
	}
	cost := func(path string, k *engine.Classifier, m *ModelResult) (float64, error) {
		weights, err := blockWeights(path)
		if err != nil {
			return 0, err
		}
		m.TokensPerRow, err = perRow(k)
		return 2 * float64(weights) * m.TokensPerRow, err
	}
	var err error
	if c.StudentFLOPs, err = cost(j.modelPath(""), student, &sum.Student); err != nil {
		return err
	}
	if c.TeacherFLOPs, err = cost(j.teacher.path, teacher, &sum.Teacher); err != nil {
		return err
	}
	c.teachers = c.TeacherFLOPs
	for i, k := range others {
		m := ModelResult{}
		flops, err := cost(j.others[i].path, k, &m)
		if err != nil {
			return err
		}
		sum.Teacher.TokensPerRow += m.TokensPerRow
		c.teachers += flops
	}
	for i := range c.Points {
		c.Points[i].FLOPs = c.StudentFLOPs + float64(c.Points[i].Escalated*c.TeacherFLOPs)
	}
	return nil
}

//go:embed report_cascade.tmpl.html
var cascadeSource string

// OfTeacher is a point's cost as a share of the teacher's.
func (c *Cascade) OfTeacher(p CascadePoint) float64 { return p.FLOPs / c.TeacherFLOPs }

// cascadeChart draws accuracy by the share of rows that the teacher answers, a dot a point.
func cascadeChart(s *Summary) template.HTML {
	const w, h, left, bottom = 640.0, 220.0, 56.0, 28.0
	lo, hi := 1.0, 0.0
	for _, p := range s.Cascade.Points {
		lo, hi = min(lo, p.Accuracy), max(hi, p.Accuracy)
	}
	lo, hi = max(0, lo-0.01), min(1, hi+0.01)
	x := func(v float64) float64 { return left + (w-left-16)*v }
	y := func(v float64) float64 { return 8 + (h-bottom-8)*(hi-v)/(hi-lo) }
	var b, line strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="accuracy by share of rows that the teacher answers">`, w, h)
	for i := 0; i <= 4; i++ {
		v, share := lo+(hi-lo)*float64(i)/4, float64(i)/4
		fmt.Fprintf(&b, `<line x1="%g" y1="%.1f" x2="%g" y2="%.1f" class="grid"/><text x="%g" y="%.1f" text-anchor="end">%.1f %%</text><text x="%.1f" y="%g" text-anchor="middle">%.0f %%</text>`,
			left, y(v), w-16, y(v), left-6, y(v)+4, 100*v, x(share), h-8, 100*share)
	}
	for _, p := range s.Cascade.Points {
		fmt.Fprintf(&line, "%.1f,%.1f ", x(p.Escalated), y(p.Accuracy))
		fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3" class="bar"/>`, x(p.Escalated), y(p.Accuracy))
	}
	fmt.Fprintf(&b, `<polyline points="%s" class="line"/></svg>`, line.String())
	return template.HTML(b.String())
}
