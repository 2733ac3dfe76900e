package server

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
)

// multilabelFile is a tiny model with a head of three labels, each by itself.
func multilabelFile(t *testing.T) string {
	t.Helper()
	dim := open(t, chatFile(t, "chatml", nil)).Spec.Dim
	w := make([]float32, 3*dim)
	for i := range w {
		w[i] = float32((i*37)%19-9) / 10
	}
	return chatFile(t, "chatml", map[string]any{"qwen2.pooling_type": uint32(models.PoolMean), "qwen2.classifier.output_labels": []string{"fan", "music", "timer"},
		models.ClassifierWeight: w, models.ClassifierBias: []float32{0.5, -1, 0}, engine.KeyTaskThresholds: []float32{0.25, 0.5, 0.75}})
}

// The endpoint gives what the engine gives: the labels that reach their thresholds, and of all labels the probability.
func TestMultilabel(t *testing.T) {
	m := open(t, multilabelFile(t))
	k, err := m.NewMultilabel(engine.MultilabelTask{})
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for i := range 40 {
		texts = append(texts, fmt.Sprintf("text %d of the %s kind", i*i, []string{"long", "odd", "good"}[i%3]))
	}
	want, err := k.Batch(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, New(m))
	got := s.post("/v1/classify", string(must(json.Marshal(map[string]any{"input": texts}))))
	counts := map[int]int{}
	for i, marks := range want {
		var has []string
		for j, v := range marks {
			if v.Has {
				has = append(has, v.Label)
			}
			at := func(key string) any { return got.at("data", i, "choices", j, key) }
			if at("label") != v.Label || at("p") != v.P || at("threshold") != v.Threshold {
				t.Errorf("text %d, choice %d: %v, want %+v", i, j, got.at("data", i, "choices", j), v)
			}
		}
		counts[len(has)]++
		list, ok := got.at("data", i, "labels").([]any)
		var said []string
		for _, l := range list {
			said = append(said, l.(string))
		}
		if !ok || !slices.Equal(said, has) || got.at("data", i, "label") != marks[0].Label || got.at("data", i, "p") != marks[0].P {
			t.Errorf("text %d: %v, want %v", i, got.at("data", i), has)
		}
	}
	if len(counts) < 2 {
		t.Errorf("all texts have the same number of labels: %v", counts)
	}
	if got.int("usage", "prompt_tokens") < len(texts) || got.at("abstain_below") != nil {
		t.Errorf("usage %v", got.at("usage"))
	}
	if one := s.post("/v1/classify", `{"input": "a text", "labels": ["fan", "music", "timer"]}`); one.at("data", 0, "labels") == nil {
		t.Errorf("%v", one)
	}
	for field, param := range map[string]string{`"labels": ["up", "down"]`: "labels", `"prompt": "{text}"`: "prompt", `"system": "s"`: "system", `"raw": true`: "raw", `"explain": true`: "explain", `"store": true`: "store"} {
		s.refused("POST", "/v1/classify", `{"input": "x", `+field+`}`, 400, codeUnsupported, param)
	}
	s.refused("POST", "/v1/classify", `{"input": "`+strings.Repeat("word ", 5000)+`"}`, 400, "context_length_exceeded", "input[0]")
	if err := serve(t, New(m, WithAbstainBelow(0.9))).CheckStudents(t.Context()); err == nil || !strings.Contains(err.Error(), "any number") {
		t.Errorf("a line for a model that gives any number of labels: %v", err)
	}
}
