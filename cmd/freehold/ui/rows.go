package ui

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/freehold-slm/freehold/distill"
)

// rowsPerPage is how many test rows a page shows.
const rowsPerPage = 25

// kinds of test rows that a page can be narrowed to.
var kinds = []struct{ Key, Name string }{
	{"", "all"}, {"wrong", "student wrong"}, {"differ", "student and teacher differ"}, {"teacher", "teacher wrong"},
}

// rowsData is a page of test rows.
type rowsData struct {
	Kinds     []kind
	Kind      string
	Rows      []testRow
	From, To  int // of Count, counted from 1
	Count     int
	Prev, Old string // URLs of the pages before and after; "" = none
	Why       string // there are no rows, or no texts
	Labels    []string
}

type kind struct {
	Key, Name string
	Count     int
}

// testRow is a row with what was said of it when the run was measured.
type testRow struct {
	distill.RunRow
	Teacher, Student answer
}

// answer is what a model said of a row.
type answer struct {
	Text  string
	P     float64
	Wrong bool
	Bars  []bar
}

type bar struct {
	Label string
	P     float64
}

// rowCache keeps the rows of the run that was looked at last.
type rowCache struct {
	mu   sync.Mutex
	mark string
	rows []distill.RunRow
	why  string
}

// rowsOf are the test rows of a run with their texts; why says what is missing.
func (s *Site) rowsOf(ctx context.Context, r *run) (rows []distill.RunRow, why string) {
	if r.Recipe == nil {
		return nil, "The run's recipe cannot be read, so what its rows mean is not known."
	}
	if r.Recipe.Pairs() {
		return nil, "The task is rerank: its rows are pairs of query and document, which this page does not show; eval/rankings.jsonl has what student, teacher and BM25 say of each."
	}
	name := "eval/predictions.jsonl"
	if r.Recipe.Task.Type == "embed" {
		return nil, "Vectors are no answers to be read: eval/neighbours.jsonl of the run names the neighbours of each test row."
	}
	if r.Recipe.Answers() {
		name = "eval/answers.jsonl"
	}
	full := path.Join(r.Name, name)
	mark := r.Name + " " + s.dir.mark(full) + " " + r.Text
	s.rows.mu.Lock()
	defer s.rows.mu.Unlock()
	if s.rows.mark == mark {
		return s.rows.rows, s.rows.why
	}
	st, err := s.dir.root.Stat(full)
	switch {
	case err != nil:
		return nil, "The run has not been evaluated yet: " + name + " is not there."
	case !st.Mode().IsRegular() || st.Size() > mostRows:
		return nil, fmt.Sprintf("%s has %d bytes, or is no plain file, and is not read.", name, st.Size())
	}
	if rows, err = distill.RunRows(filepath.Join(s.dir.path, filepath.FromSlash(r.Name)), r.Recipe); err != nil {
		return nil, plain(err)
	}
	if why = s.fill(ctx, r, rows); ctx.Err() != nil {
		return rows, why // the next one tries again
	}
	s.rows.mark, s.rows.rows, s.rows.why = mark, rows, why
	return rows, why
}

// fill gives rows their texts, from files that lie where the site may read.
func (s *Site) fill(ctx context.Context, r *run, rows []distill.RunRow) (why string) {
	for _, file := range r.Recipe.DataFiles() {
		if err := s.mayRead(file); err != nil {
			return "The texts are not shown: " + err.Error()
		}
	}
	if err := distill.FillTexts(ctx, r.Recipe, rows); err != nil {
		return "The texts are not shown, for the run's data cannot be read here: " + plain(err)
	}
	if slices.ContainsFunc(rows, func(r distill.RunRow) bool { return r.Text == "" }) {
		return "Some texts are not shown: the data has changed since the run was made."
	}
	return ""
}

// mayRead refuses files outside of the folders that the site reads from, wherever links lead: a run from elsewhere could name any file of this machine.
func (s *Site) mayRead(file string) error {
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return fmt.Errorf("%s: %s", file, plain(err))
	}
	for _, dir := range s.allowed {
		if rel, err := filepath.Rel(dir, real); err == nil && filepath.IsLocal(rel) {
			return nil
		}
	}
	return fmt.Errorf("%s lies outside of the folders that this page reads; start it with --read %s", file, filepath.Dir(real))
}

func (s *Site) testRows(w http.ResponseWriter, r *http.Request) {
	found := s.found(w, r)
	if found == nil {
		return
	}
	rows, why := s.rowsOf(r.Context(), found)
	d := rowsData{Why: why, Kind: r.URL.Query().Get("show")}
	if found.Recipe != nil {
		d.Labels = found.Recipe.Task.Labels
	}
	var some []testRow
	for _, k := range kinds {
		n := 0
		for _, row := range rows {
			if is(row, k.Key) {
				n++
			}
		}
		d.Kinds = append(d.Kinds, kind{k.Key, k.Name, n})
	}
	for _, row := range rows {
		if is(row, d.Kind) {
			some = append(some, asShown(row, d.Labels))
		}
	}
	d.Count = len(some)
	at, _ := strconv.Atoi(r.URL.Query().Get("page")) // what is no number is the first page
	at = max(0, min(at, (d.Count-1)/rowsPerPage))
	first := at * rowsPerPage
	d.Rows = some[first:min(first+rowsPerPage, d.Count)]
	d.From, d.To = min(first+1, d.Count), first+len(d.Rows)
	link := func(page int) string {
		return runURL(found.Name) + "/rows?" + url.Values{"show": {d.Kind}, "page": {strconv.Itoa(page)}}.Encode()
	}
	if at > 0 {
		d.Prev = link(at - 1)
	}
	if d.To < d.Count {
		d.Old = link(at + 1)
	}
	s.show(w, "rows", http.StatusOK, page{Title: found.Name + ": test rows", Runs: s.dir.path, Run: found, Data: d})
}

// is tells whether a row is of a kind.
func is(r distill.RunRow, kind string) bool {
	switch kind {
	case "wrong":
		return !distill.SameAnswer(r.Student.Answer, r.Gold)
	case "teacher":
		return r.Teacher.Answer != "" && !distill.SameAnswer(r.Teacher.Answer, r.Gold)
	case "differ":
		return r.Teacher.Answer != "" && !distill.SameAnswer(r.Student.Answer, r.Teacher.Answer)
	}
	return true
}

func asShown(r distill.RunRow, labels []string) testRow {
	one := func(s distill.Said) answer {
		a := answer{Text: s.Answer, P: s.P, Wrong: s.Answer != "" && !distill.SameAnswer(s.Answer, r.Gold)}
		for i, p := range s.Labels {
			a.Bars = append(a.Bars, bar{labels[i], p})
		}
		slices.SortStableFunc(a.Bars, func(x, y bar) int {
			switch {
			case x.P > y.P:
				return -1
			case x.P < y.P:
				return 1
			}
			return 0
		})
		a.Bars = a.Bars[:min(len(a.Bars), mostBars)]
		return a
	}
	return testRow{RunRow: r, Teacher: one(r.Teacher), Student: one(r.Student)}
}

// mostBars is how many labels are shown of each answer.
const mostBars = 8
