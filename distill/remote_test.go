package distill

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/freehold-slm/freehold/distill/lineage"
	"github.com/freehold-slm/freehold/distill/policy"
	"github.com/freehold-slm/freehold/distill/remote"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/engine/server"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/licence"
)

// canary is a key that no file and no message of ours may hold.
const canary = "canary-key-90b1c2d3e4"

// fakeTeacher is an OpenAI-compatible server that notes what it was asked.
type fakeTeacher struct {
	*httptest.Server
	mu     sync.Mutex
	asked  map[string]int // by body
	texts  []string       // user turns
	answer func(n int, user string) (status int, body string)
}

func newFakeTeacher(t testing.TB, answer func(n int, user string) (int, string)) *fakeTeacher {
	f := &fakeTeacher{asked: map[string]int{}, answer: answer}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		var q struct {
			Messages []struct{ Content string }
		}
		if err != nil || json.Unmarshal(b, &q) != nil || r.URL.Path != "/v1/chat/completions" {
			http.Error(w, "what?", http.StatusTeapot)
			return
		}
		f.mu.Lock()
		user := q.Messages[len(q.Messages)-1].Content
		f.asked[string(b)]++
		f.texts = append(f.texts, user)
		n := len(f.texts)
		f.mu.Unlock()
		status, body := f.answer(n, user)
		w.WriteHeader(status)
		io.WriteString(w, body) //nolint:errcheck // a client that left
	}))
	t.Cleanup(f.Close)
	return f
}

// most is how often the most frequent question was asked.
func (f *fakeTeacher) most() (most, questions int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.asked {
		most = max(most, n)
	}
	return most, len(f.asked)
}

// reply is a chat completion with a text and, where there are any, the likeliest first tokens.
func reply(text, finish string, top ...remote.Likely) string {
	m := map[string]any{"finish_reason": finish, "message": map[string]any{"content": text}}
	if top != nil {
		var list []map[string]any
		for _, o := range top {
			list = append(list, map[string]any{"token": o.Text, "logprob": o.LogProb})
		}
		m["logprobs"] = map[string]any{"content": []any{map[string]any{"token": top[0].Text, "logprob": top[0].LogProb, "top_logprobs": list}}}
	}
	b, _ := json.Marshal(map[string]any{"model": "fake-2026-11", "system_fingerprint": "fp_7", "choices": []any{m}, "usage": map[string]int{"prompt_tokens": 9, "completion_tokens": 2}})
	return string(b)
}

// upOrDown answers by the words of tinyJob.
func upOrDown(_ int, user string) (int, string) {
	for _, w := range strings.Fields("fall sink drop dive lose low dip less slump cut") {
		if strings.Contains(user, w) {
			return 200, reply("down", "stop", remote.Likely{Text: "down", LogProb: -0.2}, remote.Likely{Text: "Up", LogProb: -2}, remote.Likely{Text: "up", LogProb: -3}, remote.Likely{Text: "left", LogProb: -9})
		}
	}
	return 200, reply("up", "stop", remote.Likely{Text: "up", LogProb: -0.1}, remote.Likely{Text: " down", LogProb: -3}, remote.Likely{Text: "Up", LogProb: -4})
}

// remoteJob is tinyJobOf with a remote teacher; edits are pairs of what is replaced.
func remoteJob(t testing.TB, url string, train, test int, edits ...string) string {
	t.Helper()
	path := tinyJobOf(t, train, test)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	teacher := fmt.Sprintf("teacher: {openai: %q, model: fake, egress_ok: true, licence: Apache-2.0, limits: {concurrency: 4, retries: 1}}", url+"/v1")
	text := strings.NewReplacer(fmt.Sprintf("teacher: {model: %q, licence: Apache-2.0}", tinyTeacher(t)), teacher, "from: teacher,", fmt.Sprintf("from: %q, licence: Apache-2.0,", tinyTeacher(t)),
		`size_ratio: ">= 1"`, `agreement: ">= 0"`, "steps: 9", "steps: 3", "quantize: [f16, q8_0]", "quantize: []").Replace(string(b))
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(text, edits[i]) {
			t.Fatalf("the recipe holds no %q:\n%s", edits[i], text)
		}
		text = strings.Replace(text, edits[i], edits[i+1], 1)
	}
	write(t, path, text)
	return path
}

