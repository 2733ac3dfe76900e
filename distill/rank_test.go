package distill

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models/token"
)

// tinyRank is a whole job of pairs with the tiny teacher.
const tinyRank = `version: 1
name: tiny
task: {type: rerank, prompt: "{query}? {document}"}
teacher: {model: %q, licence: Apache-2.0}
student: {from: teacher, layers: 1, format: f32, freeze: [], prompt: "{query}: {document}"}
data: {train: train.jsonl, test: test.jsonl}
train: {steps: 9, batch: 4, lr: 0.003, warmup: 2, save_every: 2, seed: 3}
eval: {gates: {size_ratio: ">= 1"}}
quantize: [f16, q8_0]
`

// tinyRankJob writes a recipe of pairs with its data: a query is a word and its documents hold it or not. One query in four is not judged.
func tinyRankJob(t testing.TB, train, test int) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "freehold.yaml"), fmt.Sprintf(tinyRank, tinyTeacher(t)))
	words := strings.Fields("rise climb grow soar lift fall sink drop dive lose")
	r := rand.New(rand.NewPCG(93, 94))
	for _, part := range []struct {
		name    string
		queries int
	}{{"train", train}, {"test", test}} {
		var b strings.Builder
		for i := range part.queries {
			query := fmt.Sprintf("%s %s %d", part.name[:2], words[i%len(words)], i)
			var lists [2][]string
			for k := range 4 {
				other := words[r.IntN(len(words))]
				lists[k%2] = append(lists[k%2], strings.TrimSpace(fmt.Sprintf("%s %s %d", []string{words[i%len(words)], ""}[k%2], other, k)))
			}
			if i%4 == 3 {
				fmt.Fprintf(&b, "{\"id\": \"%s-%d\", \"query\": %q, \"documents\": [%q, %q]}\n", part.name, i, query, lists[0][0], lists[1][0])
				continue
			}
			fmt.Fprintf(&b, "{\"id\": \"%s-%d\", \"query\": %q, \"positives\": [%q, %q], \"negatives\": [%q, %q]}\n", part.name, i, query, lists[0][0], lists[0][1], lists[1][0], lists[1][1])
		}
		write(t, filepath.Join(dir, part.name+".jsonl"), b.String())
	}
	return filepath.Join(dir, "freehold.yaml")
}

// A recipe of pairs refuses what has no meaning for them, at its place.
func TestRankRecipe(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{`prompt: "{query}? {document}"}`, `prompt: "{query}?"}`, "freehold.yaml:3:"},
		{`prompt: "{query}? {document}"}`, `prompt: "{query}?"}`, "task.prompt holds {document} 0 times, want once"},
		{`prompt: "{query}: {document}"}`, `prompt: "{text}"}`, "student.prompt holds {query} 0 times, want once"},
		{"type: rerank,", "type: rerank, labels: [a, b],", "task.labels is for task type classify"},
		{"type: rerank,", "type: rerank, words: {ja: [ja]},", `unknown answer "ja" in task.words; known: yes, no`},
		{"type: rerank,", "type: rerank, words: {yes: []},", `task.words of "yes" are empty`},
		{"steps: 9", "steps: 9, loss: ce", "train.loss is \"ce\", want one of: bce, listwise_kl, mse"},
		{"steps: 9", "steps: 9, keep: best", "train.keep is for task type classify"},
		{"test: test.jsonl", "test: test.jsonl, duplicates: near", "data.duplicates is near"},
		{"test: test.jsonl", "test: test.jsonl, collected: c.jsonl", "data.collected are texts"},
		{"test: test.jsonl", "test: test.jsonl, corrections: c.jsonl", "data.corrections are labels of a text"},
		{"eval: {", "eval: {slices: [kind], ", "eval.slices cut rows"},
		{`size_ratio: ">= 1"`, `accuracy: ">= 1"`, `unknown metric "accuracy" in eval.gates`},
		{"licence: Apache-2.0}", "licence: Apache-2.0, openai: http://localhost:1, egress_ok: true}", "a remote teacher is not asked about pairs"},
		{"type: rerank", "type: generate", "data.columns.query"},
	} {
		recipe := tinyRankJob(t, 2, 2)
		if strings.Contains(c.new, "openai") {
			edit(t, recipe, "from: teacher", "from: smollm2-135m-instruct")
			edit(t, recipe, "size_ratio", "agreement")
		}
		if c.want == "data.columns.query" {
			edit(t, recipe, "test: test.jsonl", "test: test.jsonl, columns: {query: q}")
		}
		edit(t, recipe, c.old, c.new)
		if _, err := LoadRecipe(recipe); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.new, err, c.want)
		}
	}
	recipe := tinyRankJob(t, 2, 2)
	edit(t, recipe, "batch: 4, ", "")
	edit(t, recipe, `, prompt: "{query}: {document}"}`, "}")
	if r, err := LoadRecipe(recipe); err != nil || r.Train.Loss != "listwise_kl" || r.Train.Batch != 8 || r.Student.Prompt != pairPrompt {
		t.Errorf("%v, %+v", err, r)
	}
}

