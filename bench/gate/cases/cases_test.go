package cases

import (
	"strings"
	"testing"
	"time"
)

// Every case runs; how long one run takes on the level at hand is logged: two of them must fit into a slice.
func TestCases(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range Names() {
		if seen[name] {
			t.Errorf("%s is there twice", name)
		}
		seen[name] = true
		once, err := New(name, "../../../testdata/models")
		if err != nil {
			t.Fatal(err)
		}
		if once == nil {
			if !strings.HasPrefix(name, "GemmBF16") {
				t.Logf("%s: no such kernel here", name)
			}
			continue
		}
		once()
		best := time.Hour
		for range 20 {
			start := time.Now()
			once()
			best = min(best, time.Since(start))
		}
		t.Logf("%-40s %v", name, best)
	}
	if len(seen) < 30 {
		t.Errorf("only %d cases", len(seen))
	}
	if once, err := New("nothing", ""); once != nil || err != nil {
		t.Errorf("an unknown case gave %v", err)
	}
	if _, err := New("Token/llama256.Q8_0", "gone"); err == nil || !strings.Contains(err.Error(), "Token/llama256.Q8_0") {
		t.Errorf("no fixture: %v", err)
	}
}
