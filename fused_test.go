package freehold_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// fusedFiles may hold sums into which the compiler fuses a product, where the CPU can: nothing that is kept to the bit comes from them.
var fusedFiles = map[string]string{
	"distill/report.go": "draws the page", "distill/report_ladder.go": "draws the page", "distill/report_reliability.go": "draws the page", "distill/cascade.go": "draws the page",
	"distill/plan.go": "estimates time", "distill/on_policy_plan.go": "estimates time", "distill/rationale_plan.go": "estimates time", "distill/speed.go": "measures time",
}

// fusedLines are sums with products that are exact, so that fusing changes nothing, or whose value is not kept.
var fusedLines = []*regexp.Regexp{
	regexp.MustCompile(`/\s*\(1<<31\) - 1`),                  // times a power of two
	regexp.MustCompile(`loss [+-] ?d/2|loss[+-]d/2`),         // half
	regexp.MustCompile(`float64\((chars|len\(.*\))\) ?/ ?4`), // a quarter of a count, in estimates
	regexp.MustCompile(`math\.FMA\(`),                        // meant
	regexp.MustCompile(`s\.Seconds = `),                      // estimates time
	regexp.MustCompile(`float64\(-c\)/topUnits - norm`),      // times a power of two
	regexp.MustCompile(`rate = 0\.9\*rate \+ 0\.1\*p\.T`),    // what the progress line says
}

// On arm64 the compiler makes x*y + z one operation with one rounding, unless the product is converted: float64(x*y) + z. What is kept to the bit must not have any. The compiler itself
// says where it fused.
func TestNothingFused(t *testing.T) {
	if os.Getenv("FREEHOLD_LONG") == "" {
		t.Skip("compiles all for arm64: in the long set (FREEHOLD_LONG=1)")
	}
	cmd := exec.Command("go", "build", "-gcflags=-S", "./distill/...", "./engine/...", "./kernels/...", "./models/...", "./quant/...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, m := range regexp.MustCompile(`\(([^()]+\.go):(\d+)\)\s+FN?M(?:ADD|SUB)[DS]\b`).FindAllStringSubmatch(string(out), -1) {
		file, err := filepath.Rel(root, m[1])
		if err != nil || !filepath.IsLocal(file) { // of the standard library
			continue
		}
		seen++
		file = filepath.ToSlash(file)
		if fusedFiles[file] != "" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(m[2])
		lines := strings.Split(string(text), "\n")
		if err != nil || n < 1 || n > len(lines) {
			t.Fatalf("%s: no such line", m[0])
		}
		known := false
		for _, k := range fusedLines {
			known = known || k.MatchString(lines[n-1])
		}
		if !known {
			t.Errorf("%s:%d: a product is fused with a sum on arm64; write float64(x*y) + z: %s", file, n, strings.TrimSpace(lines[n-1]))
		}
	}
	if seen < 20 {
		t.Errorf("%d fused products were found; the compiler's output is read wrongly", seen)
	}
}
