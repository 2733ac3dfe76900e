// Package freehold_test holds the rules of the house, read from the source itself: who may import whom, what may
// reach the network, which functions are banned because they are not the same everywhere, how large a file may be.
package freehold_test

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/freehold-slm/freehold"

// rooms in import order: a file may import its own room and those to its left.
var rooms = []string{"kernels", "quant", "models", "engine", "distill", "bench", "cmd"}

// source is one Go file of the module.
type source struct {
	path  string // slash-separated, from the module root
	lines int
	test  bool
	set   *token.FileSet
	file  *ast.File
}

func (s *source) dir() string  { return s.path[:strings.LastIndex("/"+s.path, "/")] }
func (s *source) room() string { return strings.SplitN(s.path, "/", 2)[0] }

func (s *source) imports() []string {
	var all []string
	for _, i := range s.file.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		all = append(all, p)
	}
	return all
}

func (s *source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.path, s.set.Position(n.Pos()).Line)
}

// sources parses every Go file, whatever its build tags.
var sources = sync.OnceValues(func() ([]*source, error) {
	var all []*source
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); p != "." && (strings.HasPrefix(n, ".") || strings.HasPrefix(n, "_") || n == "testdata" || n == "runs" || n == "bin") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		s := &source{path: filepath.ToSlash(p), lines: strings.Count(string(b), "\n"), test: strings.HasSuffix(p, "_test.go"), set: token.NewFileSet()}
		if s.file, err = parser.ParseFile(s.set, p, b, parser.ParseComments); err != nil {
			return err
		}
		all = append(all, s)
		return nil
	})
	return all, err
})

// product returns the Go files that are not tests.
func product(t *testing.T) []*source {
	t.Helper()
	all, err := sources()
	if err != nil {
		t.Fatal(err)
	}
	all = slices.DeleteFunc(slices.Clone(all), func(s *source) bool { return s.test })
	if len(all) < 50 {
		t.Fatalf("found %d Go files; the walk is wrong", len(all))
	}
	return all
}

func TestImportOrder(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range product(t) {
		mine := slices.Index(rooms, s.room())
		if mine < 0 {
			t.Errorf("%s: %q is not a room (rooms: %s)", s.path, s.room(), strings.Join(rooms, " <- "))
			continue
		}
		seen[s.room()] = true
		for _, p := range s.imports() {
			rest, ours := strings.CutPrefix(p, module+"/")
			if !ours {
				continue
			}
			if theirs := slices.Index(rooms, strings.SplitN(rest, "/", 2)[0]); theirs < 0 || theirs > mine {
				t.Errorf("%s imports %s; the order is %s", s.path, rest, strings.Join(rooms, " <- "))
			}
		}
	}
	for _, r := range rooms[:5] {
		if !seen[r] {
			t.Errorf("no Go file in %s; the walk is wrong", r)
		}
	}
}

// No drawer for things without a name.
func TestPackageNames(t *testing.T) {
	for _, s := range product(t) {
		switch n := s.file.Name.Name; n {
		case "util", "utils", "common", "helper", "helpers", "misc", "base", "shared":
			t.Errorf("%s: package %s says nothing about what it holds", s.path, n)
		}
	}
}

// bannedMath is not the same on every architecture: assembly on some, or fused by the compiler.
// kernels/math.go has the project's own.
var bannedMath = map[string]bool{"Exp": true, "Exp2": true, "Expm1": true, "Log": true, "Log2": true, "Log10": true, "Log1p": true, "Pow": true,
	"Sin": true, "Cos": true, "Sincos": true, "Tan": true, "Sinh": true, "Cosh": true, "Tanh": true, "Asin": true, "Acos": true, "Atan": true, "Atan2": true,
	"Cbrt": true, "Hypot": true, "Gamma": true, "Lgamma": true, "Erf": true, "Erfc": true}

