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
	for _, kind := range []string{"application/x-www-form-urlencoded", "application/octet-stream", ""} { // as curl -d sends it, and litellm
		r := s.request("POST", "/api/generate", `{"model": "tiny", "prompt": "x", "stream": false, "options": {"num_predict": 1}}`)
		if r.Header.Set("Content-Type", kind); kind == "" {
			r.Header.Del("Content-Type")
		}
		if w, b := s.do(r.Clone(t.Context())); w.StatusCode != 200 {
			t.Errorf("with the type %q: %d %s", kind, w.StatusCode, b)
		}
		r.Body, _ = r.GetBody()
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		if w, _ := s.do(r); w.StatusCode != 403 {
			t.Errorf("with the type %q from a page of another origin: %d, want 403", kind, w.StatusCode)
		}
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
		{"/api/generate", `{"model": "tiny", "prompt": "x", "format": {"type": "object", "not": {}}}`, 400, "format#/not: "},
		{"/api/chat", chat + `, "format": {"type": "object", "not": {}}}`, 400, "format#/not: "},
		{"/api/generate", `{"model": "tiny", "prompt": "` + strings.Repeat("word ", 6000) + `"}`, 400, "4096"},
		{"/api/chat", chat + `, "truncate": true}`, 400, "truncate"},
		{"/api/generate", `{"model": "tiny", "prompt": "x", "raw": true, "top_logprobs": 2}`, 400, "logprobs"},
		{"/api/generate", `{"model": "tiny", "prompt": "x", "suffix": "y"}`, 400, "suffix"},
		{"/api/show", `{"model": "none"}`, 404, "none"},
		{"/api/show", `{"model": "tiny", "name": "other"}`, 400, "name"},
		{"/api/show", `{"model": "tiny", "system": "x"}`, 400, "system"},
		{"/api/embed", `{"model": "tiny", "input": "x"}`, 400, "pooling"},
		{"/api/embed", `{"model": "tiny", "input": "x", "options": {"temperature": 1}}`, 400, "temperature"},
		{"/api/embeddings", `{"model": "none", "prompt": "x"}`, 404, "none"},
		{"/api/pull", `{"model": "llama3"}`, 403, "freehold pull"},
		{"/api/push", `{}`, 403, "started with"},
		{"/api/create", `{}`, 403, "started with"},
		{"/api/copy", `{}`, 403, "started with"},
		{"/api/delete", `{}`, 403, "started with"},
		{"/api/blobs/sha256:0", `x`, 403, "started with"},
		{"/api/none", `{}`, 404, "/openapi.json"},
	} {
		w, b := s.do(s.request("POST", c.path, c.body))
		var e map[string]string
		if err := json.Unmarshal(b, &e); err != nil || len(e) != 1 || w.StatusCode != c.status || !strings.Contains(e["error"], c.says) {
			t.Errorf("%s %.100s: %d %s, want %d and %q", c.path, c.body, w.StatusCode, b, c.status, c.says)
		}
	}
}

