package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

const secret = "canary-key-55aa66bb77"

// remoteTeacher is an OpenAI-compatible server that counts its questions, and a recipe that names it.
func remoteTeacher(t *testing.T, answer func(n int, w http.ResponseWriter), edits ...string) (job string, asked func() map[string]int) {
	t.Helper()
	var mu sync.Mutex
	got := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		got[string(b)]++
		n := len(got)
		mu.Unlock()
		if answer != nil {
			answer(n, w)
			return
		}
		fmt.Fprintf(w, `{"model":"fake-1","choices":[{"finish_reason":"stop","message":{"content":%q}}],"usage":{"prompt_tokens":10,"completion_tokens":1}}`, []string{"yes", "no"}[n%2])
	}))
	t.Cleanup(s.Close)
	teacher := fmt.Sprintf("teacher: {openai: %q, model: fake, egress_ok: true, key_env: TEACHER_KEY, licence: MIT, licence_reason: a test, limits: {concurrency: 2, retries: 0}}", s.URL+"/v1")
	return recipe(t, tiny(t), append(edits, "teacher: {model: MODEL, calibration: none}", teacher, "from: teacher", "from: MODEL")...), func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		all := map[string]int{}
		for k, n := range got {
			all[k] = n
		}
		return all
	}
}

// A remote teacher from the command line: what plan says, exit codes, and the key in nothing that is printed or written.
func TestRemote(t *testing.T) {
	key := []string{"TEACHER_KEY=" + secret}
	job, asked := remoteTeacher(t, nil)
	job = edit(t, job, "from: MODEL", fmt.Sprintf("from: %q", tiny(t)))
	plan := call{env: append(key, "HTTPS_PROXY=http://joe:word@proxy.example.org:3128")}.run(t, "plan", job).must(t)
	for _, want := range []string{"48 texts are sent to http://127.0.0.1:", "key from TEACHER_KEY", "nothing in them is masked", "fake at http://127.0.0.1", "MIT declared by the recipe"} {
		if !strings.Contains(plan.out, want) {
			t.Errorf("plan does not say %q:\n%s", want, plan.out)
		}
	}
	far := edit(t, job, "http://127.0.0.1", "https://models.example.org")
	if out := (call{env: []string{"HTTPS_PROXY=http://joe:word@proxy.example.org:3128"}}).run(t, "plan", far); !strings.Contains(out.out, "by the proxy proxy.example.org:3128") || strings.Contains(out.out, "word") {
		t.Errorf("the proxy: %s", out.out)
	}
	d := call{env: key}.run(t, "plan", "--json", job).must(t).document(t, "freehold/plan/1")
	if r := d["remote"].(map[string]any); r["texts"] != 48.0 || len(d["egress"].([]any)) != 1 || !strings.HasPrefix(d["egress"].([]any)[0].(string), "http://127.0.0.1:") {
		t.Errorf("%v, egress %v", d["remote"], d["egress"])
	}
	for _, c := range []struct {
		name, job string
		args      []string
		env       []string
		code      int
		says      string
	}{
		{"not said", edit(t, job, "egress_ok: true, ", ""), []string{"apply"}, key, exitPolicy, "egress_ok: true"},
		{"not said, planned", edit(t, job, "egress_ok: true, ", ""), []string{"plan"}, key, exitPolicy, "egress_ok: true"},
		{"--offline", job, []string{"--offline", "apply"}, key, exitPolicy, "offline mode"},
		{"offline by environment", job, []string{"label"}, append(key, "FREEHOLD_OFFLINE=1"), exitPolicy, "offline mode"},
		{"no licence", edit(t, job, "licence: MIT, ", ""), []string{"apply"}, key, exitPolicy, "teacher.licence"},
		{"no key", job, []string{"apply"}, nil, exitInput, "TEACHER_KEY"},
		{"a bad key", job, []string{"apply"}, []string{"TEACHER_KEY=" + secret + " x"}, exitInput, "teacher.key_env"},
		{"key in the recipe", edit(t, job, "key_env: TEACHER_KEY", "key_env: "+secret), []string{"apply"}, nil, exitUsage, "environment variable in capitals"},
		{"plain text to elsewhere", edit(t, job, "http://127.0.0.1", "http://models.example.org"), []string{"apply"}, key, exitUsage, "want https"},
	} {
		r := call{env: c.env}.run(t, append(c.args, c.job)...)
		if r.code != c.code || !strings.Contains(r.err, c.says) || strings.Contains(r.out+r.err, secret) {
			t.Errorf("%s: exit code %d, want %d: %s", c.name, r.code, c.code, r.err)
		}
	}
	if n := len(asked()); n != 0 {
		t.Fatalf("%d texts were sent", n)
	}
	poor := edit(t, job, "limits: {", "budget: {max_requests: 20}, limits: {")
	if r := (call{env: key}).run(t, "apply", poor); r.code != exitInterrupted || !strings.Contains(r.err, "teacher.budget.max_requests 20 is used up: 20 requests") || !strings.Contains(r.err, "20 of 48 rows") {
		t.Errorf("a spent budget: exit code %d: %s", r.code, r.err)
	}
	rich := edit(t, poor, "max_requests: 20", "max_requests: 100")
	r := call{env: key}.run(t, "apply", rich).must(t)
	if !strings.Contains(r.out, "remote teacher: 48 answers of fake-1 (48)") || !strings.Contains(r.out, "by the answer alone (48)") || !strings.Contains(r.out, "fake (remote)") {
		t.Errorf("%s", r.out)
	}
	most := 0
	for _, n := range asked() {
		most = max(most, n)
	}
	if most != 1 || len(asked()) != 48 {
		t.Errorf("%d questions, one %d times", len(asked()), most)
	}
	dir := filepath.Join(filepath.Dir(job), "runs", "001")
	if out := (call{}).run(t, "plan", "--exit-code", rich); out.code != exitOK || !strings.Contains(out.out, "nothing leaves this machine: all 48 answers") {
		t.Errorf("plan after the run: exit code %d\n%s", out.code, out.out)
	}
	if out := freehold(t, "verify", "--reproduce", dir).must(t); !strings.Contains(out.err, "taken as they are, not asked for again") || !strings.Contains(out.out, "left out  remote.jsonl") {
		t.Errorf("verify: %s%s", out.out, out.err)
	}
	if out := freehold(t, "show", "--lineage", dir).must(t); !strings.Contains(out.out, "took      remote model fake, teacher") {
		t.Errorf("lineage: %s", out.out)
	} else if runtime.GOOS == "linux" && !strings.Contains(out.out, "connections allowed: the teacher is at 127.0.0.1:") {
		t.Errorf("the lineage does not say that connections stayed possible: %s", out.out)
	}
	student := filepath.Join(dir, "model.gguf")
	if out := freehold(t, "classify", "--escalate", tiny(t), "--abstain-below", "0.9", student, "text"); out.code != exitInput || !strings.Contains(out.err, "a remote model") {
		t.Errorf("escalation: exit code %d: %s%s", out.code, out.out, out.err)
	}
	if out := freehold(t, "classify", "--labels", "no,yes", "--escalate", "https://models.example.org/v1", "--abstain-below", "0.9", tiny(t), "text"); out.code != exitInput || !strings.Contains(out.err, "is an address") || !strings.Contains(out.err, "teacher.openai") {
		t.Errorf("escalation to an address: exit code %d: %s", out.code, out.err)
	}
	noKey(t, filepath.Dir(job))
}

