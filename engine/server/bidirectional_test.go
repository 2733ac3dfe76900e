package server

import (
	"path/filepath"
	"testing"

	"github.com/freehold-slm/freehold/models/tiny"
)

// A classifier whose tokens see later ones is asked as any other, and refuses by name what it cannot do.
func TestBidirectional(t *testing.T) {
	path := filepath.Join(t.TempDir(), "both.gguf")
	if err := tiny.Labelled(filepath.Join("..", "..", "testdata", "hostile", "base", "base_bpe256.gguf"), path, []string{"a", "b"}, nil); err != nil {
		t.Fatal(err)
	}
	s := serve(t, New(open(t, path)))
	texts := `["rise and climb", "rise and fall", "x"]`
	got := s.post("/v1/classify", `{"input": `+texts+`}`)
	for i := range 3 {
		if label := got.text("data", i, "label"); label != "a" && label != "b" {
			t.Errorf("label %d is %q: %v", i, label, got.v)
		}
	}
	if got := decoded(t, second(s.do(s.request("GET", "/v1/models", "")))); got.text("data", 0, "labels", 1) != "b" {
		t.Errorf("%v", got.v)
	}
	s.post("/v1/embeddings", `{"input": "x"}`)
	s.refused("POST", "/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}]}`, 400, codeTemplate, "model")
	s.refused("POST", "/v1/completions", `{"prompt": "x"}`, 400, codeUnsupported, "model")
	s.refused("POST", "/v1/classify", `{"input": "x", "labels": ["c", "d"]}`, 400, codeValue, "")
}
