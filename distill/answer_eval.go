package distill

import (
	"context"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
)

// AnswerSummary is what summary.json holds of a task that is answered with text.
type AnswerSummary struct {
	Main     string       `json:"main"` // the metric that retention, over_baseline and the quantised files are measured by
	Teacher  AnswerScores `json:"teacher"`
	Student  AnswerScores `json:"student"`
	Baseline AnswerScores `json:"baseline"` // the answer of the most similar training row
	Labels   string       `json:"labels,omitempty"`

	Samples    *SampleSummary    `json:"samples,omitempty"`    // where the teacher gave several answers a row
	Rationales *RationaleSummary `json:"rationales,omitempty"` // where the student learnt why, too
	Alignment  *Alignment        `json:"alignment,omitempty"`  // of a teacher with other tokens, whose probabilities the student learnt from
	Tags       *TagAlignment     `json:"tags,omitempty"`       // of a student that marks tokens: the values that it learnt
}

// answerRows is how many test rows the speeds are measured on.
const answerRows = 16

// scores compares answers with the test rows' gold ones.
func (w *answerWork) scores(got []string) AnswerScores {
	gold := make([]string, len(w.j.data.Test))
	for i, r := range w.j.data.Test {
		gold[i] = r.Answer
	}
	if w.rule == nil {
		return scoreText(got, gold, w.j.recipe.Train.Seed)
	}
	return scoreFields(got, gold, func(text string) bool { return w.rule.Allows([]byte(text)) }, w.j.recipe.Train.Seed)
}

// metric is one of a model's metrics by its name in gates.
func (s *AnswerScores) metric(name string) (float64, bool) {
	of := func(i *Interval) (float64, bool) {
		if i == nil {
			return 0, false
		}
		return i.Mean, true
	}
	all, fields := s.Fields[""]
	switch name {
	case "exact":
		return s.Exact.Mean, true
	case "token_f1":
		return of(s.TokenF1)
	case "rouge_l":
		return of(s.RougeL)
	case "field_f1":
		return of(s.FieldF1)
	case "field_precision":
		return all.Precision(), fields
	case "field_recall":
		return all.Recall(), fields
	case "valid":
		if s.Valid == nil {
			return 0, false
		}
		return *s.Valid, true
	case "perplexity":
		return s.Perplexity, s.Perplexity > 0
	}
	return 0, false
}

// of is one of the metrics for paired tests.
func (s *AnswerScores) of(metric string) rowScores {
	return rowScores{rows: s.Rows, of: s.byRow[metric]}
}

// exactRows tells which rows have the gold answer.
func (s *AnswerScores) exactRows() []bool {
	right := make([]bool, s.Rows)
	for i := range right {
		right[i] = s.byRow["exact"]([]int{i}) == 1
	}
	return right
}

// eval lets the written student, reopened, answer the test rows, and holds it against gold, teacher and baseline.
func (w *answerWork) eval(ctx context.Context, sum *Summary) error {
	j := w.j
	test, texts := j.data.Test, make([]string, len(j.data.Test))
	teach, cut := make([]string, len(test)), 0
	for i, r := range test {
		texts[i], teach[i] = r.Text, w.answers[r.ID].Answer
		if w.answers[r.ID].Cut {
			cut++
		}
	}
	m, student, err := w.openStudent(j.modelPath(""))
	if err != nil {
		return err
	}
	defer m.Close()
	got, gotCut, err := w.answerAll(ctx, student, texts)
	if err != nil {
		return err
	}
	s := &AnswerSummary{Main: w.main, Teacher: w.scores(teach), Student: w.scores(got), Baseline: w.scores(w.nearest(texts))}
	s.Teacher.Cut, s.Student.Cut = cut, gotCut
	s.Samples = w.sampled(s.Teacher.exactRows())
	if w.packed.Tokens > 0 {
		s.Labels = w.packed.String()
	}
	if s.Rationales, err = w.learntReasons(); err != nil {
		return err
	}
	if s.Alignment, err = w.alignment(); err != nil {
		return err
	}
	if s.Tags, err = w.tagAlignment(); err != nil {
		return err
	}
	result := func(a AnswerScores) Scores { return Scores{Accuracy: a.Exact.Mean, CI95: a.Exact.CI95, Rows: a.Rows} }
	same := make([]bool, len(test))
	for i := range test {
		same[i] = got[i] == teach[i]
	}
	if *sum, err = j.newSummary(result(s.Teacher), result(s.Student), result(s.Baseline)); err != nil {
		return err
	}
	sum.Agreement, sum.Answers = rate(same), s
	seed, mine := j.recipe.Train.Seed, s.Student.of(w.main)
	sum.Tests = []Comparison{
		compare("student", byLikest, w.main, mine, s.Baseline.of(w.main), seed),
		compare("student", "teacher", w.main, mine, s.Teacher.of(w.main), seed),
	}
	sum.Slices = j.slices(s.Student.exactRows(), s.Teacher.exactRows())
	lines := w.records(got)
	for i, r := range test {
		lines[i].Hash, lines[i].Teacher = data.HashText(r.Text), teach[i]
	}
	if err := w.withTeacher(ctx, sum, student, texts, lines); err != nil {
		return err
	}
	sum.measured(map[string]float64{"agreement": sum.Agreement})
	for _, name := range taskTypes[j.recipe.Task.Type].metrics {
		if v, ok := s.Student.metric(name); ok {
			sum.Metrics[name] = v
		}
	}
	of := func(s *AnswerScores) float64 { v, _ := s.metric(w.main); return v }
	sum.Metrics["retention"], sum.Metrics["over_baseline"] = of(&s.Student)/of(&s.Teacher), of(&s.Student)-of(&s.Baseline)
	j.withoutTeacherFile(sum)
	sum.judge(j.recipe.Eval.Gates)
	return writeJSONLines(j, "answers.jsonl", lines)
}

