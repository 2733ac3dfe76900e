package distill

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tagsKind is an extract job whose student marks the tokens of a text.
const tagsKind = "extract, tags"

// What does not go with a student that marks tokens is refused before anything is done, in words that say what to do.
func TestTagsRecipe(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"head: tags", "head: pooled", `student.head is "pooled", want tags`},
		{"train: {", "train: {loss: mixed_topk, ", "train.loss is mixed_topk, and student.head is tags"},
		{"train: {", "train: {top_logits: 8, ", "train.loss is ce, which learns"},
		{"head: tags", `head: tags, prompt: "{text}"`, "student.prompt is given, and student.head is tags"},
		{"train: {", "train: {on_policy: {share: 0.5}, ", "train.on_policy"},
		{"head: tags", "head: tags, width: {ffn: 64}", "student.width is given, and student.head is tags"},
		{`valid: ">= 1"`, `perplexity: "<= 2"`, "eval.gates has perplexity"},
		{"n: {type: string, maxLength: 3}", "n: {type: integer}", "leave student.head out for a student that writes JSON"},
		{"type: extract, prompt", "type: generate, prompt", "student.head is for task type classify and extract"},
	} {
		recipe := tinyAnswerJob(t, tagsKind, 8, 4)
		edit(t, recipe, c.old, c.new)
		if _, err := LoadRecipe(recipe); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "freehold.yaml:") {
			t.Errorf("%s: %v, want %q at its place", c.new, err, c.want)
		}
	}
	recipe := tinyAnswerJob(t, tagsKind, 8, 4) // a schema in a file is seen when the job begins
	text, err := os.ReadFile(recipe)
	if err != nil {
		t.Fatal(err)
	}
	before, after, _ := strings.Cut(string(text), "schema: {")
	_, after, _ = strings.Cut(after, "additionalProperties: false}")
	write(t, recipe, before+"schema: a.json"+after)
	write(t, filepath.Join(filepath.Dir(recipe), "a.json"), `{"type": "object", "properties": {"verb": {"enum": ["up"]}}}`)
	r, err := LoadRecipe(recipe)
	if err == nil {
		_, err = NewJob(context.Background(), r, Options{Threads: 1})
	}
	if err == nil || !strings.Contains(err.Error(), "task.schema does not go with student.head: tags") {
		t.Errorf("a schema of another kind in a file: %v", err)
	}
}

// A job says what of the answers it could learn, in the plan what gold ones say, also when its stages run one by one; answers that stand in no text leave nothing to learn.
func TestTagsCounted(t *testing.T) {
	recipe := tinyAnswerJob(t, tagsKind, 24, 8)
	edit(t, filepath.Join(filepath.Dir(recipe), "train.jsonl"), `"verb": "soar"`, `"verb": "walk"`)
	plan := planOf(t, recipe)
	found := false
	for _, s := range plan.Stages {
		found = found || s.Name == "train" && strings.Contains(s.What, "7 tags; of gold answers") && strings.Contains(s.What, "do not and are not learnt (verb ")
	}
	if !found {
		t.Errorf("the plan says %+v", plan.Stages)
	}
	o := Options{Threads: 2, RunsDir: t.TempDir()}
	for _, stage := range []string{"label", "train"} {
		mustApply(t, recipe, o, Stages{Only: stage})
	}
	sum, dir := mustApply(t, recipe, o, Stages{From: "eval"})
	got := sum.Answers.Tags
	if got == nil || got.Missing["verb"] < 1 || got.Exact < 3 || got.Rows != 24 || got.Partly < 1 || sum.Answers.Student.Perplexity != 0 || *sum.Answers.Student.Valid != 1 {
		t.Errorf("counted %+v, student %+v", got, sum.Answers.Student)
	}
	b, err := os.ReadFile(filepath.Join(dir, "eval", "answers.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var line answerRecord
	if err := json.Unmarshal([]byte(strings.SplitN(string(b), "\n", 2)[0]), &line); err != nil || !(line.StudentP > 0 && line.StudentP <= 1) {
		t.Errorf("the first answer is %+v (%v)", line, err)
	}
}

// A tag of -1 teaches nothing.
func TestTagsMasked(t *testing.T) {
	b := withTags(t, tinyTeacher(t))
	loss, err := NewLoss("ce", LossParams{})
	if err != nil {
		t.Fatal(err)
	}
	step := func(tags ...int32) (float64, []float32) {
		b.Student.ZeroGrad()
		tr := &Trainer{Student: b.Student, Loss: loss, MaxTokens: 100, Data: []Example{{Tokens: []int32{5, 6, 7}, Tags: tags}}}
		l, _ := tr.tagStep(NewGraph(b.Student, best(t), 1, goParallel(1)), []int{0})
		return l, append([]float32(nil), b.Student.Param("cls.output.bias").G...)
	}
	if l, g := step(-1, -1, -1); l != 0 || g[0] != 0 || g[1] != 0 {
		t.Errorf("nothing is to be learnt, and the loss is %v, the gradient %v", l, g)
	}
	first, _ := step(0, -1, -1)
	second, _ := step(-1, 1, -1)
	both, g := step(0, 1, -1)
	if d := both - (first+second)/2; d > 1e-6 || d < -1e-6 || !(first > 0) || g[0] == 0 {
		t.Errorf("the loss of two tokens is %v, of each alone %v and %v", both, first, second)
	}
}
