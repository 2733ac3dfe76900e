package ui

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/distill"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/engine/server"
)

// hostile is text that must show as text.
const hostile = `<script>alert(1)</script><img src=x onerror=alert(2)>"'&`

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// tinyRecipe is a whole job of a second; rows have hostile texts, and so has a label.
const tinyRecipe = `version: 1
name: tiny
task: {type: classify, labels: [up, "<b>down"], words: {"<b>down": [down]}, prompt: "Up or down? {text}"}
teacher: {model: %q, licence: Apache-2.0}
student: {from: teacher, layers: 1, format: f32, freeze: [token_embd.weight]}
data: {train: train.jsonl, test: test.jsonl, duplicates: keep}
train: {steps: %d, batch: 16, lr: 0.003, warmup: 2, save_every: 1000, seed: %d}
eval: {gates: {size_ratio: ">= 1"}}
`

func tinyTeacher(t testing.TB) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "..", "testdata", "hostile", "base", "base_bpe256.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// tinyJob writes a recipe with its rows; its runs go beside it.
func tinyJob(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	model, err := os.ReadFile(tinyTeacher(t))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "teacher.gguf"), string(model))
	for name, n := range map[string]int{"train": 120, "test": 40} {
		var b strings.Builder
		for i := range n {
			text, label := fmt.Sprintf("fall %d", i), "<b>down"
			if i%2 == 1 {
				text, label = fmt.Sprintf("rise %d", i), "up"
			}
			if i == 5 {
				text += hostile
			}
			row, err := json.Marshal(map[string]string{"id": fmt.Sprintf("%s-%d", name, i), "text": text, "label": label})
			if err != nil {
				t.Fatal(err)
			}
			b.Write(append(row, '\n'))
		}
		write(t, filepath.Join(dir, name+".jsonl"), b.String())
	}
	return dir
}

// apply runs a tiny recipe in dir; steps and seed tell runs apart.
func apply(t testing.TB, dir string, steps, seed int) string {
	t.Helper()
	file := filepath.Join(dir, "freehold.yaml")
	write(t, file, fmt.Sprintf(tinyRecipe, "teacher.gguf", steps, seed))
	r, err := distill.LoadRecipe(file)
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
	return filepath.Base(j.Dir())
}

// openModel opens models as the command does.
func openModel(_ context.Context, path, adapter string) (server.Opened, error) {
	opts := []engine.Option{engine.WithThreads(1)}
	if adapter != "" {
		opts = append(opts, engine.WithLoRA(adapter, 1))
	}
	m, err := engine.Open(path, opts...)
	if err != nil {
		return server.Opened{}, err
	}
	return server.Opened{Model: m, Close: m.Close}, nil
}

