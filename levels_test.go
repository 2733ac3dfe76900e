package freehold_test

import (
	"os"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
)

// A run that was told to use a level must use it: a silent fallback would make every other test of it worthless.
func TestLevelForced(t *testing.T) {
	var names []string
	for _, l := range kernels.Levels() {
		names = append(names, l.Name)
	}
	t.Logf("levels: %s", strings.Join(names, " "))
	best, err := kernels.Best()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("level: %s", best.Name)
	if want := os.Getenv("FREEHOLD_CPU"); want != "" && best.Name != want {
		t.Errorf("FREEHOLD_CPU=%s, and the level is %s", want, best.Name)
	}
	if want := os.Getenv("FREEHOLD_WANT_CPU"); want != "" && best.Name != want {
		t.Errorf("this machine's best level is %s, and the run was meant for %s", best.Name, want)
	}
}
