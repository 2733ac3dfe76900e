package distill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models/gguf"
)

// tinyAnswers are recipes of tasks that are answered with text, with the tiny teacher; each row a word and what it is.
var tinyAnswers = map[string]string{
	"extract": `version: 1
name: tiny
task: {type: extract, prompt: "{text}", max_tokens: 40, schema: {type: object, properties: {way: {enum: [up, down]}, n: {type: integer, minimum: 0, maximum: 9}}, required: [way], additionalProperties: false}}
teacher: {model: %q, licence: Apache-2.0}
student: {from: teacher, layers: 1, format: f32, freeze: []}
data: {train: train.jsonl, test: test.jsonl, duplicates: keep}
train: {loss: mixed_topk, top_logits: 8, steps: 9, batch: 8, lr: 0.003, warmup: 2, save_every: 2, seed: 3, max_tokens: 128}
eval: {gates: {valid: ">= 1"}}
quantize: [f16, q8_0]
`,
	tagsKind: `version: 1
name: tiny
task: {type: extract, prompt: "{text}", max_tokens: 70, schema: {type: object, properties: {verb: {type: string, maxLength: 8}, n: {type: string, maxLength: 3}, also: {type: array, maxItems: 2, items: {type: string, maxLength: 5}}}, required: [verb], additionalProperties: false}}
teacher: {model: %q, licence: Apache-2.0}
student: {from: teacher, head: tags, layers: 1, format: f32, freeze: []}
data: {train: train.jsonl, test: test.jsonl, duplicates: keep}
train: {steps: 9, batch: 8, lr: 0.003, warmup: 2, save_every: 2, seed: 3, max_tokens: 128}
eval: {gates: {valid: ">= 1"}}
quantize: [f16, q8_0]
`,
	"generate": `version: 1
name: tiny
task: {type: generate, prompt: "{text}", max_tokens: 12}
teacher: {model: %q, licence: Apache-2.0}
student: {from: teacher, layers: 1, format: f32, freeze: []}
data: {train: train.jsonl, test: test.jsonl, duplicates: keep}
train: {loss: topk_rest_kl, top_logits: 8, steps: 9, batch: 8, lr: 0.003, warmup: 2, save_every: 2, seed: 3}
eval: {gates: {size_ratio: ">= 1"}}
quantize: [f16, q8_0]
`,
}

// tinyAnswerJob writes a recipe of a type with its data; one training row in four has no gold answer.
func tinyAnswerJob(t testing.TB, kind string, train, test int) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "freehold.yaml"), fmt.Sprintf(tinyAnswers[kind], tinyTeacher(t)))
	ups, downs := strings.Fields("rise climb grow soar lift"), strings.Fields("fall sink drop dive lose")
	r := rand.New(rand.NewPCG(91, 92))
	for _, name := range []string{"train", "test"} { // in this order: both draw from r
		n := map[string]int{"train": train, "test": test}[name]
		var b strings.Builder
		for i := range n {
			list, way := ups, "up"
			if i%2 == 1 {
				list, way = downs, "down"
			}
			k := 1 + r.IntN(3)
			text := strings.TrimSpace(strings.Repeat(list[r.IntN(5)]+" ", k))
			answer, _ := json.Marshal(fmt.Sprintf("%s %d", way, k))
			if kind == "extract" {
				answer = fmt.Appendf(nil, `{"n": %d, "way": %q}`, k, way) // not in the schema's order
			}
			if kind == tagsKind {
				verb, also := list[r.IntN(5)], list[r.IntN(5)]
				text = fmt.Sprintf("%s, then %s %d", verb, also, k)
				answer = fmt.Appendf(nil, `{"n": "%d", "verb": %q, "also": [%q]}`, k, verb, also)
			}
			fmt.Fprintf(&b, `{"id": "%s-%d", "text": %q`, name, i, text)
			if name == "test" || i%4 > 0 {
				fmt.Fprintf(&b, `, "completion": %s`, answer)
			}
			b.WriteString("}\n")
		}
		write(t, filepath.Join(dir, name+".jsonl"), b.String())
	}
	return filepath.Join(dir, "freehold.yaml")
}