// serve serves the runs of a folder behind a server, as freehold ui does.
func serve(t testing.TB, runs string, opts ...server.Option) (*httptest.Server, *Site) {
	t.Helper()
	done := make(chan struct{})
	site, err := New(Options{Runs: runs, Open: openModel, Done: done, Demand: server.Demand{KeepAlive: time.Minute}, Refresh: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.NewSet(site.Models, append([]server.Option{server.WithSite(site), server.WithMaxBody(1 << 16)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(s)
	t.Cleanup(func() { close(done); ts.Close(); site.Close() }) //nolint:errcheck // read-only
	return ts, site
}

type reply struct {
	status int
	header http.Header
	body   string
}

func get(t testing.TB, address string, edit ...func(*http.Request)) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range edit {
		e(r)
	}
	return do(t, r)
}

func do(t testing.TB, r *http.Request) reply {
	t.Helper()
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close() //nolint:errcheck // read whole
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{a.StatusCode, a.Header, string(b)}
}

func post(t testing.TB, address, body string, edit ...func(*http.Request)) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range edit {
		e(r)
	}
	return do(t, r)
}

// The pages of runs that apply made: what they show is what the files hold, and hostile text is text.
func TestPages(t *testing.T) {
	dir := tinyJob(t)
	first, second := apply(t, dir, 30, 3), apply(t, dir, 25, 4)
	ts, _ := serve(t, filepath.Join(dir, "runs"))
	list := get(t, ts.URL+"/")
	if list.status != 200 || strings.Count(list.body, `scope="row"`) != 2 || !strings.Contains(list.body, `href="/runs/001"`) || strings.Count(list.body, `class="state finished"`) != 2 || !strings.Contains(list.body, "1 of 1 passed") {
		t.Errorf("the list: %d\n%s", list.status, list.body)
	}
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'"} {
		if policy := list.header.Get("Content-Security-Policy"); !strings.Contains(policy, want) || strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
			t.Errorf("policy %q", policy)
		}
	}
	one := get(t, ts.URL+"/runs/"+first)
	if n := points(one.body, "loss", "forward_kl"); n != 30 {
		t.Errorf("%d points of the loss are drawn, want 30", n)
	}
	if log := get(t, ts.URL+"/runs/"+first+"?log=1"); points(log.body, "loss", "forward_kl") != 30 || strings.Contains(log.body, "NaN") || !strings.Contains(log.body, "/live?log=1") {
		t.Errorf("the loss on a logarithmic axis: %d points", points(log.body, "loss", "forward_kl"))
	}
	for _, want := range []string{"chart-loss", "chart-memory", "Data", "size_ratio", "report.html on its own", "linear, words and pairs"} {
		if !strings.Contains(one.body, want) {
			t.Errorf("the page of a run lacks %q", want)
		}
	}
	report := get(t, ts.URL+"/runs/"+first+"/report")
	if policy := report.header.Get("Content-Security-Policy"); report.status != 200 || !strings.Contains(report.body, "confusion matrix") || !strings.Contains(policy, "sandbox") || strings.Contains(policy, "script") {
		t.Errorf("the report: %d, %q", report.status, policy)
	}
	rows := get(t, ts.URL+"/runs/"+first+"/rows")
	if !strings.Contains(rows.body, html.EscapeString(hostile)) && !strings.Contains(rows.body, "&lt;script&gt;alert(1)") {
		t.Error("the hostile row is not shown as text")
	}
	for name, page := range map[string]reply{"list": list, "run": one, "rows": rows} {
		if strings.Contains(page.body, "<script>alert") || strings.Contains(page.body, "<img src=x") || strings.Contains(page.body, "<b>down") {
			t.Errorf("%s holds text of a run as HTML", name)
		}
	}
	if n := strings.Count(rows.body, `<article class="row">`); n != rowsPerPage {
		t.Errorf("%d rows on the first page, want %d", n, rowsPerPage)
	}
	if n := strings.Count(get(t, ts.URL+"/runs/"+first+"/rows?page=1").body, `<article class="row">`); n != 15 {
		t.Errorf("%d rows on the second page, want 15", n)
	}
	both := get(t, ts.URL+"/compare?a="+first+"&b="+second)
	if !strings.Contains(both.body, "train.seed") || !strings.Contains(both.body, "train.steps") || strings.Contains(both.body, "train.batch</th>") || points(both.body, "loss", "001: forward_kl") != 30 || points(both.body, "loss", "002: forward_kl") != 25 {
		t.Errorf("the comparison:\n%.3000s", both.body)
	}
}

// points counts the points of a curve, and holds the drawn ones against the values behind them.
func points(page, chart, name string) int {
	_, after, _ := strings.Cut(page, `id="chart-`+chart+`"`)
	after, _, _ = strings.Cut(after, "</svg>")
	m := regexp.MustCompile(`data-name="` + regexp.QuoteMeta(name) + `" data-xs="([^"]*)" data-ys="([^"]*)" points="([^"]*)"`).FindStringSubmatch(after)
	if m == nil {
		return 0
	}
	n := len(strings.Fields(m[3]))
	if len(strings.Fields(m[1])) != n || len(strings.Fields(m[2])) != n {
		return -1
	}
	return n
}

// Who may ask: only requests addressed to this machine, from no page of another origin, with a key where there are keys.
func TestGuard(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "001", "recipe.yaml"), "secret-recipe")
	ts, _ := serve(t, dir)
	host := func(r *http.Request) { r.Host = "evil.example:80" }
	if r := get(t, ts.URL+"/runs/001", host); r.status != 403 || strings.Contains(r.body, "secret") {
		t.Errorf("another host: %d %s", r.status, r.body)
	}
	if r := post(t, ts.URL+"/runs/001/ask", `{"text":"a","sides":["student"]}`, func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }); r.status != 403 {
		t.Errorf("another origin: %d", r.status)
	}
	if r := post(t, ts.URL+"/runs/001/ask", strings.Repeat("a", 1<<17)); r.status != 413 {
		t.Errorf("a large body: %d", r.status)
	}
	if r := get(t, ts.URL+"/", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }); r.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("another origin may read")
	}
	if r := post(t, ts.URL+"/", "{}"); r.status != 405 {
		t.Errorf("POST /: %d", r.status)
	}
	keys, err := server.ReadKeys(strings.NewReader("ann a-key-of-the-page-0123\n"))
	if err != nil {
		t.Fatal(err)
	}
	ts, _ = serve(t, dir, server.WithKeys(keys))
	for _, path := range []string{"/", "/runs/001", "/runs/001/live", "/live", "/runs/001/files/recipe.yaml", "/ui.js", "/compare", "/v1/models", "/metrics"} {
		if r := get(t, ts.URL+path); r.status != 401 || !strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Basic") || strings.Contains(r.body, "secret") {
			t.Errorf("%s without a key: %d %q", path, r.status, r.header.Get("WWW-Authenticate"))
		}
		if r := get(t, ts.URL+path, func(r *http.Request) { r.SetBasicAuth("ann", "another-key-0123456789") }); r.status != 401 {
			t.Errorf("%s with a wrong key: %d", path, r.status)
		}
	}
	if r := get(t, ts.URL+"/runs/001/files/recipe.yaml", func(r *http.Request) { r.SetBasicAuth("", "a-key-of-the-page-0123") }); r.status != 200 || r.body != "secret-recipe" {
		t.Errorf("with the key as a password: %d %s", r.status, r.body)
	}
	if r := get(t, ts.URL+"/livez"); r.status != 200 {
		t.Errorf("/livez: %d", r.status)
	}
}

