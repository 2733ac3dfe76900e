package distill

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/distill/stats"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
)

// whyRecipe is what docs/decisions/rationales.md says was compared, with a seed and, for one of the two, rationales.
const whyRecipe = `version: 1
name: why
task:
  type: generate
  prompt: "Say in one word what this home command is about: on, off, timer, volume, play or temperature.\n\nCommand: {text}"
  max_tokens: 4
teacher: {model: qwen2.5-coder-0.5b-instruct, licence: Apache-2.0}
student: {from: smollm2-135m-instruct, prompt: "Command: {text}", layers: 8}
data: {train: train.jsonl, test: test.jsonl, licence: Apache-2.0}
train: {loss: ce, epochs: 4, batch: 12, lr: 0.0005, warmup: 4, save_every: 1000, precision: bf16, seed: %d%s}
`

const whyRationale = `, rationale: {prompt: "A command to a smart home: {text}\n\nIt is about \"{answer}\". Explain in one short sentence what the speaker wants.", max_tokens: 24, weight: %v}`

// Students with and without rationales on few rows, at equal answers seen: make bench-rationales, with FREEHOLD_RATIONALES seeds. It fails where a student learnt nothing, or where both are the same;
// which is better it prints.
func TestRationalesReal(t *testing.T) {
	seeds, _ := strconv.Atoi(os.Getenv("FREEHOLD_RATIONALES"))
	if seeds < 1 {
		t.Skip("make bench-rationales: real weights and minutes")
	}
	e, err := models.LookupData("home-intents")
	if err != nil {
		t.Fatal(err)
	}
	at, err := e.Path()
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]string{"TurnOn": "on", "TurnOff": "off", "SetVolume": "volume", "ClimateGetTemperature": "temperature", "StartTimer": "timer", "MediaSearchAndPlay": "play"}
	labels := sortedKeys(words)
	rows, err := readIntents(at, data.OneLabel, labels, &data.Report{})
	if err != nil {
		t.Fatal(err)
	}
	// Templates with an even hash are learnt from, 16 texts an intent; of the others up to 60 are asked.
	slices.SortFunc(rows, func(a, b Row) int { return strings.Compare(hashOf(a.ID), hashOf(b.ID)) })
	var texts, gold []string
	var train, test strings.Builder
	count := map[string]int{}
	for _, r := range rows {
		answer, even := words[labels[r.Gold]], hashOf(r.Group)[0]%2 == 0
		n := count[fmt.Sprint(answer, even)]
		count[fmt.Sprint(answer, even)]++
		line, _ := json.Marshal(map[string]string{"id": r.ID, "text": r.Text, "completion": answer})
		switch {
		case even && n < 16:
			fmt.Fprintf(&train, "%s\n", line)
		case !even && n < 60:
			texts, gold = append(texts, r.Text), append(gold, answer)
			if n == 0 {
				fmt.Fprintf(&test, "%s\n", line)
			}
		}
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "train.jsonl"), train.String())
	write(t, filepath.Join(dir, "test.jsonl"), test.String())
	recipe := filepath.Join(dir, "freehold.yaml")
	diff := make([]float64, len(texts))
	for seed := 1; seed <= seeds; seed++ {
		var right [2][]bool
		for i, more := range []string{"", fmt.Sprintf(whyRationale, 1)} {
			write(t, recipe, fmt.Sprintf(whyRecipe, seed, more))
			mustApply(t, recipe, Options{}, Stages{Only: "label"})
			_, run := mustApply(t, recipe, Options{}, Stages{Only: "train"})
			right[i] = rightAnswers(t, filepath.Join(run, "model.gguf"), texts, gold)
			steps, err := readMetrics(filepath.Join(run, "metrics.jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			tokens := 0
			for _, s := range steps {
				tokens += s.Tokens
			}
			n := len(slices.DeleteFunc(slices.Clone(right[i]), func(ok bool) bool { return !ok }))
			info, err := os.Stat(filepath.Join(run, "model.gguf"))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("seed %d, weight %d: %d of %d answers right (%.1f %%), trained on %d tokens, file of %.2f MB", seed, i, n, len(texts), 100*float64(n)/float64(len(texts)), tokens, float64(info.Size())/1e6)
			if 4*n < len(texts) {
				t.Errorf("seed %d, weight %d: it learnt nothing; one answer for all is right on one in six", seed, i)
			}
		}
		if slices.Equal(right[0], right[1]) {
			t.Errorf("seed %d: rationales change no answer", seed)
		}
		for k := range diff {
			for i, sign := range []float64{-1, 1} {
				if right[i][k] {
					diff[k] += sign / float64(seeds)
				}
			}
		}
	}
	zero := func([]int) float64 { return 0 }
	p := stats.Bootstrap(len(diff), 1, stats.MeanOf(diff), zero)
	t.Logf("with rationales %+.1f points (95 %% %+.1f to %+.1f over rows, %d seeds), p %.4f", 100*p.Difference, 100*p.CI95[0], 100*p.CI95[1], seeds, stats.SignFlip(diff))
}

func rightAnswers(t *testing.T, path string, texts, gold []string) (right []bool) {
	t.Helper()
	m, err := engine.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	a, err := m.NewAnswerer(engine.TextTask{})
	if err == nil {
		err = a.Answers(context.Background(), texts, engine.Gen{}, func(i int, got engine.Answer) error {
			right = append(right, strings.TrimSpace(got.Text) == gold[i])
			return nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return right
}