// Every type of task has a whole job: its stages, its metrics, its files, the report, and the same result from what is
// left of a killed one.
func TestTaskTypes(t *testing.T) {
	for _, kind := range append(TaskTypes(), tagsKind) {
		t.Run(kind, func(t *testing.T) {
			recipe := ""
			switch {
			case tinyAnswers[kind] != "":
				recipe = tinyAnswerJob(t, kind, 40, 10)
			case kind == "classify":
				recipe = tinyJobOf(t, 40, 10)
			case kind == "multilabel":
				recipe = tinyMultilabelJob(t, 40, 24, 10)
			case kind == "rerank":
				recipe = tinyRankJob(t, 16, 8)
			case kind == "embed":
				recipe = tinyEmbedJob(t, 40, 12)
			default:
				t.Fatalf("task type %q has no tiny job here; write one", kind)
			}
			if plan := planOf(t, recipe); !(plan.Seconds > 0) || !finite(plan.Seconds) {
				t.Errorf("the plan takes %v seconds", plan.Seconds)
			}
			sum, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{})
			of, _, tags := strings.Cut(kind, ", ")
			for _, m := range taskTypes[of].metrics {
				if _, ok := sum.Metrics[m]; !ok && m != "retention" && m != "perplexity" { // a teacher of random weights may be right nowhere
					t.Errorf("metric %s was not measured: %v", m, sum.Metrics)
				}
			}
			checkLadder(t, sum)
			checkSummaryFile(t, filepath.Join(dir, "summary.json"))
			checkSums(t, dir, "model.gguf", "model.q8_0.gguf", "summary.json", "report.html", "labels/shard-00000.jsonl")
			switch kind {
			case "classify":
				checkReport(t, filepath.Join(dir, "report.html"))
			case "multilabel":
				checkPage(t, filepath.Join(dir, "report.html"), "<svg", "training loss", "labels of", "linear, words and pairs", "Hamming loss", "Label by label", "<td>round</td>", "quantisation ladder", "99.9 % KL", "paired", "Apache-2.0", "passed", "</html>")
			case "rerank":
				checkPage(t, filepath.Join(dir, "report.html"), "<svg", "training loss", "ranking of", "baseline, BM25", "tau to the teacher", "ndcg@10", "quantisation ladder", "99.9 % KL", "paired test", "Apache-2.0", "passed", "</html>")
			case "embed":
				checkPage(t, filepath.Join(dir, "report.html"), "<svg", "training loss", "vectors of", "baseline", "ndcg@10", "quantisation ladder", "99.9 % 1 - cos", "paired test", "Apache-2.0", "passed", "</html>")
			default:
				unit := "token of the gold answers"
				if tags {
					unit = "token of the test texts"
				}
				checkPage(t, filepath.Join(dir, "report.html"), "<svg", "training loss", "answers of", "baseline", unit, "quantisation ladder", "99.9 % KL", "paired test", "Apache-2.0", "passed", "</html>")
			}
			checkMetrics(t, filepath.Join(dir, "metrics.jsonl"), 9)
			if sum.Gate != "passed" || len(sum.Quantized) == 0 || sum.Teacher.RowsPerS <= 0 || sum.Student.RowsPerS <= 0 {
				t.Errorf("summary %+v", sum)
			}
			plan := planOf(t, recipe)
			for _, s := range plan.Stages {
				if s.State != "done" {
					t.Errorf("the plan says %s is %s", s.Name, s.State)
				}
			}
			if plan.Seconds != 0 {
				t.Errorf("nothing is left to do, and the plan takes %v seconds", plan.Seconds)
			}
			model := sha(t, filepath.Join(dir, "model.gguf"))
			for _, name := range []string{"labels/shard-00000.jsonl", "model.gguf", "checkpoints/step-00000009.json", "manifest.json"} {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			if again, _ := mustApply(t, recipe, Options{Threads: 1}, Stages{}); sha(t, filepath.Join(dir, "model.gguf")) != model || again.Student.Accuracy != sum.Student.Accuracy {
				t.Error("made again, the student is another")
			}
		})
	}
}

