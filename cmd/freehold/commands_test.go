package main

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/freehold-slm/freehold/models/sign"
)

// commands lists the table as kong reads it.
func commands(t testing.TB) []*kong.Node {
	t.Helper()
	var all table
	k, err := kong.New(&all, kong.ExplicitGroups(groups), kong.Vars(helpVars()))
	if err != nil {
		t.Fatal(err)
	}
	return k.Model.Leaves(false)
}

// Every command of the table has help that names it, quickly, and each flag and argument is explained.
func TestHelp(t *testing.T) {
	for _, c := range commands(t) {
		t.Run(c.Name, func(t *testing.T) {
			r := freehold(t, c.Name, "--help").must(t)
			if !strings.HasPrefix(r.out, "Usage: freehold "+c.Name) || r.err != "" {
				t.Errorf("stdout %q\nstderr %q", r.out, r.err)
			}
			for _, f := range c.Flags {
				if f.Help == "" {
					t.Errorf("flag --%s has no help", f.Name)
				}
			}
			for _, p := range c.Positional {
				if p.Help == "" {
					t.Errorf("argument %s has no help", p.Name)
				}
			}
			if c.Group == nil || c.Help == "" {
				t.Error("no group or help")
			}
		})
	}
	if r := freehold(t); r.code != exitUsage || r.out != "" || !strings.Contains(r.err, "Usage:") {
		t.Errorf("without arguments: exit code %d, stdout %q", r.code, r.out)
	}
}

func TestHelpIsFast(t *testing.T) {
	best := time.Hour
	for range 10 {
		best = min(best, freehold(t, "--help").must(t).took)
	}
	if best > 50*time.Millisecond {
		t.Errorf("--help takes %v, want under 50 ms", best)
	}
}