// bannedUses are the exceptions: "file: thing" -> why no logit, weight, sample or hash can come from it.
var bannedUses = map[string]string{
	"distill/embed_target.go: gonum.org/v1/gonum/mat": "student.dim of a task embed; the manifest and the run's key name the architecture",
	"distill/lora_svd.go: gonum.org/v1/gonum/mat":     "student.lora.init: pissa; the manifest and the run's key name the architecture",
	"distill/remote/client.go: math/rand/v2":          "waits between tries, which no answer depends on",
}

// The same bits everywhere need functions that are the same everywhere (docs/arithmetic.md, "Banned").
func TestBannedArithmetic(t *testing.T) {
	used := map[string]bool{}
	report := func(s *source, n ast.Node, thing string) {
		key := s.path + ": " + thing
		used[key] = true
		if bannedUses[key] == "" {
			t.Errorf("%s uses %s, which is not the same on every CPU; use kernels' own, or give a reason in bannedUses", s.at(n), thing)
		}
	}
	for _, s := range product(t) {
		if !slices.Contains(rooms[:5], s.room()) {
			continue
		}
		names := map[string]string{} // local name -> import path
		for _, i := range s.file.Imports {
			p, _ := strconv.Unquote(i.Path.Value)
			local := p[strings.LastIndex(p, "/")+1:]
			if i.Name != nil {
				local = i.Name.Name
			}
			names[local] = p
			switch {
			case strings.HasPrefix(p, "gonum.org/"), p == "math/rand", p == "math/rand/v2", p == "math/cmplx":
				report(s, i, p)
			case p == "math" && local == ".":
				report(s, i, "import . \"math\"")
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && names[x.Name] == "math" && bannedMath[sel.Sel.Name] {
					report(s, sel, "math."+sel.Sel.Name)
				}
			}
			return true
		})
	}
	for key := range bannedUses {
		if !used[key] {
			t.Errorf("bannedUses lists %q, which is no longer used", key)
		}
	}
}

// reach lists the imports that can leave the process, and the files that may have them.
var reach = []struct {
	what    string
	imports *regexp.Regexp
	files   map[string]string // pattern (path.Match) -> why
}{
	{"the network", regexp.MustCompile(`^(net|net/http|net/rpc|net/smtp|net/textproto|crypto/tls|golang\.org/x/net/.*)$`), map[string]string{
		"models/egress/*.go":      "the one place that opens outgoing connections",
		"models/pull*.go":         "makes the requests that go through it",
		"distill/remote/*.go":     "makes a remote teacher's requests, which go through it",
		"engine/server/*.go":      "answers HTTP, and connects to nothing but systemd's local socket",
		"engine/server/page/*.go": "answers HTTP with the web page",
		"cmd/freehold/ui/*.go":    "answers HTTP with the pages about runs",
	}},
	{"other programs", regexp.MustCompile(`^(os/exec|plugin)$`), map[string]string{
		"models/pull*.go":                "runs the user's own pip, and stops it with its children",
		"cmd/freehold/doctor.go":         "asks whether python3 and pip are there",
		"bench/order/main.go":            "builds itself twice",
		"bench/peer.go":                  "runs the engines that the user names, to compare speeds",
		"bench/gate/*.go":                "builds two commits, and counts under valgrind",
		"models/gguf/hostile/hostile.go": "tests only: makes the malformed files with python3",
		"bench/browser/browser.go":       "tests only: looks for Chromium",
	}},
	{"C", regexp.MustCompile(`^(C|runtime/cgo)$`), nil},
}

// Nothing leaves the machine but by the commands whose job it is.
func TestReach(t *testing.T) {
	for _, r := range reach {
		used := map[string]bool{}
		for _, s := range product(t) {
			for _, p := range s.imports() {
				if !r.imports.MatchString(p) {
					continue
				}
				allowed := false
				for pattern := range r.files {
					if ok, err := filepath.Match(pattern, s.path); err != nil {
						t.Fatal(err)
					} else if ok {
						allowed, used[pattern] = true, true
					}
				}
				if !allowed {
					t.Errorf("%s imports %s; %s may be reached only from %v", s.path, p, r.what, r.files)
				}
			}
		}
		for pattern := range r.files {
			if !used[pattern] {
				t.Errorf("the list of %s allows %s, which no longer needs it", r.what, pattern)
			}
		}
	}
}

