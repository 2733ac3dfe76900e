// Package peers holds the tests that run programs of others beside this one: llama.cpp, in which the files we write load and mean the
// same, and which decodes no faster, and clients of OpenAI's API, which the server answers. They need python3 with pip, and FREEHOLD_LONG=1.
package peers

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const llamaVersion = "2026.10.11549" // of the package xllamacpp: llama.cpp in a ready wheel

//go:embed llama.py
var llamaScript string

// long skips outside of `make test-long`.
func long(t *testing.T) {
	t.Helper()
	if os.Getenv("FREEHOLD_LONG") != "1" {
		t.Skip("needs llama.cpp and real weights: make test-long")
	}
}

// missing ends a test whose tools are not here: a failure where CI says that they must be.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf("NOT TESTED: "+format, args...)
}

// realModel finds a pulled model.
func realModel(t *testing.T, name string) string {
	t.Helper()
	dirs := []string{}
	if d := os.Getenv("FREEHOLD_HOME"); d != "" {
		dirs = append(dirs, filepath.Join(d, "models"))
	}
	if d, err := os.UserCacheDir(); err == nil {
		dirs = append(dirs, filepath.Join(d, "freehold", "models"))
	}
	for _, d := range dirs {
		if p := filepath.Join(d, name+".gguf"); exists(p) {
			return p
		}
	}
	missing(t, "%s.gguf is not in %v; run: freehold pull %s", name, dirs, name)
	return ""
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// packages installs llama.cpp.
func packages(t *testing.T) (python, dir string) {
	t.Helper()
	return installed(t, "xllamacpp", llamaVersion, "--no-deps")
}

// installed installs a Python package into a folder of the user's cache, once, and returns the folder.
func installed(t *testing.T, name, version string, options ...string) (python, dir string) {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		missing(t, "python3: %v", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		missing(t, "no cache folder for %s: %v", name, err)
	}
	dir = filepath.Join(cache, "freehold", "peers", name+"-"+version)
	if exists(dir) {
		return python, dir
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		t.Fatal(err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "unfinished-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	pip := exec.Command(python, append([]string{"-m", "pip", "install", "--quiet", "--only-binary", ":all:", "--target", tmp, name + "==" + version}, options...)...)
	if out, err := pip.CombinedOutput(); err != nil {
		missing(t, "pip install %s==%s: %v\n%s", name, version, err, out)
	}
	if err := os.Rename(tmp, dir); err != nil && !exists(dir) {
		t.Fatal(err)
	}
	return python, dir
}

// settings are those of llama.cpp that change its speed, or what it computes.
type settings struct {
	Threads int    `json:"threads"`
	Repack  bool   `json:"repack"`
	Flash   bool   `json:"flash"`
	Exact   bool   `json:"exact"` // F32 KV cache
	LoRA    []lora `json:"lora"`
	Pooling string `json:"pooling"` // of embeddings: MEAN, CLS, LAST, or UNSPECIFIED for the file's; "" = logits
	// Of a server: answers at a time, and tokens of each; 0 = one, of 1024.
	Parallel int `json:"parallel"`
	Context  int `json:"context"`
}

// lora is an adapter file and its scale.
type lora struct {
	Path  string  `json:"path"`
	Scale float64 `json:"scale"`
}

func (s settings) String() string {
	return fmt.Sprintf("repack %t, flash attention %t", s.Repack, s.Flash)
}

// llama is a running llama.cpp server; its KV cache is f16 unless Exact.
type llama struct {
	t       *testing.T
	Address string `json:"address"`
	Version string `json:"version"`
	System  string `json:"system"`
	pid     int
	stop    func()
}

func startLlama(t *testing.T, model string, s settings) *llama {
	t.Helper()
	python, dir := packages(t)
	cmd := exec.Command(python, "-c", llamaScript)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l := &llama{t: t, pid: cmd.Process.Pid, stop: func() {
		in.Close() //nolint:errcheck // ends the server
		cmd.Wait() //nolint:errcheck // its exit says nothing
	}}
	t.Cleanup(func() { l.Close() })
	if s.Parallel == 0 {
		s.Parallel, s.Context = 1, 1024
	}
	want, err := json.Marshal(struct {
		settings
		Model    string `json:"model"`
		Packages string `json:"packages"`
	}{s, model, dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write(append(want, '\n')); err != nil {
		t.Fatal(err)
	}
	ready := bufio.NewScanner(out)
	for ready.Scan() {
		if line := ready.Bytes(); bytes.HasPrefix(line, []byte(`{"address"`)) {
			if err := json.Unmarshal(line, l); err != nil {
				t.Fatal(err)
			}
			go io.Copy(io.Discard, out) //nolint:errcheck // the server may write more
			return l
		}
	}
	l.Close()
	t.Fatalf("llama.cpp does not load %s:\n%s", model, log.Bytes())
	return nil
}

// Close ends the server; again is harmless.
func (l *llama) Close() {
	if l.stop != nil {
		l.stop()
		l.stop = nil
	}
}

var client = http.Client{Timeout: 5 * time.Minute}

func (l *llama) post(path string, in, out any) {
	l.t.Helper()
	if err := l.ask(path, in, out); err != nil {
		l.t.Fatal(err)
	}
}

// ask is post for goroutines of a test's own.
func (l *llama) ask(path string, in, out any) error {
	b, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := client.Post(l.Address+path, "application/json", bytes.NewReader(b))
	if err != nil {
		return err
	}
	defer r.Body.Close()
	b, err = io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		return fmt.Errorf("llama.cpp %s: %s %v %s", path, r.Status, err, b)
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("llama.cpp %s: %v in %s", path, err, b)
	}
	return nil
}

type object = map[string]any

// tokenize encodes with special tokens in the text recognised, and those added that the model asks for.
func (l *llama) tokenize(text string) []int32 {
	l.t.Helper()
	var out struct{ Tokens []int32 }
	l.post("/tokenize", object{"content": text, "add_special": true, "parse_special": true}, &out)
	return out.Tokens
}

// complete generates n tokens, greedily and past any end of text.
func (l *llama) complete(prompt []int32, n, probabilities int) (out completion) {
	l.t.Helper()
	l.post("/completion", object{"prompt": prompt, "n_predict": n, "n_probs": probabilities, "cache_prompt": false, "ignore_eos": false,
		"temperature": 0, "top_k": 1, "return_tokens": true}, &out)
	return out
}

type completion struct {
	Tokens        []int32
	Probabilities []struct {
		Top []struct {
			ID      int32
			LogProb float64
		} `json:"top_logprobs"`
	} `json:"completion_probabilities"`
	Timings struct {
		PromptN         int     `json:"prompt_n"`
		PromptPerSecond float64 `json:"prompt_per_second"`
		PredictedN      int     `json:"predicted_n"`
		PredictedMS     float64 `json:"predicted_ms"`
		PerSecond       float64 `json:"predicted_per_second"`
	}
}

// logProbs returns the log-probability of every token of a vocabulary of n after the prompt.
func (l *llama) logProbs(prompt []int32, n int) []float64 {
	l.t.Helper()
	out := l.complete(prompt, 1, n)
	if len(out.Probabilities) != 1 || len(out.Probabilities[0].Top) != n {
		l.t.Fatalf("llama.cpp gave not all of %d probabilities: %+v", n, out)
	}
	all := make([]float64, n)
	for _, t := range out.Probabilities[0].Top {
		all[t.ID] = t.LogProb
	}
	return all
}

// embed returns the embedding of a text, of length 1.
func (l *llama) embed(text string) []float64 {
	l.t.Helper()
	var out []struct{ Embedding [][]float64 }
	l.post("/embedding", object{"content": text}, &out)
	if len(out) != 1 || len(out[0].Embedding) != 1 {
		l.t.Fatalf("llama.cpp gave no embedding: %+v", out)
	}
	return out[0].Embedding[0]
}

// top returns the most likely next token and its lead over the second, in nats; 0 where llama.cpp tells no
// probabilities, because the token ends within a rune.
func (l *llama) top(prompt []int32) (id int32, margin float64) {
	l.t.Helper()
	out := l.complete(prompt, 1, 2)
	if len(out.Probabilities) == 0 && len(out.Tokens) == 1 {
		return out.Tokens[0], 0
	}
	if len(out.Probabilities) != 1 || len(out.Probabilities[0].Top) != 2 {
		l.t.Fatalf("llama.cpp gave no probabilities: %+v", out)
	}
	top := out.Probabilities[0].Top
	return top[0].ID, top[0].LogProb - top[1].LogProb
}
