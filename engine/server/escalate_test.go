package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/freehold-slm/freehold/engine"
)

// school is a student with its teacher, and what each of them says of some texts by itself.
type school struct {
	student, teacher string // files
	line             float64
	texts            []string
	says, taught     [][]engine.Choice
	broken           atomic.Bool // the teacher cannot be opened
}

const schoolTask = "Is it up or down? {text}"

func newSchool(t *testing.T, keys map[string]any) *school {
	t.Helper()
	s := &school{}
	for i := range 8 {
		s.texts = append(s.texts, fmt.Sprintf("text %d of the %s kind", i*i, []string{"long", "odd", "good"}[i%3]))
	}
	how, err := engine.EncodeTeacherTask(engine.Task{Prompt: schoolTask + " Think of the weather.", System: "You know."})
	if err != nil {
		t.Fatal(err)
	}
	task := map[string]any{engine.KeyTaskLabels: []string{"up", "down"}, engine.KeyTaskPrompt: schoolTask, engine.KeyTeacherTask: how}
	for k, v := range keys {
		task[k] = v
	}
	s.teacher = chatFile(t, "chatml", nil)
	ask := func(path string, own bool) (all [][]engine.Choice) {
		m := open(t, path)
		task := engine.Task{}
		if !own {
			task = engine.Task{Labels: []string{"up", "down"}, Prompt: schoolTask + " Think of the weather.", System: "You know."}
		}
		k, err := m.NewClassifier(task)
		if err != nil {
			t.Fatal(err)
		}
		if all, err = k.Batch(t.Context(), s.texts); err != nil {
			t.Fatal(err)
		}
		return all
	}
	s.says, s.taught = ask(chatFile(t, "chatml", task), true), ask(s.teacher, false)
	var sure []float64
	for _, c := range s.says {
		sure = append(sure, c[0].P)
	}
	slices.Sort(sure)
	if s.line = (sure[3] + sure[4]) / 2; sure[3] == sure[4] {
		t.Fatalf("the student is as sure of all texts: %v", sure)
	}
	if _, none := task[engine.KeyAbstainBelow]; !none {
		task[engine.KeyAbstainBelow] = s.line
	}
	s.student = chatFile(t, "chatml", task)
	return s
}

