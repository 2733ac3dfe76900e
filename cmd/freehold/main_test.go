package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/models/gguf"
)

var binary string // built once, as users get it

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "freehold-cmd")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "freehold")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the command: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// result is what a run of the binary left.
type result struct {
	out, err string
	code     int
	rss      int64 // bytes, 0 where it cannot be told
	took     time.Duration
}

// call says how the binary is run; the zero value is good.
type call struct {
	dir   string
	stdin string
	env   []string
}

// command prepares a run with a clean environment and an empty cache of its own.
func (c call) command(t testing.TB, ctx context.Context, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(ctx, binary, args...)
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "FREEHOLD_") && !strings.HasPrefix(e, "CLICOLOR") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(cmd.Env, "FREEHOLD_HOME="+filepath.Join(t.TempDir(), "cache"), "NO_COLOR=1")
	cmd.Env = append(cmd.Env, c.env...)
	cmd.Dir, cmd.Stdin = c.dir, strings.NewReader(c.stdin)
	return cmd
}

func (c call) run(t testing.TB, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := c.command(t, ctx, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	start := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{out.String(), errOut.String(), cmd.ProcessState.ExitCode(), maxRSS(cmd.ProcessState), time.Since(start)}
}

func freehold(t testing.TB, args ...string) result { t.Helper(); return call{}.run(t, args...) }

// must fails the test where the command did not end well.
func (r result) must(t testing.TB) result {
	t.Helper()
	if r.code != 0 {
		t.Fatalf("exit code %d\nstdout: %s\nstderr: %s", r.code, r.out, r.err)
	}
	return r
}

// document decodes a JSON document of the wanted schema.
func (r result) document(t testing.TB, schema string) map[string]any {
	t.Helper()
	var d map[string]any
	dec := json.NewDecoder(strings.NewReader(r.out))
	if err := dec.Decode(&d); err != nil {
		t.Fatalf("standard output is no JSON: %v\n%s\n%s", err, r.out, r.err)
	}
	if dec.More() {
		t.Errorf("more than one document:\n%s", r.out)
	}
	if d["schema"] != schema {
		t.Errorf("schema is %v, want %s", d["schema"], schema)
	}
	return d
}

// fixture is a file of testdata.
func fixture(t testing.TB, path string) string {
	t.Helper()
	p, err := filepath.Abs(filepath.Join("..", "..", "testdata", filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p); err != nil {
		t.Fatal(err)
	}
	return p
}

const chatml = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"

// edited writes a copy of a fixture with some keys set (nil: left out) and returns its path.
func edited(t testing.TB, fixturePath string, set map[string]any) string {
	t.Helper()
	return editedFile(t, fixture(t, fixturePath), set)
}

func editedFile(t testing.TB, from string, set map[string]any) string {
	t.Helper()
	f, err := gguf.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := gguf.NewWriter()
	for _, kv := range f.KV {
		if _, ok := set[kv.Key]; !ok {
			w.Set(kv.Key, kv.Value)
		}
	}
	for key, v := range set {
		if v != nil {
			w.Set(key, v)
		}
	}
	for _, x := range f.Tensors {
		w.AddTensor(x.Name, x.Type, x.Shape, x.Data)
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := w.WriteTo(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// tiny is a small model with a chat template and a permissive licence.
func tiny(t testing.TB) string {
	t.Helper()
	return edited(t, "models/qwen2.Q8_0.gguf", map[string]any{"tokenizer.chat_template": chatml, "general.license": "mit"})
}

// file writes a file of the test.
func file(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// truncated is the beginning of a fixture.
func truncated(t testing.TB, path string, keep int) string {
	t.Helper()
	b, err := os.ReadFile(fixture(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return file(t, "truncated.gguf", string(b[:keep]))
}
