package distill

import (
	"context"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/engine"
)

// EmbedSummary is what summary.json holds of a task whose answers are vectors.
type EmbedSummary struct {
	Main     string       `json:"main"` // the metric that retention, over_baseline and the quantised files are measured by
	Width    int          `json:"width"`
	Kept     float64      `json:"kept"`  // of the squared length of the teacher's vectors, by the directions that the student learns; 1 = all
	Asked    int          `json:"asked"` // test rows to which others belong, by label or group
	Teacher  *EmbedScores `json:"teacher"`
	Student  *EmbedScores `json:"student"`
	Baseline *EmbedScores `json:"baseline"` // cosines of TF-IDF
}

// neighbourRecord is one line of eval/neighbours.jsonl and, without the teacher, of eval/neighbours.FORMAT.jsonl.
type neighbourRecord struct {
	ID      string   `json:"id"`
	Hash    string   `json:"hash,omitempty"`   // data.HashText of the text
	Gold    string   `json:"gold,omitempty"`   // what it belongs to
	Cosine  float64  `json:"cosine,omitempty"` // of student's and teacher's vector
	Place   int      `json:"place,omitempty"`  // from 1, of the first row that belongs to it, for the student
	Student []string `json:"student"`          // ids of the nearest test rows
	Teacher []string `json:"teacher,omitempty"`
}

// embedAll embeds texts with progress.
func (w *embedWork) embedAll(ctx context.Context, m *engine.Model, texts []string) ([][]float32, error) {
	var out [][]float32
	const batch = 256
	for i := 0; i < len(texts); i += batch {
		v, err := m.Embed(ctx, texts[i:min(len(texts), i+batch)], engine.EmbedOptions{})
		if err != nil {
			return nil, err
		}
		out = append(out, v...)
		w.j.event(Event{Stage: "eval", Step: len(out), Total: len(texts)})
	}
	return out, nil
}

// testTexts are the test rows' texts, as the student reads them, and the teacher's vectors of them.
func (w *embedWork) testTexts() (texts []string, teacher [][]float32) {
	for _, r := range w.j.data.Test {
		teacher = append(teacher, w.vectors[r.ID])
	}
	return textsOf(w.j.data.Test), teacher
}

// cosines are those of vectors with the teacher's; nil where their widths are not the same.
func (w *embedWork) cosines(x, teacher [][]float32) []float64 {
	if w.narrows() {
		return nil
	}
	cos := make([]float64, len(x))
	for i := range x {
		cos[i] = float64(w.j.level.Dot(x[i], teacher[i]))
	}
	return cos
}

// eval lets the written student, reopened, embed the test rows, and holds it against teacher, labels or groups, and TF-IDF.
func (w *embedWork) eval(ctx context.Context, sum *Summary) error {
	j := w.j
	if err := w.aim(); err != nil {
		return err
	}
	m, err := engine.Open(j.modelPath(""), engine.WithThreads(j.opt.Threads), engine.WithLevel(j.level))
	if err != nil {
		return err
	}
	defer m.Close()
	texts, teach := w.testTexts()
	got, err := w.embedAll(ctx, m, texts)
	if err != nil {
		return err
	}
	pool := engine.NewPool(j.opt.Threads)
	defer pool.Close()
	judge := newEmbedJudge(j.data.Test, byCosine(j.level, teach), j.recipe.Train.Seed, pool.Run)
	train := j.learns().Train
	words := newTFIDF(textsOf(train))
	index := words.index(texts)
	e := &EmbedSummary{Main: judge.main(), Width: m.Spec.Embedding(), Kept: w.target.kept, Asked: len(judge.asked),
		Teacher: judge.score(judge.teacher, nil), Student: judge.score(byCosine(j.level, got), w.cosines(got, teach)),
		Baseline: judge.score(func(i int) []float64 { return index.to(index.docs[i]) }, nil)}
	of := func(s *EmbedScores) Interval { return *s.intervals()[e.Main] }
	result := func(s *EmbedScores) Scores {
		return Scores{Accuracy: of(s).Mean, CI95: of(s).CI95, Rows: len(texts)}
	}
	if *sum, err = j.newSummary(result(e.Teacher), result(e.Student), result(e.Baseline)); err != nil {
		return err
	}
	sum.Embedding = e
	seed, mine := j.recipe.Train.Seed, e.Student.byRow[e.Main]
	sum.Tests = []Comparison{compare("student", byTFIDF, e.Main, mine, e.Baseline.byRow[e.Main], seed)}
	if e.Main != "neighbours" { // by which the teacher is itself
		sum.Tests = append(sum.Tests, compare("student", "teacher", e.Main, mine, e.Teacher.byRow[e.Main], seed))
	}
	if err := w.speeds(ctx, sum, m); err != nil {
		return err
	}
	sum.measured(map[string]float64{"retention": of(e.Student).Mean / of(e.Teacher).Mean, "over_baseline": of(e.Student).Mean - of(e.Baseline).Mean})
	for name, v := range e.Student.intervals() {
		if v != nil {
			sum.Metrics[name] = v.Mean
		}
	}
	sum.judge(j.recipe.Eval.Gates)
	lines := w.records(e.Student)
	for i, r := range j.data.Test {
		lines[i].Hash, lines[i].Gold, lines[i].Teacher = data.HashText(r.Text), r.Answer, w.ids(e.Teacher.near[i])
	}
	return writeJSONLines(j, "neighbours.jsonl", lines)
}

