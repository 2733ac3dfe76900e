package distill

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/distill/stats"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
)

// MultilabelSummary is what summary.json holds of a task with several labels a text. Teacher and baselines have thresholds that were chosen as the student's
// were, on the same validation rows.
type MultilabelSummary struct {
	Teacher  MultilabelScores `json:"teacher"`
	Student  MultilabelScores `json:"student"`
	Baseline MultilabelScores `json:"baseline"`       // linear, words, each label against the rest
	Pairs    MultilabelScores `json:"baseline_pairs"` // words and word pairs
	Judges   int              `json:"threshold_rows"` // validation rows with gold labels, that thresholds were chosen on
}

// eval measures the written student, reopened, against gold, teacher and baselines, and judges the gates.
func (w *multilabelWork) eval(ctx context.Context, sum *Summary) error {
	j := w.j
	test, judges, seed := j.data.Test, w.judges(), j.recipe.Train.Seed
	m, err := engine.Open(j.modelPath(""), engine.WithThreads(j.opt.Threads), engine.WithLevel(j.level))
	if err != nil {
		return err
	}
	defer m.Close()
	student, err := m.NewMultilabel(engine.MultilabelTask{})
	if err != nil {
		return err
	}
	odds, err := w.say(ctx, student, textsOf(test))
	if err != nil {
		return err
	}
	own, err := w.fitted()
	if err != nil {
		return err
	}
	s := &MultilabelSummary{Judges: len(judges), Student: scoreMarks(newMarks(overRows(odds, student.Probabilities), student.Thresholds(), test), own.Labels, seed)}
	scored := func(of func(r Row) []float64) MultilabelScores {
		chosen := w.chosen(judges, overRows(judges, of))
		return scoreMarks(newMarks(overRows(test, of), thresholdValues(chosen), test), chosen, seed)
	}
	s.Teacher = scored(func(r Row) []float64 { return sigmoids(w.teacher(r)) })
	j.event(Event{Stage: "eval", Msg: "baseline"})
	train, nl := j.learns().Train, len(j.recipe.Task.Labels)
	taught := overRows(train, func(r Row) []float64 { return sigmoids(w.learnt(r)) })
	for _, b := range []struct {
		to    *MultilabelScores
		pairs bool
	}{{&s.Baseline, false}, {&s.Pairs, true}} {
		linear := trainLinear(textsOf(train), taught, nl, b.pairs, true, seed)
		*b.to = scored(func(r Row) []float64 { return linear.Probabilities(r.Text) })
	}
	if *sum, err = j.newSummary(s.Teacher.scores(), s.Student.scores(), s.Baseline.scores()); err != nil {
		return err
	}
	sum.Multilabel, sum.Pairs, sum.Agreement = s, s.Pairs.scores(), s.Student.marks.same(s.Teacher.marks)
	if cal := student.Calibration(); cal != nil {
		before := scoreMarks(newMarks(overRows(odds, sigmoids), student.Thresholds(), test), own.Labels, seed)
		raw := before.scores()
		sum.Student.Raw = &raw
		sum.Calibration = judgeMarks(cal, &before, &s.Student, seed)
	}
	mine := s.Student.marks.main()
	sum.Slices = j.slices(s.Student.marks.exact(), s.Teacher.marks.exact())
	sum.Tests = []Comparison{
		compare("student", byWords, multilabelMain, mine, s.Baseline.marks.main(), seed),
		compare("student", byPairs, multilabelMain, mine, s.Pairs.marks.main(), seed),
		compare("student", "teacher", multilabelMain, mine, s.Teacher.marks.main(), seed),
	}
	if err := w.speeds(ctx, sum, student); err != nil {
		return err
	}
	of := func(s *MultilabelScores) float64 { return s.MicroF1.Mean }
	sum.measured(map[string]float64{
		"micro_f1": of(&s.Student), "macro_f1": s.Student.MacroF1.Mean, "exact": s.Student.Exact.Mean, "hamming": s.Student.Hamming.Mean, "ece": s.Student.ECE.Mean, "agreement": sum.Agreement,
		"retention": of(&s.Student) / of(&s.Teacher), "over_baseline": of(&s.Student) - of(&s.Baseline), "over_pairs": of(&s.Student) - of(&s.Pairs),
	})
	sum.judge(j.recipe.Eval.Gates)
	if err := writeJSONLines(j, disputedName, w.disputed(s.Teacher.marks.thresholds)); err != nil {
		return err
	}
	lines := w.records(&s.Student)
	for i, r := range test {
		lines[i].Hash, lines[i].Teacher, lines[i].Baseline = data.HashText(r.Text), s.Teacher.marks.said(i), s.Baseline.marks.said(i)
	}
	return writeJSONLines(j, "predictions.jsonl", lines)
}

