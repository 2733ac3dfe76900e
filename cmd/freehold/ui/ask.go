package ui

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/freehold-slm/freehold/distill"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/engine/grammar"
	"github.com/freehold-slm/freehold/engine/server"
)

// question is the body of POST /runs/{run}/ask.
type question struct {
	Text  string   `json:"text"`
	Sides []string `json:"sides"` // teacher, student: in this order they are asked
	File  string   `json:"file"`  // of the student; "" = model.gguf
}

// What the answer's events hold.
type (
	opening struct {
		Side  string `json:"side"`
		Model string `json:"model"`
	}
	labels struct {
		Side    string        `json:"side"`
		Choices []labelChoice `json:"choices"` // best first
		Line    float64       `json:"line"`    // below it the student abstains; 0 = never
		Note    string        `json:"note,omitempty"`
		Ms      float64       `json:"ms"`
		Has     *[]string     `json:"has,omitempty"` // of a model that gives any number of labels
	}
	labelChoice struct {
		Label string  `json:"label"`
		P     float64 `json:"p"`
	}
	piece struct {
		Side string `json:"side"`
		Text string `json:"text"`
	}
	ended struct {
		Side   string  `json:"side"`
		Tokens int     `json:"tokens"`
		Ms     float64 `json:"ms"`
		Cut    bool    `json:"cut"`
		Note   string  `json:"note,omitempty"`
	}
	problem struct {
		Side    string `json:"side"`
		Message string `json:"message"`
	}
)