// edit writes a recipe with something replaced into the same place, and gives its path under another name.
func edit(t *testing.T, job, old, with string) string {
	t.Helper()
	b, err := os.ReadFile(job)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(b), old, with, 1)
	if text == string(b) {
		t.Fatalf("the recipe holds no %q:\n%s", old, b)
	}
	f, err := os.CreateTemp(filepath.Dir(job), "recipe-*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// noKey holds that no file of a folder but the recipe that had it in the wrong place holds the key.
func noKey(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(filepath.Join(dir, "runs"), func(p string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(p)
		if files++; strings.Contains(string(b), secret) {
			t.Errorf("%s holds the key", p)
		}
		return err
	})
	if err != nil || files < 10 {
		t.Errorf("%d files, %v", files, err)
	}
}

// A process that is killed pays for no answer twice, but for those that were on their way.
func TestRemoteKilled(t *testing.T) {
	job, asked := remoteTeacher(t, func(n int, w http.ResponseWriter) {
		time.Sleep(20 * time.Millisecond)
		fmt.Fprint(w, `{"model":"fake-1","choices":[{"finish_reason":"stop","message":{"content":"yes"}}]}`)
	})
	job = edit(t, job, "from: MODEL", fmt.Sprintf("from: %q", tiny(t)))
	env := call{env: []string{"TEACHER_KEY=" + secret}}
	for range 3 {
		cmd := env.command(t, t.Context(), "label", job)
		before := len(asked())
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for start := time.Now(); len(asked()) < before+8 && time.Since(start) < time.Minute; {
			time.Sleep(5 * time.Millisecond)
		}
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		cmd.Wait()         //nolint:errcheck // it was killed
	}
	env.run(t, "label", job).must(t)
	again := 0
	for body, n := range asked() {
		if again += n - 1; !json.Valid([]byte(body)) {
			t.Errorf("sent %q", body)
		}
	}
	t.Logf("killed three times: %d questions, %d asked again", len(asked()), again)
	if len(asked()) != 48 || again > 3*2 { // concurrency 2
		t.Errorf("%d questions, %d asked again", len(asked()), again)
	}
}