// Labels of a remote teacher are those of the same model here, as far as its server tells: the same probabilities of what is among its likeliest tokens.
func TestRemoteRoundTrip(t *testing.T) {
	m, err := engine.Open(tinyTeacher(t), engine.WithThreads(2))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	here := httptest.NewServer(server.New(m))
	defer here.Close()
	list, err := http.Get(here.URL + "/v1/models")
	if err != nil {
		t.Fatal(err)
	}
	var known struct{ Data []struct{ ID string } }
	if err := json.NewDecoder(list.Body).Decode(&known); err != nil || len(known.Data) != 1 {
		t.Fatal(err, known)
	}
	list.Body.Close()
	// words that this model of random weights finds likely, so that the server lists them
	c, err := m.NewClassifier(engine.Task{Labels: []string{"up", "down"}, Prompt: "Up or down? {text}"})
	if err != nil {
		t.Fatal(err)
	}
	s := m.NewSession()
	defer s.Close()
	tok, err := m.LoadTokenizer()
	if err != nil {
		t.Fatal(err)
	}
	often := map[string]int{}
	for _, text := range strings.Fields("rise climb grow soar lift gain peak high jump more fall sink drop dive lose low dip less slump cut") {
		ids, err := c.Tokens(text)
		if err != nil {
			t.Fatal(err)
		}
		noted, err := s.LogProbs(t.Context(), append(ids, ids[0]), likeliest)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range noted[len(noted)-1].Top {
			if piece := tok.Piece(p.ID, false); len(piece) == 1 && piece[0] > ' ' && piece[0] < 0x7f && !strings.ContainsRune("\"'`*.{}", rune(piece[0])) {
				often[strings.ToLower(string(piece))]++
			}
		}
	}
	words := slices.SortedFunc(maps.Keys(often), func(a, b string) int { return cmp.Or(often[b]-often[a], strings.Compare(a, b)) })
	spell := fmt.Sprintf("labels: [up, down], words: {up: [%q], down: [%q]}", words[0], words[1])
	local := tinyJobOf(t, 60, 20)
	b, _ := os.ReadFile(local)
	write(t, local, strings.Replace(string(b), "labels: [up, down]", spell, 1))
	afar := remoteJob(t, here.URL, 60, 20, "labels: [up, down]", spell, "model: fake", "model: "+known.Data[0].ID)
	for _, name := range []string{"train.jsonl", "test.jsonl"} { // tinyJobOf draws others each time
		b, err := os.ReadFile(filepath.Join(filepath.Dir(local), name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(filepath.Dir(afar), name), string(b))
	}
	labels := func(recipe string) Labels {
		r, err := LoadRecipe(recipe)
		if err != nil {
			t.Fatal(err)
		}
		j, err := NewJob(t.Context(), r, Options{Threads: 2, Warn: func(s string) { t.Log(s) }})
		if err == nil {
			_, err = j.Apply(t.Context(), Stages{Only: "label"})
		}
		if err != nil {
			t.Fatal(err)
		}
		return j.work.(*classifyWork).labels
	}
	want, got := labels(local), labels(afar)
	both, bounded := 0, 0
	for id, lp := range want {
		other := got[id]
		if saysNothing(other) {
			bounded++
			continue
		}
		for k := range lp {
			switch diff := math.Abs(lp[k] - other[k]); {
			case diff < 1e-4:
				both++
			case other[k] >= lp[k]-1e-4: // not on the list: no likelier than what is
				bounded++
			default:
				t.Errorf("%s: label %d is %v here and %v afar", id, k, lp[k], other[k])
			}
		}
	}
	t.Logf("words %q: %d label probabilities are the same, %d were not listed", words[:2], both, bounded)
	if len(want) != 80 || len(got) != 80 || both < 80 {
		t.Errorf("%d and %d rows, %d probabilities are the same", len(want), len(got), both)
	}
}

// What is read of an answer: probabilities where there are any, else the label, else nothing.
func TestRemoteWords(t *testing.T) {
	w := newLabelWords(&TaskRecipe{Labels: []string{"spam", "spam ham", "ham"}, Words: map[string][]string{"ham": {"good", "Gut"}}})
	tok := func(text string, lp float64, top ...remote.Likely) remote.Token {
		return remote.Token{Text: text, LogProb: lp, Top: top}
	}
	l := func(text string, p float64) remote.Likely { return remote.Likely{Text: text, LogProb: math.Log(p)} }
	near := func(got, want float64) bool { return math.Abs(got-want) < 1e-6 }
	for _, c := range []struct {
		name   string
		answer string
		tokens []remote.Token
		how    string
		want   []float64 // probabilities, not normalised; nil = all alike
	}{
		{"a label", "good", []remote.Token{tok("good", math.Log(0.6), l("good", 0.6), l(" Gut", 0.1), l("sp", 0.2), l("x", 0.05))}, byProbability, []float64{0.05, 0.05, 0.7}},
		{"two that begin alike", "spam ham", []remote.Token{tok("spam", math.Log(0.8), l("spam", 0.8), l("Good", 0.1), l("go", 0.04)), tok(" ham", math.Log(0.75), l(" ham", 0.75), l(".", 0.2))}, byProbability,
			[]float64{0.8 * 0.2, 0.8 * 0.75, 0.14}},
		{"the shorter of them", "spam", []remote.Token{tok("spam", math.Log(0.8), l("spam", 0.8), l("Good", 0.1), l("go", 0.04))}, byProbability, []float64{0.8, 0.8e-6, 0.14}},
		{"space before it", " spam ham", []remote.Token{tok(" ", 0, l(" ", 1), l("\n", 1e-9)), tok("good", math.Log(0.9), l("good", 0.9), l("k", 0.05))}, byProbability, []float64{0.05, 0.05, 0.9}},
		{"a longer word is none", "goodness", []remote.Token{tok("goodness", math.Log(0.9), l("goodness", 0.9), l("x", 0.1))}, byNothing, nil},
		{"no list", "Good.", []remote.Token{tok("Good", -0.1)}, byAnswer, []float64{1e-6, 1e-6, 1}},
		{"no probabilities", "\"GUT\"", nil, byAnswer, []float64{1e-6, 1e-6, 1}},
		{"stars", "**spam ham**\n", nil, byAnswer, []float64{1e-6, 1, 1e-6}},
		{"a sentence", "I think it is spam", nil, byNothing, nil},
		{"nothing", "", nil, byNothing, nil},
		{"impossible ones", "good", []remote.Token{tok("good", 0, l("good", 1), remote.Likely{Text: "spam h", LogProb: -9999}, remote.Likely{Text: "x", LogProb: -9999})}, byProbability, []float64{0, 0, 1}},
	} {
		lp, how := w.score(&remoteLine{Answer: c.answer, Tokens: c.tokens})
		if how != c.how || saysNothing(lp) != (c.want == nil) {
			t.Errorf("%s: %s, %v", c.name, how, lp)
			continue
		}
		if how == byAnswer { // normalised
			lp = append([]float64{}, lp...)
		}
		for i, want := range c.want {
			if got := math.Exp(lp[i]); !near(got, want) && !(how == byAnswer && math.Abs(got-want) < 1e-5) {
				t.Errorf("%s: label %d has %v, want %v", c.name, i, got, want)
			}
			if math.IsInf(lp[i], 0) || math.IsNaN(lp[i]) {
				t.Errorf("%s: %v cannot be written", c.name, lp)
			}
		}
	}
}

// A run that was stopped, by whatever, pays for no answer twice: an error in the midst, a signal, a spent budget, another run of the folder. A damaged answer does not count.
func TestRemoteResumes(t *testing.T) {
	stop, cancel := 0, context.CancelFunc(nil)
	f := newFakeTeacher(t, nil)
	f.answer = func(n int, user string) (int, string) {
		if stop > 0 && n >= stop && cancel != nil {
			cancel()
		}
		if n == stop && cancel == nil {
			return 400, `{"error":{"message":"the model is gone"}}`
		}
		return upOrDown(n, user)
	}
	job := remoteJob(t, f.URL, 100, 40, "retries: 1}", "retries: 1}, budget: {max_requests: 120}, prices: {input: 2, output: 10}")
	label := func(ctx context.Context) error {
		_, _, err := apply(ctx, job, Options{}, Stages{Only: "label"})
		return err
	}
	kept := func() int {
		lines, _, _, err := readRemote(filepath.Join(filepath.Dir(job), "runs", "001", remoteName))
		if err != nil {
			t.Fatal(err)
		}
		return len(lines)
	}
	all := map[string]bool{}
	for _, name := range []string{"train", "test"} {
		b, _ := os.ReadFile(filepath.Join(filepath.Dir(job), name+".jsonl"))
		for line := range strings.Lines(string(b)) {
			var r struct{ Text string }
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			all[r.Text] = true
		}
	}
	stop = 30
	var e *remote.Error
	if err := label(t.Context()); !errors.As(err, &e) || !strings.Contains(err.Error(), "the model is gone") || kept() < 29 || kept() > 33 {
		t.Fatalf("%d answers are kept: %v", kept(), err)
	}
	ctx, c := context.WithCancel(t.Context())
	stop, cancel = 60, c
	if err := label(ctx); !errors.Is(err, ErrInterrupted) || kept() < 50 || kept() > 70 {
		t.Fatalf("%d answers are kept: %v", kept(), err)
	}
	// a flipped byte in one answer, and a last line that was cut
	path := filepath.Join(filepath.Dir(job), "runs", "001", remoteName)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	was := kept()
	write(t, path, strings.Replace(string(b), `"answer":"up"`, `"answer":"UP"`, 1)+`{"key":"`+strings.Repeat("abc", 100000))
	if kept() != was-1 {
		t.Fatalf("%d answers count, want %d", kept(), was-1)
	}
	stop, cancel = 0, nil
	text, _ := os.ReadFile(job)
	write(t, job, strings.Replace(string(text), "max_requests: 120", "max_requests: 90", 1))
	var spent *remote.BudgetError
	if err := label(t.Context()); !errors.As(err, &spent) || spent.Key != "max_requests" || spent.Spent.Requests != 90 || spent.All != len(all) {
		t.Fatalf("%d answers are kept: %v", kept(), err)
	}
	write(t, job, strings.Replace(string(text), "max_requests: 120", "max_requests: 1000", 1))
	if err := label(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || !strings.HasSuffix(string(b), "\"}\n") {
		t.Errorf("%v, the file ends in %.40q", err, b[len(b)-40:])
	}
	most, questions := f.most()
	twice := 0
	for _, n := range f.asked {
		if n > 1 {
			twice++
		}
	}
	// asked again: the one that failed, and the one that was damaged
	if questions != len(all) || most > 2 || twice > 2 || kept() != len(all) {
		t.Errorf("%d questions for %d texts, %d of them twice, %d answers are kept", questions, len(all), twice, kept())
	}
	// another run of the folder takes the answers over, and pays nothing
	write(t, job, strings.Replace(string(text), "name: tiny", "name: other", 1))
	before := len(f.texts)
	sum, dir := mustApply(t, job, Options{}, Stages{})
	if len(f.texts) != before || filepath.Base(dir) != "002" || sum.Remote.TakenOver != len(all) || sum.Remote.Spent.Requests != 0 {
		t.Errorf("%s asked %d times more: %+v", dir, len(f.texts)-before, sum.Remote)
	}
}

// Nothing is sent but with egress_ok, without offline mode, and where the policy lets it; what is sent is masked. Where everything is answered none of it is asked for.
func TestRemoteEgress(t *testing.T) {
	f := newFakeTeacher(t, upOrDown)
	var refused *EgressError
	var rules *policy.Error
	for _, c := range []struct {
		name  string
		edits []string
		o     Options
		env   string
		want  any
		says  string
	}{
		{"not said", []string{"egress_ok: true, ", ""}, Options{}, "", &refused, "egress_ok: true"},
		{"no", []string{"egress_ok: true", "egress_ok: false"}, Options{}, "", &refused, "egress_ok: true"},
		{"--offline", nil, Options{Offline: true}, "", &refused, "offline"},
		{"offline by environment", nil, Options{}, "1", &refused, "offline"},
		{"a policy", []string{"name: tiny", "name: tiny\npolicy: company-eu"}, Options{}, "", &rules, "nothing-leaves"},
	} {
		t.Setenv("FREEHOLD_OFFLINE", c.env)
		job := remoteJob(t, f.URL, 20, 10, c.edits...)
		if _, _, err := apply(t.Context(), job, c.o, Stages{}); !errors.As(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if len(f.texts) != 0 {
		t.Fatalf("%d texts were sent", len(f.texts))
	}
	t.Setenv("FREEHOLD_OFFLINE", "")
	job := remoteJob(t, f.URL, 20, 10, "duplicates: keep", "duplicates: keep, mask: [email, phone]")
	train := filepath.Join(filepath.Dir(job), "train.jsonl")
	b, _ := os.ReadFile(train)
	write(t, train, string(b)+`{"text": "rise, says joe@example.org, +44 20 7946 0958", "label": "up"}`+"\n")
	mustApply(t, job, Options{}, Stages{Only: "label"})
	sent := strings.Join(f.texts, "\n")
	if strings.Contains(sent, "joe") || strings.Contains(sent, "7946") || !strings.Contains(sent, "[EMAIL]") || !strings.Contains(sent, "[PHONE]") {
		t.Errorf("sent: %s", sent)
	}
	text, _ := os.ReadFile(job)
	write(t, job, strings.Replace(string(text), "egress_ok: true", "egress_ok: false", 1))
	n := len(f.texts)
	if _, _, err := apply(t.Context(), job, Options{Offline: true}, Stages{}); err != nil || len(f.texts) != n {
		t.Errorf("with all answers there: %v, %d texts were sent", err, len(f.texts)-n)
	}
}

// The key is in the request and nowhere else: no file, event, warning or error holds it, whatever the server does with it.
func TestRemoteKey(t *testing.T) {
	var got []string
	f := newFakeTeacher(t, func(n int, user string) (int, string) {
		if n == 12 {
			return 401, `{"error":{"message":"Incorrect API key provided: ` + canary + `"}}`
		}
		return 200, strings.ReplaceAll(reply(canary+" up", "stop", remote.Likely{Text: canary, LogProb: -1}, remote.Likely{Text: "up", LogProb: -2}, remote.Likely{Text: "down", LogProb: -2.5}), "fp_7", canary)
	})
	inner := f.Config.Handler
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+canary {
			t.Errorf("key is %q", r.Header.Get("Authorization"))
		}
		inner.ServeHTTP(w, r)
	})
	job := remoteJob(t, f.URL, 20, 10, "model: fake", "key_env: TEST_TEACHER_KEY, model: fake")
	o := Options{Progress: func(e Event) { got = append(got, fmt.Sprintf("%+v", e)) }, Warn: func(s string) { got = append(got, s) }}
	run := func() error {
		_, _, err := apply(t.Context(), job, o, Stages{})
		if err != nil {
			got = append(got, err.Error(), fmt.Sprintf("%+v %#v", err, err))
		}
		return err
	}
	if err := run(); err == nil || !strings.Contains(err.Error(), "TEST_TEACHER_KEY") || len(f.texts) > 0 {
		t.Errorf("without the variable: %v", err)
	}
	t.Setenv("TEST_TEACHER_KEY", canary+"\n")
	if err := run(); err == nil || !strings.Contains(err.Error(), "[key]") {
		t.Errorf("a wrong key: %v", err)
	}
	if err := run(); err != nil {
		t.Error(err)
	}
	files := 0
	err := filepath.WalkDir(filepath.Dir(job), func(p string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(p)
		if files++; bytes.Contains(b, []byte(canary)) {
			t.Errorf("%s holds the key", p)
		}
		return err
	})
	if err != nil || files < 15 {
		t.Errorf("%d files, %v", files, err)
	}
	for _, s := range got {
		if strings.Contains(s, canary) {
			t.Errorf("said: %s", s)
		}
	}
}

// What a remote teacher cannot do, or cannot be, is refused where the recipe is read, with its line.
func TestRemoteRecipe(t *testing.T) {
	for _, c := range []struct {
		edits []string
		says  string
	}{
		{[]string{"/v1\"", "/v1?key=" + canary + `"`}, "teacher.openai holds a name"},
		{[]string{"http://127.0.0.1:9", "http://joe:" + canary + "@127.0.0.1:9"}, "teacher.openai holds a name"},
		{[]string{"http://127.0.0.1:9", "http://example.org"}, "want https"},
		{[]string{"http://127.0.0.1:9", "ftp://127.0.0.1"}, "want https"},
		{[]string{"http://127.0.0.1:9/v1", "nonsense"}, "not an address"},
		{[]string{`openai: "http://127.0.0.1:9/v1", `, ""}, "teacher.egress_ok is for a remote teacher"},
		{[]string{`openai: "http://127.0.0.1:9/v1", model: fake, egress_ok: true, licence: Apache-2.0, limits: {concurrency: 4, retries: 1}`, `openai: "", model: fake, licence: Apache-2.0`}, "teacher.openai is empty"},
		{[]string{"model: fake", "key_env: " + canary + ", model: fake"}, "teacher.key_env is not the name"},
		{[]string{"model: fake", `params: '{"model": "x"}', model: fake`}, "teacher.params sets \"model\""},
		{[]string{"model: fake", `params: 'x', model: fake`}, "teacher.params is not a JSON object"},
		{[]string{"model: fake", "budget: {max_cost: 5}, model: fake"}, "needs teacher.prices"},
		{[]string{"model: fake", "budget: {max_tokens: -1}, model: fake"}, "teacher.budget.max_tokens is -1"},
		{[]string{"concurrency: 4", "concurrency: 0"}, "teacher.limits.concurrency is 0, want 1 to 256"},
		{[]string{"concurrency: 4", "timeout: 0"}, "teacher.limits.timeout is 0"},
		{[]string{"model: fake", "response_format: json_schema, model: fake"}, "teacher.response_format"},
		{[]string{"model: fake", "adapt: {rows: 10}, model: fake"}, "teacher.adapt trains"},
		{[]string{"model: fake", "ensemble: {with: [{model: other}]}, model: fake"}, "teacher.ensemble asks"},
		{[]string{"duplicates: keep", "duplicates: keep, augment: {paraphrases: 1}"}, "data.augment makes"},
		{[]string{fmt.Sprintf("from: %q", tinyTeacher(t)), "from: teacher"}, "student.from is teacher"},
		{[]string{`agreement: ">= 0"`, `size_ratio: ">= 1"`}, "eval.gates.size_ratio"},
		{[]string{`agreement: ">= 0"`, `speed_ratio: ">= 1"`}, "eval.gates.speed_ratio"},
		{[]string{`agreement: ">= 0"`, `flops_ratio: ">= 1"`}, "eval.gates.flops_ratio"},
		{[]string{"name: tiny", "name: tiny\nnumeric: reference"}, "numeric is reference"},
		{[]string{"type: classify, labels: [up, down]", "type: generate", "steps: 3", "steps: 3, loss: mixed_topk"}, "take loss: ce"},
		{[]string{"type: classify, labels: [up, down]", "type: generate", "steps: 3", "steps: 3, on_policy: {share: 0.5}"}, "train.on_policy has the teacher read"},
		{[]string{"type: classify, labels: [up, down]", "type: generate", "model: fake", "samples: 3, model: fake"}, "teacher.samples"},
	} {
		_, err := LoadRecipe(remoteJob(t, "http://127.0.0.1:9", 2, 2, c.edits...))
		var e *RecipeError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.says) || e.Line == 0 || strings.Contains(err.Error(), canary) {
			t.Errorf("%q: %v, want %q", c.edits, err, c.says)
		}
	}
	r, err := LoadRecipe(remoteJob(t, "http://127.0.0.1:9", 2, 2, "limits: {concurrency: 4, retries: 1}", "limits: {requests_per_minute: 60}"))
	if err != nil || r.Teacher.Calibration != "none" || r.Teacher.Limits != (RemoteLimits{60, 0, 8, 120, 6}) {
		t.Errorf("%v, %+v", err, r.Teacher)
	}
}

// Terms that nobody stated are declared or the run is refused; those of OpenAI forbid it unless the recipe says why it may.
func TestRemoteLicence(t *testing.T) {
	open := func(address, terms string) (*Job, error) {
		r, err := LoadRecipe(remoteJob(t, address, 10, 10, "licence: Apache-2.0, limits", terms+"limits"))
		if err != nil {
			t.Fatal(err)
		}
		return NewJob(t.Context(), r, Options{})
	}
	var unknown *models.LicenceError
	var judged *licence.Error
	if _, err := open("https://models.example.org", ""); !errors.As(err, &unknown) || !strings.Contains(err.Error(), "teacher.licence") || !strings.Contains(err.Error(), "models.example.org") {
		t.Errorf("nothing declared: %v", err)
	}
	if _, err := open("https://api.openai.com", ""); !errors.As(err, &unknown) || !strings.Contains(err.Error(), "compete with OpenAI") {
		t.Errorf("OpenAI, nothing declared: %v", err)
	}
	if _, err := open("https://api.openai.com", "licence: Apache-2.0, "); !errors.As(err, &unknown) || !strings.Contains(err.Error(), "which is another") {
		t.Errorf("OpenAI as Apache-2.0: %v", err)
	}
	if _, err := open("https://api.openai.com", "licence: LicenseRef-OpenAI-Terms, "); !errors.As(err, &judged) || !strings.Contains(err.Error(), "compete with OpenAI") {
		t.Errorf("OpenAI, no reason: %v", err)
	}
	if _, err := open("https://gateway.example.org", "licence: openai, "); !errors.As(err, &judged) {
		t.Errorf("OpenAI behind a gateway: %v", err)
	}
	j, err := open("https://api.openai.com", `licence: LicenseRef-OpenAI-Terms, licence_reason: "written leave of 2026-11-01", `)
	if err != nil {
		t.Fatal(err)
	}
	if l := j.licences(); l.Distil.State == licence.Refused || !strings.Contains(strings.Join(l.Declared, ""), "written leave of 2026-11-01") {
		t.Errorf("%+v", l)
	}
}

// A whole run: what summary, lineage, manifest and papers say of the teacher, and that it is made again from its stored answers, with nobody to ask.
func TestRemoteRun(t *testing.T) {
	f := newFakeTeacher(t, func(n int, user string) (int, string) {
		if strings.Contains(user, "gain") {
			return 200, reply("I had rather not say", "stop")
		}
		return upOrDown(n, user)
	})
	job := remoteJob(t, f.URL, 120, 40, "retries: 1}", "retries: 1}, prices: {input: 1000, output: 2000}")
	var warned []string
	sum, dir := mustApply(t, job, Options{Warn: func(s string) { warned = append(warned, s) }}, Stages{})
	u := sum.Remote
	if u == nil || u.Models["fake-2026-11"] != u.Answers || u.Fingerprints["fp_7"] == 0 || u.First == "" || u.Spent.Requests != u.Answers || math.Abs(u.Spent.Cost-float64(u.Answers)*(9*1000+2*2000)/1e6) > 1e-9 {
		t.Fatalf("%+v", u)
	}
	if u.Labels[byNothing] == 0 || u.Labels[byProbability] == 0 || u.Unanswered == 0 || sum.Rows["train"] >= 120 || !strings.Contains(strings.Join(warned, "\n"), "is no label") {
		t.Errorf("%+v, %v, %q", u, sum.Rows, warned)
	}
	if _, ok := sum.Metrics["size_ratio"]; ok || sum.Teacher.RowsPerS != 0 || sum.Student.RowsPerS == 0 || sum.Cascade != nil {
		t.Errorf("%+v", sum.Metrics)
	}
	chain, err := lineage.Read(filepath.Join(dir, lineage.Name))
	if err != nil {
		t.Fatal(err)
	}
	e := lineage.Last(chain, "label")
	if e.Facts["remote"] != f.URL+"/v1" || e.Facts["remote_model"] != "fake" || !strings.Contains(e.Facts["remote_answered_by"], "fake-2026-11") || e.Facts["remote_first"] == "" || !strings.HasPrefix(e.Facts["reproducible"], "no") {
		t.Errorf("%v", e.Facts)
	}
	if i := slices.IndexFunc(e.In, func(it lineage.Item) bool { return it.Kind == "remote model" }); i < 0 || e.In[i].SHA256 != "" || e.In[i].From != f.URL+"/v1" {
		t.Errorf("%+v", e.In)
	}
	for name, want := range map[string]string{"manifest.json": `"endpoint": "` + f.URL, "report.html": "Remote teacher", "MODEL_CARD.md": "a remote model", "mlbom.cdx.json": "freehold:remote"} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s does not say %q: %v", name, want, err)
		}
	}
	m, err := engine.Open(filepath.Join(dir, "model.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	k, err := m.NewClassifier(engine.Task{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := k.TeacherTask(); err == nil || !strings.Contains(err.Error(), "a remote model") {
		t.Errorf("escalation to a remote teacher: %v", err)
	}
	f.Close()
	again, err := Reproduce(t.Context(), dir, "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if d := again.Different(); len(d) > 0 || !strings.Contains(again.Labels, "taken as they are") {
		t.Errorf("%v, %q", d, again.Labels)
	}
	left := map[string]string{}
	for _, c := range again.Files {
		left[c.Name] = c.State
	}
	if left["model.gguf"] != "equal" || left[remoteName] != "left out" || left["labels/shard-00000.jsonl"] != "left out" {
		t.Errorf("%v", left)
	}
	if err := os.Remove(filepath.Join(dir, "labels", "shard-00000.jsonl")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, remoteName)); err != nil {
		t.Fatal(err)
	}
	if _, err := Reproduce(t.Context(), dir, "", Options{}); err == nil {
		t.Error("a run without its answers was made again")
	}
	r, err := LoadRecipe(job)
	if err != nil {
		t.Fatal(err)
	}
	j, err := NewJob(t.Context(), r, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var refused *RecipeError
	if _, err := j.Probe(t.Context(), 5); !errors.As(err, &refused) {
		t.Errorf("probe: %v", err)
	}
}

