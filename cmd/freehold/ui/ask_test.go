package ui

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill"
)

// said is what the events of an answer hold.
type said struct {
	order    []string // names of events with their side
	labels   map[string]labels
	text     map[string]string
	problems map[string]string
}

func asked(t testing.TB, url string, q question) (got said) {
	t.Helper()
	r := post(t, url, string(writeJSON(q)))
	if r.status != 200 || !strings.HasPrefix(r.header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("%d %s", r.status, r.body)
	}
	got = said{labels: map[string]labels{}, text: map[string]string{}, problems: map[string]string{}}
	for part := range strings.SplitSeq(strings.TrimSpace(r.body), "\n\n") {
		name, data, _ := strings.Cut(strings.TrimPrefix(part, "event: "), "\ndata: ")
		var side struct{ Side, Text, Message string }
		if err := json.Unmarshal([]byte(data), &side); err != nil {
			t.Fatalf("%q: %v", part, err)
		}
		got.order = append(got.order, strings.TrimSpace(name+" "+side.Side))
		switch name {
		case "labels":
			var l labels
			if err := json.Unmarshal([]byte(data), &l); err != nil {
				t.Fatal(err)
			}
			got.labels[side.Side] = l
		case "piece":
			got.text[side.Side] += side.Text
		case "problem":
			got.problems[side.Side] = side.Message
		}
	}
	return got
}

// Asked now, teacher and student say of a test row what they said when the run was measured: the same prompt, words and calibration.
func TestAsk(t *testing.T) {
	dir := tinyJob(t)
	name := apply(t, dir, 30, 3)
	ts, site := serve(t, filepath.Join(dir, "runs"))
	rows, why := site.rowsOf(t.Context(), site.dir.open(name))
	if len(rows) != 40 || why != "" {
		t.Fatalf("%d rows, %s", len(rows), why)
	}
	for _, row := range rows[:8] {
		got := asked(t, ts.URL+"/runs/"+name+"/ask", question{Text: row.Text, Sides: []string{"student", "teacher"}})
		if order := strings.Join(got.order, ", "); order != "opening student, labels student, opening teacher, labels teacher, end" {
			t.Fatalf("events: %s %v", order, got.problems)
		}
		for side, want := range map[string]distill.Said{"student": row.Student, "teacher": row.Teacher} {
			best := got.labels[side].Choices[0]
			if best.Label != want.Answer || math.Abs(best.P-want.P) > 1e-12 {
				t.Errorf("%q: the %s says %s %v now, and said %s %v", row.Text, side, best.Label, best.P, want.Answer, want.P)
			}
		}
	}
	address := ts.URL + "/runs/" + name + "/ask"
	if got := asked(t, address, question{Text: strings.Repeat("rise ", 5000), Sides: []string{"student"}}); !strings.Contains(got.problems["student"], "too long") {
		t.Errorf("a text that is too long: %+v", got)
	}
	for body, want := range map[string]string{
		`{"text":"a"}`: "sides", `{"text":" ","sides":["student"]}`: "no text", `{"text":"a","sides":["judge"]}`: "sides", `{"text":"a","sides":["student"],"file":"../../teacher.gguf"}`: "no model", `{"text":"a","sides":["student"],"x":1}`: "unknown field", `{`: "JSON",
	} {
		if r := post(t, address, body); r.status != 400 || !strings.Contains(r.body, want) {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
}

const tinyText = `version: 1
name: tiny
task: {type: extract, prompt: "{text}", max_tokens: 40, schema: {type: object, properties: {way: {enum: [up, down]}}, required: [way], additionalProperties: false}}
teacher: {model: %q, licence: Apache-2.0}
student: {from: teacher, layers: 1, format: f32, freeze: []}
data: {train: train.jsonl, test: test.jsonl, duplicates: keep}
train: {loss: ce, steps: 9, batch: 8, lr: 0.003, warmup: 2, save_every: 20, seed: 3, max_tokens: 128}
`

// A task that is answered with text is answered by pieces, within its schema, and as when the run was measured.
func TestAskText(t *testing.T) {
	dir := t.TempDir()
	for name, n := range map[string]int{"train": 16, "test": 6} {
		var b strings.Builder
		for i := range n {
			way := []string{"up", "down"}[i%2]
			fmt.Fprintf(&b, `{"id": "%s-%d", "text": "go %s %d", "completion": {"way": %q}}`+"\n", name, i, way, i, way)
		}
		write(t, filepath.Join(dir, name+".jsonl"), b.String())
	}
	write(t, filepath.Join(dir, "freehold.yaml"), fmt.Sprintf(tinyText, tinyTeacher(t)))
	r, err := distill.LoadRecipe(filepath.Join(dir, "freehold.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	j, err := distill.NewJob(t.Context(), r, distill.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Apply(t.Context(), distill.Stages{}); err != nil {
		t.Fatal(err)
	}
	ts, site := serve(t, filepath.Join(dir, "runs"))
	site.allowed = append(site.allowed, filepath.Dir(tinyTeacher(t)))
	rows, why := site.rowsOf(t.Context(), site.dir.open("001"))
	if len(rows) != 6 || why != "" {
		t.Fatalf("%d rows, %s", len(rows), why)
	}
	for _, row := range rows {
		got := asked(t, ts.URL+"/runs/001/ask", question{Text: row.Text, Sides: []string{"student", "teacher"}})
		if got.text["student"] != row.Student.Answer || got.text["teacher"] != row.Teacher.Answer || len(got.problems) > 0 {
			t.Errorf("%q: %v and then %q, %q", row.Text, got, row.Student.Answer, row.Teacher.Answer)
		}
		if n := strings.Count(strings.Join(got.order, " "), "piece student"); n < 2 {
			t.Errorf("the answer came in %d pieces: %v", n, got.order)
		}
	}
	if body := get(t, ts.URL+"/runs/001").body; !strings.Contains(body, "field") || strings.Contains(body, "cannot be read") {
		t.Errorf("the page of a run that answers with text: %.2000s", body)
	}
}
