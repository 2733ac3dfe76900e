package peers

import (
	"context"
	_ "embed"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/engine/server"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/tiny"
)

//go:embed openai_client.py
var openaiScript string

// Versions of the packages, which tests install.
const (
	openaiVersion       = "3.54.0"
	langchainVersion    = "1.7.3"
	nodeVersion         = "6.49.0"
	schemathesisVersion = "4.32.5"
	litellmVersion      = "1.100.0"
	ollamaVersion       = "0.6.3"
)

//go:embed litellm_client.py
var litellmScript string

//go:embed ollama_client.py
var ollamaScript string

//go:embed langchain_client.py
var langchainScript string

//go:embed openai_client.mjs
var nodeScript []byte

// clientKey is what clients send.
const clientKey = "client-0123456789abcdef"

// talker is a tiny model with Qwen's template.
func talker(t *testing.T) *gguf.Writer {
	t.Helper()
	f, err := gguf.Open(filepath.Join("..", "..", "testdata", "models", "qwen2.Q8_0.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() }) //nolint:errcheck // read-only; the writer's tensors lie in it
	template, err := os.ReadFile(filepath.Join("..", "..", "testdata", "chat", "Qwen-Qwen2.5-7B-Instruct.jinja"))
	if err != nil {
		t.Fatal(err)
	}
	w := gguf.NewWriter()
	for _, kv := range f.KV {
		if kv.Key != "qwen2.context_length" && kv.Key != "tokenizer.chat_template" {
			w.Set(kv.Key, kv.Value)
		}
	}
	w.Set("qwen2.context_length", uint32(8192))
	w.Set("tokenizer.chat_template", string(template))
	for _, x := range f.Tensors {
		w.AddTensor(x.Name, x.Type, x.Shape, x.Data)
	}
	return w
}

// serveTiny serves a model that talks, with Qwen's template, and one for embeddings, both tiny: what clients make of the answers does
// not rest on what the models know.
func serveTiny(t *testing.T, opts ...engine.Option) (url string) {
	t.Helper()
	w := talker(t)
	dir := t.TempDir()
	files := map[string]*gguf.Writer{"chat": w, "encoder": tiny.ByName("bert").Writer()}
	ms := server.NewModels()
	for name, w := range files {
		path := filepath.Join(dir, name+".gguf")
		if err := w.WriteTo(path); err != nil {
			t.Fatal(err)
		}
		err := ms.Add(name, func(context.Context) (server.Opened, error) {
			m, err := engine.Open(path, append(opts, engine.WithThreads(1))...)
			if err != nil {
				return server.Opened{}, err
			}
			return server.Opened{Model: m, Close: m.Close}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := ms.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	keys, err := server.ReadKeys(strings.NewReader(clientKey))
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.NewSet(ms, server.WithKeys(keys))
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		deadline := time.Now().Add(10 * time.Second)
		for busy, waiting := s.Busy(); busy+waiting > 0; busy, waiting = s.Busy() {
			if time.Now().After(deadline) {
				t.Errorf("%d slots are busy at the end, %d requests wait", busy, waiting)
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		h.Close()
		ms.Close() //nolint:errcheck // read-only
	})
	return h.URL
}

// OpenAI's client for Python: models, chats, streams, tools, schemas, log-probabilities, embeddings, responses, errors, cancelling.
func TestClientOpenAI(t *testing.T) { drive(t, "openai", openaiVersion, openaiScript) }

// langchain's: chats, streams, tools, schemas, embeddings, texts.
func TestClientLangchain(t *testing.T) {
	drive(t, "langchain-openai", langchainVersion, langchainScript)
}

// installedNode installs a package of npm into a folder of the user's cache, once, and returns the folder.
func installedNode(t *testing.T, name, version string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		missing(t, "no cache folder for %s: %v", name, err)
	}
	dir := filepath.Join(cache, "freehold", "peers", strings.ReplaceAll(strings.TrimPrefix(name, "@"), "/", "-")+"-node-"+version)
	if exists(dir) {
		return dir
	}
	if out, err := exec.Command("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", dir+".new", name+"@"+version).CombinedOutput(); err != nil {
		missing(t, "npm install %s@%s: %v\n%s", name, version, err, out)
	}
	if err := os.Rename(dir+".new", dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// litellm, by OpenAI's API and by ollama's: chats, streams, tools, schemas, log-probabilities, embeddings, responses, errors, cancelling.
func TestClientLitellm(t *testing.T) { drive(t, "litellm", litellmVersion, litellmScript) }

// ollama's client for Python, at /api: models, chats, streams, tools, schemas, log-probabilities, embeddings, errors, what is refused, cancelling.
func TestClientOllama(t *testing.T) { drive(t, "ollama", ollamaVersion, ollamaScript) }

// OpenAI's client for Go: models, chats, streams, tools, schemas, log-probabilities, embeddings, responses, errors, cancelling.
func TestClientGo(t *testing.T) {
	long(t)
	run := func(args ...string) ([]byte, error) {
		cmd := exec.Command("go", args...)
		cmd.Dir = "openaigo"
		cmd.Env = append(os.Environ(), "FREEHOLD_KEY="+clientKey, "GOFLAGS=-mod=readonly")
		return cmd.CombinedOutput()
	}
	if out, err := run("mod", "download"); err != nil {
		missing(t, "go mod download in openaigo: %v\n%s", err, out)
	}
	t.Setenv("FREEHOLD_URL", serveTiny(t))
	out, err := run("test", "-count=1", "-v", ".")
	t.Logf("openai-go:\n%s", out)
	if err != nil || strings.Contains(string(out), "--- SKIP") || strings.Count(string(out), "--- PASS") < 9 {
		t.Error(err)
	}
}

// OpenAI's client for Node: models, chats, streams, tools, schemas, embeddings, responses, errors, cancelling.
func TestClientNode(t *testing.T) {
	long(t)
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node: %v", err)
	}
	dir := installedNode(t, "openai", nodeVersion)
	script := filepath.Join(t.TempDir(), "client.mjs")
	if err := os.WriteFile(script, nodeScript, 0o666); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(node, script, dir, serveTiny(t), clientKey).CombinedOutput()
	t.Logf("openai %s:\n%s", nodeVersion, out)
	if err != nil || !strings.HasSuffix(string(out), "done\n") {
		t.Error(err)
	}
}

// drive runs a script that drives the server with a package.
func drive(t *testing.T, name, version, script string) {
	long(t)
	python, dir := installed(t, name, version)
	out, err := exec.Command(python, "-c", script, dir, serveTiny(t), clientKey).CombinedOutput()
	t.Logf("%s %s:\n%s", name, version, out)
	if err != nil || !strings.HasSuffix(string(out), "done\n") {
		t.Error(err)
	}
}

// Requests made up from /openapi.json, good ones and bad ones: no failure of the server's own, no answer that is not described, no bad
// request that passes, no good one refused for its form.
func TestClientSchemathesis(t *testing.T) {
	long(t)
	examples := os.Getenv("FREEHOLD_EXAMPLES") // of each endpoint
	if examples == "" {
		examples = "15"
	}
	python, dir := installed(t, "schemathesis", schemathesisVersion)
	// 413 is how a text that is too long by megabytes is refused; schemathesis' own list lacks it.
	config := filepath.Join(t.TempDir(), "schemathesis.toml")
	if err := os.WriteFile(config, []byte("[checks.negative_data_rejection]\nexpected-statuses = [400, 401, 403, 404, 405, 413, 415, 429]\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-m", "schemathesis.cli", "--config-file", config, "run", serveTiny(t, engine.WithContext(200))+"/openapi.json", "-H", "Authorization: Bearer "+clientKey, "--seed", "1",
		"--max-examples", examples, "--phases", "coverage,fuzzing", "--workers", "1", "--no-shrink", "--continue-on-failure", "--request-timeout", "60", "--no-color", "--suppress-health-check", "all",
		"--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,unsupported_method,allow_header_conformance,negative_data_rejection")
	cmd.Dir = t.TempDir() // it keeps a folder of its own where it runs
	cmd.Env = append(os.Environ(), "PYTHONPATH="+dir)
	out, err := cmd.CombinedOutput()
	t.Logf("schemathesis %s:\n%s", schemathesisVersion, out)
	if err != nil {
		t.Error(err)
	}
	made := regexp.MustCompile(`(\d+) generated`).FindSubmatch(out)
	if made == nil {
		t.Fatal("schemathesis does not say how many requests it made")
	}
	if n, _ := strconv.Atoi(string(made[1])); n < 500 {
		t.Errorf("%d requests were made, want 500 at least", n)
	}
}
