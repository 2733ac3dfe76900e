package main

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// layouts makes pairs of a true ratio, with noise within a layout and between layouts, and some wild ones.
func layouts(r *rand.Rand, n, pairs int, ratio, within, between float64) []layout {
	var all []layout
	for range n {
		shift := ratio * (1 + between*r.NormFloat64())
		var l layout
		for range pairs {
			x := shift * (1 + within*r.NormFloat64())
			if r.IntN(10) == 0 {
				x *= 1 + r.Float64()
			}
			l = append(l, x)
		}
		all = append(all, l)
	}
	return all
}

func TestJudge(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	count := func(n int, ratio, between float64) map[verdict]int {
		c := map[verdict]int{}
		for range n {
			_, lo, hi, v := judge(layouts(r, 8, 25, ratio, 0.03, between))
			if !(lo <= hi) {
				t.Fatalf("interval [%v, %v]", lo, hi)
			}
			c[v]++
		}
		return c
	}
	if c := count(12, 1, 0.005); c[fail] > 0 || c[pass] < 10 {
		t.Errorf("equal code: %v", c)
	}
	if c := count(12, 1, 0.02); c[fail] > 0 {
		t.Errorf("equal code in lucky and unlucky layouts: %v", c)
	}
	if c := count(12, 1.05, 0.003); c[pass] > 0 || c[fail] < 9 {
		t.Errorf("5 %% slower: %v", c)
	}
	if c := count(6, 0.9, 0.005); c[pass] < 6 {
		t.Errorf("faster: %v", c)
	}
	if _, _, _, v := judge(layouts(r, 4, 25, 2, 0.01, 0)); v != inconclusive {
		t.Errorf("four layouts: %v", v)
	}
	if _, _, _, v := judge(layouts(r, 8, 7, 2, 0.01, 0)); v != inconclusive {
		t.Errorf("56 pairs: %v", v)
	}
}

func TestBaseCommit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("git is missing")
		}
		t.Skip("NOT TESTED: git is missing")
	}
	dir := t.TempDir()
	t.Chdir(dir)
	if _, _, err := baseCommit(""); err == nil || !strings.Contains(err.Error(), "no base") {
		t.Errorf("no clone: %v", err)
	}
	commit := func(what string) string {
		t.Helper()
		for _, args := range [][]string{{"add", "-A"}, {"-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", what}} {
			if _, err := git(args...); err != nil {
				t.Fatal(err)
			}
		}
		c, err := git("rev-parse", "HEAD")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	write := func(text string) {
		t.Helper()
		if err := os.MkdirAll("kernels", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join("kernels", "x.go"), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := git("init", "-q"); err != nil {
		t.Fatal(err)
	}
	write("one")
	first := commit("first")
	if _, _, err := baseCommit(""); err == nil || !strings.Contains(err.Error(), "no base") {
		t.Errorf("one commit: %v", err)
	}
	write("two")
	second := commit("second")
	check := func(wanted, commit, reason string) {
		t.Helper()
		if c, why, err := baseCommit(wanted); err != nil || c != commit || !strings.Contains(why, reason) {
			t.Errorf("baseCommit(%q) = %.8s, %q, %v; want %.8s, %s", wanted, c, why, err, commit, reason)
		}
	}
	check("", first, "HEAD~1")
	write("three")
	check("", second, "working tree")
	third := commit("third")
	check(first, first, "BENCH_BASE")
	if _, _, err := baseCommit("nonsense"); err == nil || !strings.Contains(err.Error(), "no base") {
		t.Errorf("a base that is not there: %v", err)
	}
	if _, err := git("update-ref", "refs/remotes/origin/main", first); err != nil {
		t.Fatal(err)
	}
	check("", first, "origin/main")
	if _, err := git("update-ref", "refs/remotes/origin/main", third); err != nil {
		t.Fatal(err)
	}
	check("", second, "HEAD~1")
}

// Flags that would measure nothing are errors, not a gate that passes.
func TestOptions(t *testing.T) {
	good := options{pairs: 25, layouts: 24, skip: "counts"}
	if err := good.check(nil); err != nil {
		t.Error(err)
	}
	for want, o := range map[string]options{"-layouts 0": {pairs: 25}, "-pairs is 9": {pairs: 9, layouts: 6}, `"both"`: {pairs: 25, layouts: 6, skip: "both"}} {
		if err := o.check(nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", o, err, want)
		}
	}
	if err := good.check([]string{"HEAD~3"}); err == nil || !strings.Contains(err.Error(), "HEAD~3") {
		t.Errorf("an argument: %v", err)
	}
}

// place moves imports to the file's own side and leaves tests out.
func TestPlace(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"engine/x.go", "engine/x_test.go", "kernels/x.s"} {
		if err := place(dir, "left", name, []byte(`import "`+module+`/kernels"`)); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "left", "engine", "x.go")); err != nil || string(b) != `import "`+module+`/left/kernels"` {
		t.Errorf("%s, %v", b, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "left", "engine", "x_test.go")); err == nil {
		t.Error("a test was placed")
	}
	if b, err := os.ReadFile(filepath.Join(dir, "left", "kernels", "x.s")); err != nil || strings.Contains(string(b), "left") {
		t.Errorf("%s, %v", b, err)
	}
}