// Every command prints one JSON document of its schema with --json, and nothing else to standard output. Commands
// that are not listed here fail the test.
func TestJSON(t *testing.T) {
	model, dir := tiny(t), t.TempDir()
	job := recipe(t, model)
	cache := filepath.Join(dir, "cache")
	if err := os.MkdirAll(filepath.Join(cache, "models"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(cache, "models", "gemma-3-270m.gguf"), []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "key.pem")
	if err := sign.NewKey(key); err != nil {
		t.Fatal(err)
	}
	inside := recipe(t, "model.gguf") // all that it names lies in its folder
	if b, err := os.ReadFile(model); err != nil || os.WriteFile(filepath.Join(filepath.Dir(inside), "model.gguf"), b, 0o666) != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		args   []string
		schema string
		has    string
	}{
		"init":       {[]string{dir}, "freehold/init/1", "files"},
		"plan":       {[]string{job}, "freehold/plan/1", "stages"},
		"label":      {[]string{job}, "freehold/stage/1", "run"},
		"train":      {[]string{job}, "freehold/stage/1", "run"},
		"eval":       {[]string{job}, "freehold/summary/1", "student"},
		"apply":      {[]string{job}, "freehold/summary/1", "gate"},
		"worker":     {[]string{job, "--part", "0/1"}, "freehold/worker/1", "shards"},
		"slurm":      {[]string{job}, "freehold/cluster/1", "text"},
		"k8s":        {[]string{inside}, "freehold/cluster/1", "text"},
		"errors":     {[]string{filepath.Join(filepath.Dir(job), "runs", "latest"), "--kind=teacher-gold", "-n", "1"}, "freehold/errors/1", "rows"},
		"verify":     {[]string{filepath.Join(filepath.Dir(job), "runs", "latest")}, "freehold/verify/1", "files"},
		"export":     {[]string{filepath.Join(filepath.Dir(job), "runs", "latest"), "--bundle", filepath.Join(dir, "b.tar")}, "freehold/export/1", "sha256"},
		"sign":       {[]string{model, "--key", key, "--signature", filepath.Join(dir, "model.sig")}, "freehold/sign/1", "signature"},
		"ls":         {nil, "freehold/ls/1", "items"},
		"show":       {[]string{"gemma-3-270m"}, "freehold/show/1", "sha256"},
		"rm":         {[]string{"gemma-3-270m"}, "freehold/rm/1", "bytes"},
		"licence":    {nil, "freehold/licence/1", "items"},
		"policy":     {[]string{"test", "company-eu"}, "freehold/policy/1", "items"},
		"inspect":    {[]string{model, "--full"}, "freehold/inspect/1", "tensors"},
		"run":        {[]string{model, "hi", "-n", "3"}, "freehold/run/1", "text"},
		"classify":   {[]string{model, "hi", "-l", "a,b"}, "freehold/classify/1", "rows"},
		"rerank":     {[]string{model, "the cat", "a dog", "--query", "hi", "--prompt", "{query}: {document}", "--raw"}, "freehold/rerank/1", "results"},
		"embed":      {[]string{model, "hi", "--pooling", "mean"}, "freehold/embed/1", "rows"},
		"tokenize":   {[]string{model, "hi"}, "freehold/tokenize/1", "tokens"},
		"convert":    {[]string{hfFolder(t), "-o", filepath.Join(dir, "c.gguf"), "--type", "bf16"}, "freehold/convert/1", "architecture"},
		"quantize":   {[]string{model, filepath.Join(dir, "q.gguf"), "-f", "q4_0"}, "freehold/quantize/1", "bytes_out"},
		"bench":      {[]string{model, "-p", "8", "-n", "4", "-r", "2"}, "freehold/bench/1", "tests"},
		"doctor":     {nil, "freehold/doctor/1", "checks"},
		"completion": {[]string{"bash"}, "freehold/completion/1", "script"},
		"man":        {nil, "freehold/man/1", "text"},
		"version":    {nil, "freehold/version/1", "cpu_levels"},
		"pull":       {nil, "", ""}, // needs the network; its errors are in TestErrors
		"serve":      {nil, "", ""}, // runs until it is stopped; serve_unix_test.go reads its line
		"ui":         {nil, "", ""}, // the same; ui_unix_test.go
	}
	for _, c := range commands(t) { // in the table's order, so that stages follow each other
		t.Run(c.Name, func(t *testing.T) {
			want, ok := cases[c.Name]
			if !ok {
				t.Fatal("the command is not tested with --json; add it to the list")
			}
			if want.schema == "" {
				return
			}
			r := call{env: []string{"FREEHOLD_HOME=" + cache}}.run(t, append([]string{"--json", c.Name}, want.args...)...)
			if c.Name != "doctor" { // its code depends on the machine
				r.must(t)
			}
			if d := r.document(t, want.schema); d[want.has] == nil {
				t.Errorf("no %q in %s", want.has, r.out)
			}
		})
	}
}

// A draft changes the figures of an answer, not the answer.
func TestRunDraft(t *testing.T) {
	model := tiny(t)
	for _, flags := range [][]string{nil, {"--temperature=0.7", "--seed=3"}} {
		args := append([]string{"--json", "run", model, "hello hello hello", "-n", "40"}, flags...)
		plain := freehold(t, args...).must(t).document(t, "freehold/run/1")
		if plain["drafted"] != 0.0 || plain["accepted"] != 0.0 {
			t.Errorf("without a draft: %v of %v guesses", plain["accepted"], plain["drafted"])
		}
		for _, draft := range []string{"lookup", model} {
			d := freehold(t, append(args, "--draft", draft, "--draft-tokens=5")...).must(t).document(t, "freehold/run/1")
			if d["text"] != plain["text"] || d["reason"] != plain["reason"] || d["generated_tokens"] != plain["generated_tokens"] {
				t.Errorf("--draft %s: %v, without: %v", draft, d, plain)
			}
			if draft == model && (d["drafted"] == 0.0 || d["accepted"] != d["drafted"]) {
				t.Errorf("%v of %v guesses of the model itself are right, want all of them", d["accepted"], d["drafted"])
			}
		}
	}
	r := freehold(t, "run", model, "hello", "-n", "12", "--draft=lookup", "--stats").must(t)
	if !strings.Contains(r.err, "of them right") {
		t.Errorf("--stats says nothing of the draft: %s", r.err)
	}
}