// overRows gives something of each row.
func overRows[R any](rows []R, of func(r R) []float64) [][]float64 {
	out := make([][]float64, len(rows))
	for i, r := range rows {
		out[i] = of(r)
	}
	return out
}

// say gives a student's log-odds, with progress.
func (w *multilabelWork) say(ctx context.Context, k *engine.Multilabel, texts []string) (out [][]float64, err error) {
	const batch = 256
	for i := 0; i < len(texts); i += batch {
		odds, err := k.LogOdds(ctx, texts[i:min(len(texts), i+batch)])
		if err != nil {
			return nil, err
		}
		out = append(out, odds...)
		w.j.event(Event{Stage: "eval", Step: len(out), Total: len(texts)})
	}
	return out, nil
}

// speeds times student and teacher in turn on the same rows.
func (w *multilabelWork) speeds(ctx context.Context, sum *Summary, student *engine.Multilabel) error {
	teacher, close, err := w.openTeacher()
	if err != nil {
		return err
	}
	defer close()
	w.j.event(Event{Stage: "eval", Msg: "speed of teacher and student"})
	rows := w.j.data.Test[:min(len(w.j.data.Test), speedRows)]
	ask := func(of asker) func() error {
		return func() error { _, err := of(ctx, rows); return err }
	}
	return w.j.inTurn(sum, len(rows), ask(byText(student.LogOdds)), ask(teacher))
}

// judgeMarks compares a student's probabilities of the test rows before and after calibration.
func judgeMarks(cal *engine.Calibration, before, after *MultilabelScores, seed uint64) *StudentCalibration {
	less := func(m *marks) func(rows []int) float64 {
		return func(rows []int) float64 { ece, _ := m.ece(rows); return -ece }
	}
	t := stats.Bootstrap(after.Rows, seed, less(after.marks), less(before.marks))
	return &StudentCalibration{*cal, before.ECE.Mean, before.ECE.CI95, after.ECE.Mean, after.ECE.CI95, Gain{t.Difference, t.CI95, t.P}}
}

// labelsRecord is one line of eval/predictions.jsonl and, without teacher and baseline, of eval/predictions.FORMAT.jsonl; in eval/disputed.jsonl training
// rows, of which the student was not asked. Labels are numbers in the recipe's order.
type labelsRecord struct {
	ID       string      `json:"id"`
	Hash     string      `json:"hash,omitempty"` // data.HashText of the text
	Gold     []int       `json:"gold"`
	Student  *saidLabels `json:"student,omitempty"`
	Teacher  *saidLabels `json:"teacher,omitempty"`
	Baseline *saidLabels `json:"baseline,omitempty"`
}

// saidLabels is what a model says of a row.
type saidLabels struct {
	Labels []int     `json:"labels"`
	P      []float64 `json:"p"` // of each label
}

func (m *marks) said(row int) *saidLabels {
	return &saidLabels{decide(m.p[row], m.thresholds), m.p[row]}
}

func (w *multilabelWork) records(s *MultilabelScores) []labelsRecord {
	lines := make([]labelsRecord, s.Rows)
	for i, r := range w.j.data.Test {
		lines[i] = labelsRecord{ID: r.ID, Gold: r.Labels, Student: s.marks.said(i)}
	}
	return lines
}

// disputed are the training rows whose gold labels are not what the teacher says.
func (w *multilabelWork) disputed(thresholds []float64) (lines []labelsRecord) {
	for _, r := range w.j.data.Train {
		p := sigmoids(w.teacher(r))
		if has := decide(p, thresholds); r.Gold >= 0 && !slices.Equal(has, r.Labels) {
			lines = append(lines, labelsRecord{ID: r.ID, Hash: data.HashText(r.Text), Gold: r.Labels, Teacher: &saidLabels{has, p}})
		}
	}
	return lines
}

