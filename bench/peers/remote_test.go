package peers

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill"
)

const remoteRecipe = `version: 1
name: films
task: {type: classify, labels: [positive, negative], prompt: "Is this film review positive or negative? Answer with one word.\n\n{text}"}
teacher: {%s, calibration: none, licence: Apache-2.0}
student: {from: smollm2-135m-instruct, layers: 1}
data: {train: train.jsonl, test: test.jsonl}
train: {steps: 1}
`

// A run whose teacher is llama.cpp's server has the labels of a run whose teacher is the same file here, as far as the two engines agree.
func TestLlamaRemoteTeacher(t *testing.T) {
	long(t)
	path := realModel(t, "smollm2-135m-instruct")
	l := startLlama(t, path, settings{Threads: 1, Exact: true})
	labels := func(teacher string) map[string][]float64 {
		dir := t.TempDir()
		var rows strings.Builder
		for i, what := range strings.Fields("superb dull warm tedious lovely boring") {
			fmt.Fprintf(&rows, "{\"id\": \"r%d\", \"text\": \"The film is %s, and so is its end.\", \"label\": %q}\n", i, what, []string{"positive", "negative"}[i%2])
		}
		for name, text := range map[string]string{"freehold.yaml": fmt.Sprintf(remoteRecipe, teacher), "train.jsonl": rows.String(), "test.jsonl": `{"id": "t", "text": "A film.", "label": "positive"}`} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		r, err := distill.LoadRecipe(filepath.Join(dir, "freehold.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		j, err := distill.NewJob(t.Context(), r, distill.Options{Threads: threads(t), Warn: func(s string) { t.Log(s) }})
		if err == nil {
			_, err = j.Apply(t.Context(), distill.Stages{Only: "label"})
		}
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(filepath.Join(j.Dir(), "labels", "shard-00000.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() //nolint:errcheck // read-only
		got := map[string][]float64{}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			var row struct {
				ID string    `json:"id"`
				LP []float64 `json:"lp"`
			}
			if err := json.Unmarshal(lines.Bytes(), &row); err == nil && row.ID != "" {
				got[row.ID] = row.LP
			}
		}
		return got
	}
	here := labels("model: smollm2-135m-instruct")
	afar := labels(fmt.Sprintf("openai: %q, model: any, egress_ok: true, limits: {concurrency: 1}", l.Address+"/v1"))
	compared, widest := 0, 0.0
	for id, a := range here {
		b := afar[id]
		if len(b) != 2 {
			t.Fatalf("%s: %v", id, b)
		}
		for k := range a {
			if math.Exp(a[k]) > 0.01 { // surely among the twenty likeliest
				compared++
				widest = max(widest, math.Abs(math.Exp(a[k])-math.Exp(b[k])))
			}
		}
	}
	t.Logf("llama.cpp (xllamacpp %s): %d label probabilities compared, the furthest are %.3f apart", l.Version, compared, widest)
	if len(here) != 7 || compared < 7 || widest > 0.05 {
		t.Errorf("%d rows, %d compared, %.3f apart", len(here), compared, widest)
	}
}