// What is streamed is what --json says, and standard output holds nothing else.
func TestRun(t *testing.T) {
	model := tiny(t)
	streamed := freehold(t, "run", model, "hello", "-n", "12").must(t)
	d := freehold(t, "run", model, "hello", "-n", "12", "--json").must(t).document(t, "freehold/run/1")
	if text := d["text"].(string); strings.TrimRight(streamed.out, "\n") != strings.TrimRight(text, "\n") {
		t.Errorf("streamed %q, in the document %q", streamed.out, text)
	}
	if d["reason"] == "length" && (!strings.Contains(streamed.err, "cut at 12 tokens") || d["generated_tokens"] != 12.0) {
		t.Errorf("a cut answer, but: %s", streamed.err)
	}
	if r := freehold(t, "run", "-q", model, "hello", "-n", "12").must(t); r.err != "" || r.out != streamed.out {
		t.Errorf("with -q: stdout %q, stderr %q", r.out, r.err)
	}
	if r := (call{stdin: "hello\n"}).run(t, "run", model, "-n", "12").must(t); r.out != streamed.out {
		t.Errorf("from standard input %q, as an argument %q", r.out, streamed.out)
	}
	for _, flags := range [][]string{{"-t1"}, {"-t3"}, {"--cpu=portable"}} {
		if r := freehold(t, append([]string{"run", model, "hello", "-n", "12"}, flags...)...).must(t); r.out != streamed.out {
			t.Errorf("%v gives %q, want %q", flags, r.out, streamed.out)
		}
	}
	warm := []string{"run", model, "hello", "-n", "12", "--temperature=1.5", "--seed=3"}
	one := freehold(t, warm...).must(t)
	if two := freehold(t, warm...).must(t); one.out != two.out {
		t.Errorf("one seed, two answers: %q and %q", one.out, two.out)
	}
	if other := freehold(t, append(warm, "--seed=4")...).must(t); one.out == other.out || one.out == streamed.out {
		t.Errorf("another seed or the greedy answer gives the same text: %q", one.out)
	}
}

func TestClassify(t *testing.T) {
	model := tiny(t)
	r := call{stdin: "one text\nanother text\r\nthird"}.run(t, "classify", model, "-l", "yes,no", "--jsonl").must(t)
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d rows, want 3: %s", len(lines), r.out)
	}
	for i, want := range []string{"one text", "another text", "third"} {
		var row classifyRow
		if err := json.Unmarshal([]byte(lines[i]), &row); err != nil {
			t.Fatal(err)
		}
		sum := row.Probabilities["yes"] + row.Probabilities["no"]
		if row.Text != want || sum < 0.999999 || sum > 1.000001 || row.P != row.Probabilities[row.Label] || row.P < 0.5 {
			t.Errorf("row %d: %+v", i, row)
		}
		single := freehold(t, "classify", model, "-l", "yes,no", "--json", want).must(t)
		var doc classification
		if err := json.Unmarshal([]byte(single.out), &doc); err != nil {
			t.Fatal(err)
		}
		if len(doc.Rows) != 1 || doc.Rows[0].P != row.P {
			t.Errorf("alone %+v, together %+v", doc.Rows, row)
		}
	}
	gap := call{stdin: "one\n\nthree\n"}.run(t, "classify", model, "-l", "yes,no")
	if gap.code != exitInput || !strings.Contains(gap.err, "standard input:2:") {
		t.Errorf("an empty line: exit code %d, %s", gap.code, gap.err)
	}
	texts := file(t, "texts.txt", "one text\nanother text\nthird\n")
	even := freehold(t, "classify", model, "-l", "yes,no", "--jsonl", "--calibrate", texts, "one text", "another text", "third").must(t)
	seen := map[bool]int{}
	for _, line := range strings.Split(strings.TrimSpace(even.out), "\n") {
		var row classifyRow
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		p := row.Probabilities["yes"]
		seen[p >= 0.5-1e-9]++
		if p <= 0.5+1e-9 {
			seen[false]++
		}
	}
	if seen[true] == 0 || seen[false] == 0 { // the median text lies at one half
		t.Errorf("after calibration all texts lie on one side: %s", even.out)
	}
}