// models are the student and its teacher, which requests cannot name.
func (s *school) models(t *testing.T, demand *Demand) *Models {
	t.Helper()
	ms := NewModels()
	add := func(name, path, sum string, broken *atomic.Bool) {
		t.Helper()
		err := ms.Add(name, func(context.Context) (Opened, error) {
			if broken.Load() {
				return Opened{}, errors.New("/secret/path: no such file")
			}
			m, err := engine.Open(path, engine.WithThreads(1))
			if err != nil {
				return Opened{}, err
			}
			return Opened{Model: m, SHA256: sum, Close: m.Close}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	add("triage", s.student, "sum of the student", &atomic.Bool{})
	add("big", s.teacher, "sum of the teacher", &s.broken)
	if err := ms.Hide("big"); err != nil {
		t.Fatal(err)
	}
	if demand != nil {
		if err := ms.OnDemand(*demand); err != nil {
			t.Fatal(err)
		}
	}
	if err := ms.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ms.Close() }) //nolint:errcheck // read-only
	return ms
}

func (s *school) serve(t *testing.T, demand *Demand, opts ...Option) *site {
	t.Helper()
	h, err := NewSet(s.models(t, demand), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, h)
}

// body asks about all texts.
func (s *school) body(fields string) string {
	return `{` + fields + `"input": ` + string(must(json.Marshal(s.texts))) + `}`
}

// holds compares an answer with what the models say.
func (s *school) holds(t *testing.T, got document, teacher bool) {
	t.Helper()
	asked := 0
	for i := range s.texts {
		want, row := s.says[i], document{got.at("data", i)}
		below := want[0].P < s.line
		if below && teacher {
			if want, asked = s.taught[i], asked+1; row.text("student", "label") != s.says[i][0].Label || row.at("student", "p") != s.says[i][0].P {
				t.Errorf("text %d: the student is said to have said %v, want %v", i, row.at("student"), s.says[i][0])
			}
		} else if row.at("student") != nil {
			t.Errorf("text %d: %v", i, row.v)
		}
		by := map[bool]string{true: "teacher", false: "student"}[below]
		if !teacher {
			by = ""
		}
		if row.text("label") != want[0].Label || row.at("p") != want[0].P || row.text("answered_by") != by || (row.at("abstained") == true) != (below && !teacher) || row.int("index") != i {
			t.Errorf("text %d: %v, want %v by %q", i, row.v, want, by)
		}
	}
	if got.at("abstain_below") != s.line || (got.text("teacher") != "") != teacher {
		t.Errorf("%v", got.v)
	}
	if teacher && asked != 4 {
		t.Errorf("the teacher was asked about %d texts", asked)
	}
}

// Below a student's line its teacher answers, asked as the student's file says; without a teacher the student abstains. Who answered is said and counted.
func TestServeEscalate(t *testing.T) {
	s := newSchool(t, nil)
	alone := s.serve(t, nil)
	s.holds(t, alone.post("/v1/classify", s.body("")), false)
	audit := &lockedBuffer{}
	both := s.serve(t, nil, WithTeacher("big"), WithAudit(audit))
	if err := both.CheckStudents(t.Context()); err != nil {
		t.Error(err)
	}
	got := both.post("/v1/classify", s.body(""))
	s.holds(t, got, true)
	if got.text("teacher") != "big" || got.int("usage", "prompt_tokens") <= alone.post("/v1/classify", s.body("")).int("usage", "prompt_tokens") {
		t.Errorf("%v", got.v)
	}
	waitFor(t, "the audit line", func() bool { return strings.Contains(audit.String(), "\n") })
	if line := audit.String(); !strings.Contains(line, `"model_sha256":"sum of the student"`) || !strings.Contains(line, `"teacher":"big","teacher_sha256":"sum of the teacher"`) {
		t.Errorf("the audit log says %s", line)
	}
	// An explanation is of the model that answered.
	at := slices.IndexFunc(s.says, func(c []engine.Choice) bool { return c[0].P < s.line })
	task := engine.Task{Labels: []string{"up", "down"}, Prompt: schoolTask + " Think of the weather.", System: "You know."}
	want, err := must(open(t, s.teacher).NewClassifier(task)).Explain(t.Context(), s.texts[at])
	if err != nil {
		t.Fatal(err)
	}
	why := both.post("/v1/classify", fmt.Sprintf(`{"input": %q, "explain": true}`, s.texts[at]))
	if why.at("data", 0, "explanation", "log_odds") != want.LogOdds || why.text("data", 0, "answered_by") != "teacher" {
		t.Errorf("%v, want %+v", why.v, want)
	}
	// Another task than the student's own has no line and no teacher.
	for _, fields := range []string{`"labels": ["up", "down"], `, `"prompt": "Hm. {text}", `, `"system": "Be brief.", `} {
		if got := both.post("/v1/classify", s.body(fields)); got.at("abstain_below") != nil || got.at("teacher") != nil || got.at("data", 0, "answered_by") != nil || got.at("data", 0, "abstained") != nil {
			t.Errorf("%s: %v", fields, got.v)
		}
	}
	_, b := both.do(both.request("GET", "/metrics", ""))
	for _, want := range []string{`freehold_student_texts_total{model="triage",answered_by="student"} 4`, `freehold_student_texts_total{model="triage",answered_by="teacher"} 5`, `freehold_collected_rows_total{outcome="kept"} 0`} {
		if !bytes.Contains(b, []byte(want+"\n")) {
			t.Errorf("/metrics lacks %q", want)
		}
	}
	if _, b := alone.do(alone.request("GET", "/metrics", "")); !bytes.Contains(b, []byte(`freehold_student_texts_total{model="triage",answered_by="nobody"} 8`)) {
		t.Errorf("abstained texts are not counted:\n%s", b)
	}
	// The teacher is nobody's to ask, and does not keep a request from leaving the model out.
	for _, path := range []string{"/v1/models", "/api/tags", "/api/ps", "/openapi.json"} {
		if _, b := both.do(both.request("GET", path, "")); bytes.Contains(b, []byte(`"big"`)) || !bytes.Contains(b, []byte("triage")) {
			t.Errorf("%s: %.300s", path, b)
		}
	}
	both.refused("POST", "/v1/classify", s.body(`"model": "big", `), 404, codeModel, "model")
	both.refused("POST", chatPath, chatBodyOf("big"), 404, codeModel, "model")
	both.refused("GET", "/v1/models/big", "", 404, codeModel, "model")
	// A line for all students.
	if got := s.serve(t, nil, WithAbstainBelow(1), WithTeacher("big")).post("/v1/classify", s.body("")); strings.Contains(fmt.Sprint(got.v), "answered_by:student") {
		t.Errorf("with the line at 1: %v", got.v)
	}
}

// On demand the teacher opens with the first text that is for it, in room for one model at a time.
func TestServeEscalateOnDemand(t *testing.T) {
	s := newSchool(t, nil)
	var bytes int64
	for _, path := range []string{s.student, s.teacher} {
		bytes = max(bytes, open(t, path).File().Size)
	}
	log := &lockedBuffer{}
	on := s.serve(t, &Demand{KeepAlive: -1, Memory: bytes}, WithTeacher("big"), WithLogger(slog.New(slog.NewTextHandler(log, nil))))
	if err := on.CheckStudents(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.holds(t, on.post("/v1/classify", s.body("")), true)
	}
	if n := len(on.models.open()); n != 1 {
		t.Errorf("%d models are open", n)
	}
	s.broken.Store(true)
	on.post("/v1/classify", fmt.Sprintf(`{"input": %q}`, s.texts[slices.IndexFunc(s.says, func(c []engine.Choice) bool { return c[0].P > s.line })])) // closes the teacher
	on.refused("POST", "/v1/classify", s.body(""), 503, "model_failed", "")
	if !strings.Contains(log.String(), "/secret/path") {
		t.Errorf("the log does not say why: %s", log)
	}
	s.broken.Store(false)
	s.holds(t, on.post("/v1/classify", s.body("")), true)
}

// What a teacher cannot do for a student is told at the start, and to a request where a file has changed since.
func TestServeEscalateRefused(t *testing.T) {
	adapted := newSchool(t, map[string]any{engine.KeyTeacherAdapter: strings.Repeat("ab", 32)})
	lineless := newSchool(t, map[string]any{engine.KeyAbstainBelow: nil})
	short := newSchool(t, nil)
	short.teacher = chatFile(t, "chatml", map[string]any{"qwen2.context_length": uint32(40)})
	for name, c := range map[string]struct {
		s     *school
		opts  []Option
		check string
		code  string
	}{
		"adapter": {adapted, []Option{WithTeacher("big")}, `had an adapter (sha256 abababababab), and "big" has none`, "model_failed"},
		"line":    {lineless, []Option{WithTeacher("big")}, "triage: the file holds no line to abstain below", ""},
		"context": {short, []Option{WithTeacher("big")}, "", codeContext},
	} {
		on := c.s.serve(t, nil, c.opts...)
		if err := on.CheckStudents(t.Context()); c.check == "" && err != nil || c.check != "" && (err == nil || !strings.Contains(err.Error(), c.check)) {
			t.Errorf("%s: %v, want %q", name, err, c.check)
		}
		w, b := on.do(on.request("POST", "/v1/classify", c.s.body("")))
		if code := decoded(t, b).text("error", "code"); code != c.code {
			t.Errorf("%s: %d %s, want code %q", name, w.StatusCode, b, c.code)
		}
		if c.code == codeContext && !strings.Contains(string(b), "the teacher's maximum context length is 40 tokens") {
			t.Errorf("%s", b)
		}
	}
	if err := newSite(t).CheckStudents(t.Context()); err == nil || !strings.Contains(err.Error(), "no model is a student") {
		t.Errorf("a server without students: %v", err)
	}
	if _, err := NewSet(short.models(t, nil), WithTeacher("none")); err == nil {
		t.Error("a teacher that is not there")
	}
	for _, p := range []float64{-1, 2} {
		if _, err := NewSet(short.models(t, nil), WithAbstainBelow(p)); err == nil {
			t.Errorf("a line at %v", p)
		}
	}
}
