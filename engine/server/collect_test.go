package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// notes is what a server keeps, in memory.
type notes struct {
	mu   sync.Mutex
	rows []document
	err  error
}

func (n *notes) keep(student string, rows []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err != nil {
		return n.err
	}
	for line := range strings.Lines(string(rows)) {
		var v any
		if err := json.Unmarshal([]byte(line), &v); err != nil || !strings.HasSuffix(line, "\n") || student != "triage" {
			return fmt.Errorf("a row of %q: %w: %s", student, err, line)
		}
		n.rows = append(n.rows, document{v})
	}
	return nil
}

func (n *notes) take() []document {
	n.mu.Lock()
	defer n.mu.Unlock()
	rows := n.rows
	n.rows = nil
	return rows
}

func (n *notes) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.err = err
}

func shout(text string) string { return strings.ReplaceAll(text, "kind", "[KIND]") }

// What a student is not sure of is kept as rows without labels, with what it and its teacher said; answers say so, in their head and by text.
func TestCollect(t *testing.T) {
	s := newSchool(t, nil)
	n := &notes{}
	with := WithCollect(Collect{Keep: n.keep, Mask: shout})
	for _, teacher := range []bool{false, true} {
		opts := []Option{with}
		if teacher {
			opts = append(opts, WithTeacher("big"))
		}
		on := s.serve(t, nil, opts...)
		began := time.Now().Add(-time.Second)
		w, b := on.do(on.request("POST", "/v1/classify", s.body("")))
		got := decoded(t, b)
		s.holds(t, got, teacher)
		if h := w.Header.Get("X-Freehold-Collect"); h != "on" {
			t.Errorf("the head says %q", h)
		}
		rows := n.take()
		for i, text := range s.texts {
			below := s.says[i][0].P < s.line
			if (got.at("data", i, "collected") == true) != below {
				t.Errorf("text %d: %v", i, got.at("data", i))
			}
			if !below {
				continue
			}
			if len(rows) == 0 {
				t.Fatalf("text %d was not kept", i)
			}
			row := rows[0]
			rows = rows[1:]
			label, known := row.v.(map[string]any)["label"]
			at, err := time.Parse(time.RFC3339, row.text("time"))
			if row.text("text") != shout(text) || text == shout(text) || label != nil || !known || row.text("id") != fmt.Sprintf("%s-%d", w.Header.Get("X-Request-Id"), i) || err != nil || at.Before(began) ||
				row.text("student") != s.says[i][0].Label || row.at("student_p") != s.says[i][0].P || row.text("model") != "triage" || row.text("model_sha256") != "sum of the student" {
				t.Errorf("text %d is kept as %v (%v)", i, row.v, err)
			}
			want := []any{nil, nil, nil, nil}
			if teacher {
				want = []any{s.taught[i][0].Label, s.taught[i][0].P, "big", "sum of the teacher"}
			}
			for j, name := range []string{"suggested", "suggested_p", "teacher", "teacher_sha256"} {
				if row.at(name) != want[j] {
					t.Errorf("text %d: %s is %v, want %v", i, name, row.at(name), want[j])
				}
			}
		}
		if len(rows) != 0 {
			t.Errorf("kept beside: %v", rows)
		}
		// Who does not want it, and other tasks, are not kept.
		w, b = on.do(on.request("POST", "/v1/classify", s.body(`"store": false, `)))
		if h := w.Header.Get("X-Freehold-Collect"); h != "off" || strings.Contains(string(b), "collected") || w.StatusCode != 200 {
			t.Errorf("store: false: %q %s", h, b)
		}
		on.post("/v1/classify", s.body(`"labels": ["up", "down"], `))
		on.refused("POST", "/v1/classify", s.body(`"labels": ["up", "down"], "store": true, `), 400, codeUnsupported, "store")
		if rows := n.take(); rows != nil {
			t.Errorf("kept: %v", rows)
		}
		if on.post("/v1/classify", s.body(`"store": true, `)); len(n.take()) != 4 {
			t.Error("store: true keeps nothing")
		}
	}
	off := s.serve(t, nil, WithTeacher("big"))
	w, b := off.do(off.request("POST", "/v1/classify", s.body("")))
	if _, there := w.Header["X-Freehold-Collect"]; there || strings.Contains(string(b), "collected") || n.take() != nil {
		t.Errorf("without being told to: %v %s", w.Header, b)
	}
	off.refused("POST", "/v1/classify", s.body(`"store": true, `), 400, codeUnsupported, "store")
	if w, _ := off.do(off.request("POST", "/v1/classify", s.body(`"store": false, `))); w.StatusCode != 200 {
		t.Error("store: false is refused where nothing is kept")
	}
	if _, err := NewSet(s.models(t, nil), WithCollect(Collect{})); err == nil {
		t.Error("a server that keeps what nobody takes")
	}
}