// One-hot labels where the server gives no log-probabilities: counted, and not calibrated.
func TestRemoteOneHot(t *testing.T) {
	f := newFakeTeacher(t, func(n int, user string) (int, string) {
		_, b := upOrDown(n, user)
		return 200, reply(map[bool]string{true: "Down.", false: "up"}[strings.Contains(b, `"content":"down"`)], "stop")
	})
	sum, _ := mustApply(t, remoteJob(t, f.URL, 60, 20), Options{}, Stages{})
	if sum.Remote.Labels[byAnswer] != 80 || len(sum.Remote.Labels) != 1 {
		t.Errorf("%+v", sum.Remote)
	}
	_, _, err := apply(t.Context(), remoteJob(t, f.URL, 60, 20, "model: fake", "calibration: median, model: fake"), Options{}, Stages{})
	if e := (*RecipeError)(nil); !errors.As(err, &e) || !strings.Contains(err.Error(), "calibration: none") {
		t.Errorf("calibrated: %v", err)
	}
}

// Answers of text: those that are cut, refused, empty or not of the schema are counted and not learnt from; a schema is sent, and a row that is too long is named.
func TestRemoteAnswers(t *testing.T) {
	f := newFakeTeacher(t, nil)
	f.answer = func(n int, user string) (int, string) {
		switch {
		case strings.Contains(user, "row-1 "):
			return 200, reply("```json\n{\"dir\": \"up\"}\n```", "stop")
		case strings.Contains(user, "row-2 "):
			return 200, reply(`{"dir": "u`, "length")
		case strings.Contains(user, "row-3 "):
			return 400, `{"error":{"message":"filtered","code":"content_filter"}}`
		case strings.Contains(user, "row-4 "):
			return 200, reply(" ", "stop")
		}
		return 200, reply("{\"n\": 1,\n \"dir\": \"up\"}", "stop", remote.Likely{Text: "{", LogProb: -0.5})
	}
	job := remoteJob(t, f.URL, 4, 4, "type: classify, labels: [up, down]", "type: extract, max_tokens: 40, schema: {type: object, properties: {dir: {type: string}, n: {type: integer}}, required: [dir, n], additionalProperties: false}", "steps: 3", "steps: 3, min_confidence: 0.1")
	var rows strings.Builder
	for i := range 20 {
		fmt.Fprintf(&rows, "{\"id\": \"r%d\", \"text\": \"row-%d it is\"}\n", i, i)
	}
	write(t, filepath.Join(filepath.Dir(job), "train.jsonl"), rows.String())
	write(t, filepath.Join(filepath.Dir(job), "test.jsonl"), `{"id": "t1", "text": "test it", "label": {"dir": "up", "n": 1}}`+"\n")
	var warned []string
	sum, dir := mustApply(t, job, Options{Warn: func(s string) { warned = append(warned, s) }}, Stages{})
	u := sum.Remote
	if u.Unlearnt["does not match task.schema"] != 1 || u.Unlearnt["cut"] != 1 || u.Unlearnt["refused"] != 1 || u.Unlearnt["is empty"] != 1 || sum.Answers.Teacher.Exact.Mean != 1 {
		t.Errorf("%+v, exact %v", u, sum.Answers.Teacher.Exact)
	}
	if all := strings.Join(warned, "\n"); !strings.Contains(all, "3 of 20 training rows are left out") || !strings.Contains(all, "1 of 20") {
		t.Errorf("warned %q", warned)
	}
	b, err := os.ReadFile(filepath.Join(dir, "labels", "shard-00000.jsonl"))
	if err != nil || !strings.Contains(string(b), `"answer":"{\"dir\":\"up\",\"n\":1}"`) || !strings.Contains(string(b), `"p":0.606`) {
		t.Errorf("%v %s", err, b)
	}
	for body := range f.asked {
		if !strings.Contains(body, `"response_format":{"json_schema":{"name":"answer","schema":{`) || !strings.Contains(body, `"max_tokens":40`) || !strings.Contains(body, `"temperature":0`) {
			t.Fatalf("sent %s", body)
		}
	}
	f.answer = func(n int, user string) (int, string) {
		return 400, `{"error":{"message":"This model's maximum context length is 8","code":"context_length_exceeded"}}`
	}
	text, _ := os.ReadFile(job)
	write(t, job, strings.Replace(string(text), "max_tokens: 40", "max_tokens: 41", 1))
	var long *DataError
	if _, _, err := apply(t.Context(), job, Options{}, Stages{}); !errors.As(err, &long) || long.Line == 0 || !strings.Contains(err.Error(), "data.max_chars") {
		t.Errorf("too long: %v", err)
	}
}

// A remote teacher that answers otherwise the next time makes another student: weights that were trained on other labels are not taken over.
func TestRemoteOtherAnswers(t *testing.T) {
	f := newFakeTeacher(t, upOrDown)
	job := remoteJob(t, f.URL, 40, 20)
	_, first := mustApply(t, job, Options{}, Stages{})
	for _, name := range []string{remoteName, "labels"} {
		if err := os.RemoveAll(filepath.Join(first, name)); err != nil {
			t.Fatal(err)
		}
	}
	swap := strings.NewReplacer(`"down"`, `"up"`, `"up"`, `"down"`, `"Up"`, `"Down"`, `" down"`, `" up"`)
	f.answer = func(n int, user string) (int, string) { status, b := upOrDown(n, user); return status, swap.Replace(b) }
	text, _ := os.ReadFile(job)
	write(t, job, strings.Replace(string(text), "name: tiny", "name: other", 1))
	_, second := mustApply(t, job, Options{}, Stages{})
	last := filepath.Join("checkpoints", checkpointName(3)+".gguf")
	if first == second || sha(t, filepath.Join(first, last)) == sha(t, filepath.Join(second, last)) {
		t.Errorf("%s and %s have the same weights", first, second)
	}
}
