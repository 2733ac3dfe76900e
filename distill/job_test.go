package distill

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/gguf"
)

// tinyRecipe is a whole job of a second: the teacher is the 107-thousand-weight model that the hostile corpus is made
// from, with byte-level BPE and a chat template.
const tinyRecipe = `version: 1
name: tiny
task: {type: classify, labels: [up, down], prompt: "Up or down? {text}"}
teacher: {model: %q, licence: Apache-2.0}
student: {from: teacher, layers: %s, format: %s, freeze: [token_embd.weight]}
data: {train: train.jsonl, test: test.jsonl, duplicates: keep}
train: {steps: 9, batch: 16, lr: 0.003, warmup: 2, save_every: 2, seed: 3}
eval: {gates: {size_ratio: ">= 1"}}
quantize: [f16, q8_0]
`

const tinyTrain, tinyTest = 200, 60

func tinyTeacher(t testing.TB) string {
	t.Helper()
	for _, dir := range []string{fixtures(t), filepath.Join("..", "testdata")} {
		path, err := filepath.Abs(filepath.Join(dir, "hostile", "base", "base_bpe256.gguf"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Fatal("hostile/base/base_bpe256.gguf is missing")
	return ""
}

// tinyBase is a one-layer student with a classification head.
func tinyBase(t testing.TB) *Base {
	t.Helper()
	f, err := gguf.Open(tinyTeacher(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := NewBase(f, Prune{Layers: []int{0}, Labels: []string{"up", "down"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Student.Freeze("token_embd.weight", "output.weight"); err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// tinyJob writes a recipe with its data into a new folder and returns the recipe's path.
func tinyJob(t testing.TB) string { return tinyJobOf(t, tinyTrain, tinyTest) }

func tinyJobOf(t testing.TB, train, test int) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "freehold.yaml"), fmt.Sprintf(tinyRecipe, tinyTeacher(t), "1", "f32"))
	ups, downs := strings.Fields("rise climb grow soar lift gain peak high jump more"), strings.Fields("fall sink drop dive lose low dip less slump cut")
	r := rand.New(rand.NewPCG(31, 32))
	for name, n := range map[string]int{"train": train, "test": test} {
		var b strings.Builder
		for i := range n {
			list, label := ups, "up"
			if i%2 == 1 {
				list, label = downs, "down"
			}
			var words []string
			for range 1 + r.IntN(5) {
				words = append(words, list[r.IntN(len(list))])
			}
			fmt.Fprintf(&b, "{\"id\": \"%s-%d\", \"text\": %q, \"label\": %q}\n", name, i, strings.Join(words, " "), label)
		}
		write(t, filepath.Join(dir, name+".jsonl"), b.String())
	}
	return filepath.Join(dir, "freehold.yaml")
}

// apply runs a recipe's job and returns its folder.
func apply(ctx context.Context, recipe string, o Options, st Stages) (*Summary, string, error) {
	r, err := LoadRecipe(recipe)
	if err != nil {
		return nil, "", err
	}
	j, err := NewJob(ctx, r, o)
	if err != nil {
		return nil, "", err
	}
	sum, err := j.Apply(ctx, st)
	return sum, j.Dir(), err
}

func mustApply(t testing.TB, recipe string, o Options, st Stages) (*Summary, string) {
	t.Helper()
	if o.Warn == nil {
		o.Warn = func(s string) { t.Logf("warning: %s", s) }
	}
	sum, dir, err := apply(context.Background(), recipe, o, st)
	if err != nil {
		t.Fatal(err)
	}
	return sum, dir
}

func sha(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// edit replaces text in a file, which must hold it.
func edit(t testing.TB, path, old, new string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte(old)) {
		t.Fatalf("%s does not hold %q", path, old)
	}
	write(t, path, strings.Replace(string(b), old, new, 1))
}

// The whole job, end to end: files, summary, manifest, sums, report.
func TestJob(t *testing.T) {
	recipe := tinyJob(t)
	var stages []string
	o := Options{Threads: 2, Progress: func(e Event) {
		if len(stages) == 0 || stages[len(stages)-1] != e.Stage {
			stages = append(stages, e.Stage)
		}
	}}
	sum, dir := mustApply(t, recipe, o, Stages{})
	if want := "label train eval quantize"; !strings.HasPrefix(strings.Join(stages, " "), want) {
		t.Errorf("progress names the stages %v, want %s", stages, want)
	}
	if filepath.Base(dir) != "001" || filepath.Dir(dir) != filepath.Join(filepath.Dir(recipe), "runs") {
		t.Errorf("run folder is %s", dir)
	}
	if l, err := os.Readlink(filepath.Join(filepath.Dir(dir), "latest")); err != nil || l != "001" {
		t.Errorf("runs/latest is %q (%v)", l, err)
	}
	if sum.Gate != "passed" || len(sum.Gates) != 1 || sum.Rows["train"] != tinyTrain || sum.Rows["test"] != tinyTest || sum.Teacher.RowsPerS <= 0 || sum.Student.RowsPerS <= 0 ||
		sum.Student.Bytes <= 0 || len(sum.Quantized) != 2 || sum.Student.CI95[0] > sum.Student.Accuracy || sum.Student.CI95[1] < sum.Student.Accuracy {
		t.Errorf("summary %+v", sum)
	}
	for _, m := range taskTypes["classify"].metrics {
		if _, ok := sum.Metrics[m]; !ok {
			t.Errorf("metric %s was not measured", m)
		}
	}
	for _, s := range []string{"label", "train", "eval", "quantize"} {
		if sum.Seconds[s] <= 0 {
			t.Errorf("stage %s took %v s", s, sum.Seconds[s])
		}
	}
	checkLadder(t, sum)
	checkSummaryFile(t, filepath.Join(dir, "summary.json"))
	checkSums(t, dir, "model.gguf", "model.f16.gguf", "model.q8_0.gguf", "recipe.yaml", "lock.json", "metrics.jsonl", "summary.json", "report.html",
		"labels/shard-00000.jsonl", "labels/shard-00002.jsonl", "eval/predictions.jsonl", "eval/ladder.json", "eval/predictions.unquantized.jsonl")
	checkReport(t, filepath.Join(dir, "report.html"))
	checkMetrics(t, filepath.Join(dir, "metrics.jsonl"), 9)

	var m Manifest
	b, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	if m.Recipe.Name != "tiny" || m.Teacher["sha256"] != sha(t, tinyTeacher(t)) || m.Teacher["declared_by_recipe"] != "Apache-2.0" || m.Data["sha256"] == "" ||
		m.Files["model.gguf"].SHA256 != sha(t, filepath.Join(dir, "model.gguf")) || m.CPULevel == "" || m.GoVersion == "" || m.Platform == "" || len(m.Run) != 64 {
		t.Errorf("manifest %s", b)
	}
	for name := range m.Files {
		if strings.Contains(name, dir) {
			t.Errorf("manifest names a path of this machine: %s", name)
		}
	}
	for _, name := range []string{"model.gguf", "metrics.jsonl", "labels/shard-00000.jsonl", "checkpoints/step-00000009.gguf"} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || bytes.Contains(b, []byte(filepath.Dir(recipe))) {
			t.Errorf("%s is missing or names a path of this machine (%v)", name, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*", "*.tmp")); left != nil {
		t.Errorf("temporary files are left: %v", left)
	}

	// Again: nothing is done. When a file was damaged, what made it is done again, and nothing is labelled or trained.
	before := map[string]os.FileInfo{}
	stages = nil
	if same, _ := mustApply(t, recipe, o, Stages{}); len(stages) > 0 || same.Student.Accuracy != sum.Student.Accuracy || same.Seconds["train"] != sum.Seconds["train"] {
		t.Errorf("a finished run did %v", stages)
	}
	write(t, filepath.Join(dir, "report.html"), "damaged")
	for _, name := range []string{"labels/shard-00000.jsonl", "checkpoints/step-00000009.gguf", "lock.json"} {
		before[name], _ = os.Stat(filepath.Join(dir, name))
	}
	model := sha(t, filepath.Join(dir, "model.gguf"))
	stages = nil
	again, dir2 := mustApply(t, recipe, o, Stages{})
	if dir2 != dir {
		t.Errorf("the same recipe made another run folder, %s", dir2)
	}
	for name, st := range before {
		if now, err := os.Stat(filepath.Join(dir, name)); err != nil || !os.SameFile(now, st) || now.ModTime() != st.ModTime() {
			t.Errorf("%s was written again", name)
		}
	}
	if s := strings.Join(stages, " "); strings.Contains(s, "label") || strings.Contains(s, "train") {
		t.Errorf("a finished run did %v", stages)
	}
	if again.Student.Accuracy != sum.Student.Accuracy || sha(t, filepath.Join(dir, "model.gguf")) != model {
		t.Error("a second run of the same job gives something else")
	}
	checkMetrics(t, filepath.Join(dir, "metrics.jsonl"), 9)
	checkReport(t, filepath.Join(dir, "report.html"))

	// A changed recipe is another run; its questions to the teacher are the same, and are not asked again.
	edit(t, recipe, "lr: 0.003", "lr: 0.002")
	stages = nil
	_, other := mustApply(t, recipe, o, Stages{Only: "label"})
	if len(stages) > 0 {
		t.Errorf("a run that differs in its learning rate did %v", stages)
	}
	if filepath.Base(other) != "002" {
		t.Errorf("a changed recipe runs in %s", other)
	}
	if l, _ := os.Readlink(filepath.Join(filepath.Dir(dir), "latest")); l != "002" {
		t.Errorf("runs/latest is %q after the second run", l)
	}
	if sha(t, filepath.Join(other, "labels", "shard-00000.jsonl")) != sha(t, filepath.Join(dir, "labels", "shard-00000.jsonl")) {
		t.Error("the same questions got other labels")
	}
	edit(t, recipe, "lr: 0.002", "lr: 0.003")
	if _, back := mustApply(t, recipe, o, Stages{Only: "label"}); back != dir {
		t.Errorf("the old recipe runs in %s, want %s", back, dir)
	}
	edit(t, recipe, "Up or down?", "Down or up?")
	stages = nil
	if mustApply(t, recipe, o, Stages{Only: "label"}); len(stages) == 0 {
		t.Error("another prompt did not ask the teacher")
	}
}

// checkLadder wants the weights as they were trained, model.gguf and the formats: formats that hold the trained weights as
// they are say the same, others do not, and every step but the first is tested.
func checkLadder(t *testing.T, s *Summary) {
	t.Helper()
	var names []string
	for i, r := range s.Ladder {
		names = append(names, r.Format)
		if !(r.RowsPerS > 0) || r.Bytes <= 0 || !(r.Score >= 0 && r.Score <= 1) {
			t.Errorf("rung %+v", r)
		}
		if i == 0 {
			continue
		}
		if r.KL == nil || r.Test == nil || r.KL.Of == 0 || r.KL.Mean > r.KL.P999 || r.KL.P999 > r.KL.Max || r.Test.P > 1 || r.Test.P <= 0 {
			t.Errorf("rung %+v", r)
			continue
		}
		if same := r.KL.Max == 0; same != (r.Format == "f32") {
			t.Errorf("%s: divergence %+v", r.Format, r.KL)
		}
		if r.KL.Max == 0 && (r.Score != s.Ladder[0].Score || r.Test.Won+r.Test.Lost > 0) {
			t.Errorf("%s says the same and scores %v, not %v", r.Format, r.Score, s.Ladder[0].Score)
		}
		if i > 1 && (s.Quantized[i-2].Accuracy != r.Score || s.Quantized[i-2].Bytes != r.Bytes) {
			t.Errorf("%s: file %+v, rung %+v", r.Format, s.Quantized[i-2], r)
		}
	}
	if got := strings.Join(names, " "); got != "f32 f32 f16 q8_0" {
		t.Fatalf("the ladder is %s", got)
	}
	if f16, q8 := s.Ladder[2], s.Ladder[3]; f16.KL.Mean >= q8.KL.Mean || f16.Bytes <= q8.Bytes || f16.Bytes >= s.Ladder[0].Bytes {
		t.Errorf("f16 %+v %d bytes, q8_0 %+v %d bytes", f16.KL, f16.Bytes, q8.KL, q8.Bytes)
	}
}

// checkSummaryFile holds the file against the fields that other tools read.
func checkSummaryFile(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Schema, Gate     string
		Teacher, Student struct {
			Accuracy *float64
			Bytes    *int64
			RowsPerS *float64 `json:"rows_per_s"`
		}
		Baseline struct{ Accuracy *float64 }
	}
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	if s.Schema == "" || s.Gate == "" || s.Teacher.Accuracy == nil || s.Teacher.Bytes == nil || s.Teacher.RowsPerS == nil || s.Student.Accuracy == nil ||
		s.Student.Bytes == nil || s.Student.RowsPerS == nil || s.Baseline.Accuracy == nil {
		t.Errorf("summary.json lacks fields: %s", b)
	}
}

// checkSums does what sha256sum -c does, and wants the named files to be listed.
func checkSums(t *testing.T, dir string, want ...string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") {
		sum, name, ok := strings.Cut(line, "  ")
		if !ok || sha(t, filepath.Join(dir, name)) != sum {
			t.Errorf("SHA256SUMS: %q is not right", line)
		}
		listed[name] = true
	}
	for _, name := range want {
		if !listed[name] {
			t.Errorf("SHA256SUMS does not list %s", name)
		}
	}
}

// checkReport wants a page that asks for nothing outside itself and is well-formed.
func checkReport(t *testing.T, path string) {
	t.Helper()
	checkPage(t, path, "tiny", "<svg", "confusion matrix", "training loss", "linear, words", "linear, words and pairs", "quantisation ladder", "99.9 % KL", "McNemar, exact", "passed", "Apache-2.0", "</html>")
}

// checkPage wants such a page that says what is wanted.
func checkPage(t *testing.T, path string, wanted ...string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	for _, bad := range []string{`(?i)(src|href|action|data)\s*=`, `(?i)url\(`, `(?i)@import`, `(?i)<script`, `(?i)<link`, `https?://`, `NaN`, `\+Inf`, `%!`, `ZgotmplZ`, `&lt;svg`} {
		if m := regexp.MustCompile(bad).FindString(page); m != "" {
			t.Errorf("report.html holds %q", m)
		}
	}
	for _, want := range wanted {
		if !strings.Contains(page, want) {
			t.Errorf("report.html does not hold %q", want)
		}
	}
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	depth := []string{}
	for {
		tok, err := d.Token()
		if err != nil {
			if !strings.Contains(err.Error(), "EOF") || len(depth) > 0 {
				t.Errorf("report.html is not well-formed: %v, open: %v", err, depth)
			}
			break
		}
		switch e := tok.(type) {
		case xml.StartElement:
			depth = append(depth, e.Name.Local)
		case xml.EndElement:
			if len(depth) == 0 || depth[len(depth)-1] != e.Name.Local {
				t.Fatalf("report.html: </%s> closes %v", e.Name.Local, depth)
			}
			depth = depth[:len(depth)-1]
		}
	}
}

// checkMetrics wants one line a step.
func checkMetrics(t *testing.T, path string, steps int) {
	t.Helper()
	ms, err := readMetrics(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(ms) != steps {
		t.Errorf("%d lines in metrics.jsonl, want %d", len(ms), steps)
	}
	for i, m := range ms {
		if m.Step != i || m.Tokens == 0 {
			t.Errorf("line %d of metrics.jsonl: %+v", i, m)
		}
	}
}

// Stages run one by one, and say what they miss.
func TestJobStages(t *testing.T) {
	recipe := tinyJob(t)
	o := Options{Threads: 2}
	fails := func(st Stages, words ...string) {
		t.Helper()
		_, _, err := apply(context.Background(), recipe, o, st)
		var data *DataError
		if !errors.As(err, &data) {
			t.Errorf("%+v: error %v, want a *DataError", st, err)
			return
		}
		for _, w := range words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%+v: %q does not say %q", st, err, w)
			}
		}
	}
	fails(Stages{Only: "train"}, "labels", "3 label shards are missing", "run the label stage first")
	_, dir := mustApply(t, recipe, o, Stages{Only: "label"})
	fails(Stages{Only: "eval"}, "checkpoints", "step 0 of 9", "run the train stage first")
	fails(Stages{Only: "quantize"}, "run the train stage first")
	if _, err := os.Stat(filepath.Join(dir, "model.gguf")); err == nil {
		t.Error("a model without training")
	}
	mustApply(t, recipe, o, Stages{Only: "train"})
	fails(Stages{Only: "quantize"}, "summary.json", "run the eval stage first")
	fails(Stages{From: "report"}, "summary.json", "run the eval stage first")
	sum, _ := mustApply(t, recipe, o, Stages{Only: "eval"})
	if len(sum.Quantized) != 0 {
		t.Errorf("eval alone quantised %v", sum.Quantized)
	}
	acc := sum.Student.Accuracy
	sum, _ = mustApply(t, recipe, o, Stages{From: "quantize"})
	if len(sum.Quantized) != 2 || sum.Student.Accuracy != acc {
		t.Errorf("from quantize: %+v", sum)
	}
	mustApply(t, recipe, o, Stages{Only: "report"})
	if err := os.Remove(filepath.Join(dir, "labels", "shard-00001.jsonl")); err != nil {
		t.Fatal(err)
	}
	fails(Stages{Only: "train"}, "1 label shards are missing")
	var re *RecipeError
	if _, _, err := apply(context.Background(), recipe, o, Stages{Only: "lable"}); !errors.As(err, &re) || !strings.Contains(err.Error(), "label, train, eval") {
		t.Errorf("unknown stage: %v", err)
	}
}

// A gate that is not passed is an error with the numbers; the run is there to be looked at.
func TestJobGate(t *testing.T) {
	recipe := tinyJob(t)
	edit(t, recipe, `{size_ratio: ">= 1"}`, `{size_ratio: ">= 1000", agreement: ">= 0"}`)
	sum, dir, err := apply(context.Background(), recipe, Options{Threads: 2}, Stages{})
	var gate *GateError
	if !errors.As(err, &gate) || len(gate.Failed) != 1 || gate.Failed[0].Metric != "size_ratio" {
		t.Fatalf("error %v", err)
	}
	want := fmt.Sprintf("size_ratio is %.4f, want >= 1000 (off by %.4f)", sum.Metrics["size_ratio"], sum.Metrics["size_ratio"]-1000)
	if !strings.Contains(err.Error(), want) {
		t.Errorf("error %q does not say %q", err, want)
	}
	if sum.Gate != "failed" || len(sum.Gates) != 2 {
		t.Errorf("summary says %q, %+v", sum.Gate, sum.Gates)
	}
	for _, name := range []string{"summary.json", "report.html", "SHA256SUMS", "model.gguf"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "model.q8_0.gguf")); err == nil {
		t.Error("a model that failed its gate was quantised")
	}
}

// A teacher that is always wrong leaves ratios to it unmeasured: the summary is still written, and a gate on them fails.
func TestJobUselessTeacher(t *testing.T) {
	recipe := tinyJobOf(t, 20, 1)
	edit(t, recipe, `{size_ratio: ">= 1"}`, `{retention: ">= 0"}`)
	test := filepath.Join(filepath.Dir(recipe), "test.jsonl")
	edit(t, recipe, "steps: 9", "steps: 1")
	for _, label := range []string{"up", "down"} { // one of the two is wrong
		write(t, test, fmt.Sprintf(`{"text": "rise", "label": %q}`, label))
		sum, dir, err := apply(context.Background(), recipe, Options{Threads: 1}, Stages{})
		if sum == nil {
			t.Fatal(err)
		}
		checkSummaryFile(t, filepath.Join(dir, "summary.json"))
		if sum.Teacher.Accuracy > 0 {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "retention could not be measured, want >= 0") || sum.Gate != "failed" {
			t.Errorf("gate %s, error %v", sum.Gate, err)
		}
		return
	}
	t.Error("the teacher was right about both")
}

// What training would refuse is refused before anything is labelled.
func TestJobChecksFirst(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"freeze: [token_embd.weight]", "freeze: [blk.9.*]", `freeze pattern "blk.9.*" matches no tensor`},
		{"freeze: [token_embd.weight]", "freeze: [token_embd.weight], lora: {rank: 4, targets: [output.weight]}", `student.lora: freeze pattern "output.weight" matches no tensor`},
		{"layers: 1", "layers: 3", "layers"},
		{"layers: 1", "layers: [0, 7]", "layers"},
		{"save_every: 2", "save_every: 2, max_tokens: 3", "train.jsonl:1: the row has"},
		{"train: train.jsonl, test: test.jsonl", "train: test.jsonl, test: long.jsonl", "long.jsonl:2: the row has 2001 tokens, want 1 to 128, the student's context"},
		{"train: train.jsonl, test: test.jsonl", "train: long.jsonl, test: test.jsonl", "long.jsonl:2: the row has 2001 tokens, want 1 to 512, train.max_tokens"},
	} {
		recipe := tinyJob(t)
		write(t, filepath.Join(filepath.Dir(recipe), "long.jsonl"), `{"text": "x", "label": "up"}`+"\n"+`{"text": "`+strings.Repeat("x", 2000)+`", "label": "up"}`)
		edit(t, recipe, c.old, c.new)
		_, _, err := apply(context.Background(), recipe, Options{Threads: 1}, Stages{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %s", c.new, err, c.want)
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(recipe), "runs")); err == nil {
			t.Errorf("%s: a run was begun", c.new)
		}
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		cond string
		got  float64
		pass bool
	}{{">= 0.9", 0.9, true}, {">= 0.9", 0.8999, false}, {"> 0.9", 0.9, false}, {"<= 0.05", 0.05, true}, {"<0.05", 0.05, false}, {" < 0.05 ", 0.04, true}} {
		v := judge(map[string]string{"accuracy": c.cond}, map[string]float64{"accuracy": c.got})
		if len(v) != 1 || v[0].Passed != c.pass {
			t.Errorf("%v against %q: %+v", c.got, c.cond, v)
		}
	}
	if v := judge(map[string]string{"ece": "<= 1"}, map[string]float64{}); v[0].Passed {
		t.Error("a gate on a number that was not measured is passed")
	}
	for _, bad := range []string{"", "0.9", "== 1", ">= x", ">= NaN", ">=", ">= 0.9 accuracy", "=> 0.9", ">= +Inf"} {
		if _, _, err := parseGate(bad); err == nil {
			t.Errorf("condition %q is accepted", bad)
		}
	}
}

// A run may be named; it must belong to the recipe.
func TestJobRunName(t *testing.T) {
	recipe := tinyJob(t)
	o := Options{Threads: 1}
	_, first := mustApply(t, recipe, o, Stages{Only: "label"})
	o.Run = "trial"
	_, named := mustApply(t, recipe, o, Stages{Only: "label"})
	if filepath.Base(named) != "trial" || named == first {
		t.Errorf("run folder %s", named)
	}
	o.Run = "latest"
	if _, dir := mustApply(t, recipe, o, Stages{Only: "label"}); filepath.Base(dir) != "trial" {
		t.Errorf("the latest run is %s", dir)
	}
	edit(t, recipe, "seed: 3", "seed: 4")
	for _, name := range []string{"trial", "001", "latest"} {
		o.Run = name
		var re *RecipeError
		if _, _, err := apply(context.Background(), recipe, o, Stages{Only: "label"}); !errors.As(err, &re) || !strings.Contains(err.Error(), "another recipe") {
			t.Errorf("run %s of another recipe: %v", name, err)
		}
	}
	for _, name := range []string{"../x", "a/b", "..", ".", "a b"} {
		o.Run = name
		var re *RecipeError
		if _, _, err := apply(context.Background(), recipe, o, Stages{Only: "label"}); !errors.As(err, &re) {
			t.Errorf("run %q: %v", name, err)
		}
	}
}

// Two processes never work in one run folder; one that ends lets go.
func TestJobLock(t *testing.T) {
	recipe := tinyJob(t)
	o := Options{Threads: 1}
	_, dir := mustApply(t, recipe, o, Stages{Only: "label"})
	unlock, held, err := lockRun(filepath.Join(dir, "lock.json"))
	if err != nil || held {
		t.Fatalf("a finished run: held %v, %v", held, err)
	}
	if _, held, _ := lockRun(filepath.Join(dir, "lock.json")); !held {
		t.Skip("this system has no file locks: NOT TESTED")
	}
	if _, _, err := apply(context.Background(), recipe, o, Stages{Only: "label"}); err == nil || !strings.Contains(err.Error(), "another freehold") {
		t.Errorf("a run that is held: %v", err)
	}
	unlock()
	mustApply(t, recipe, o, Stages{Only: "label"})
}

func planOf(t *testing.T, recipe string) *Plan {
	t.Helper()
	r, err := LoadRecipe(recipe)
	if err != nil {
		t.Fatal(err)
	}
	j, err := NewJob(context.Background(), r, Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	p, err := j.Plan(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A plan says what is done and changes nothing.
func TestJobPlan(t *testing.T) {
	recipe := tinyJob(t)
	plan := func() *Plan { return planOf(t, recipe) }
	states := func(p *Plan) (s string) {
		for _, st := range p.Stages {
			s += st.Name + " " + st.State + "; "
		}
		return s
	}
	p := plan()
	if s := states(p); s != "label to do; train to do; eval to do; quantize to do; report to do; " {
		t.Error(s)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(recipe), "runs")); err == nil {
		t.Error("planning made a run folder")
	}
	if len(p.Egress) != 0 || p.RAMBytes <= 0 || p.Disk <= 0 || p.Seconds <= 0 || !strings.Contains(p.Text(), "nothing leaves this machine") || !strings.Contains(p.Text(), "Apache-2.0") {
		t.Errorf("plan %s", p.Text())
	}
	mustApply(t, recipe, Options{Threads: 2}, Stages{Only: "label"})
	if s := states(plan()); s != "label done; train to do; eval to do; quantize to do; report to do; " {
		t.Error(s)
	}
	mustApply(t, recipe, Options{Threads: 2}, Stages{})
	for _, gone := range []string{"nothing", "checkpoints"} { // of a finished run, checkpoints may be removed
		if err := os.RemoveAll(filepath.Join(filepath.Dir(recipe), "runs", "001", gone)); err != nil {
			t.Fatal(err)
		}
		if p := plan(); states(p) != "label done; train done; eval done; quantize done; report done; " || p.Seconds != 0 || p.ToDo {
			t.Errorf("%s removed: %s, %g s, to do: %v", gone, states(p), p.Seconds, p.ToDo)
		}
	}
}

// TestRows gives the rows of the test file with the teacher's answers as eval has them, and refuses before the label
// stage has run.
func TestJobTestRows(t *testing.T) {
	recipe := tinyJob(t)
	r, err := LoadRecipe(recipe)
	if err != nil {
		t.Fatal(err)
	}
	j, err := NewJob(t.Context(), r, Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := j.TestRows(t.Context()); err == nil || !strings.Contains(err.Error(), "label shards are missing") {
		t.Errorf("before the label stage: %v", err)
	}
	if _, err := j.Apply(t.Context(), Stages{}); err != nil {
		t.Fatal(err)
	}
	rows, teacher, err := j.TestRows(t.Context())
	if err != nil || len(rows) != tinyTest || len(teacher) != tinyTest {
		t.Fatalf("%d rows, %d answers: %v", len(rows), len(teacher), err)
	}
	b, err := os.ReadFile(filepath.Join(j.Dir(), "eval", "predictions.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		var p prediction
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatal(err)
		}
		if p.ID != rows[i].ID || p.Gold != rows[i].Gold || !slices.Equal(p.Teacher, teacher[i]) {
			t.Errorf("row %d is %v with %v, eval has %+v", i, rows[i], teacher[i], p)
		}
	}
}