// openStudent opens a student's file with the task that it holds.
func (w *answerWork) openStudent(path string) (*engine.Model, *engine.Answerer, error) {
	m, err := engine.Open(path, engine.WithThreads(w.j.opt.Threads), engine.WithLevel(w.j.level))
	if err != nil {
		return nil, nil, err
	}
	a, err := m.NewAnswerer(engine.TextTask{})
	if err != nil {
		m.Close()
		return nil, nil, err
	}
	return m, a, nil
}

// answerAll asks a model about all texts, with progress, and counts the answers that did not end.
func (w *answerWork) answerAll(ctx context.Context, a *engine.Answerer, texts []string) (got []string, cut int, err error) {
	err = a.Answers(ctx, texts, engine.Gen{}, func(i int, one engine.Answer) error {
		if got = append(got, one.Text); one.Reason == engine.ReasonLength {
			cut++
		}
		w.j.event(Event{Stage: "eval", Step: i + 1, Total: len(texts)})
		return nil
	})
	return got, cut, err
}

// withTeacher measures what needs both models: perplexities of the gold answers, how sure each is of its own, and speeds, in
// turn on the same rows.
func (w *answerWork) withTeacher(ctx context.Context, sum *Summary, student *engine.Answerer, texts []string, lines []answerRecord) error {
	if w.j.teacher.remote != nil {
		return w.withoutTeacher(ctx, sum, student, texts, lines)
	}
	m, teacher, err := w.openTeacher()
	if err != nil {
		return err
	}
	defer m.Close()
	s := sum.Answers
	w.j.event(Event{Stage: "eval", Msg: "perplexity of teacher and student"})
	if s.Student.Perplexity, err = w.perplexity(ctx, student); err != nil {
		return err
	}
	if s.Teacher.Perplexity, err = w.perplexity(ctx, teacher); err != nil {
		return err
	}
	var own, theirs []string
	for _, l := range lines {
		own, theirs = append(own, l.Student), append(theirs, l.Teacher)
	}
	mine, err := w.sure(ctx, student, texts, own)
	if err != nil {
		return err
	}
	others, err := w.sure(ctx, teacher, texts, theirs)
	if err != nil {
		return err
	}
	for i := range lines {
		lines[i].StudentP, lines[i].TeacherP = mine[i], others[i]
	}
	w.j.event(Event{Stage: "eval", Msg: "speed of teacher and student"})
	texts = texts[:min(len(texts), answerRows)]
	ask := func(a *engine.Answerer) func() error {
		return func() error {
			return a.Answers(ctx, texts, engine.Gen{}, func(int, engine.Answer) error { return nil })
		}
	}
	return w.j.inTurn(sum, len(texts), ask(student), ask(teacher))
}

// withoutTeacher measures the same of the student alone: a remote teacher is asked for answers and nothing else.
func (w *answerWork) withoutTeacher(ctx context.Context, sum *Summary, student *engine.Answerer, texts []string, lines []answerRecord) (err error) {
	w.j.event(Event{Stage: "eval", Msg: "perplexity and speed of the student"})
	if sum.Answers.Student.Perplexity, err = w.perplexity(ctx, student); err != nil {
		return err
	}
	var own []string
	for _, l := range lines {
		own = append(own, l.Student)
	}
	mine, err := w.sure(ctx, student, texts, own)
	if err != nil {
		return err
	}
	for i := range lines {
		lines[i].StudentP = mine[i]
	}
	texts = texts[:min(len(texts), answerRows)]
	return w.j.inTurn(sum, len(texts), func() error {
		return student.Answers(ctx, texts, engine.Gen{}, func(int, engine.Answer) error { return nil })
	}, nil)
}

