package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBenchOutputs(t *testing.T) {
	model := tiny(t)
	args := []string{"bench", model, "-p", "8", "-n", "4", "-b", "1,2", "-d", "0,16", "-r", "3", "--read-size", "1"}
	lines := freehold(t, append(args, "-o", "gobench")...).must(t).out
	if n := strings.Count(lines, "\nBenchmark/tg4/d16/b2-"); n != 3 || !strings.HasPrefix(lines, "cpu: ") || strings.Count(lines, " tok/s") != 18 {
		t.Errorf("%d samples of tg4 @ d16 @ b2:\n%s", n, lines)
	}
	r := freehold(t, append(args, "-o", "json")...).must(t)
	d := r.document(t, "freehold/bench/1")
	limits, _ := d["limits"].(map[string]any)
	if limits["read_buffer_bytes"] != float64(1<<20) || limits["read_from"] == nil || d["startup"] == nil {
		t.Errorf("%v", d)
	}
	path := filepath.Join(t.TempDir(), "a.json")
	if err := os.WriteFile(path, []byte(r.out), 0o666); err != nil {
		t.Fatal(err)
	}
	// Whether three samples of a busy machine say anything is up to the machine: code 0 or 8.
	c := freehold(t, "bench", "compare", path, path)
	if c.code != 0 && c.code != 8 || !strings.Contains(c.out, "| pp8 @ d16") || !strings.Contains(c.out, "1.000 [") {
		t.Errorf("code %d\n%s%s", c.code, c.out, c.err)
	}
	if d := freehold(t, "bench", "compare", path, path, "-o", "json").document(t, "freehold/bench-compare/1"); d["tests"] == nil {
		t.Errorf("%v", d)
	}
	for _, x := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"compare", path}, 2, "two results"},
		{[]string{"compare", path, path, "-o", "csv"}, 2, "not csv"},
		{[]string{"compare", path, path + ".gone"}, 3, "a.json.gone"},
		{[]string{"compare", path, model}, 3, "not a result"},
		{[]string{model, model}, 2, "one model"},
		{[]string{model, "--vs", "nobody"}, 2, "ik_llama.cpp"},
		{[]string{model, "-b", "0"}, 2, "batch of 0"},
		{[]string{model, "--read-size", "0"}, 2, "--read-size"},
	} {
		if r := freehold(t, append([]string{"bench"}, x.args...)...); r.code != x.code || !strings.Contains(r.err, x.want) {
			t.Errorf("bench %v: code %d, want %d with %q: %s", x.args, r.code, x.code, x.want, r.err)
		}
	}
}