// ask answers a text by the run's student and teacher, one after the other, so that each has the whole machine.
func (s *Site) ask(w http.ResponseWriter, r *http.Request) {
	found := s.found(w, r)
	if found == nil {
		return
	}
	var q question
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(&q)
	switch {
	case err != nil:
		err = fmt.Errorf("the question is no JSON that is known here: %v", err)
	case strings.TrimSpace(q.Text) == "":
		err = errors.New("there is no text")
	case len(q.Sides) == 0 || len(q.Sides) > 2 || slices.ContainsFunc(q.Sides, func(s string) bool { return s != "teacher" && s != "student" }):
		err = errors.New(`sides: want "teacher", "student" or both`)
	case found.Recipe == nil:
		err = errors.New("the run's recipe cannot be read, so its task is not known")
	case q.File != "" && !slices.Contains(found.Models, q.File):
		err = fmt.Errorf("the run has no model %.100q", q.File)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	e := begin(w)
	select {
	case s.asking <- struct{}{}: // one question at a time
		defer func() { <-s.asking }()
	case <-r.Context().Done():
		return
	}
	for _, side := range q.Sides {
		if err := s.side(r.Context(), e, found, side, &q); err != nil && r.Context().Err() == nil {
			e.send("problem", problem{side, plainModel(err)})
		}
	}
	e.send("end", struct{}{})
}

// side lets one model answer.
func (s *Site) side(ctx context.Context, e *events, r *run, side string, q *question) error {
	if r.Recipe.Pairs() {
		return errors.New("the task is rerank, which needs a query and documents and not one text: freehold rerank, or /v1/rerank of a server, asks it")
	}
	if r.Recipe.Task.Type == "embed" {
		return errors.New("models for embeddings write nothing; `freehold embed` prints their vectors")
	}
	student, studentErr := s.student(r, q.File)
	model, name := student, path.Base(student.path)
	if side == "teacher" {
		var err error
		if model, err = s.teacher(ctx, r, student, studentErr); err != nil {
			return err
		}
		name = r.Recipe.Teacher.Model
	} else if studentErr != nil {
		return studentErr
	}
	e.send("opening", opening{side, name})
	var how asking
	if side == "teacher" {
		if err := s.howTaught(ctx, r, student, studentErr, &how); err != nil {
			return err
		}
	}
	m, release, err := s.Models.Use(ctx, s.added.name(s, model))
	if err != nil {
		return err
	}
	defer release()
	if r.Recipe.Answers() {
		return s.write(ctx, e, m, side, how, q.Text)
	}
	if r.Recipe.Task.Type == "multilabel" {
		return s.mark(ctx, e, m, side, r.Recipe, q.Text)
	}
	k, err := m.NewClassifier(how.task)
	if err != nil {
		return err
	}
	start := time.Now()
	all, err := k.Batch(ctx, []string{q.Text})
	if err != nil {
		return err
	}
	got := labels{Side: side, Ms: milliseconds(start), Note: how.note}
	for _, c := range all[0] {
		got.Choices = append(got.Choices, labelChoice{c.Label, c.P})
	}
	if side == "student" {
		if got.Line, err = k.AbstainBelow(); err != nil {
			return err
		}
	}
	e.send("labels", got)
	return nil
}

// mark lets a model say which of several labels a text has.
func (s *Site) mark(ctx context.Context, e *events, m *engine.Model, side string, r *distill.Recipe, text string) error {
	task, note := engine.MultilabelTask{}, ""
	if !m.IsMultilabel() { // the teacher
		task = engine.MultilabelTask{Labels: r.Task.Labels, Prompt: r.Task.Prompt, System: r.Task.System, Words: r.Task.Words}
		note = "each label by itself, not calibrated"
	}
	k, err := m.NewMultilabel(task)
	if err != nil {
		return err
	}
	start := time.Now()
	all, err := k.Batch(ctx, []string{text})
	if err != nil {
		return err
	}
	has, got := []string{}, labels{Side: side, Note: note}
	for _, v := range all[0] {
		got.Choices = append(got.Choices, labelChoice{v.Label, v.P})
		if v.Has {
			has = append(has, v.Label)
		}
	}
	got.Has, got.Ms = &has, milliseconds(start)
	e.send("labels", got)
	return nil
}

// asking is how a teacher is asked; the zero value is how a student's own file says.
type asking struct {
	task engine.Task
	text engine.TextTask
	note string
}

// howTaught finds how the teacher was asked: as the student's file says, and while there is none as the recipe does.
func (s *Site) howTaught(ctx context.Context, r *run, student modelFile, studentErr error, how *asking) error {
	t := r.Recipe.Task
	how.task = engine.Task{Labels: t.Labels, Prompt: t.Prompt, System: t.System, Words: t.Words}
	how.text = r.Recipe.TeacherText()
	if studentErr != nil {
		if how.note = "not calibrated: there is no student yet whose file says how"; r.Recipe.Answers() {
			how.note = ""
			if schema := string(t.Schema); strings.HasPrefix(schema, "{") {
				how.text.Schema = []byte(schema)
			} else if schema != "" {
				how.note = "without the schema, which the student's file will hold"
			}
		}
		return nil
	}
	m, release, err := s.Models.Use(ctx, s.added.name(s, student))
	if err != nil {
		return err
	}
	defer release()
	if r.Recipe.Answers() {
		a, err := m.NewAnswerer(engine.TextTask{})
		if err == nil {
			if how.text.Schema = a.Task().Schema; a.Tagger() == nil { // which writes nothing
				how.text.MaxTokens = a.Task().MaxTokens
			}
		}
		return err
	}
	if m.IsMultilabel() { // its file does not say
		how.note = "not calibrated"
		return nil
	}
	k, err := m.NewClassifier(engine.Task{})
	if err != nil {
		return err
	}
	task, said, err := k.TeacherTask()
	if said {
		how.task = task
	}
	return err
}

// write lets a model answer with text, a piece at a time.
func (s *Site) write(ctx context.Context, e *events, m *engine.Model, side string, how asking, text string) error {
	a, err := m.NewAnswerer(how.text)
	if err != nil {
		return err
	}
	if a.Tagger() != nil {
		start := time.Now()
		return a.Answers(ctx, []string{text}, engine.Gen{}, func(_ int, got engine.Answer) error {
			if e.send("piece", piece{side, got.Text}) {
				e.send("ended", ended{Side: side, Tokens: got.Read, Ms: milliseconds(start), Note: how.note})
			}
			return nil
		})
	}
	task := a.Task()
	g := engine.Gen{MaxTokens: task.MaxTokens}
	if task.Schema != nil {
		if g.Grammar, err = grammar.Schema(task.Schema); err != nil {
			return err
		}
	}
	prompt := a.Tokens(nil, text)
	if n := len(prompt) + g.MaxTokens; n > m.Context() {
		return &engine.ContextError{Tokens: n, Context: m.Context()}
	}
	start := time.Now()
	st := m.Generate(ctx, prompt, g)
	for t, err := range st.All() {
		if err != nil {
			return err
		}
		if t.Text != "" && !e.send("piece", piece{side, t.Text}) {
			return nil
		}
	}
	_, tokens := st.Tokens()
	e.send("ended", ended{Side: side, Tokens: len(tokens), Ms: milliseconds(start), Cut: st.Reason() == engine.ReasonLength, Note: how.note})
	return nil
}

func milliseconds(since time.Time) float64 { return float64(time.Since(since).Microseconds()) / 1000 }

// modelFile is a model's file with its adapter.
type modelFile struct{ path, adapter string }

// student is the run's own model.
func (s *Site) student(r *run, file string) (m modelFile, err error) {
	if file == "" {
		file = "model.gguf"
	}
	if !slices.Contains(r.Models, file) {
		return m, fmt.Errorf("the run has no %s yet", file)
	}
	m.path = filepath.Join(s.dir.path, r.Name, file)
	return m, s.mayRead(m.path)
}

// teacher is the model that the run's recipe names, with the adapter that it learnt in this run.
func (s *Site) teacher(ctx context.Context, r *run, student modelFile, studentErr error) (m modelFile, err error) {
	if m.path, err = r.Recipe.TeacherFile(); err != nil {
		return m, fmt.Errorf("the teacher %s is not here: %w", r.Recipe.Teacher.Model, err)
	}
	if err := s.mayRead(m.path); err != nil {
		return m, err
	}
	if r.Recipe.Teacher.Adapt.Rows == 0 {
		return m, nil
	}
	m.adapter = filepath.Join(s.dir.path, r.Name, "teacher", "adapter.gguf")
	if err := s.mayRead(m.adapter); err != nil {
		return m, fmt.Errorf("the teacher's adapter is not there: %w", err)
	}
	if studentErr != nil {
		return m, nil
	}
	want, err := s.adapterOf(ctx, student)
	if err != nil || want == "" {
		return m, err
	}
	b, err := readWhole(s.dir.root, path.Join(r.Name, "teacher", "adapter.gguf"), 4<<30)
	if err != nil {
		return m, err
	}
	if got := fmt.Sprintf("%x", sha256.Sum256(b)); got != want {
		return m, fmt.Errorf("teacher/adapter.gguf has sha256 %.12s, and the student learnt from a teacher with %.12s", got, want)
	}
	return m, nil
}

// adapterOf is the adapter that the student's teacher had.
func (s *Site) adapterOf(ctx context.Context, student modelFile) (string, error) {
	m, release, err := s.Models.Use(ctx, s.added.name(s, student))
	if err != nil {
		return "", err
	}
	defer release()
	k, err := m.NewClassifier(engine.Task{})
	if err != nil {
		return "", err
	}
	return k.TeacherAdapter()
}

// modelNames are the models that were asked for once: a file that was written anew is another.
type modelNames struct {
	mu    sync.Mutex
	known map[string]bool
}

// name is that of a file among the site's models, where it is entered with its first use.
func (n *modelNames) name(s *Site, f modelFile) string {
	mark := ""
	if st, err := os.Stat(f.path); err == nil {
		mark = fmt.Sprint(st.Size(), st.ModTime().UnixNano())
	}
	name := fmt.Sprintf("%x", sha256.Sum256([]byte(f.path+"\x00"+f.adapter+"\x00"+mark)))
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil {
		n.known = map[string]bool{}
	}
	if !n.known[name] {
		n.known[name] = true
		s.Models.Add(name, func(ctx context.Context) (server.Opened, error) { return s.opt.Open(ctx, f.path, f.adapter) }) //nolint:errcheck // hashes are good names, and this one is new
	}
	return name
}

// plainModel is an error without the hash that a model goes by here.
func plainModel(err error) string {
	text := err.Error()
	if at := strings.Index(text, " cannot be opened: "); at > 0 {
		text = text[at+len(" cannot be opened: "):]
	}
	var long *engine.ContextError
	if errors.As(err, &long) {
		text = fmt.Sprintf("the text is too long: it needs %d tokens with its prompt, and the model holds %d", long.Tokens, long.Context)
	}
	return strings.TrimPrefix(text, "engine: ")
}