// A file that holds nothing but a vocabulary is enough to tokenize with.
func TestTokenize(t *testing.T) {
	z, err := os.Open(fixture(t, "tokenizers/ggml-vocab-gpt-2.gguf.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	plain, err := gzip.NewReader(z)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(plain)
	if err != nil {
		t.Fatal(err)
	}
	vocab := file(t, "vocab.gguf", string(b))
	if r := freehold(t, "tokenize", vocab, "--ids", "Hello world").must(t); r.out != "15496 995\n" || r.err != "" {
		t.Errorf("stdout %q, stderr %q", r.out, r.err)
	}
	text := "Ünï ☃ text,  two spaces\n"
	ids := call{stdin: text}.run(t, "tokenize", vocab, "--ids").must(t).out
	if r := freehold(t, "tokenize", vocab, "--decode", strings.TrimSpace(ids)).must(t); r.out != text+"\n" {
		t.Errorf("round trip %q, want %q", r.out, text)
	}
	if r := freehold(t, "tokenize", vocab, "Hello world").must(t); r.out != "  15496  \"Hello\"\n    995  \" world\"\n" || r.err != "2 tokens\n" {
		t.Errorf("stdout %q, stderr %q", r.out, r.err)
	}
}

func TestInspect(t *testing.T) {
	strange := edited(t, "models/llama256.Q8_0.gguf", map[string]any{"general.architecture": "hyena9", "general.description": "evil \x1b[2J name"})
	r := freehold(t, "inspect", strange)
	if r.code != exitInput || !strings.Contains(r.out, "tokenizer.ggml.model") || strings.Contains(r.out, "\x1b") {
		t.Errorf("what is known is shown, safely: exit code %d\n%s", r.code, r.out)
	}
	d := freehold(t, "inspect", "--json", strange).document(t, "freehold/inspect/1")
	if p := d["problems"].([]any); len(p) != 1 || !strings.Contains(p[0].(string), "hyena9") {
		t.Errorf("problems: %v", p)
	}
	if good := freehold(t, "inspect", "--full", tiny(t)).must(t); !strings.Contains(good.out, "all weights finite") {
		t.Errorf("%s", good.out)
	}
	if short := freehold(t, "inspect", tiny(t)).must(t); strings.Contains(short.out, "all weights finite") {
		t.Error("without --full nothing is said about weights")
	}
}

func TestColour(t *testing.T) {
	for _, c := range []struct {
		env  []string
		want bool
	}{
		{[]string{"NO_COLOR=", "CLICOLOR_FORCE=1"}, true},
		{[]string{"NO_COLOR=1", "CLICOLOR_FORCE=1"}, false},
		{[]string{"NO_COLOR=", "CLICOLOR_FORCE=0"}, false},
		{[]string{"NO_COLOR="}, false}, // no terminal here
	} {
		if got := strings.Contains(call{env: c.env}.run(t, "runn").err, "\x1b["); got != c.want {
			t.Errorf("%v: coloured %v, want %v", c.env, got, c.want)
		}
	}
}

// init writes nothing over what the user changed.
func TestInit(t *testing.T) {
	dir := t.TempDir()
	in := call{dir: dir}
	in.run(t, "init").must(t)
	path := filepath.Join(dir, "freehold.yaml")
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	in.run(t, "init").must(t) // the same again is harmless
	if err := os.WriteFile(path, []byte("mine\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if r := in.run(t, "init"); r.code != exitUsage || !strings.Contains(r.err, "--force") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
	if b, _ := os.ReadFile(path); string(b) != "mine\n" {
		t.Errorf("the changed recipe was overwritten: %s", b)
	}
	in.run(t, "init", "--force").must(t)
	if b, _ := os.ReadFile(path); string(b) != string(first) {
		t.Error("--force did not write the template")
	}
	if err := os.WriteFile(filepath.Join(dir, "rows.csv"), []byte("text,label\nup we go,up\ndown it is,down\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	in.run(t, "init", "own", "--data", "rows.csv", "--teacher", tiny(t)).must(t)
	path = filepath.Join(dir, "own", "freehold.yaml")
	own, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(own, []byte("layers: 8"), []byte("layers: 1"), 1), 0o666); err != nil { // the tiny model has three
		t.Fatal(err)
	}
	if out := in.run(t, "plan", path); !strings.Contains(out.out+out.err, "rows.csv") {
		t.Errorf("plan does not name the rows: %s%s", out.out, out.err)
	}
}

func TestBench(t *testing.T) {
	model := tiny(t)
	args := []string{"bench", model, "-p", "8,16", "-n", "4", "-r", "3"}
	table := freehold(t, args...).must(t)
	for _, want := range []string{"limits: read", "| pp8 ", "| pp16 ", "| tg4 ", "| tok/s"} {
		if !strings.Contains(table.out, want) {
			t.Errorf("the table lacks %q:\n%s", want, table.out)
		}
	}
	sheet, err := csv.NewReader(strings.NewReader(freehold(t, append(args, "-o", "csv")...).must(t).out)).ReadAll()
	if err != nil || len(sheet) != 4 || sheet[0][3] != "test" || sheet[2][3] != "pp16" {
		t.Errorf("%v, %v", sheet, err)
	}
	noisy := freehold(t, append(args, "--max-spread", "0.0000001")...)
	if noisy.code != exitInconclusive || !strings.Contains(noisy.err, "inconclusive") || !strings.Contains(noisy.out, "| pp8 ") {
		t.Errorf("exit code %d, want %d: %s", noisy.code, exitInconclusive, noisy.err)
	}
}

// Each type of KV cache is the one asked for, and f16 the one that is not.
func TestKV(t *testing.T) {
	model := fixture(t, "models/llama256.Q8_0.gguf")
	for _, kv := range []string{"f16", "f32", "q8_0", ""} {
		args := []string{"bench", "-q", "--json", model, "-p", "0", "-n", "4", "-r", "1", "--read-size=1"}
		want := "f16"
		if kv != "" {
			args, want = append(args, "--kv="+kv), kv
		}
		if d := freehold(t, args...).must(t).document(t, "freehold/bench/1"); d["kv"] != want {
			t.Errorf("--kv %q: the cache is %v", kv, d["kv"])
		}
	}
}

// The importance matrix that was gathered gives the same file when it is read back; it and --tensor change the file.
func TestQuantizeImportance(t *testing.T) {
	model, dir := tiny(t), t.TempDir()
	data, im := filepath.Join(dir, "data.jsonl"), filepath.Join(dir, "im.gguf")
	if err := os.WriteFile(data, []byte("{\"text\": \"a good film\", \"label\": \"any\"}\n{\"prompt\": \"a bad one\", \"completion\": \"no\"}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	write := func(name string, args ...string) []byte {
		out := filepath.Join(dir, name)
		freehold(t, append([]string{"quantize", "-q", model, out, "-f", "q4_0"}, args...)...).must(t)
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	plain := write("plain.gguf")
	gathered := write("gathered.gguf", "--imatrix-from", data, "--imatrix-out", im)
	if bytes.Equal(plain, gathered) {
		t.Error("the importances change nothing")
	}
	if !bytes.Equal(gathered, write("read.gguf", "--imatrix", im)) {
		t.Error("the importances read back give another file")
	}
	write("some.gguf", "--tensor", "attn_[qk]=q8_0", "--tensor", "ffn_up=f16")
	d := freehold(t, "inspect", "--json", filepath.Join(dir, "some.gguf")).must(t).document(t, "freehold/inspect/1")
	if types := d["types"].(map[string]any); types["Q8_0"] == nil || types["F16"] == nil || types["Q4_0"] == nil {
		t.Errorf("types: %v", types)
	}
	for want, args := range map[string][]string{
		"keep one":         {"--imatrix", im, "--imatrix-from", data},
		"is missing":       {"--imatrix-out", filepath.Join(dir, "x.gguf")},
		"is there already": {"--imatrix-from", data, "--imatrix-out", im},
		`"nothing_like"`:   {"--tensor", "nothing_like=q8_0"},
		"want REGEX=TYPE":  {"--tensor", "ffn_up"},
		"general.type":     {"--imatrix", model},
		"nosuch.jsonl":     {"--imatrix-from", filepath.Join(dir, "nosuch.jsonl")},
	} {
		r := freehold(t, append([]string{"quantize", model, filepath.Join(dir, "bad.gguf"), "-f", "q4_0"}, args...)...)
		if r.code == 0 || !strings.Contains(r.err, want) {
			t.Errorf("%v: code %d, %q; want an error with %q", args, r.code, r.err, want)
		}
		if _, err := os.Stat(filepath.Join(dir, "bad.gguf")); err == nil {
			t.Fatalf("%v: a file appeared", args)
		}
	}
}

// quantize writes what can be opened, says what it did, and answers nearly like its source.
func TestQuantize(t *testing.T) {
	model, out := tiny(t), filepath.Join(t.TempDir(), "out.gguf")
	r := freehold(t, "quantize", model, out, "--format", "q4_0").must(t)
	if !strings.Contains(r.out, "q4_0") || !strings.Contains(r.err, "already") {
		t.Errorf("stdout %q, stderr %q", r.out, r.err)
	}
	d := freehold(t, "inspect", "--full", "--json", out).must(t).document(t, "freehold/inspect/1")
	types := d["types"].(map[string]any)
	if types["Q4_0"] == nil || types["F32"] == nil {
		t.Errorf("types: %v", types)
	}
	f16 := filepath.Join(t.TempDir(), "f16.gguf")
	freehold(t, "quantize", "-q", model, f16, "--format", "f16").must(t)
	a := freehold(t, "run", "--numeric=reference", model, "hello", "-n", "8").must(t)
	if b := freehold(t, "run", "--numeric=reference", f16, "hello", "-n", "8").must(t); a.out != b.out {
		t.Errorf("as F16 the answer is %q, before %q", b.out, a.out)
	}
}

// A template that asks for the date gets today's from run, a day that is given everywhere, and none of classify's own.
func TestDate(t *testing.T) {
	model := edited(t, "models/qwen2.Q8_0.gguf", map[string]any{"tokenizer.chat_template": "{{ strftime_now('%Y %d') }}{% for m in messages %}{{ m.content }}{% endfor %}", "general.license": "mit"})
	tokens := func(args ...string) any {
		return freehold(t, append([]string{"--json", "run", model, "hello", "-n", "3"}, args...)...).must(t).document(t, "freehold/run/1")["prompt_tokens"]
	}
	plain := edited(t, "models/qwen2.Q8_0.gguf", map[string]any{"tokenizer.chat_template": "2024 26{% for m in messages %}{{ m.content }}{% endfor %}", "general.license": "mit"})
	want := freehold(t, "--json", "run", plain, "hello", "-n", "3").must(t).document(t, "freehold/run/1")
	got := freehold(t, "--json", "run", model, "hello", "-n", "3", "--date=2024-07-26").must(t).document(t, "freehold/run/1")
	if got["text"] != want["text"] || got["prompt_tokens"] != want["prompt_tokens"] {
		t.Errorf("with a date %v, with it in the template %v", got, want)
	}
	if tokens() == 0.0 {
		t.Error("run without a date has no prompt")
	}
	if r := freehold(t, "run", model, "hello", "--date=26.7.2024"); r.code != exitUsage || !strings.Contains(r.err, "2026-01-31") {
		t.Errorf("code %d: %s", r.code, r.err)
	}
	if r := freehold(t, "classify", model, "-l", "yes,no", "text"); r.code == 0 || !strings.Contains(r.err, "--date") {
		t.Errorf("classify without a date: code %d, %s", r.code, r.err)
	}
	freehold(t, "classify", model, "-l", "yes,no", "text", "--date=2024-07-26").must(t)
}