// What a program that embeds the engine takes on.
func TestEngineDependencies(t *testing.T) {
	allowed := []string{"github.com/klauspost/cpuid/v2", "golang.org/x/sys"}
	imports := map[string][]string{} // package dir -> imports
	for _, s := range product(t) {
		d := strings.TrimSuffix(s.dir(), "/")
		imports[d] = append(imports[d], s.imports()...)
	}
	if len(imports["engine"]) == 0 {
		t.Fatal("engine imports nothing; the walk is wrong")
	}
	seen := map[string]bool{}
	var visit func(dir string)
	visit = func(dir string) {
		if seen[dir] {
			return
		}
		seen[dir] = true
		for _, p := range imports[dir] {
			if rest, ours := strings.CutPrefix(p, module+"/"); ours {
				visit(rest)
			} else if strings.Contains(strings.SplitN(p, "/", 2)[0], ".") &&
				!slices.ContainsFunc(allowed, func(m string) bool { return p == m || strings.HasPrefix(p, m+"/") }) {
				t.Errorf("engine needs %s (through %s); allowed are %v", p, dir, allowed)
			}
		}
	}
	visit("engine")
	own := []string{"engine", "engine/grammar", "kernels", "models", "models/chat", "models/egress", "models/gguf", "models/licence", "models/spell", "models/token", "quant"}
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, own) {
		t.Errorf("engine is made of %v, want %v; does a program that embeds it need the change?", got, own)
	}
}

// What make test-long runs, .ci/long finds by reading: tests that ask for the long set themselves, by a helper, or by a helper's helper.
func TestLongSet(t *testing.T) {
	out, err := exec.Command("go", "run", "./.ci/long", "engine", "bench/peers", "cmd/freehold").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	expr, err := regexp.Compile(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"TestRealPauses": true, "TestLlamaLoRA": true, "TestSystemCalls": true, "TestPool": false, "TestFixturesModels": false} {
		if expr.MatchString(name) != want {
			t.Errorf("%s in the long set: %v, want %v", name, !want, want)
		}
	}
}

// largeFiles are over maxLines for a reason.
const maxLines = 600

var largeFiles = map[string]string{}

func TestFileLength(t *testing.T) {
	long := map[string]bool{}
	for _, s := range product(t) {
		if s.lines > maxLines {
			long[s.path] = true
			if largeFiles[s.path] == "" {
				t.Errorf("%s has %d lines, want at most %d: which second idea does it hold?", s.path, s.lines, maxLines)
			}
		}
	}
	for p := range largeFiles {
		if !long[p] {
			t.Errorf("largeFiles lists %s, which is no longer large", p)
		}
	}
}

// Every module of go.mod stands in docs/dependencies.md with its licence and its reason, and nothing else does.
func TestDependenciesPage(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` ([^ ]+) \\| [^|]+ \\| [^|]+ \\|").FindAllStringSubmatch(string(page), -1) {
		listed[m[1]+" "+m[2]] = true
	}
	required := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^(?:require)?\s+([a-z0-9.]+\.[a-z]+/\S+) (v\S+)`).FindAllStringSubmatch(string(mod), -1) {
		required[m[1]+" "+m[2]] = true
	}
	if len(required) == 0 {
		t.Fatal("no requirement found in go.mod")
	}
	for r := range required {
		if !listed[r] {
			t.Errorf("docs/dependencies.md lacks a row for %s", r)
		}
	}
	for l := range listed {
		if !required[l] {
			t.Errorf("docs/dependencies.md has a row for %s, which go.mod does not require", l)
		}
	}
}

// forTests are packages that tests alone import.
var forTests = []string{"bench/browser", "models/gguf/hostile"}