// What clients look up before they use a model.
func TestOllamaShow(t *testing.T) {
	s := newSite(t)
	for _, body := range []string{`{"model": "tiny"}`, `{"name": "tiny:latest", "model": "", "system": "", "template": "", "options": null, "verbose": false}`} {
		d := s.post("/api/show", body)
		if d.text("details", "family") != "qwen2" || d.text("model_info", "general.architecture") != "qwen2" || d.int("model_info", "qwen2.context_length") != 4096 ||
			d.int("model_info", "general.parameter_count") == 0 || !strings.Contains(d.text("template"), "im_start") || !strings.Contains(d.text("parameters"), " 4096") || d.text("capabilities", 0) != "completion" {
			t.Errorf("%s: %v", body, d.v)
		}
		if tokens, ok := d.at("model_info").(map[string]any)["tokenizer.ggml.tokens"]; !ok || tokens != nil {
			t.Errorf("tokens without verbose: %v", tokens)
		}
	}
	if tokens, _ := s.post("/api/show", `{"model": "tiny", "verbose": true}`).at("model_info", "tokenizer.ggml.tokens").([]any); len(tokens) < 100 {
		t.Errorf("%d tokens with verbose", len(tokens))
	}
	tools := serve(t, New(open(t, chatFile(t, "Qwen-Qwen2.5-7B-Instruct", map[string]any{"general.license": "apache-2.0"}))))
	if d := tools.post("/api/show", `{}`); d.text("capabilities", 1) != "tools" || d.text("license") != "apache-2.0" {
		t.Errorf("with a template that describes tools: %v, %v", d.at("capabilities"), d.at("license"))
	}
	if d := serve(t, New(encoder(t))).post("/api/show", `{}`); d.text("capabilities", 0) != "embedding" {
		t.Errorf("of an encoder: %v", d.at("capabilities"))
	}
	// ollama's own client cuts twelve digits off.
	_, b := s.do(s.request("GET", "/api/tags", ""))
	if d := decoded(t, b).text("models", 0, "digest"); len(d) != 64 {
		t.Errorf("digest %q", d)
	}
}

// ollama's embeddings are those of OpenAI's form; a text that is too long is cut only where that is asked for.
func TestOllamaEmbed(t *testing.T) {
	s := serve(t, New(encoder(t)))
	want, _ := json.Marshal(s.post("/v1/embeddings", `{"input": "the cat"}`).at("data", 0, "embedding"))
	d := s.post("/api/embed", `{"model": "encoder", "input": ["the cat", "a dog"], "keep_alive": "5m"}`)
	if got, _ := json.Marshal(d.at("embeddings", 0)); string(got) != string(want) || d.at("embeddings", 1) == nil || d.int("prompt_eval_count") < 4 {
		t.Errorf("%v, want %s", d.v, want)
	}
	if got, _ := json.Marshal(s.post("/api/embeddings", `{"model": "encoder", "prompt": "the cat"}`).at("embedding")); string(got) != string(want) {
		t.Errorf("the older form: %s, want %s", got, want)
	}
	// As many whole words as fit, found one by one, are what a cut text is worth.
	long, fits := strings.Repeat("cat ", 5000), ""
	for n := 1; fits == ""; n++ {
		if w, _ := s.do(s.request("POST", "/api/embed", `{"model": "encoder", "input": "`+strings.Repeat("cat ", n)+`"}`)); w.StatusCode == 400 {
			fits = strings.Repeat("cat ", n-1)
		}
	}
	whole, _ := json.Marshal(s.post("/api/embed", `{"model": "encoder", "input": "`+fits+`"}`).at("embeddings"))
	if cut, _ := json.Marshal(s.post("/api/embed", `{"model": "encoder", "truncate": true, "input": "`+long+`"}`).at("embeddings")); string(cut) != string(whole) {
		t.Errorf("cut: %s\nwant: %s", cut, whole)
	}
}

// Log-probabilities in ollama's form are those of OpenAI's, whole and in lines.
func TestOllamaLogprobs(t *testing.T) {
	s := newSite(t)
	want, _ := json.Marshal(s.post("/v1/chat/completions", chatBody(`"max_tokens": 6, "temperature": 0, "logprobs": true, "top_logprobs": 2`)).at("choices", 0, "logprobs", "content"))
	const body = `{"model": "tiny", ` + hello + `, "options": {"num_predict": 6, "temperature": 0}, "logprobs": true, "top_logprobs": 2`
	if got, _ := json.Marshal(s.post("/api/chat", body+`, "stream": false}`).at("logprobs")); string(got) != string(want) {
		t.Errorf("whole: %s, want %s", got, want)
	}
	all := []any{}
	for _, l := range s.lines("/api/chat", body+`}`) {
		list, _ := l.at("logprobs").([]any)
		all = append(all, list...)
	}
	if got, _ := json.Marshal(all); string(got) != string(want) {
		t.Errorf("in lines: %s, want %s", got, want)
	}
}
