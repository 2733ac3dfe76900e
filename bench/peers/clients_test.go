package peers

import (
	"context"
	_ "embed"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
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

const openaiVersion = "3.54.0"

// clientKey is what clients send.
const clientKey = "client-0123456789abcdef"

// serveTiny serves a model that talks, with Qwen's template, and one for embeddings, both tiny: what clients make of the answers does
// not rest on what the models know.
func serveTiny(t *testing.T) (url string) {
	t.Helper()
	f, err := gguf.Open(filepath.Join("..", "..", "testdata", "models", "qwen2.Q8_0.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read-only
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
	dir := t.TempDir()
	files := map[string]*gguf.Writer{"chat": w, "encoder": tiny.ByName("bert").Writer()}
	ms := server.NewModels()
	for name, w := range files {
		path := filepath.Join(dir, name+".gguf")
		if err := w.WriteTo(path); err != nil {
			t.Fatal(err)
		}
		err := ms.Add(name, func(context.Context) (*engine.Model, string, func() error, error) {
			m, err := engine.Open(path, engine.WithThreads(1))
			if err != nil {
				return nil, "", nil, err
			}
			return m, "", m.Close, nil
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
func TestClientOpenAI(t *testing.T) {
	long(t)
	python, dir := installed(t, "openai", openaiVersion)
	out, err := exec.Command(python, "-c", openaiScript, dir, serveTiny(t), clientKey).CombinedOutput()
	t.Logf("openai %s:\n%s", openaiVersion, out)
	if err != nil || !strings.HasSuffix(string(out), "done\n") {
		t.Error(err)
	}
}