// Nothing outside of the folder is read, whatever a request or a link in a run names.
func TestTraversal(t *testing.T) {
	dir := t.TempDir()
	runs := filepath.Join(dir, "runs")
	write(t, filepath.Join(dir, "secret", "recipe.yaml"), "top-secret")
	write(t, filepath.Join(dir, "secret", "summary.json"), `{"name":"top-secret"}`)
	write(t, filepath.Join(runs, "001", "lock.json"), "{}")
	write(t, filepath.Join(runs, "recipe.yaml"), "top-secret")
	for link, to := range map[string]string{"001/recipe.yaml": "../../secret/recipe.yaml", "001/report.html": filepath.Join(dir, "secret", "recipe.yaml"), "linked": "../secret", "001/NOTICE": "/etc/passwd"} {
		if err := os.Symlink(to, filepath.Join(runs, link)); err != nil {
			t.Skipf("NOT TESTED: no links here: %v", err)
		}
	}
	ts, _ := serve(t, runs)
	for _, path := range []string{"/", "/runs/001", "/runs/001/report", "/runs/001/files/recipe.yaml", "/runs/001/files/NOTICE", "/runs/linked", "/runs/%2e%2e", "/runs/..%2fsecret", "/runs/..%5csecret", "/runs/../../secret/files/recipe.yaml",
		"/runs/%2e%2e%2fsecret/files/recipe.yaml", "/runs/linked/files/recipe.yaml", "/runs/001/files/..%2f..%2f..%2fsecret%2frecipe.yaml", "/runs/./files/recipe.yaml", "/runs/%2e/files/recipe.yaml", "/runs//files/recipe.yaml", "/runs/%00/files/recipe.yaml",
		"/compare?a=../secret&b=001", "/compare?a=linked&b=001"} {
		r := get(t, ts.URL+path)
		if strings.Contains(r.body, "top-secret") || strings.Contains(r.body, "root:") {
			t.Errorf("%s shows what lies outside (%d)", path, r.status)
		}
		if r.status == 500 {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
}

// A recipe of a run from elsewhere may name any file: neither rows nor models are read outside of the folders that are allowed.
func TestNamedFiles(t *testing.T) {
	dir := tinyJob(t)
	name := apply(t, dir, 2, 1)
	outside := t.TempDir()
	b, err := os.ReadFile(filepath.Join(dir, "test.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(outside, "test.jsonl"), string(b))
	model, err := os.ReadFile(tinyTeacher(t))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(outside, "teacher.gguf"), string(model))
	recipe := filepath.Join(dir, "runs", name, "recipe.yaml")
	text, err := os.ReadFile(recipe)
	if err != nil {
		t.Fatal(err)
	}
	write(t, recipe, strings.NewReplacer("test: test.jsonl", "test: "+filepath.Join(outside, "test.jsonl"), `"teacher.gguf"`, fmt.Sprintf("%q", filepath.Join(outside, "teacher.gguf"))).Replace(string(text)))
	ts, _ := serve(t, filepath.Join(dir, "runs"))
	rows := get(t, ts.URL+"/runs/"+name+"/rows")
	if strings.Contains(rows.body, "fall 0") || !strings.Contains(rows.body, "--read") || !strings.Contains(rows.body, "text not shown") {
		t.Errorf("rows from outside: %.2000s", rows.body)
	}
	if got := post(t, ts.URL+"/runs/"+name+"/ask", `{"text":"rise","sides":["teacher"]}`); !strings.Contains(got.body, "event: problem") || !strings.Contains(got.body, "--read") || strings.Contains(got.body, "event: labels") {
		t.Errorf("a teacher from outside: %s", got.body)
	}
}

// Names of runs are hostile too: they are escaped, and their links lead to them.
func TestHostileNames(t *testing.T) {
	runs := t.TempDir()
	names := []string{`<script>alert(1)</script>`[:20], `a b%2e?x=1#y`, `"quoted" 'too'`, "läuft ünd", "..x", "-rf", "%2e%2e"}
	for i, n := range names {
		if strings.ContainsAny(n, "/") {
			names[i] = strings.ReplaceAll(n, "/", "")
		}
		write(t, filepath.Join(runs, names[i], "metrics.jsonl"), `{"step":0,"loss":1.5}`+"\n")
	}
	ts, _ := serve(t, runs)
	list := get(t, ts.URL+"/").body
	if strings.Contains(list, "<script>alert") {
		t.Error("a name is HTML")
	}
	links := regexp.MustCompile(`<th scope="row"><a href="([^"]*)"`).FindAllStringSubmatch(list, -1)
	if len(links) != len(names) {
		t.Fatalf("%d links for %d runs", len(links), len(names))
	}
	if r := get(t, ts.URL+"/compare?"+url.Values{"a": {names[0]}, "b": {names[2]}}.Encode()); r.status != 200 || strings.Contains(r.body, "<script>alert") || points(r.body, "loss", html.EscapeString(names[2])+": loss") != 1 {
		t.Errorf("two hostile names compared: %d\n%s", r.status, r.body)
	}
	for _, l := range links {
		to := html.UnescapeString(l[1])
		if r := get(t, ts.URL+to); r.status != 200 || points(r.body, "loss", "loss") != 1 {
			name, _ := url.PathUnescape(to)
			t.Errorf("%s (%s): %d, %d points", to, name, r.status, points(r.body, "loss", "loss"))
		}
	}
}