// Answers are gold where rows have them, in the schema's order, and else the teacher's; every answer of a task with a
// schema is of it.
func TestAnswerLabels(t *testing.T) {
	recipe := tinyAnswerJob(t, "extract", 40, 10)
	_, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{Only: "label"})
	read := func(s, n int) []answerLine {
		t.Helper()
		b, err := os.ReadFile(shardPath(filepath.Join(dir, "labels"), s))
		if err != nil {
			t.Fatal(err)
		}
		var h shardHeader
		if err := json.Unmarshal(b[:strings.IndexByte(string(b), '\n')], &h); err != nil {
			t.Fatal(err)
		}
		_, lines, err := readLines[answerLine](shardPath(filepath.Join(dir, "labels"), s), answerSchema, h.Key, n)
		if err != nil {
			t.Fatal(err)
		}
		return lines
	}
	lines := append(read(0, 32), read(1, 18)...)
	for i, l := range lines {
		name, n := "train", i
		if i >= 40 {
			name, n = "test", i-40
		}
		gold := name == "train" && n%4 > 0
		if l.ID != fmt.Sprintf("%s-%d", name, n) || l.Gold != gold || !gold && !l.Cut && !json.Valid([]byte(l.Answer)) {
			t.Errorf("line %d: %+v", i, l)
		}
		if gold && !strings.HasPrefix(l.Answer, `{"way":`) {
			t.Errorf("the gold answer %s is not in the schema's order", l.Answer)
		}
	}
	b, err := os.ReadFile(topPath(filepath.Join(dir, "labels"), 1))
	if err != nil {
		t.Fatal(err)
	}
	shard, err := ParseTopShard("top", b)
	if err != nil || shard.K != 8 || len(shard.Rows) != 18 || len(shard.Rows[0].Rest) == 0 || len(shard.Rows[17].Rest) != 0 {
		t.Errorf("packed shard: %v, %+v", err, shard)
	}

	// Another learning rate asks nothing again; a damaged packed shard is asked for again, and comes out the same.
	want := sha(t, topPath(filepath.Join(dir, "labels"), 1))
	asked := 0
	o := Options{Threads: 1, Warn: func(string) {}, Progress: func(e Event) { asked++ }}
	edit(t, recipe, "lr: 0.003", "lr: 0.002")
	if _, other := mustApply(t, recipe, o, Stages{Only: "label"}); asked > 0 || other == dir || sha(t, topPath(filepath.Join(other, "labels"), 1)) != want {
		t.Errorf("a run that differs in training alone asked %d times", asked)
	}
	edit(t, recipe, "lr: 0.002", "lr: 0.003")
	if err := os.RemoveAll(filepath.Join(filepath.Dir(dir), "002")); err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 4
	write(t, topPath(filepath.Join(dir, "labels"), 1), string(b))
	if mustApply(t, recipe, o, Stages{Only: "label"}); asked == 0 || sha(t, topPath(filepath.Join(dir, "labels"), 1)) != want {
		t.Error("a damaged shard was not made again")
	}
	// So is a whole one that is not this shard's.
	shard.Key, asked = "another", 0
	if b, err = shard.Encode(); err != nil {
		t.Fatal(err)
	}
	write(t, topPath(filepath.Join(dir, "labels"), 1), string(b))
	if mustApply(t, recipe, o, Stages{Only: "label"}); asked == 0 || sha(t, topPath(filepath.Join(dir, "labels"), 1)) != want {
		t.Error("another shard's probabilities are taken")
	}
	// Another gold answer is another question.
	rows := filepath.Join(filepath.Dir(recipe), "train.jsonl")
	edit(t, rows, `{"n": 2, "way": "down"}`, `{"n": 7, "way": "down"}`)
	_, other := mustApply(t, recipe, o, Stages{Only: "label"})
	if b, err := os.ReadFile(shardPath(filepath.Join(other, "labels"), 0)); other == dir || err != nil || !strings.Contains(string(b), `\"n\":7`) {
		t.Errorf("another gold answer is not learnt (%v)", err)
	}
	edit(t, rows, `{"n": 7, "way": "down"}`, `{"n": 2, "way": "down"}`)
	// Several samples are other questions, and the same again.
	edit(t, recipe, "licence: Apache-2.0", "licence: Apache-2.0, samples: 3")
	_, three := mustApply(t, recipe, o, Stages{Only: "label"})
	first := sha(t, shardPath(filepath.Join(three, "labels"), 0))
	if err := os.RemoveAll(filepath.Dir(three)); err != nil {
		t.Fatal(err)
	}
	if _, three = mustApply(t, recipe, Options{Threads: 2}, Stages{Only: "label"}); sha(t, shardPath(filepath.Join(three, "labels"), 0)) != first {
		t.Error("the same samples came out otherwise")
	}
}