// What the program measured is read as it is written, and a case that one side lacks is not judged.
func TestOutcome(t *testing.T) {
	c := comparison{o: &options{pairs: 30}, names: []string{"slow", "new", "none"}, found: map[string]*found{
		"slow": {layouts: layouts(rand.New(rand.NewPCG(1, 1)), 6, 30, 1.2, 0.01, 0), base: []float64{1}},
		"new":  {missing: "base"}, "none": {missing: "both"}}}
	if o := c.outcome("slow"); o.verdict != fail || o.pairs != 180 || o.layouts != 6 {
		t.Errorf("%+v", o)
	}
	for _, name := range []string{"new", "none"} {
		if o := c.outcome(name); o.verdict != pass {
			t.Errorf("%+v", o)
		}
	}
	var out strings.Builder
	if c.print(&out, time.Second) || !strings.Contains(out.String(), "FAIL") || !strings.Contains(out.String(), "new: base has none") {
		t.Errorf("print says\n%s", out.String())
	}
}

func TestBudgetFile(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", budgetFile))
	if err != nil {
		t.Fatal(err)
	}
	var want budget
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	if want.BinaryBytes < 1<<20 || want.Go == "" || len(want.InstructionsPerToken) != len(countModels) {
		t.Errorf("%+v", want)
	}
	for _, m := range countModels {
		if want.InstructionsPerToken[m] < 10000 {
			t.Errorf("%s: %d instructions a token", m, want.InstructionsPerToken[m])
		}
		if _, err := os.Stat(filepath.Join("..", "..", "testdata", "models", m+".gguf")); err != nil {
			t.Error(err)
		}
	}
	if !within(1010, 1000, 0.01) || within(1011, 1000, 0.01) {
		t.Error("1 % is not 1 %")
	}
}

// A trade excuses its case up to its ratio, and against bases that lack it alone.
func TestTrade(t *testing.T) {
	slow := func() comparison {
		return comparison{o: &options{pairs: 30}, names: []string{"slow"}, found: map[string]*found{
			"slow": {layouts: layouts(rand.New(rand.NewPCG(1, 1)), 6, 30, 1.2, 0.01, 0), base: []float64{1}}}}
	}
	for most, want := range map[float64]bool{1.3: true, 1.1: false} {
		c := slow()
		c.traded = map[string]trade{"slow": {Case: "slow", Most: most, Why: "the reason"}}
		var out strings.Builder
		if got := c.print(&out, time.Second); got != want || strings.Contains(out.String(), "the reason") != want {
			t.Errorf("up to %v: %v\n%s", most, got, out.String())
		}
	}
	c := slow()
	c.traded = map[string]trade{"other": {Case: "other", Most: 1.3}}
	if c.print(io.Discard, time.Second) {
		t.Error("another case's trade excused it")
	}
	head, err := exec.Command("git", "rev-parse", "HEAD").Output()
	if err != nil {
		t.Skipf("NOT TESTED: no git here: %v", err)
	}
	commit := strings.TrimSpace(string(head))
	file := filepath.Join(t.TempDir(), "traded.json")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write(`[{"since": "` + commit + `", "case": "x", "most": 1.2, "why": "y"}]`)
	if open, err := readTrades(file, commit); err != nil || len(open) != 0 {
		t.Errorf("a base that has it: %v, %v", open, err)
	}
	if parent, err := exec.Command("git", "rev-parse", "HEAD~1").Output(); err == nil {
		if open, err := readTrades(file, strings.TrimSpace(string(parent))); err != nil || open["x"].Why != "y" {
			t.Errorf("a base that lacks it: %v, %v", open, err)
		}
	}
	for _, bad := range []string{`[{"since": "abc", "case": "x", "most": 1.2, "why": "y"}]`, `[{"since": "` + commit + `", "case": "x", "most": 2, "why": "y"}]`, `[{"since": "` + commit + `", "case": "x", "most": 1.2}]`, `{`} {
		write(bad)
		if _, err := readTrades(file, commit); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}
