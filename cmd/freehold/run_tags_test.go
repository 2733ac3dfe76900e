package main

import (
	"path/filepath"
	"strings"
	"testing"

	tinymodels "github.com/freehold-slm/freehold/models/tiny"
)

// A model that marks tokens answers with JSON of its own schema, and says what it does not do.
func TestRunTags(t *testing.T) {
	schema := `{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}`
	model := filepath.Join(t.TempDir(), "tags.gguf")
	if err := tinymodels.Tagged(fixture(t, "hostile/base/base_bpe256.gguf"), model, schema, []string{"O", "B-a", "I-a"}, nil); err != nil {
		t.Fatal(err)
	}
	out := freehold(t, "run", model, "Max lives in Bern").must(t).out
	if !strings.HasPrefix(out, `{"a":"`) || !strings.HasSuffix(out, "\"}\n") {
		t.Errorf("the answer is %q", out)
	}
	d := freehold(t, "run", model, "Max lives in Bern", "--json").must(t).document(t, "freehold/run/1")
	if d["text"].(string)+"\n" != out || d["reason"] != "end" || d["generated_tokens"] != 0.0 || !(d["prompt_tokens"].(float64) > 3) {
		t.Errorf("in the document %v", d)
	}
	if r := (call{stdin: "Max lives in Bern\n"}).run(t, "run", model, "--json-schema", schema).must(t); r.out != out {
		t.Errorf("from standard input %q, as an argument %q", r.out, out)
	}
	for flag, want := range map[string]string{"--raw": "--raw is for models that write", "--system=x": "--system is for models that write", "--choice=x": "by its own schema"} {
		if r := freehold(t, "run", model, "Max", flag); r.code != 2 || !strings.Contains(r.err, want) {
			t.Errorf("%s: exit %d, %s", flag, r.code, r.err)
		}
	}
	if r := freehold(t, "classify", model, "Max", "--labels=a,b"); r.code == 0 || !strings.Contains(r.err, "marks the tokens") {
		t.Errorf("classify: exit %d, %s", r.code, r.err)
	}
	if r := freehold(t, "embed", model, "Max", "--pooling=mean"); r.code != 2 || !strings.Contains(r.err, "gives no embeddings; ask it with: freehold run") {
		t.Errorf("embed: exit %d, %s", r.code, r.err)
	}
	if r := freehold(t, "inspect", model).must(t); !strings.Contains(r.out, "tags") {
		t.Errorf("inspect: %s", r.out)
	}
}
