package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
)

// tinyReranker is a tiny model with a head of one logit.
func tinyReranker(t *testing.T) string {
	t.Helper()
	w := make([]float32, 64)
	for i := range w {
		w[i] = float32((i*37)%19-9) / 10
	}
	return edited(t, "models/qwen2.Q8_0.gguf", map[string]any{"qwen2.pooling_type": uint32(models.PoolLast), "qwen2.classifier.output_labels": []string{engine.RankLabel},
		models.ClassifierWeight: w, models.ClassifierBias: []float32{0.5}, engine.KeyRankPrompt: "{query}: {document}"})
}

// Documents come from the command line, a file or standard input, and are ordered alike: by a head, by words and by cosine.
func TestRerank(t *testing.T) {
	documents := []string{"over the hill", "the cat", "a"}
	lines := strings.Join(documents, "\n")
	for _, c := range []struct {
		by, model string
		more      []string
	}{{"head", tinyReranker(t), nil}, {"cosine", writeSmall(t, "bert"), nil}, {"words", tiny(t), []string{"--prompt", "Is {query} in {document}?"}}} {
		args := append([]string{"rerank", c.model, "--query", "the cat"}, c.more...)
		plain := freehold(t, append(args, documents...)...).must(t).out
		if got := (call{stdin: lines}).run(t, args...).must(t).out; got != plain {
			t.Errorf("%s: by standard input\n%s, by arguments\n%s", c.by, got, plain)
		}
		if got := freehold(t, append(args, "--file", file(t, "docs.txt", lines+"\n"))...).must(t).out; got != plain {
			t.Errorf("%s: by --file\n%s, by arguments\n%s", c.by, got, plain)
		}
		var doc reranking
		if err := json.Unmarshal([]byte(freehold(t, append(append(args, "--json"), documents...)...).must(t).out), &doc); err != nil {
			t.Fatal(err)
		}
		if doc.Schema != "freehold/rerank/1" || doc.By != c.by || doc.Query != "the cat" || len(doc.Results) != 3 {
			t.Fatalf("%+v", doc)
		}
		shown := strings.Split(strings.TrimSpace(plain), "\n")
		for i, r := range doc.Results {
			if _, text, _ := strings.Cut(shown[i], "\t"); text != r.Document || documents[r.Index] != r.Document || i > 0 && r.Score > doc.Results[i-1].Score {
				t.Errorf("%s: place %d is %+v, printed %q", c.by, i, r, shown[i])
			}
		}
		top := strings.TrimSpace(freehold(t, append(append(args, "--top", "1", "--jsonl"), documents...)...).must(t).out)
		var one rankedDoc
		if err := json.Unmarshal([]byte(top), &one); err != nil || one != doc.Results[0] {
			t.Errorf("%s: --top 1 --jsonl gives %s (%v), want %+v", c.by, top, err, doc.Results[0])
		}
	}
}

// What cannot be ranked is said, with what to do.
func TestRerankRefused(t *testing.T) {
	for _, c := range []struct {
		want string
		args []string
	}{
		{"missing flags: --query", []string{tiny(t), "a"}},
		{"give a prompt with {query} and {document}", []string{tiny(t), "--query", "q", "a"}},
		{"holds {document} 0 times", []string{tiny(t), "--query", "q", "--prompt", "{query}", "a"}},
		{"no model that could answer it", []string{writeSmall(t, "bert"), "--query", "q", "--raw", "--prompt", "{query} {document}", "a"}},
		{"document 2 is empty", []string{tinyReranker(t), "--query", "q", "a", " "}},
		{"keep one", []string{tinyReranker(t), "--query", "q", "--file", "x", "a"}},
		{"keep one", []string{tinyReranker(t), "--query", "q", "--json", "--jsonl", "a"}},
		{"--query is empty", []string{tinyReranker(t), "--query", " ", "a"}},
		{"are for a --prompt", []string{tinyReranker(t), "--query", "q", "--system", "s", "a"}},
		{"--top is -1", []string{tinyReranker(t), "--query", "q", "--top=-1", "a"}},
		{"holds", []string{tinyReranker(t), "--query", "q", strings.Repeat("the cat ", 4000)}},
	} {
		if r := freehold(t, append([]string{"rerank"}, c.args...)...); r.code != exitUsage || !strings.Contains(r.err, c.want) {
			t.Errorf("%.80q: exit code %d, %s; want %q", c.args, r.code, r.err, c.want)
		}
	}
	if r := freehold(t, "rerank", tinyReranker(t), "--query", "q", "--file", "missing.txt"); r.code != exitInput || !strings.Contains(r.err, "missing.txt") {
		t.Errorf("exit code %d, %s", r.code, r.err)
	}
	if r := freehold(t, "classify", tinyReranker(t), "a"); r.code != exitUsage || !strings.Contains(r.err, "is a reranker") {
		t.Errorf("a reranker classifies: exit code %d, %s", r.code, r.err)
	}
}