// What a row teaches is the teacher's log-odds, and with train.gold the row's own relevance beside them, by grades.
func TestRankLearnt(t *testing.T) {
	w := &rankWork{j: &Job{recipe: &Recipe{}}, labels: Labels{"a": {math.Log(0.8), math.Log(0.2)}}, most: 2}
	p := func(gold int, relevance float64) float64 {
		x := w.learnt(Row{ID: "a", Gold: gold, Relevance: relevance})
		return 1 / (1 + math.Exp(-x))
	}
	for _, c := range []struct {
		share float64
		gold  int
		rel   float64
		want  float64
	}{{0, 1, 2, 0.8}, {0.5, 1, 2, 0.9}, {0.5, 1, 1, 0.65}, {0.5, 0, 0, 0.4}, {0.5, -1, 0, 0.8}, {1, 0, 0, leastGold}, {1, 1, 2, 1 - leastGold}} {
		if w.j.recipe.Train.Gold = c.share; math.Abs(p(c.gold, c.rel)-c.want) > 1e-9 {
			t.Errorf("gold %d, relevance %v, share %v: %v, want %v", c.gold, c.rel, c.share, p(c.gold, c.rel), c.want)
		}
	}
	if p, says, asked := w.confidence(Row{ID: "a", Gold: 1}); math.Abs(p-0.8) > 1e-9 || says != "yes" || !asked {
		t.Errorf("confidence %v %s %v", p, says, asked)
	}
}

// The student's file knows how pairs are read, and its served scores are those that eval kept. Queries go to one split of one file, and without
// judged rows it is held against its teacher alone.
func TestRankJob(t *testing.T) {
	recipe := tinyRankJob(t, 16, 8)
	sum, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{})
	m, err := engine.Open(filepath.Join(dir, "model.gguf"), engine.WithThreads(1))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	r, err := m.NewRanker(engine.RankTask{})
	if err != nil || !m.Ranks() || r.By() != engine.ByHead {
		t.Fatalf("%v", err)
	}
	rec, err := LoadRecipe(recipe)
	if err != nil {
		t.Fatal(err)
	}
	set, err := loadData(context.Background(), rec)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := readEval[rankRecord](dir, "rankings.jsonl")
	if err != nil || len(kept) != len(set.Test) {
		t.Fatalf("%d lines (%v), want %d", len(kept), err, len(set.Test))
	}
	tok, err := m.LoadTokenizer()
	if err != nil {
		t.Fatal(err)
	}
	judged := 0
	for i, row := range set.Test {
		if got, err := r.Tokens(row.Query, []string{row.Text}); err != nil || !slices.Equal(got[0], tok.Encode(nil, row.Query+": "+row.Text, token.EncodeOptions{AddSpecial: true})) { // as the recipe has it
			t.Errorf("row %s is read as %v (%v)", row.ID, got, err)
		}
		one, err := r.Rank(context.Background(), row.Query, []string{row.Text})
		if err != nil || one[0].Score != kept[i].Student || kept[i].ID != row.ID || kept[i].Teacher == nil || kept[i].Baseline == nil {
			t.Errorf("row %s: %v (%v), kept %+v", row.ID, one, err, kept[i])
		}
		if kept[i].Gold != nil {
			judged++
		}
	}
	if s := sum.Ranking; s.Queries != 8 || s.Judged != 6 || judged != 24 || s.Main != "ndcg@10" || sum.Student.Rows != 6 || len(sum.Tests) != 2 || sum.Tests[0].Second != byBM25 {
		t.Errorf("%+v, %d judged rows, tests %+v", sum.Ranking, judged, sum.Tests)
	}
	if _, err := Errors(context.Background(), dir, rec, "", ""); err == nil || !strings.Contains(err.Error(), "task.type is rerank") {
		t.Errorf("errors of a reranker: %v", err)
	}
	_, err = RunRows(dir, rec)
	if err == nil || !strings.Contains(err.Error(), "rankings.jsonl") {
		t.Errorf("rows of a reranker: %v", err)
	}

	// One file, no row judged.
	b, err := os.ReadFile(filepath.Join(filepath.Dir(recipe), "train.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var open strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		if row["documents"] == nil {
			row["documents"] = slices.Concat(row["positives"].([]any), row["negatives"].([]any))
			delete(row, "positives")
			delete(row, "negatives")
		}
		text, _ := json.Marshal(row)
		open.Write(append(text, '\n'))
	}
	write(t, filepath.Join(filepath.Dir(recipe), "train.jsonl"), open.String())
	edit(t, recipe, "test: test.jsonl", "split: {test: 0.4}")
	edit(t, recipe, `size_ratio: ">= 1"`, `ndcg@10: ">= 0.1"`)
	sum, dir, err = apply(context.Background(), recipe, Options{Threads: 2}, Stages{})
	if err == nil || !strings.Contains(err.Error(), "ndcg@10 could not be measured") || sum == nil {
		t.Fatalf("a gate on what nobody judged: %v", err)
	}
	if s := sum.Ranking; s.Main != "agreement" || s.Judged != 0 || s.Queries < 2 || len(sum.Tests) != 1 || sum.Metrics["agreement"] == 0 || sum.Metrics["ndcg@10"] != 0 {
		t.Errorf("%+v, metrics %v", s, sum.Metrics)
	}
	checkPage(t, filepath.Join(dir, "report.html"), "No document is judged", "tau to the teacher", "not measured")
}