// Where nothing can be kept the answer is the same but for saying so; it is counted, and logged once.
func TestCollectFails(t *testing.T) {
	s := newSchool(t, nil)
	n, log := &notes{}, &lockedBuffer{}
	n.fail(errors.New("no space left on device"))
	on := s.serve(t, nil, WithCollect(Collect{Keep: n.keep}), WithLogger(slog.New(slog.NewTextHandler(log, nil))))
	counts := func(outcome string, want int) {
		t.Helper()
		if _, b := on.do(on.request("GET", "/metrics", "")); !strings.Contains(string(b), fmt.Sprintf("freehold_collected_rows_total{outcome=%q} %d\n", outcome, want)) {
			t.Errorf("%s is not %d:\n%s", outcome, want, b)
		}
	}
	for i := range 3 {
		if i == 2 {
			time.Sleep(failedPause) // it is tried again
		}
		got := on.post("/v1/classify", s.body(""))
		if s.holds(t, got, false); strings.Contains(fmt.Sprint(got.v), "collected") {
			t.Errorf("%v", got.v)
		}
	}
	counts(rowsFailed, 12)
	if c := strings.Count(log.String(), "no space left"); c != 1 {
		t.Errorf("the log says it %d times:\n%s", c, log)
	}
	n.fail(nil)
	waitFor(t, "rows that are kept again", func() bool { return on.post("/v1/classify", s.body("")).at("data") != nil && n.take() != nil })
	counts(rowsKept, 4)
}

// No key of the server is kept, its own or another's, nor a key's name; and no key can fill the file alone.
func TestCollectKeys(t *testing.T) {
	s := newSchool(t, nil)
	n := &notes{}
	const ann, bob = "ann-key.0123456789+abcdef", "bob-key-0123456789_abcdef=="
	keys, err := ReadKeys(strings.NewReader("ann " + ann + "\nbob " + bob + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	on := s.serve(t, nil, WithKeys(keys), WithCollect(Collect{Keep: n.keep, PerKey: 4000}), WithAbstainBelow(1))
	on.key = ann
	for text, want := range map[string]string{
		bob:                      "[KEY]",
		"it is " + bob + ", ok?": "it is [KEY], ok?",
		`curl -H "Authorization: Bearer ` + ann + `"`: `curl -H "Authorization: Bearer [KEY]"`,
		`{"key":"` + ann + `"}.`:                      `{"key":"[KEY]"}.`,
		"KEY=" + ann + ".":                            "KEY=[KEY].",
		"ann-key-which-is-none-0123456789":            "ann-key-which-is-none-0123456789",
	} {
		on.post("/v1/classify", `{"input": `+string(must(json.Marshal(text)))+`}`)
		rows := n.take()
		if len(rows) != 1 || rows[0].text("text") != want {
			t.Errorf("%s is kept as %v", text, rows)
			continue
		}
		if all := string(must(json.Marshal(rows[0].v))); strings.Contains(all, ann) || strings.Contains(all, bob) || strings.Contains(all, `"ann"`) {
			t.Errorf("a key is in %s", all)
		}
	}
	for range 20 {
		on.post("/v1/classify", `{"input": "one more"}`)
	}
	if got := len(n.take()); got == 0 || got == 20 {
		t.Errorf("%d of 20 rows of one key are kept", got)
	}
	on.key = bob
	if on.post("/v1/classify", `{"input": "one more"}`); len(n.take()) != 1 {
		t.Error("one key's rows keep another's from being kept")
	}
	if _, b := on.do(on.request("GET", "/metrics", "")); strings.Contains(string(b), `freehold_collected_rows_total{outcome="over"} 0`) {
		t.Error("rows over a key's share are not counted")
	}
}
