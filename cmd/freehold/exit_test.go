package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/freehold-slm/freehold/distill"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
)

const goodRecipe = `version: 1
name: tiny
task: {type: classify, labels: [no, yes], prompt: "{text}"}
teacher: {model: MODEL, calibration: none}
student: {from: teacher, layers: 1, vocab: full, format: q8_0}
data: {train: train.jsonl, valid: valid.jsonl, test: test.jsonl}
train: {steps: 6, batch: 4, save_every: 2, warmup: 1}
eval: {gates: {accuracy: ">= 0"}}
quantize: [f16, q4_0]
`

// recipe writes a recipe for the model, with edits (old, new), and its data.
func recipe(t testing.TB, model string, edits ...string) string {
	t.Helper()
	text := strings.NewReplacer(append([]string{"MODEL", model}, edits...)...).Replace(goodRecipe)
	path := file(t, "freehold.yaml", text)
	for _, name := range []string{"train", "valid", "test"} {
		var rows strings.Builder
		for i := range 24 {
			fmt.Fprintf(&rows, "{\"text\": \"%s row %d is here\", \"label\": %q}\n", name, i, []string{"no", "yes"}[i%2])
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name+".jsonl"), []byte(rows.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// Each mistake gives its exit code and one clear line on standard error, and no data.
func TestErrors(t *testing.T) {
	model, plain := tiny(t), fixture(t, "models/llama256.Q8_0.gguf")
	strange := edited(t, "models/llama256.Q8_0.gguf", map[string]any{"general.architecture": "hyena9"})
	nopre := edited(t, "models/qwen2.Q8_0.gguf", map[string]any{"tokenizer.ggml.pre": "martian"})
	badTemplate := edited(t, "models/qwen2.Q8_0.gguf", map[string]any{"tokenizer.chat_template": "{% for x %}", "general.license": "mit"})
	cut := truncated(t, "models/llama256.Q8_0.gguf", 3000)
	short := truncated(t, "models/llama256.Q8_0.gguf", 300_000)
	magic := file(t, "magic.gguf", "NOPE and more that is no model at all")
	empty := file(t, "empty.gguf", "")
	damaged := hfFolder(t)
	if err := os.WriteFile(filepath.Join(damaged, "model.safetensors"), []byte("no safetensors at all"), 0o666); err != nil {
		t.Fatal(err)
	}
	emptyRows := recipe(t, model)
	if err := os.WriteFile(filepath.Join(filepath.Dir(emptyRows), "train.jsonl"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	badRows := recipe(t, model)
	if err := os.WriteFile(filepath.Join(filepath.Dir(badRows), "train.jsonl"), []byte("{\"text\": \"a\"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		env  string
		code int
		says []string
	}{
		{"unknown command", []string{"runn"}, "", 2, []string{`unknown command "runn"`, `did you mean "run"`}},
		{"unknown flag", []string{"run", "--tempratur=1", "m", "x"}, "", 2, []string{"--tempratur", `did you mean "--temperature"`}},
		{"missing argument", []string{"run"}, "", 2, []string{"missing: <model>"}},
		{"extra argument", []string{"run", "m", "two", "words"}, "", 2, []string{`"words"`, "quotes"}},
		{"no command", []string{"--json"}, "", 2, []string{"no command"}},
		{"bad value", []string{"run", "--temperature=hot", "m", "x"}, "", 2, []string{"--temperature", "hot"}},
		{"value out of range", []string{"run", "--temperature=-1", model, "x"}, "", 2, []string{"--temperature is -1", "0 to 100"}},
		{"bad threads", []string{"run", "--threads=5000", model, "x"}, "", 2, []string{"--threads is 5000"}},
		{"bad threads by environment", []string{"run", model, "x"}, "FREEHOLD_THREADS=5000", 2, []string{"--threads is 5000"}},
		{"unknown CPU level", []string{"run", "--cpu=z80", model, "x"}, "", 2, []string{`"z80"`, "portable"}},
		{"unknown CPU level by environment", []string{"run", model, "x"}, "FREEHOLD_CPU=z80", 2, []string{`"z80"`, "portable"}},
		{"missing file", []string{"run", "./nosuch.gguf", "hi"}, "", 3, []string{"./nosuch.gguf", "no such file"}},
		{"unknown name", []string{"run", "smollm2-135m-instrukt", "hi"}, "", 3, []string{"smollm2-135m-instrukt", `did you mean "smollm2-135m-instruct"`}},
		{"folder", []string{"run", filepath.Dir(model), "hi"}, "", 3, []string{"is a folder"}},
		{"not pulled", []string{"run", "smollm2-135m-instruct", "hi"}, "", 3, []string{"not in the cache", "freehold pull smollm2-135m-instruct"}},
		{"truncated header", []string{"run", cut, "hi"}, "", 3, []string{"truncated.gguf", "tokenizer.ggml.tokens"}},
		{"truncated data", []string{"inspect", short}, "", 3, []string{"truncated.gguf", "tensor"}},
		{"wrong magic", []string{"run", magic, "hi"}, "", 3, []string{"magic.gguf", `"NOPE"`, `"GGUF"`}},
		{"empty file", []string{"inspect", empty}, "", 3, []string{"empty.gguf", "empty file"}},
		{"unknown architecture", []string{"run", strange, "hi"}, "", 3, []string{"general.architecture", `"hyena9"`, "llama"}},
		{"unknown pre-tokenizer", []string{"tokenize", nopre, "hi"}, "", 3, []string{`"martian"`}},
		{"broken template", []string{"run", badTemplate, "hi"}, "", 3, []string{"model.gguf", "line 1"}},
		{"no chat template", []string{"run", plain, "hi"}, "", 2, []string{"no chat template", "--raw"}},
		{"teacher without chat template", []string{"plan", recipe(t, edited(t, "models/llama256.Q8_0.gguf", map[string]any{"general.license": "mit"}))}, "", 3, []string{"no tokenizer.chat_template", "instruct or chat model"}},
		{"teacher with a broken template", []string{"plan", recipe(t, badTemplate)}, "", 3, []string{"teacher: ", "line 1"}},
		{"empty prompt", []string{"run", model}, "", 2, []string{"the prompt is empty"}},
		{"long prompt", []string{"run", "--raw", model, strings.Repeat("a b c ", 2000)}, "", 2, []string{"the prompt has 8001 tokens", "holds 512"}},
		{"context above the model's", []string{"run", "--context=99999", model, "x"}, "", 2, []string{"99999", "512"}},
		{"unknown KV type", []string{"run", "--kv=q3", model, "x"}, "", 2, []string{"--kv", "q3", "q8_0"}},
		{"narrow KV in reference mode", []string{"run", "--kv=q8_0", "--numeric=reference", model, "x"}, "", 2, []string{"reference", "leave --kv out"}},
		{"q8_0 KV for small heads", []string{"run", "--kv=q8_0", model, "x"}, "", 3, []string{"model.gguf", "heads have 16 elements", "multiple of 32", "f16 or f32"}},
		{"draft of another vocabulary", []string{"run", model, "x", "--draft", plain}, "", 2, []string{"cannot draft for", "student.vocab: full"}},
		{"draft missing", []string{"run", model, "x", "--draft=./nosuch.gguf"}, "", 3, []string{"./nosuch.gguf"}},
		{"draft tokens", []string{"run", model, "x", "--draft=lookup", "--draft-tokens=999"}, "", 2, []string{"--draft-tokens is 999"}},
		{"no labels", []string{"classify", model, "x"}, "", 2, []string{"--labels"}},
		{"one label", []string{"classify", model, "x", "-l", "a"}, "", 2, []string{"at least 2 labels"}},
		{"empty text", []string{"classify", model, "x", "", "-l", "a,b"}, "", 2, []string{"text 2 is empty"}},
		{"no texts", []string{"classify", model, "-l", "a,b"}, "", 3, []string{"standard input", "no text"}},
		{"json and jsonl", []string{"classify", model, "x", "-l", "a,b", "--json", "--jsonl"}, "", 2, []string{"keep one"}},
		{"bad id", []string{"tokenize", model, "--decode", "1 99999"}, "", 2, []string{"99999"}},
		{"unknown format", []string{"quantize", model, "out.gguf", "--format=q9_9"}, "", 2, []string{"q9_9", "q4_k_m"}},
		{"no format", []string{"quantize", model, "out.gguf"}, "", 2, []string{"--format is missing"}},
		{"output is input", []string{"quantize", model, model, "--format=q4_0"}, "", 2, []string{"is the input itself"}},
		{"output is there", []string{"quantize", model, plain, "--format=q4_0"}, "", 2, []string{"--force"}},
		{"output folder missing", []string{"quantize", model, "/no/such/folder/x.gguf", "--format=q4_0"}, "", 3, []string{"/no/such/folder"}},
		{"convert to nowhere", []string{"convert", filepath.Dir(model)}, "", 2, []string{"--out is missing"}},
		{"convert to another type", []string{"convert", hfFolder(t), "-o", "out.gguf", "--type=q4_0"}, "", 2, []string{"q4_0", "bf16", "freehold quantize"}},
		{"convert a quantised file", []string{"convert", model, "-o", "out"}, "", 3, []string{"Q8_0", "--type"}},
		{"convert what is no model", []string{"convert", plain, "-o", "out"}, "", 3, []string{filepath.Base(plain)}},
		{"convert a folder without a model", []string{"convert", filepath.Dir(model), "-o", "out.gguf"}, "", 3, []string{"config.json", "no such file"}},
		{"convert over a file", []string{"convert", hfFolder(t), "-o", plain}, "", 2, []string{"--force"}},
		{"convert an unknown architecture", []string{"convert", hfFolder(t, "LlamaForCausalLM", "HyenaForCausalLM"), "-o", "out.gguf"}, "", 3,
			[]string{"config.json", "architectures", "HyenaForCausalLM", "LlamaForCausalLM"}},
		{"convert damaged weights", []string{"convert", damaged, "-o", "out.gguf"}, "", 3, []string{"model.safetensors", "header length"}},
		{"bench too long", []string{"bench", model, "-p", "4096"}, "", 2, []string{"4096", "512"}},
		{"pull nothing", []string{"pull"}, "", 2, []string{"--all"}},
		{"pull unknown", []string{"pull", "nosuch"}, "", 3, []string{"nosuch", "known"}},
		{"licence declared elsewhere", []string{"pull", "qwen2.5-coder-0.5b-instruct"}, "", 5, []string{"licence", "--accept-licence Apache-2.0"}},
		{"other licence accepted", []string{"pull", "gemma-3-270m", "--accept-licence=MIT"}, "", 5, []string{"LicenseRef-Gemma", `"MIT"`}},
		{"licence of data", []string{"pull", "movie-review-snippets"}, "", 5, []string{"unknown"}},
		{"offline", []string{"--offline", "pull", "smollm2-135m-instruct"}, "", 5, []string{"offline"}},
		{"offline by environment", []string{"pull", "smollm2-135m-instruct"}, "FREEHOLD_OFFLINE=1", 5, []string{"offline"}},
		{"remove what is not there", []string{"rm", "gemma-3-270m"}, "", 3, []string{"not in the cache"}},
		{"show a file", []string{"show", model}, "", 2, []string{"freehold inspect"}},
		{"unknown template", []string{"init", "--template=nosuch"}, "", 2, []string{"nosuch", "sentiment"}},
		{"init: labels of no data", []string{"init", "--labels=a,b"}, "", 2, []string{"--data FILE"}},
		{"init: data missing", []string{"init", "--data=nosuch.csv"}, "", 3, []string{"nosuch.csv"}},
		{"recipe missing", []string{"plan", "nosuch.yaml"}, "", 3, []string{"nosuch.yaml", "freehold init"}},
		{"recipe typo", []string{"plan", recipe(t, model, "quantize:", "quantise:")}, "", 2, []string{"freehold.yaml:9:1:", `"quantise"`, `did you mean "quantize"`}},
		{"recipe value", []string{"plan", recipe(t, model, "vocab: full", "vocab: big")}, "", 2, []string{"freehold.yaml:5:", "big"}},
		{"recipe is no YAML", []string{"plan", recipe(t, model, "version: 1", "version: [1")}, "", 2, []string{"freehold.yaml"}},
		{"recipe's model missing", []string{"plan", recipe(t, "./gone.gguf")}, "", 3, []string{"gone.gguf"}},
		{"recipe's model corrupt", []string{"plan", recipe(t, magic)}, "", 3, []string{"magic.gguf"}},
		{"recipe's model not pulled", []string{"plan", recipe(t, "smollm2-135m-instruct")}, "", 3, []string{"freehold pull"}},
		{"recipe's licence", []string{"plan", recipe(t, plain)}, "", 5, []string{"licence", "say so in the recipe, teacher.licence: unknown"}},
		{"empty data", []string{"plan", emptyRows}, "", 3, []string{"train.jsonl"}},
		{"corrupt data", []string{"plan", badRows}, "", 3, []string{"train.jsonl:1"}},
		{"stages", []string{"apply", "--only=labl", emptyRows}, "", 2, []string{"labl", "label, train, eval"}},
		{"errors of no kind", []string{"errors", "--kind=student"}, "", 2, []string{"student-gold, student-teacher, teacher-gold"}},
		{"a correction of nothing", []string{"errors", "--correct=row"}, "", 2, []string{"ID=LABEL"}},
		{"judged twice", []string{"errors", "--correct=a=b", "--accept=a"}, "", 2, []string{"judged twice"}},
		{"verify, no run yet", []string{"verify"}, "", 3, []string{"runs/latest: file does not exist: there is no run yet; freehold apply"}},
		{"verify, no such run", []string{"verify", "runs/007"}, "", 3, []string{"runs/007: file does not exist"}},
		{"verify a folder that is no run", []string{"verify", "."}, "", 3, []string{"SHA256SUMS: file does not exist: this is no run, or one that is not finished; go on with: freehold apply"}},
		{"verify a file", []string{"verify", model}, "", 3, []string{"want the folder of a run; a signed file", "--signature"}},
		{"both stages", []string{"apply", "--only=label", "--from=eval", emptyRows}, "", 2, []string{"keep one"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			how := call{dir: t.TempDir()}
			if c.env != "" {
				how.env = []string{c.env}
			}
			r := how.run(t, c.args...)
			if r.code != c.code {
				t.Errorf("exit code %d, want %d", r.code, c.code)
			}
			for _, s := range c.says {
				if !strings.Contains(r.err, s) {
					t.Errorf("message does not say %q", s)
				}
			}
			if r.out != "" {
				t.Errorf("standard output is not empty: %s", r.out)
			}
			if strings.Count(r.err, "\n") != 1 || strings.Contains(r.err, "goroutine") {
				t.Error("not one line")
			}
			if t.Failed() {
				t.Logf("stderr: %s", r.err)
			}
		})
	}
}

// One name that cannot be had does not keep the others back, and each says why.
func TestPullGoesOn(t *testing.T) {
	r := call{dir: t.TempDir()}.run(t, "pull", "gemma-3-270m", "movie-review-snippets")
	for _, want := range []string{"gemma-3-270m: refused", "movie-review-snippets: refused"} {
		if !strings.Contains(r.err, want) {
			t.Errorf("message does not say %q: %s", want, r.err)
		}
	}
	if r.code != exitPolicy || strings.Count(r.err, "\n") != 2 {
		t.Errorf("exit code %d and %d lines, want %d and 2", r.code, strings.Count(r.err, "\n"), exitPolicy)
	}
}

// What a command line cannot bring about at will.
func TestExitCode(t *testing.T) {
	wrap := func(err error) error { return fmt.Errorf("writing x: %w", err) }
	resumable := &app{resumable: true}
	for _, c := range []struct {
		a    *app
		err  error
		want int
	}{
		{&app{}, errors.New("a bug"), exitInternal},
		{&app{}, syscall.ENOSPC, exitResources},
		{&app{}, &models.SpaceError{Dir: "/x", Need: 2, Free: 1}, exitResources},
		{&app{}, newApp().enough(&distill.Plan{RAMBytes: 1 << 60}), exitResources},
		{&app{}, &distill.DataError{File: "x", Msg: "y"}, exitInput},
		{&app{}, &distill.GateError{}, exitGate},
		{&app{}, &models.ChecksumError{File: "x"}, exitVerify},
		{&app{}, &models.SourceError{Name: "x", Errs: []error{errors.New("no route"), &models.ChecksumError{}}}, exitVerify},
		{&app{}, &models.SourceError{Name: "x", Errs: []error{errors.New("no route")}}, exitInput},
		{&app{}, &models.SourceError{Name: "x", Errs: []error{syscall.ENOSPC}}, exitResources},
		{&app{}, &models.LicenceError{Name: "x"}, exitPolicy},
		{&app{}, &engine.NumberError{File: "x"}, exitInput},
		{&app{}, &noisyError{"x"}, exitInconclusive},
		{&app{}, distill.ErrInterrupted, exitInterrupted},
		{resumable, context.Canceled, exitInterrupted},
		{resumable, errSignal, exitInterrupted},
		{&app{}, context.Canceled, exitKilled},
		{resumable, errors.Join(syscall.ENOSPC, &distill.DataError{}), exitResources},
	} {
		if got := c.a.exitCode(wrap(c.err)); got != c.want {
			t.Errorf("%T %v: exit code %d, want %d", c.err, c.err, got, c.want)
		}
	}
}

// A full disk below standard output is an error of its own, not silence.
func TestFullOutput(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("/dev/full is Linux's")
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	cmd := call{}.command(t, t.Context(), "ls")
	cmd.Stdout = full
	cmd.Run() //nolint:errcheck // the code is what is looked at
	if code := cmd.ProcessState.ExitCode(); code != exitResources {
		t.Errorf("exit code %d, want %d", code, exitResources)
	}
}
