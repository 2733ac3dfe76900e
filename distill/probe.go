package distill

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/engine"
)

// Probe is what a few validation rows tell before anything is labelled: which prompt, whether a language model is needed
// at all, and which rows a person had better label first.
type Probe struct {
	Rows     int           `json:"rows"`     // validation rows with gold labels
	Majority float64       `json:"majority"` // share of the most frequent label: accuracy of saying it always
	Prompts  []ProbePrompt `json:"prompts"`  // task.prompt first
	Best     int           `json:"best"`     // index of the recommended one
	Test     *Comparison   `json:"test,omitempty"`
	Linear   ProbeLinear   `json:"linear"`
	Label    []ProbeRow    `json:"label_first"` // unlabelled training rows, the most useful first
}

// ProbePrompt is one prompt's result, calibrated as the recipe says.
type ProbePrompt struct {
	Prompt   string  `json:"prompt"`
	Accuracy float64 `json:"accuracy"`
	LogLoss  float64 `json:"log_loss"` // of the gold labels, nats a row
}

// ProbeLinear is a linear bag of words on gold labels, held against the teacher with the best prompt.
type ProbeLinear struct {
	Accuracy float64    `json:"accuracy"`
	Rows     int        `json:"rows"` // gold rows that it learnt from
	How      string     `json:"how"`
	Test     Comparison `json:"test"` // teacher against linear
}

// ProbeRow is a row to label by hand.
type ProbeRow struct {
	ID     string  `json:"id"`
	Hash   string  `json:"hash"` // as a corrections file wants it
	Label  string  `json:"label"`
	Margin float64 `json:"margin"` // between the teacher's two likeliest labels
	Text   string  `json:"text"`
}

// labelFirst is how many rows to label by hand a probe names at most; of poolFactor times as many unlabelled rows as
// validation rows are probed, it takes those that the teacher is unsure of and that are unlike each other.
const (
	labelFirst = 50
	poolFactor = 2
)

// Probe scores the teacher on up to n validation rows with each of the recipe's prompts.
func (j *Job) Probe(ctx context.Context, n int) (*Probe, error) {
	task := j.recipe.Task
	if task.Type != "classify" {
		return nil, &RecipeError{File: j.recipe.file, Msg: fmt.Sprintf("plan --probe is for task type classify, this one is %s", task.Type)}
	}
	if j.teacher.remote != nil {
		return nil, &RecipeError{File: j.recipe.file, Msg: "plan --probe asks the teacher with every prompt, which a remote teacher is not for; try prompts on a model of this machine, or apply and look at the report"}
	}
	gold := slices.DeleteFunc(slices.Clone(j.data.Valid), func(r Row) bool { return r.Gold < 0 })
	if len(gold) == 0 {
		return nil, &DataError{File: j.recipe.file, Msg: "plan --probe needs validation rows with gold labels", Fix: "give data.valid, or data.split.valid such as 0.1"}
	}
	rows := byHash(gold, n)
	m, err := j.openTeacherModel(j.teacher.path, "")
	if err != nil {
		return nil, err
	}
	defer m.Close()
	p := &Probe{Rows: len(rows), Label: []ProbeRow{}}
	count := make([]int, len(task.Labels))
	labels := make([]int, len(rows))
	for i, r := range rows {
		labels[i] = r.Gold
		count[r.Gold]++
	}
	p.Majority = float64(slices.Max(count)) / float64(len(rows))
	var scores []rowScores
	var best *engine.Classifier
	var bias *engine.Calibration
	prompts := append([]string{task.Prompt}, task.Prompts...)
	for i, prompt := range prompts {
		j.event(Event{Stage: "probe", Step: i, Total: len(prompts), Msg: "prompt"})
		c, err := m.NewClassifier(engine.Task{Labels: task.Labels, Prompt: prompt, System: task.System, Words: task.Words})
		if err != nil {
			return nil, err
		}
		lp, err := c.LogProbs(ctx, textsOf(rows))
		if err != nil {
			return nil, err
		}
		var cal *engine.Calibration
		if kind := j.recipe.Teacher.Calibration; kind != "none" { // from the texts alone, as the label stage has it
			if cal, err = engine.Calibrate(kind, lp); err != nil {
				return nil, err
			}
		}
		one := ProbePrompt{Prompt: prompt}
		probs := make([][]float64, len(rows))
		for k := range rows {
			lp := calibrated(lp[k], cal)
			probs[k] = expAll(lp)
			one.LogLoss -= max(lp[labels[k]], -100) / float64(len(rows))
		}
		s := rightRows(probs, labels)
		one.Accuracy = s.all()
		p.Prompts, scores = append(p.Prompts, one), append(scores, s)
		was := p.Prompts[p.Best]
		if best == nil || one.Accuracy > was.Accuracy || one.Accuracy == was.Accuracy && one.LogLoss < was.LogLoss {
			p.Best, best, bias = i, c, cal
		}
	}
	seed := j.recipe.Train.Seed
	if p.Best > 0 {
		test := compare("the best prompt", "task.prompt", "accuracy", scores[p.Best], scores[0], seed)
		p.Test = &test
	}
	j.event(Event{Stage: "probe", Msg: "linear model"})
	linear := j.probeLinear(&p.Linear, gold, rows)
	p.Linear.Accuracy = linear.all()
	p.Linear.Test = compare("the teacher", "a linear model", "accuracy", scores[p.Best], linear, seed)
	return p, j.probeRows(ctx, p, best, bias, poolFactor*len(rows), min(labelFirst, len(rows)))
}

