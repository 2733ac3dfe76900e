package distill

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
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
