package server

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
)

// reranker is a tiny model with a head of one logit.
func reranker(t testing.TB) *engine.Model {
	t.Helper()
	dim := open(t, chatFile(t, "chatml", nil)).Spec.Dim
	w := make([]float32, dim)
	for i := range w {
		w[i] = float32((i*37)%19-9) / 10
	}
	return open(t, chatFile(t, "chatml", map[string]any{"qwen2.pooling_type": uint32(models.PoolLast), "qwen2.classifier.output_labels": []string{engine.RankLabel},
		models.ClassifierWeight: w, models.ClassifierBias: []float32{0.5}, engine.KeyRankPrompt: "{query}: {document}"}))
}

// A reranker ranks by its head: what it says is what the engine says, as probabilities, the best first.
func TestRerankByHead(t *testing.T) {
	m := reranker(t)
	s := serve(t, New(m))
	documents := []string{"over the hill", "the cat", "a"}
	r, err := m.NewRanker(engine.RankTask{})
	if err != nil {
		t.Fatal(err)
	}
	want, err := r.Rank(t.Context(), "the cat", documents)
	if err != nil {
		t.Fatal(err)
	}
	body := `{"query": "the cat", "documents": ["over the hill", {"text": "the cat"}, "a"]%s}`
	got := s.post("/v1/rerank", fmt.Sprintf(body, ""))
	for i, w := range want {
		p, _ := got.at("results", i, "relevance_score").(float64)
		if got.int("results", i, "index") != w.Index || p != w.Score || !(p > 0 && p < 1) {
			t.Errorf("place %d: %v, want %+v", i, got.at("results", i), w)
		}
	}
	if want[0].Score == want[2].Score {
		t.Error("all documents score alike, which tests nothing")
	}
	tokens, _ := r.Tokens("the cat", documents)
	n := 0
	for _, ids := range tokens {
		n += len(ids)
	}
	if got.int("usage", "prompt_tokens") != n || got.at("results", 3) != nil {
		t.Errorf("usage %v, want %d tokens", got.at("usage"), n)
	}
	top := s.post("/v1/rerank", fmt.Sprintf(body, `, "top_n": 1, "return_documents": true`))
	if top.at("results", 1) != nil || top.text("results", 0, "document", "text") != documents[want[0].Index] || math.Abs(top.at("results", 0, "relevance_score").(float64)-want[0].Score) > 0 {
		t.Errorf("%v", top.v)
	}
	s.refused("POST", "/v1/rerank", `{"query": "", "documents": ["a"]}`, 400, codeValue, "query")
	s.refused("POST", "/v1/rerank", `{"query": "a", "documents": ["b", "`+strings.Repeat("the cat ", 4000)+`"]}`, 400, codeContext, "documents[1]")
	if w, b := s.do(s.request("GET", "/v1/models", "")); w.StatusCode != 200 || strings.Contains(string(b), "labels") {
		t.Errorf("a reranker lists classes: %s", b)
	}
	s.refused("POST", "/v1/classify", `{"input": "a"}`, 400, codeUnsupported, "model")
}