// measure lets a form of the student label the test rows.
func (w *multilabelWork) measure(ctx context.Context, m *engine.Model, format string) (*form, error) {
	k, err := m.NewMultilabel(engine.MultilabelTask{})
	if err != nil {
		return nil, err
	}
	test := w.j.data.Test
	texts := textsOf(test)
	odds, err := w.say(ctx, k, texts)
	if err != nil {
		return nil, err
	}
	scores := MultilabelScores{Rows: len(test), marks: newMarks(overRows(odds, k.Probabilities), k.Thresholds(), test)}
	f := &form{unit: "row", scores: scores.marks.main(), lp: scores.marks.p}
	f.from = func(_ context.Context, full *form) (kl []float64, err error) {
		for i, p := range f.lp {
			kl = append(kl, binaryDivergence(full.lp[i], p))
		}
		return kl, nil
	}
	f.ask = func(ctx context.Context) (int, error) {
		some := texts[:min(len(texts), speedRows)]
		_, err := k.LogOdds(ctx, some)
		return len(some), err
	}
	if format == "" {
		return f, nil
	}
	return f, writeJSONLines(w.j, "predictions."+format+".jsonl", w.records(&scores))
}

// binaryDivergence is KL(p || q) in nats of labels that are there or not, each by itself, all together.
func binaryDivergence(p, q []float64) (kl float64) {
	for l := range p {
		kl += divergence(logsOf(p[l]), logsOf(q[l]))
	}
	return kl
}

// logsOf are the log-probabilities of a label that is there with probability p, and of one that is not.
func logsOf(p float64) []float64 {
	return []float64{kernels.Log(max(p, 1e-12)), kernels.Log(max(1-p, 1e-12))}
}

// multilabelLines reads a file of eval/ whose rows have any number of labels.
func multilabelLines(dir, name string, r *Recipe) ([]labelsRecord, error) {
	lines, err := readEval[labelsRecord](dir, name)
	n := len(r.Task.Labels)
	unknown := func(l int) bool { return l < 0 || l >= n }
	for i, line := range lines {
		bad := slices.ContainsFunc(line.Gold, unknown)
		for _, s := range []*saidLabels{line.Student, line.Teacher} {
			bad = bad || s != nil && (len(s.P) != n || slices.ContainsFunc(s.Labels, unknown))
		}
		if bad {
			return nil, &DataError{File: filepath.Join(dir, "eval", name), Line: i + 1, Msg: fmt.Sprintf("does not fit the recipe's %d labels", n), Fix: "give the recipe of this run with --recipe, or run the eval stage again: freehold eval"}
		}
	}
	return lines, err
}

// multilabelDisputes is disputes of a task with several labels a text: a row is right where all of them are.
func multilabelDisputes(dir string, r *Recipe) (all []Disagreement, err error) {
	for _, part := range []struct{ name, split string }{{"predictions.jsonl", "test"}, {disputedName, "train"}} {
		lines, err := multilabelLines(dir, part.name, r)
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			d := Disagreement{ID: l.ID, Hash: l.Hash, Split: part.split, Gold: data.FormatLabels(l.Gold, r.Task.Labels)}
			student, teacher := l.Student.as(r), l.Teacher.as(r)
			d.Student, d.StudentP, d.Teacher, d.TeacherP = student.Answer, student.P, teacher.Answer, teacher.P
			d.judge(func(a, b string) bool { return a == b })
			all = append(all, d)
		}
	}
	return all, nil
}

// multilabelRows is RunRows of a task with several labels a text.
func multilabelRows(dir string, r *Recipe) ([]RunRow, error) {
	lines, err := multilabelLines(dir, "predictions.jsonl", r)
	rows := make([]RunRow, len(lines))
	for i, l := range lines {
		rows[i] = RunRow{ID: l.ID, hash: l.Hash, Gold: data.FormatLabels(l.Gold, r.Task.Labels), Student: l.Student.as(r), Teacher: l.Teacher.as(r)}
	}
	return rows, err
}

// as is what a model says as an answer, and how sure it is of it.
func (s *saidLabels) as(r *Recipe) Said {
	if s == nil {
		return Said{}
	}
	return Said{Answer: data.FormatLabels(s.Labels, r.Task.Labels), P: sureOf(s.P, s.Labels), Labels: s.P}
}

// questionTokens guesses the tokens that the questions about a text's labels have beside the text: 4 characters a token, 8 around each question.
func (j *Job) questionTokens() (n int) {
	if !j.recipe.several() {
		return 0
	}
	prompt := j.recipe.Task.Prompt
	for _, l := range j.recipe.Task.Labels {
		n += (len(l)+len(prompt[strings.Index(prompt, "{label}"):]))/4 + 8
	}
	return n
}
