package distill

import (
	"context"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
)

// RankSummary is what summary.json holds of a reranker.
type RankSummary struct {
	Main     string     `json:"main"`    // the metric that over_baseline and the quantised files are measured by: ndcg@10, or agreement where no row is judged
	Queries  int        `json:"queries"` // of the test rows
	Judged   int        `json:"judged"`  // of these, with a relevant document
	Teacher  RankScores `json:"teacher"`
	Student  RankScores `json:"student"`
	Baseline RankScores `json:"baseline"` // BM25
}

// rankRecord is one line of eval/rankings.jsonl and, without teacher and baseline, of eval/rankings.FORMAT.jsonl.
type rankRecord struct {
	ID       string   `json:"id"`
	Hash     string   `json:"hash"`  // data.HashText of the document
	Query    string   `json:"query"` // data.HashText of the query
	Gold     *float64 `json:"gold"`  // relevance; null = not judged
	Student  float64  `json:"student"`
	Teacher  *float64 `json:"teacher,omitempty"`
	Baseline *float64 `json:"baseline,omitempty"`
}

// eval lets the written student, reopened, score the test rows, and holds its rankings against gold, teacher and BM25.
func (w *rankWork) eval(ctx context.Context, sum *Summary) error {
	j := w.j
	m, err := engine.Open(j.modelPath(""), engine.WithThreads(j.opt.Threads), engine.WithLevel(j.level))
	if err != nil {
		return err
	}
	defer m.Close()
	student, err := m.NewRanker(engine.RankTask{})
	if err != nil {
		return err
	}
	test, seed := j.data.Test, j.recipe.Train.Seed
	said, err := rankRows(ctx, student, test, func(n int) { j.event(Event{Stage: "eval", Step: n, Total: len(test)}) })
	if err != nil {
		return err
	}
	j.event(Event{Stage: "eval", Msg: "baseline"})
	queries, teach, base := rankings(test), make([]float64, len(test)), w.baseline()
	for i, r := range test {
		teach[i] = w.odds(r)
	}
	got := oddsOf(said)
	s := &RankSummary{Main: w.main(), Queries: len(queries), Teacher: scoreRanking(queries, teach, nil, seed), Student: scoreRanking(queries, got, teach, seed), Baseline: scoreRanking(queries, base, teach, seed)}
	for _, q := range queries {
		if q.known {
			s.Judged++
		}
	}
	result := func(r RankScores) Scores {
		v, _ := r.metric(s.Main)
		return Scores{Accuracy: v.Mean, CI95: v.CI95, Rows: len(r.byQuery[s.Main])}
	}
	if *sum, err = j.newSummary(result(s.Teacher), result(s.Student), result(s.Baseline)); err != nil {
		return err
	}
	sum.Ranking = s
	if s.Student.Agreement != nil {
		sum.Agreement = s.Student.Agreement.Mean
	}
	mine := s.Student.of(s.Main)
	sum.Tests = []Comparison{compare("student", byBM25, s.Main, mine, s.Baseline.of(s.Main), seed)}
	if s.Judged > 0 {
		sum.Tests = append(sum.Tests, compare("student", "teacher", s.Main, mine, s.Teacher.of(s.Main), seed))
	}
	teacher, closeTeacher, err := j.openRanker(j.labellers()[0])
	if err != nil {
		return err
	}
	defer closeTeacher()
	j.event(Event{Stage: "eval", Msg: "speed of teacher and student"})
	some := w.timed()
	ask := func(r *engine.Ranker) func() error {
		return func() error { _, err := rankRows(ctx, r, some, nil); return err }
	}
	if err := j.inTurn(sum, len(some), ask(student), ask(teacher)); err != nil {
		return err
	}
	sum.measured(map[string]float64{"over_baseline": sum.Student.Accuracy - sum.Baseline.Accuracy})
	for _, name := range taskTypes["rerank"].metrics {
		if v, ok := s.Student.metric(name); ok {
			sum.Metrics[name] = v.Mean
		}
	}
	if s.Judged > 0 {
		sum.Metrics["retention"] = sum.Student.Accuracy / sum.Teacher.Accuracy
	}
	sum.judge(j.recipe.Eval.Gates)
	lines := w.records(got)
	for i := range lines {
		p := kernels.Sigmoid(teach[i])
		lines[i].Teacher, lines[i].Baseline = &p, &base[i]
	}
	return writeJSONLines(j, "rankings.jsonl", lines)
}

// main is the metric that forms of the student are compared by.
func (w *rankWork) main() string {
	for _, q := range rankings(w.j.data.Test) {
		if q.known {
			return "ndcg@10"
		}
	}
	return "agreement"
}

// baseline scores the test rows by BM25, which counts words in all documents of the data.
func (w *rankWork) baseline() []float64 {
	var documents []string
	for _, part := range [][]Row{w.j.data.Train, w.j.data.Valid, w.j.data.Test} {
		for _, r := range part {
			documents = append(documents, r.Text)
		}
	}
	b, out := newBM25(documents), make([]float64, len(w.j.data.Test))
	for i, r := range w.j.data.Test {
		out[i] = b.score(r.Query, r.Text)
	}
	return out
}

// timed are the rows that speeds are measured on: whole queries, about speedRows documents.
func (w *rankWork) timed() (rows []Row) {
	for _, q := range rankings(w.j.data.Test) {
		if len(rows) >= speedRows {
			break
		}
		for _, i := range q.rows {
			rows = append(rows, w.j.data.Test[i])
		}
	}
	return rows
}

// records are the test rows with what a form of the student says of them.
func (w *rankWork) records(odds []float64) []rankRecord {
	lines := make([]rankRecord, len(odds))
	for i, r := range w.j.data.Test {
		lines[i] = rankRecord{ID: r.ID, Hash: data.HashText(r.Text), Query: data.HashText(r.Query), Student: kernels.Sigmoid(odds[i])}
		if r.Gold >= 0 {
			lines[i].Gold = &r.Relevance
		}
	}
	return lines
}

// oddsOf are log-odds of log-probabilities of yes and no.
func oddsOf(rows [][]float64) []float64 {
	out := make([]float64, len(rows))
	for i, lp := range rows {
		out[i] = lp[0] - lp[1]
	}
	return out
}

// measure lets a form of the student score the test rows.
func (w *rankWork) measure(ctx context.Context, m *engine.Model, format string) (*form, error) {
	r, err := m.NewRanker(engine.RankTask{})
	if err != nil {
		return nil, err
	}
	f := &form{unit: "row"}
	if f.lp, err = rankRows(ctx, r, w.j.data.Test, nil); err != nil {
		return nil, err
	}
	teach := make([]float64, len(w.j.data.Test))
	for i, row := range w.j.data.Test {
		teach[i] = w.odds(row)
	}
	scores := scoreRanking(rankings(w.j.data.Test), oddsOf(f.lp), teach, w.j.recipe.Train.Seed)
	f.scores = scores.of(w.main())
	f.from = func(_ context.Context, full *form) (kl []float64, err error) {
		for i, lp := range f.lp {
			kl = append(kl, divergence(full.lp[i], lp))
		}
		return kl, nil
	}
	some := w.timed()
	f.ask = func(ctx context.Context) (int, error) {
		_, err := rankRows(ctx, r, some, nil)
		return len(some), err
	}
	if format == "" {
		return f, nil
	}
	return f, writeJSONLines(w.j, "rankings."+format+".jsonl", w.records(oddsOf(f.lp)))
}