// What docs/dependencies.md says is for tests only is in no program, and neither are packages for tests.
func TestTestsOnly(t *testing.T) {
	page, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)` [^|]+\\| [^|]+ \\| tests only").FindAllStringSubmatch(string(page), -1)
	if len(rows) < 5 {
		t.Fatalf("found %d modules for tests only; the table is read wrongly", len(rows))
	}
	for _, s := range product(t) {
		if slices.Contains(forTests, strings.TrimSuffix(s.dir(), "/")) {
			continue
		}
		for _, p := range s.imports() {
			if slices.Contains(forTests, strings.TrimPrefix(p, module+"/")) {
				t.Errorf("%s imports %s, which is for tests", s.path, p)
			}
			for _, r := range rows {
				if p == r[1] || strings.HasPrefix(p, r[1]+"/") {
					t.Errorf("%s imports %s, which docs/dependencies.md has for tests only", s.path, p)
				}
			}
		}
	}
}

// Reference data in the repository stays small.
func TestTestdataSize(t *testing.T) {
	const limit = 25 << 20
	var sum int64
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains("/"+filepath.ToSlash(p), "/testdata/") {
			return err
		}
		i, err := d.Info()
		if err == nil {
			sum += i.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if sum == 0 || sum > limit {
		t.Errorf("testdata folders hold %d bytes, want more than 0 and at most %d", sum, limit)
	}
}

// Links between the pages lead somewhere.
func TestPageLinks(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, _ := filepath.Glob("docs/*/*.md")
	pages = append(append(pages, more...), "README.md", "CONTRIBUTING.md", "bench/LOG.md")
	link := regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`)
	for _, p := range pages {
		f, err := os.Open(p)
		if err != nil {
			t.Error(err)
			continue
		}
		sc := bufio.NewScanner(f)
		for n := 1; sc.Scan(); n++ {
			for _, m := range link.FindAllStringSubmatch(sc.Text(), -1) {
				if strings.Contains(m[1], "://") {
					continue
				}
				if _, err := os.Stat(filepath.Join(filepath.Dir(p), m[1])); err != nil {
					t.Errorf("%s:%d: link to %s leads nowhere", p, n, m[1])
				}
			}
		}
		f.Close() //nolint:errcheck // read only
	}
}

// The smallest architecture, number format and pre-tokenizer of CONTRIBUTING.md are each told of in one file of the product, beside the layouts of
// blocks, the table of tiny models for tests and the families of folders, which are added by themselves: adding one is adding to one file.
func TestAddedInOneFile(t *testing.T) {
	page, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what, name, file string
		lines            int
	}{
		{"architecture", `"starcoder"`, "models/arch_starcoder.go", 6},
		{"number format", `\bQ1_0\b`, "quant/bits.go", 76},
		{"pre-tokenizer", `\btrillion\b`, "models/token/pre.go", 0}, // a line of a table
	} {
		name := regexp.MustCompile(c.name)
		var in []string
		for _, s := range product(t) {
			if s.test || strings.HasPrefix(s.path, "kernels/block_") || strings.HasPrefix(s.path, "models/tiny/") || strings.HasPrefix(s.path, "models/hf/family_") {
				continue
			}
			text, err := os.ReadFile(s.path)
			if err != nil {
				t.Fatal(err)
			}
			if name.Match(text) {
				in = append(in, s.path)
			}
			if s.path == c.file && c.lines > 0 && s.lines != c.lines {
				t.Errorf("%s has %d lines, CONTRIBUTING.md says %d", s.path, s.lines, c.lines)
			}
		}
		if !slices.Equal(in, []string{c.file}) {
			t.Errorf("%s %s stands in %v, want %s alone", c.what, c.name, in, c.file)
		}
		if says := fmt.Sprintf("`%s`", c.file); !strings.Contains(string(page), says) || c.lines > 0 && !strings.Contains(string(page), fmt.Sprintf("%s (%d lines", says, c.lines)) {
			t.Errorf("CONTRIBUTING.md does not name %s with its %d lines", c.file, c.lines)
		}
	}
}