// perplexity of the gold answers a token, the end of the turn included; 0 = it is no number.
func (w *answerWork) perplexity(ctx context.Context, a *engine.Answerer) (float64, error) {
	if a.Tagger() != nil {
		return 0, nil
	}
	var texts, gold []string
	for _, r := range w.j.data.Test {
		texts, gold = append(texts, r.Text), append(gold, r.Answer)
	}
	lp, count, err := a.LogProbs(ctx, texts, gold)
	if err != nil {
		return 0, err
	}
	sum, tokens := 0.0, 0
	for i := range lp {
		sum, tokens = sum+lp[i], tokens+count[i]
	}
	p := kernels.Exp(-sum / float64(max(1, tokens)))
	if !finite(p) {
		p = 0
	}
	return p, nil
}

// answerRecord is one line of eval/answers.jsonl and, without the teacher, of eval/answers.FORMAT.jsonl.
type answerRecord struct {
	ID       string  `json:"id"`
	Hash     string  `json:"hash,omitempty"` // data.HashText of the text
	Gold     string  `json:"gold"`
	Student  string  `json:"student"`
	Teacher  string  `json:"teacher,omitempty"`
	StudentP float64 `json:"student_p,omitempty"` // that it gives its answer, a token (geometric mean)
	TeacherP float64 `json:"teacher_p,omitempty"`
}

func (w *answerWork) records(got []string) []answerRecord {
	lines := make([]answerRecord, len(got))
	for i, r := range w.j.data.Test {
		lines[i] = answerRecord{ID: r.ID, Gold: r.Answer, Student: got[i]}
	}
	return lines
}

// sure is how likely a model holds its own answers, a token.
func (w *answerWork) sure(ctx context.Context, a *engine.Answerer, texts, answers []string) ([]float64, error) {
	if a.Tagger() != nil {
		p := make([]float64, len(texts))
		return p, a.Answers(ctx, texts, engine.Gen{}, func(i int, got engine.Answer) error { p[i] = got.P; return nil })
	}
	lp, count, err := a.LogProbs(ctx, texts, answers)
	for i := range lp {
		if lp[i] = kernels.Exp(lp[i] / float64(max(1, count[i]))); !finite(lp[i]) {
			lp[i] = 0
		}
	}
	return lp, err
}

// measure lets a form of the student answer the test rows.
func (w *answerWork) measure(ctx context.Context, m *engine.Model, format string) (*form, error) {
	a, err := m.NewAnswerer(engine.TextTask{})
	if err != nil {
		return nil, err
	}
	var texts, gold []string
	for _, r := range w.j.data.Test {
		texts, gold = append(texts, r.Text), append(gold, r.Answer)
	}
	got, _, err := w.answerAll(ctx, a, texts)
	if err != nil {
		return nil, err
	}
	scores := w.scores(got)
	f := &form{scores: scores.of(w.main), unit: "token"}
	f.read = func(ctx context.Context, from, to int, each logitFn) error {
		return a.Read(ctx, texts[from:to], gold[from:to], each)
	}
	f.from = func(ctx context.Context, full *form) ([]float64, error) {
		return tokenDivergence(ctx, m, min(len(texts), ladderRows), full, f)
	}
	f.ask = func(ctx context.Context) (int, error) {
		some := texts[:min(len(texts), answerRows)]
		return len(some), a.Answers(ctx, some, engine.Gen{}, func(int, engine.Answer) error { return nil })
	}
	if w.tags != nil {
		if err := w.tagMeasure(ctx, a, texts, f); err != nil {
			return nil, err
		}
	}
	if format == "" {
		return f, nil
	}
	return f, writeJSONLines(w.j, "answers."+format+".jsonl", w.records(got))
}

// nearest is the baseline: each text gets the answer of the training row that shares most words with it, counted by how
// rare they are (cosine of tf-idf); the first of equals.
func (w *answerWork) nearest(texts []string) []string {
	train := w.j.learns().Train
	known := make([]string, len(train))
	for i, r := range train {
		known[i] = r.Text
	}
	words := newTFIDF(known)
	likeness := words.index(known)
	out := make([]string, len(texts))
	for i, text := range texts {
		r := train[argmax(likeness.to(words.vector(text)))]
		if out[i] = r.Answer; r.Gold < 0 {
			out[i] = w.answers[r.ID].Answer
		}
	}
	return out
}
