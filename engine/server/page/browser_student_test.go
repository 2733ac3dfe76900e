package page_test

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/freehold-slm/freehold/bench/browser"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/engine/server"
	"github.com/freehold-slm/freehold/engine/server/page"
	"github.com/freehold-slm/freehold/models/gguf"
)

// tinyModel is a tiny model with a chat template, and with some keys set.
func tinyModel(t *testing.T, set map[string]any) string {
	t.Helper()
	testdata := filepath.Join("..", "..", "..", "testdata")
	f, err := gguf.Open(filepath.Join(testdata, "models", "qwen2.Q8_0.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read-only
	template, err := os.ReadFile(filepath.Join(testdata, "chat", "chatml.jinja"))
	if err != nil {
		t.Fatal(err)
	}
	w := gguf.NewWriter()
	for _, kv := range f.KV {
		w.Set(kv.Key, kv.Value)
	}
	w.Set("tokenizer.chat_template", string(template))
	for key, v := range set {
		w.Set(key, v)
	}
	for _, x := range f.Tensors {
		w.AddTensor(x.Name, x.Type, x.Shape, x.Data)
	}
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := w.WriteTo(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBrowserStudent sees which model answered, and that a text was kept: of a student with a teacher, on a server that collects.
func TestBrowserStudent(t *testing.T) {
	if os.Getenv("FREEHOLD_LONG") == "" {
		t.Skip("a real browser: in the long set (FREEHOLD_LONG=1)")
	}
	texts := []string{"a long text of some kind", "short", "something else"}
	files := map[string]string{"big": tinyModel(t, nil), "triage": tinyModel(t, map[string]any{engine.KeyTaskLabels: []string{"up", "down"}, engine.KeyTaskPrompt: "Is it up or down? {text}"})}
	m, err := engine.Open(files["triage"])
	if err != nil {
		t.Fatal(err)
	}
	k, err := m.NewClassifier(engine.Task{})
	if err != nil {
		t.Fatal(err)
	}
	all, err := k.Batch(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	m.Close() //nolint:errcheck // read-only
	line := max(all[0][0].P, all[1][0].P, all[2][0].P)
	set := server.NewModels()
	for _, name := range []string{"triage", "big"} {
		err := set.Add(name, func(context.Context) (server.Opened, error) {
			m, err := engine.Open(files[name])
			if err != nil {
				return server.Opened{}, err
			}
			return server.Opened{Model: m, Close: m.Close}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := set.Hide("big"); err != nil {
		t.Fatal(err)
	}
	if err := set.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer set.Close() //nolint:errcheck // read-only
	keep := server.WithCollect(server.Collect{Keep: func(string, []byte) error { return nil }})
	s, err := server.NewSet(set, server.WithPage(page.Handler()), server.WithTeacher("big"), server.WithAbstainBelow(line), keep)
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(s)
	defer ts.Close()
	b := browser.Open(t, 1280, false)
	b.Do(t, chromedp.Navigate(ts.URL+"/"))
	b.Until(t, `document.querySelector("#state").textContent === "triage"`)
	b.Until(t, `!document.querySelector("#classify").hidden`) // a server of students begins there
	tab(t, b, "classify")
	b.Do(t, chromedp.SendKeys(chromedp.CSS("#classify-text"), strings.Join(texts, "\n")), chromedp.Click(chromedp.CSS("#classify .primary")))
	b.Until(t, `document.querySelectorAll("#classes .result").length === 3`)
	for i, choices := range all {
		shown := browser.Eval[string](t, b, `document.querySelectorAll("#classes .result")[`+string(rune('0'+i))+`].innerText`)
		below := choices[0].P < line
		if strings.Contains(shown, "Answered by the teacher, big: the student said "+choices[0].Label) != below || strings.Contains(shown, "Answered by the student.") == below || strings.Contains(shown, "kept this text") != below || strings.Contains(shown, "abstains") {
			t.Errorf("text %d (%v, the line is %v) is shown as %q", i, choices[0], line, shown)
		}
	}
	b.Sound(t, "page student", 6)
	b.Quiet(t, ts.URL)
}