// byHash takes up to n rows, in an order that has nothing to do with their place or label.
func byHash(rows []Row, n int) []Row {
	rows = slices.SortedFunc(slices.Values(rows), func(a, b Row) int { return strings.Compare(hashOf("probe", a.ID), hashOf("probe", b.ID)) })
	return rows[:min(n, len(rows))]
}

func textsOf(rows []Row) []string {
	texts := make([]string, len(rows))
	for i, r := range rows {
		texts[i] = r.Text
	}
	return texts
}

// probeFolds is how often gold validation rows are split where no training row has a gold label.
const probeFolds = 5

// probeLinear scores the rows by a linear model that learns from the gold labels of training rows or, where those have
// none, of the other validation rows.
func (j *Job) probeLinear(l *ProbeLinear, gold, rows []Row) rowScores {
	fit := func(rows []Row) *Baseline {
		probs := make([][]float64, len(rows))
		for i, r := range rows {
			probs[i] = make([]float64, len(j.recipe.Task.Labels))
			probs[i][r.Gold] = 1
		}
		return trainBaseline(textsOf(rows), probs, len(j.recipe.Task.Labels), true, j.recipe.Train.Seed)
	}
	probs, labels := make([][]float64, len(rows)), make([]int, len(rows))
	train := slices.DeleteFunc(slices.Clone(j.own.Train), func(r Row) bool { return r.Gold < 0 })
	if len(train) >= len(gold) {
		l.Rows, l.How = len(train), fmt.Sprintf("on the gold labels of %d training rows", len(train))
		b := fit(train)
		for i, r := range rows {
			probs[i], labels[i] = b.Probabilities(r.Text), r.Gold
		}
		return rightRows(probs, labels)
	}
	fold := map[string]int{}
	for i, r := range byHash(gold, len(gold)) {
		fold[r.ID] = i % probeFolds
	}
	for f := range probeFolds {
		others := slices.DeleteFunc(slices.Clone(gold), func(r Row) bool { return fold[r.ID] == f })
		others = append(others, train...)
		l.Rows = max(l.Rows, len(others))
		b := fit(others)
		for i, r := range rows {
			if fold[r.ID] == f {
				probs[i], labels[i] = b.Probabilities(r.Text), r.Gold
			}
		}
	}
	l.How = fmt.Sprintf("on the gold labels of %d other rows, %d-fold", l.Rows, probeFolds)
	return rightRows(probs, labels)
}

