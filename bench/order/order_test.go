//go:build unix

package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

const tiny = "llama256.Q8_0.gguf"

// A worker names its level and answers each line with the time that the work took.
func TestWork(t *testing.T) {
	model, names := filepath.Join("..", "..", "testdata", "models", tiny), ""
	for _, w := range works {
		names += w.name + "\n"
	}
	var out bytes.Buffer
	if err := work(model, strings.NewReader(names), &out); err != nil {
		t.Fatal(err)
	}
	var level string
	var prompt, generate int64
	if n, err := fmt.Sscan(out.String(), &level, &prompt, &generate); n != 3 || prompt <= 0 || generate <= 0 {
		t.Errorf("answers %q: %v", out.String(), err)
	}
	if err := work(model, strings.NewReader("pp9\n"), &out); err == nil || !strings.Contains(err.Error(), `"pp9"`) {
		t.Errorf("unknown work: %v", err)
	}
	if err := work("gone.gguf", strings.NewReader(names), &out); err == nil || !strings.Contains(err.Error(), "gone.gguf") {
		t.Errorf("no model: %v", err)
	}
}

func TestCompareRefuses(t *testing.T) {
	for want, err := range map[string]error{`-model is ""`: compare("", 1), "-pairs 0": compare(tiny, 0)} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
