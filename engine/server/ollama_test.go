package server

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// lines posts a request and gives the answer's lines.
func (s *site) lines(path, body string) []document {
	s.t.Helper()
	w, err := http.DefaultClient.Do(s.request("POST", path, body))
	if err != nil {
		s.t.Fatal(err)
	}
	defer w.Body.Close() //nolint:errcheck // read-only
	if got := w.Header.Get("Content-Type"); w.StatusCode != 200 || got != "application/x-ndjson" {
		s.t.Fatalf("POST %s %s: status %d, %s", path, body, w.StatusCode, got)
	}
	var all []document
	sc := bufio.NewScanner(w.Body)
	for sc.Scan() {
		all = append(all, decoded(s.t, sc.Bytes()))
	}
	if len(all) == 0 || all[len(all)-1].at("done") != true {
		s.t.Fatalf("POST %s %s: no last line: %v", path, body, all)
	}
	return all
}

// ollama's form gives the answers that OpenAI's gives with the same parameters, in lines and whole.
func TestOllamaChat(t *testing.T) {
	s := newSite(t)
	const same = `"temperature": 0.8, "top_p": 0.9, "top_k": 40, "seed": 5`
	want := s.post("/v1/chat/completions", `{"messages": [{"role": "user", "content": "hi"}], "max_tokens": 12, `+same+`}`).text("choices", 0, "message", "content")
	const body = `{"model": "tiny:latest", "messages": [{"role": "user", "content": "hi"}], "options": {"num_predict": 12, "seed": 5}, "keep_alive": "5m"`
	whole := s.post("/api/chat", body+`, "stream": false}`)
	if got := whole.text("message", "content"); got != want || whole.text("message", "role") != "assistant" {
		t.Errorf("whole: %q, want %q", got, want)
	}
	if whole.text("done_reason") != "length" || whole.int("eval_count") != 12 || whole.int("prompt_eval_count") == 0 || whole.int("total_duration") <= 0 {
		t.Errorf("the end: %v", whole.v)
	}
	text := ""
	for _, l := range s.lines("/api/chat", body+`}`) {
		text += l.text("message", "content")
	}
	if text != want {
		t.Errorf("in lines: %q, want %q", text, want)
	}
}

func TestOllamaGenerate(t *testing.T) {
	s := newSite(t)
	r := s.request("POST", "/api/generate", `{"model": "tiny", "prompt": "x", "stream": false, "options": {"num_predict": 1}}`)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if w, b := s.do(r); w.StatusCode != 200 {
		t.Errorf("as curl -d sends it: %d %s", w.StatusCode, b)
	}
	r = s.request("POST", "/api/generate", `{"model": "tiny", "prompt": "x"}`)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if w, _ := s.do(r); w.StatusCode != 403 {
		t.Errorf("from a page of another origin: %d, want 403", w.StatusCode)
	}
	want := s.post("/v1/completions", `{"prompt": "one two", "max_tokens": 8, "temperature": 0}`).text("choices", 0, "text")
	if got := s.post("/api/generate", `{"model": "tiny", "prompt": "one two", "raw": true, "stream": false, "options": {"temperature": 0, "num_predict": 8}}`).text("response"); got != want {
		t.Errorf("raw: %q, want %q", got, want)
	}
	text := ""
	for _, l := range s.lines("/api/generate", `{"model": "tiny", "prompt": "hi", "options": {"temperature": 0, "num_predict": 8}}`) {
		text += l.text("response")
	}
	chat := s.post("/v1/chat/completions", `{"messages": [{"role": "user", "content": "hi"}], "max_tokens": 8, "temperature": 0}`).text("choices", 0, "message", "content")
	if text != chat {
		t.Errorf("a prompt is a user's turn: %q, want %q", text, chat)
	}
	var v struct{ A bool }
	got := s.post("/api/generate", `{"model": "tiny", "prompt": "hi", "stream": false, "format": {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"], "additionalProperties": false}}`)
	if err := json.Unmarshal([]byte(got.text("response")), &v); err != nil {
		t.Errorf("with a schema: %v: %s", err, got.text("response"))
	}
}

func TestOllamaTags(t *testing.T) {
	s := newSite(t)
	_, b := s.do(s.request("GET", "/api/tags", ""))
	d := decoded(t, b)
	if d.text("models", 0, "name") != "tiny" || d.text("models", 0, "details", "format") != "gguf" || d.text("models", 0, "details", "family") != "qwen2" || d.int("models", 0, "size") == 0 {
		t.Errorf("%s", b)
	}
	if d.text("models", 0, "details", "quantization_level") != "Q8_0" || !strings.HasSuffix(d.text("models", 0, "details", "parameter_size"), "M") {
		t.Errorf("%s", b)
	}
	if _, b := s.do(s.request("GET", "/api/version", "")); decoded(t, b).text("version") == "" {
		t.Errorf("%s", b)
	}
}

// Errors have ollama's form; what cannot be done is refused and not left out.
func TestOllamaErrors(t *testing.T) {
	s := newSite(t)
	const chat = `{"model": "tiny", "messages": [{"role": "user", "content": "hi"}]`
	for _, c := range []struct {
		path, body string
		status     int
		says       string
	}{
		{"/api/chat", `{"model": "none", "messages": [{"role": "user", "content": "hi"}]}`, 404, "none"},
		{"/api/chat", `{"messages": []}`, 400, "model"},
		{"/api/chat", chat + `, "keep_alive": 0}`, 400, "stays open"},
		{"/api/generate", `{"model": "tiny", "keep_alive": 0}`, 400, "stays open"},
		{"/api/generate", `{"model": "tiny", "keep_alive": "soon"}`, 400, "keep_alive"},
		{"/api/generate", `{"model": "tiny", "keep_alive": true}`, 400, "keep_alive"},
		{"/api/chat", chat + `, "options": {"mirostat": 1}}`, 400, "mirostat"},
		{"/api/chat", chat + `, "options": {"num_ctx": 1000000}}`, 400, "--context"},
		{"/api/chat", `{"model": "tiny", "messages": [{"role": "user", "content": "hi", "images": ["x"]}]}`, 400, "images"},
		{"/api/chat", `{"model": "tiny", "messages": [{"role": "tool", "content": "4"}]}`, 400, "calls one"},
		{"/api/generate", `{"model": "tiny", "prompt": "x", "raw": true, "system": "y"}`, 400, "system"},
		{"/api/generate", `{"model": "tiny", "prompt": "x", "format": "xml"}`, 400, "format"},
		{"/api/generate", `{"model": "tiny", "prompt": "` + strings.Repeat("word ", 6000) + `"}`, 400, "4096"},
		{"/api/none", `{}`, 404, "/openapi.json"},
	} {
		w, b := s.do(s.request("POST", c.path, c.body))
		var e map[string]string
		if err := json.Unmarshal(b, &e); err != nil || len(e) != 1 || w.StatusCode != c.status || !strings.Contains(e["error"], c.says) {
			t.Errorf("%s %.100s: %d %s, want %d and %q", c.path, c.body, w.StatusCode, b, c.status, c.says)
		}
	}
}