// probeRows names unlabelled training rows to label by hand: one by one the row of the largest doubt, which is 1 less the
// margin between the two likeliest labels, times its distance from the nearest row that is named already (1 less the
// cosine of TF-IDF).
func (j *Job) probeRows(ctx context.Context, p *Probe, c *engine.Classifier, cal *engine.Calibration, pool, n int) error {
	rows := byHash(slices.DeleteFunc(slices.Clone(j.own.Train), func(r Row) bool { return r.Gold >= 0 }), pool)
	if len(rows) == 0 {
		return nil
	}
	j.event(Event{Stage: "probe", Msg: fmt.Sprintf("%d unlabelled rows", len(rows))})
	lp, err := c.LogProbs(ctx, textsOf(rows))
	if err != nil {
		return err
	}
	words := newBaseline(textsOf(rows), len(c.Labels()), false)
	margin, far, x := make([]float64, len(rows)), make([]float64, len(rows)), make([][]feature, len(rows))
	label := make([]int, len(rows))
	for i, r := range rows {
		q := expAll(calibrated(lp[i], cal))
		label[i] = argmax(q)
		top := slices.Sorted(slices.Values(q))
		margin[i], far[i], x[i] = top[len(top)-1]-top[len(top)-2], 1, words.features(r.Text)
	}
	for len(p.Label) < min(n, len(rows)) {
		next := -1
		for i := range rows {
			if far[i] >= 0 && (next < 0 || (1-margin[i])*far[i] > (1-margin[next])*far[next]) {
				next = i
			}
		}
		r := rows[next]
		p.Label = append(p.Label, ProbeRow{r.ID, data.HashText(r.Text), c.Labels()[label[next]], margin[next], r.Text})
		far[next] = -1
		for i := range rows {
			if far[i] >= 0 {
				far[i] = min(far[i], max(0, 1-dotOf(x[i], x[next])))
			}
		}
	}
	return nil
}

// dotOf multiplies two sparse vectors in order of their ids.
func dotOf(a, b []feature) (sum float64) {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].id < b[0].id:
			a = a[1:]
		case a[0].id > b[0].id:
			b = b[1:]
		default:
			sum += float64(a[0].x * b[0].x)
			a, b = a[1:], b[1:]
		}
	}
	return sum
}

// Says is what the probe recommends, a sentence a line.
func (p *Probe) Says() []string {
	var out []string
	best := p.Prompts[p.Best]
	switch {
	case len(p.Prompts) == 1:
		out = append(out, "one prompt was tried; task.prompts names further ones to try")
	case p.Best == 0:
		out = append(out, "keep task.prompt: no other is better on these rows")
	case p.Test.Verdict == "better":
		out = append(out, fmt.Sprintf("take prompt %d: %s (%s points, p %s)", p.Best+1, p.Test.Says(), p.Test.Points(), p.Test.PValue()))
	default:
		out = append(out, fmt.Sprintf("prompt %d has the best figures, but %s (%s points, p %s)", p.Best+1, p.Test.Says(), p.Test.Points(), p.Test.PValue()))
	}
	if best.Accuracy <= p.Majority {
		out = append(out, fmt.Sprintf("the teacher is not above saying the most frequent label always (%.1f %%): its labels are of little use; take another teacher or other prompts", 100*p.Majority))
	}
	t := p.Linear.Test
	points := fmt.Sprintf("(%s points, p %s)", t.Points(), t.PValue())
	switch t.Verdict {
	case "better":
		out = append(out, "the teacher is better than a linear model "+p.Linear.How+" "+points+": that is not enough here, distilling can gain")
	case "worse":
		out = append(out, "a linear model "+p.Linear.How+" is better than the teacher "+points+": it is enough, or take another teacher")
	default:
		out = append(out, fmt.Sprintf("%d rows do not tell the teacher and a linear model %s apart %s: the linear one may be enough; probe more rows", p.Rows, p.Linear.How, points))
	}
	return out
}

// Text is the probe for people.
func (p *Probe) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n  probe of %d validation rows (most frequent label %.1f %%)\n", p.Rows, 100*p.Majority)
	for i, q := range p.Prompts {
		mark := " "
		if i == p.Best {
			mark = "*"
		}
		fmt.Fprintf(&b, "  %s prompt %-4d  %5.1f %%  log loss %.3f   %s\n", mark, i+1, 100*q.Accuracy, q.LogLoss, oneLine(q.Prompt, 60))
	}
	fmt.Fprintf(&b, "    linear       %5.1f %%  %s\n", 100*p.Linear.Accuracy, p.Linear.How)
	for _, s := range p.Says() {
		fmt.Fprintf(&b, "  - %s\n", s)
	}
	if len(p.Label) > 0 {
		fmt.Fprintf(&b, "  label these %d rows by hand first (unsure, and unlike each other):\n", len(p.Label))
		for _, r := range p.Label {
			fmt.Fprintf(&b, "    %-16s %-12s margin %.3f  %s\n", r.ID, r.Label+"?", r.Margin, oneLine(r.Text, 60))
		}
	}
	return b.String()
}

// oneLine is a text on one line, cut at n characters.
func oneLine(s string, n int) string {
	r := []rune(strings.Join(strings.Fields(s), " "))
	if len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return string(r)
}