// The loss counts the tokens of answers alone, each the same, whatever they are packed with; what is learnt is what the
// teacher's logits say.
func TestAnswerStep(t *testing.T) {
	f, err := gguf.Open(tinyTeacher(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := NewBase(f, Prune{Layers: []int{0}})
	if err != nil {
		t.Fatal(err)
	}
	s, level := b.Student, best(t)
	r := rand.New(rand.NewPCG(7, 8))
	var ex []Example
	for range 3 {
		all, n := randomTokens(r, 12+r.IntN(9), s.Spec.Vocab), 2+r.IntN(5)
		ex = append(ex, Example{Tokens: all[:len(all)-1], Answer: &AnswerTargets{Labels: all[len(all)-n:]}})
	}
	loss, err := NewLoss("ce", LossParams{})
	if err != nil {
		t.Fatal(err)
	}
	step := func(max int, ex ...Example) (float64, []float32) {
		tr := &Trainer{Student: s, Loss: loss, Data: ex, MaxTokens: max, Level: level}
		g := NewGraph(s, level, 1, goParallel(1))
		tr.head = NewHead(g)
		s.ZeroGrad()
		rows := make([]int, len(ex))
		for i := range rows {
			rows[i] = i
		}
		got, _ := tr.answerStep(g, rows)
		var grad []float32
		for _, p := range s.Params {
			grad = append(grad, p.G...)
		}
		return got, grad
	}
	want, tokens := 0.0, 0
	sum := make([]float64, 0)
	for _, e := range ex {
		n := len(e.Answer.Labels)
		logits := logitsOf(s, level, e.Tokens)
		for k, label := range e.Answer.Labels {
			at := len(e.Tokens) - n + k
			want -= logSoftmax(to64(logits[at*s.Spec.Vocab : (at+1)*s.Spec.Vocab]))[label]
		}
		_, g := step(1000, e)
		for len(sum) < len(g) {
			sum = append(sum, 0)
		}
		for i, v := range g {
			sum[i] += float64(v) * float64(n)
		}
		tokens += n
	}
	want /= float64(tokens)
	for _, max := range []int{1000, 30, 1} {
		got, grad := step(max, ex...)
		if d := got - want; d > 1e-5 || d < -1e-5 {
			t.Errorf("in micro-batches of %d tokens the loss is %v, want %v", max, got, want)
		}
		for i, v := range grad {
			if d := float64(v) - sum[i]/float64(tokens); d > 1e-5 || d < -1e-5 {
				t.Fatalf("in micro-batches of %d tokens gradient %d is %v, want %v", max, i, v, sum[i]/float64(tokens))
			}
		}
	}
	// What stands in the prompt is no target: its tokens as labels would change the loss.
	ex[0].Tokens[3] = (ex[0].Tokens[3] + 1) % int32(s.Spec.Vocab)
	if got, _ := step(1000, ex...); got == want {
		t.Error("the prompt is not read")
	}
}

// Tokens of the teacher are mapped to a trimmed vocabulary, and left out where it lacks them.
func TestTopRowMapped(t *testing.T) {
	row := TopRow{IDs: []int32{5, 9, 2, 9, 7, 5}, LogProbs: []float32{-1, -2, -3, -4, -5, -6}, Rest: []float32{-1, -1}}
	ids, lp := row.mapped([]int32{2, 5, 7})
	if fmt.Sprint(ids, lp) != "[[1 0] [2 1]] [[-1 -3] [-5 -6]]" {
		t.Errorf("mapped to %v %v", ids, lp)
	}
	if ids, lp = row.mapped(nil); fmt.Sprint(ids, lp) != "[[5 9 2] [9 7 5]] [[-1 -2 -3] [-4 -5 -6]]" {
		t.Errorf("with a whole vocabulary %v %v", ids, lp)
	}
}

// A student learns the answers: after training it says them.
func TestAnswersAreLearnt(t *testing.T) {
	recipe := tinyAnswerJob(t, "extract", 64, 16)
	edit(t, recipe, "steps: 9", "steps: 150")
	edit(t, recipe, "loss: mixed_topk, top_logits: 8", "loss: ce")
	edit(t, recipe, "save_every: 2", "save_every: 100")
	edit(t, recipe, "quantize: [f16, q8_0]", "quantize: []")
	rows := filepath.Join(filepath.Dir(recipe), "train.jsonl")
	b, err := os.ReadFile(rows)
	if err != nil {
		t.Fatal(err)
	}
	var gold []string
	for _, line := range strings.Split(string(b), "\n") {
		if strings.Contains(line, "completion") {
			gold = append(gold, line)
		}
	}
	write(t, rows, strings.Join(gold, "\n"))
	sum, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{})
	if sum.Metrics["field_f1"] < 0.9 || *sum.Answers.Student.Valid != 1 {
		t.Errorf("field F1 %v, valid %v", sum.Metrics["field_f1"], *sum.Answers.Student.Valid)
	}
	m, err := engine.Open(filepath.Join(dir, "model.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	a, err := m.NewAnswerer(engine.TextTask{})
	if err != nil || a.Task().Prompt != "{text}" || a.Task().MaxTokens != 40 || !strings.Contains(string(a.Task().Schema), `"way"`) {
		t.Fatalf("the file's task: %+v, %v", a, err)
	}
	err = a.Answers(context.Background(), []string{"soar soar"}, engine.Gen{}, func(_ int, got engine.Answer) error {
		if got.Text != `{"way":"up","n":2}` {
			t.Errorf("the student says %s", got.Text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What cannot be learnt or answered is refused before anything is labelled.
func TestAnswerJobRefuses(t *testing.T) {
	for _, c := range []struct{ kind, file, old, new, want string }{
		{"extract", "train.jsonl", `"way": "down"`, `"way": "left"`, `train.jsonl:2: the answer {"way":"left"`},
		{"extract", "test.jsonl", `{"n": `, `{"m": `, `test.jsonl:1: the answer`},
		{"extract", "test.jsonl", `"completion": {`, `"label": "", "x": {`, `test.jsonl:1: the answer`},
		{"extract", "test.jsonl", `"completion": {`, `"x": {`, `test.jsonl:1: a test row needs a gold answer`},
		{"extract", "freehold.yaml", "max_tokens: 40", "max_tokens: 9", "the answer has"},
		{"extract", "freehold.yaml", "max_tokens: 40", "max_tokens: 110", "the context 128"},
		{"extract", "freehold.yaml", "schema: {", "words: {up: [x]}, schema: {", `task.words is for task type classify`},
		{"extract", "freehold.yaml", "{enum: [up, down]}", "{enum: [up, down], not: {}}", `freehold.yaml:3`},
		{"generate", "freehold.yaml", "max_tokens: 12", "max_tokens: 12, schema: x.json", `task.schema is for task type extract`},
		{"generate", "freehold.yaml", "loss: topk_rest_kl", "loss: forward_kl", `train.loss is "forward_kl", want one of: ce, mixed_topk`},
		{"generate", "freehold.yaml", "loss: topk_rest_kl, top_logits: 8", "loss: ce, top_logits: 8", `train.loss is ce`},
		{"generate", "freehold.yaml", "loss: topk_rest_kl", "loss: topk_rest_kl, temperature: 2", `known at 1 alone`},
		{"generate", "freehold.yaml", "loss: topk_rest_kl", "loss: topk_rest_kl, alpha: 0.3", `train.alpha is 0.3`},
		{"generate", "freehold.yaml", "layers: 1", "layers: 1, head: pooled", `student.head is for task type classify`},
		{"generate", "freehold.yaml", "licence: Apache-2.0", "licence: Apache-2.0, samples: 0", `teacher.samples is 0`},
		{"generate", "freehold.yaml", "licence: Apache-2.0", "licence: Apache-2.0, temperature: 1", `teacher.temperature is for several samples`},
		{"generate", "freehold.yaml", `size_ratio: ">= 1"`, `field_f1: ">= 1"`, `unknown metric "field_f1"`},
	} {
		recipe := tinyAnswerJob(t, c.kind, 8, 4)
		edit(t, filepath.Join(filepath.Dir(recipe), c.file), c.old, c.new)
		_, _, err := apply(context.Background(), recipe, Options{Threads: 1}, Stages{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v\nwant %s", c.kind, c.new, err, c.want)
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(recipe), "runs")); err == nil {
			t.Errorf("%s: a run was begun", c.new)
		}
	}
	// A schema in a file beside the recipe.
	recipe := tinyAnswerJob(t, "extract", 8, 4)
	edit(t, recipe, "schema: {type: object, properties: {way: {enum: [up, down]}, n: {type: integer, minimum: 0, maximum: 9}}, required: [way], additionalProperties: false}", "schema: way.json")
	var missing *DataError
	if _, _, err := apply(context.Background(), recipe, Options{Threads: 1}, Stages{}); !errors.As(err, &missing) || !strings.Contains(err.Error(), "way.json") {
		t.Errorf("a schema that is not there: %v", err)
	}
	write(t, filepath.Join(filepath.Dir(recipe), "way.json"), `{"type": "object", "properties": {"way": {"type": "string", "maxLength": 5}, "n": {"type": "integer"}}, "additionalProperties": false}`)
	_, one := mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "label"})
	write(t, filepath.Join(filepath.Dir(recipe), "way.json"), `{"type": "object", "properties": {"way": {"type": "string", "maxLength": 6}, "n": {"type": "integer"}}, "additionalProperties": false}`)
	if _, two := mustApply(t, recipe, Options{Threads: 1}, Stages{Only: "label"}); one == two {
		t.Error("another schema in the file is the same run")
	}
}