func (w *embedWork) ids(rows []int) []string {
	ids := make([]string, len(rows))
	for i, k := range rows {
		ids[i] = w.j.data.Test[k].ID
	}
	return ids
}

func (w *embedWork) records(s *EmbedScores) []neighbourRecord {
	lines := make([]neighbourRecord, len(s.near))
	for i, r := range w.j.data.Test {
		lines[i] = neighbourRecord{ID: r.ID, Place: s.found[i], Student: w.ids(s.near[i])}
		if s.cos != nil {
			lines[i].Cosine = s.cos[i]
		}
	}
	return lines
}

// speeds times student and teacher in turn on the same rows, each as it is asked.
func (w *embedWork) speeds(ctx context.Context, sum *Summary, student *engine.Model) error {
	j := w.j
	teacher, err := j.openTeacherModel(j.teacher.path, "")
	if err != nil {
		return err
	}
	defer teacher.Close()
	j.event(Event{Stage: "eval", Msg: "speed of teacher and student"})
	some := j.data.Test[:min(len(j.data.Test), speedRows)]
	texts := textsOf(some)
	return j.inTurn(sum, len(texts), func() error { _, err := student.Embed(ctx, texts, engine.EmbedOptions{}); return err },
		func() error { _, err := w.ask(ctx, teacher, some); return err })
}

// measure embeds the test rows by a form of the student.
func (w *embedWork) measure(ctx context.Context, m *engine.Model, format string) (*form, error) {
	j := w.j
	texts, teach := w.testTexts()
	got, err := w.embedAll(ctx, m, texts)
	if err != nil {
		return nil, err
	}
	pool := engine.NewPool(j.opt.Threads)
	defer pool.Close()
	judge := newEmbedJudge(j.data.Test, byCosine(j.level, teach), j.recipe.Train.Seed, pool.Run)
	scores := judge.score(byCosine(j.level, got), w.cosines(got, teach))
	f := &form{scores: scores.byRow[judge.main()], unit: "row", embeds: got}
	f.from = func(_ context.Context, full *form) (apart []float64, err error) {
		for i, v := range f.embeds {
			sum := 0.0 // half the squared distance is 1 - cos, and 0 of the same numbers
			for k, x := range v {
				d := float64(x) - float64(full.embeds[i][k])
				sum += float64(d * d)
			}
			apart = append(apart, sum/2)
		}
		return apart, nil
	}
	f.ask = func(ctx context.Context) (int, error) {
		some := texts[:min(len(texts), speedRows)]
		_, err := m.Embed(ctx, some, engine.EmbedOptions{})
		return len(some), err
	}
	if format == "" {
		return f, nil
	}
	return f, writeJSONLines(j, "neighbours."+format+".jsonl", w.records(scores))
}
