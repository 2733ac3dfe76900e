package chat

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fixtures is the folder of reference data.
func fixtures(t testing.TB) string {
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		if root == filepath.Dir(root) {
			t.Fatal("no go.mod above the test's folder")
		}
		root = filepath.Dir(root)
	}
	if dir := os.Getenv("FREEHOLD_FIXTURES"); dir != "" {
		if filepath.IsAbs(dir) {
			return dir
		}
		return filepath.Join(root, dir)
	}
	if dir := filepath.Join(root, "..", "shared", "fixtures"); isDir(dir) {
		return dir
	}
	return filepath.Join(root, "testdata")
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

type fixture struct {
	Format, Template, Now string
	Cases                 []struct {
		Name                string
		Messages            []Message
		Tools               []json.RawMessage
		AddGenerationPrompt bool   `json:"add_generation_prompt"`
		EnableThinking      *bool  `json:"enable_thinking"`
		BOS                 string `json:"bos_token"`
		EOS                 string `json:"eos_token"`
		Expected            *string
		Error               string
	}
}

// TestFixtures renders real models' templates and compares with Jinja2's text.
func TestFixtures(t *testing.T) {
	dir := filepath.Join(fixtures(t), "chat")
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures in %s: %v", dir, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var f fixture
		if err := json.Unmarshal(data, &f); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if f.Format != "chatvec/1" {
			continue // an index or another kind of file
		}
		now, err := time.Parse("2006-01-02T15:04:05", f.Now)
		if err != nil {
			t.Fatal(err)
		}
		source, err := os.ReadFile(filepath.Join(dir, f.Template))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range f.Cases {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".json")+"/"+c.Name, func(t *testing.T) {
				tmpl, err := Parse(string(source))
				if err != nil {
					t.Fatal(err)
				}
				got, err := tmpl.Render(Input{
					Messages: c.Messages, Tools: c.Tools, AddGenerationPrompt: c.AddGenerationPrompt,
					EnableThinking: c.EnableThinking, BOS: c.BOS, EOS: c.EOS, Now: now,
				})
				switch {
				case c.Expected == nil && err == nil:
					t.Errorf("rendered %q, want an error like %q", got, c.Error)
				case c.Expected != nil && err != nil:
					t.Errorf("%v", err)
				case c.Expected != nil && got != *c.Expected:
					t.Errorf("got\n%q\nwant\n%q", got, *c.Expected)
				}
			})
		}
	}
}
