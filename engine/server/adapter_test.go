package server

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models/tiny"
)

// Requests choose an adapter by the model's name and get what a server gives that has this adapter alone; what was computed under one
// is not used under another.
func TestAdapters(t *testing.T) {
	noLeak(t)
	m, dir := tiny.ByName("internlm2"), t.TempDir()
	path := filepath.Join(dir, "m.gguf")
	files := map[string]string{"one": filepath.Join(dir, "one.gguf"), "two": filepath.Join(dir, "two.gguf")}
	names := []string{"blk.0.attn_q.weight", "blk.0.attn_v.weight", "blk.1.ffn_up.weight", "blk.1.ffn_down.weight", "output.weight"}
	for file, w := range map[string]interface{ WriteTo(string) error }{path: m.Writer(), files["one"]: m.Adapter(4, 6, names...), files["two"]: m.Adapter(3, 9, names...)} {
		if err := w.WriteTo(file); err != nil {
			t.Fatal(err)
		}
	}
	ms := NewModels()
	err := ms.Add("m", func(context.Context) (Opened, error) {
		m, err := engine.Open(path, engine.WithThreads(1))
		if err != nil {
			return Opened{}, err
		}
		o := Opened{Model: m, Close: m.Close, Adapters: map[string]Adapted{}}
		for name, file := range files {
			x, err := m.Adapted(engine.Adapter{Path: file, Scale: 1})
			if err != nil {
				return Opened{}, err
			}
			o.Adapters[name] = Adapted{x, "sum of " + name}
		}
		return o, nil
	}, "one", "two")
	if err != nil {
		t.Fatal(err)
	}
	if ms.Add("m:one", nil) == nil || ms.Add("n", nil, "a", "a") == nil || ms.Add("n", nil, "") == nil {
		t.Error("a name that is taken or none is let pass")
	}
	if err := ms.OnDemand(Demand{KeepAlive: -1}); err != nil {
		t.Fatal(err)
	}
	if err := ms.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer ms.Close() //nolint:errcheck // read-only
	audit := &lockedBuffer{}
	h, err := NewSet(ms, WithAudit(audit))
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, h)
	body := func(model string) string {
		return fmt.Sprintf(`{"model": %q, "prompt": "the rain in the street and on the stone", "max_tokens": 6, "temperature": 0.7, "seed": 2, "logprobs": 2}`, model)
	}
	answer := func(s *site, model string) (string, int) {
		d := s.post("/v1/completions", body(model))
		return fmt.Sprint(d.at("choices")), d.int("usage", "prompt_tokens_details", "cached_tokens")
	}
	want, seen := map[string]string{}, map[string]bool{}
	for model, opts := range map[string][]engine.Option{"m": nil, "m:one": {engine.WithLoRA(files["one"], 1)}, "m:two": {engine.WithLoRA(files["two"], 1)}} {
		alone := serve(t, New(open(t, path, opts...)))
		want[model], _ = answer(alone, "m")
		seen[want[model]] = true
	}
	if len(seen) != 3 {
		t.Fatalf("the adapters change nothing: %v", want)
	}
	for _, model := range []string{"m", "m:one", "m:two"} {
		got, cached := answer(s, model)
		if got != want[model] || cached != 0 {
			t.Errorf("%s: %d tokens of another's, and\n%s, alone\n%s", model, cached, got, want[model])
		}
		if _, cached = answer(s, model); cached == 0 {
			t.Errorf("%s: nothing of its own is used again", model)
		}
	}
	var wg sync.WaitGroup
	for i := range 12 {
		model := []string{"m", "m:one", "m:two"}[i%3]
		wg.Go(func() {
			if got, _ := answer(s, model); got != want[model] {
				t.Errorf("%s beside others:\n%s, alone\n%s", model, got, want[model])
			}
		})
	}
	wg.Wait()
	s.refused("POST", "/v1/completions", body("m:three"), 404, codeModel, "model")
	d := decoded(t, second(s.do(s.request("GET", "/v1/models", ""))))
	if d.text("data", 1, "id") != "m:one" || d.text("data", 1, "parent") != "m" || d.text("data", 2, "id") != "m:two" || d.text("data", 2, "state") != stateLoaded {
		t.Errorf("/v1/models: %v", d.v)
	}
	if d := decoded(t, second(s.do(s.request("GET", "/v1/models/m:two", "")))); d.text("id") != "m:two" {
		t.Errorf("%v", d.v)
	}
	if !strings.Contains(audit.String(), `"model":"m:two","model_sha256":"","adapter_sha256":"sum of two"`) {
		t.Errorf("the audit log:\n%s", audit.String())
	}
	s.post("/api/generate", `{"model": "m:one", "keep_alive": 0}`)
	waitFor(t, "all are closed with the base", func() bool {
		d := decoded(t, second(s.do(s.request("GET", "/v1/models", ""))))
		return d.text("data", 0, "state") == stateNotLoaded && d.text("data", 2, "state") == stateNotLoaded
	})
	if got, cached := answer(s, "m:two"); got != want["m:two"] || cached != 0 {
		t.Errorf("opened again: %d, %s", cached, got)
	}
}
