package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// inspect reads the files of a Hugging Face folder one by one, and refuses damaged ones by name.
func TestInspectParts(t *testing.T) {
	folder := hfFolder(t)
	weights, tokenizer := filepath.Join(folder, "model.safetensors"), filepath.Join(folder, "tokenizer.json")
	d := freehold(t, "inspect", "--full", "--json", weights).must(t).document(t, "freehold/inspect-part/1")
	if types, _ := d["types"].(map[string]any); types["BF16"] == nil || d["parameters"].(float64) < 256*16 {
		t.Errorf("%v", d)
	}
	if r := freehold(t, "inspect", "--full", weights).must(t); strings.Contains(r.out, "NaN") {
		t.Errorf("finite weights: %s", r.out)
	}
	if r := freehold(t, "inspect", tokenizer).must(t); !strings.Contains(r.out, "gpt2") {
		t.Errorf("tokenizer: %s", r.out)
	}
	b, err := os.ReadFile(weights)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 { // the last value becomes a NaN
		b[len(b)-1-i] = 0xff
	}
	damaged := filepath.Join(t.TempDir(), "damaged.safetensors")
	if err := os.WriteFile(damaged, b, 0o666); err != nil {
		t.Fatal(err)
	}
	if r := freehold(t, "inspect", "--full", damaged).must(t); !strings.Contains(r.out, "NaN or infinity") {
		t.Errorf("NaN is not told: %s", r.out)
	}
	if err := os.WriteFile(damaged, b[:len(b)-1], 0o666); err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "tokenizer.model")
	if err := os.WriteFile(bad, []byte("no protobuf"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{damaged, bad} {
		if r := freehold(t, "inspect", path); r.code != 3 || !strings.Contains(r.err, filepath.Base(path)) {
			t.Errorf("%s: exit %d, %s", path, r.code, r.err)
		}
	}
}
