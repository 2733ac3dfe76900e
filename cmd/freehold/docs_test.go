package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// pages are those whose shell blocks are run, one after the other in one shell: where, and what the output shall hold. A page that is not here has none that are run.
var pages = map[string]struct {
	// "real": a folder with docs/tutorial beside it, and real weights (the long set); "clone": a clone of the last commit (the long set); "run": the folder of a tiny recipe called triage, after apply
	where string
	want  []string
}{
	"docs/tutorial.md":                    {"real", []string{"0 are not", `"label":"roads"`, "gate passed", "student "}},
	"README.md":                           {"real", []string{"smollm2-135m-instruct", "positive", "q4_0"}},
	"docs/policy.md":                      {"run", []string{"company-eu", "ok      company-eu", "DOES NOT HOLD"}},
	"docs/howto/serve-behind-a-key.md":    {"run", []string{`"label":`}},
	"docs/howto/learn-from-use.md":        {"run", []string{`"abstained":true,"collected":true`, `"text":"Write to [EMAIL]","label":null`, "data file collected batch-1.jsonl", "1 rows corrected by hand", "rows, the surest first"}},
	"docs/howto/watch-a-run.md":           {"run", []string{"state finished", `"state":"done"`}},
	"docs/howto/verify-a-run.md":          {"run", []string{" 0 are not", "files are the same", "made      weights model.gguf", "signed"}},
	"docs/howto/licences-and-policies.md": {"run", []string{"licence MIT", "ok      company-eu", "holds if"}},
	"docs/howto/air-gapped.md":            {"run", []string{" 0 are not", "nothing to do", "files are the same"}},
	"docs/howto/releases.md":              {"clone", []string{"SHA256SUMS.sig: files signed: 1", "the signature holds", runtime.GOARCH + ": OK"}},
	"docs/howto/remote-teacher.md":        {"run", []string{"10 texts are sent to http://127.0.0.1", "masked: [email phone]", "egress_ok: true", "4 of 10 rows are answered", "6 texts are sent", "remote teacher: 10 answers of big-model (10)", "remote model big-model", "taken as they are", "equal     model.gguf"}},
	"docs/howto/several-machines.md":      {"run", []string{" 0 are not", "label", "with", " 0 of all are missing", "gate passed"}},
	"docs/howto/ci-gate.md":               {"run", []string{"upload-sarif", "nothing to do", "train.seed", "7 -> 8"}},
}

// block is a block of a page that is typed into a shell.
type block struct {
	page   string
	line   int
	text   string
	not    string // why it is not run; "" = it is
	fenced bool
}

var notRun = regexp.MustCompile(`^<!-- not run: (.{10,}) -->$`)

// commandLine is how lines of a shell block begin.
var commandLine = regexp.MustCompile(`^(\$ |\./)?(freehold|make|curl|go|git|npm|pip|python3|tar|unshare|cd|source|export|sudo|sha256sum|FREEHOLD_[A-Z]+=\S*) `)

// blocksOf are the shell blocks of a page: fenced ones of sh, and everything else that looks like commands.
func blocksOf(page, text string) (all []block) {
	lines := strings.Split(text, "\n")
	why := ""
	for i := 0; i < len(lines); i++ {
		l := lines[i]
		if m := notRun.FindStringSubmatch(l); m != nil {
			why = m[1]
			continue
		}
		if lang, ok := strings.CutPrefix(l, "```"); ok {
			b := block{page: page, line: i + 1, not: why, fenced: lang == "sh"}
			for i++; i < len(lines) && !strings.HasPrefix(lines[i], "```"); i++ {
				b.text += lines[i] + "\n"
			}
			if lang == "sh" || lang == "console" || lang == "" && commandLine.MatchString(b.text) {
				all = append(all, b)
			}
		} else if code, ok := strings.CutPrefix(l, "    "); ok && commandLine.MatchString(code) {
			all = append(all, block{page: page, line: i + 1, text: code + "\n", not: why})
			for ; i+1 < len(lines) && strings.HasPrefix(lines[i+1], "    "); i++ {
			}
		}
		why = ""
	}
	return all
}

// pageBlocks are the shell blocks of README.md and of the pages under docs, by page. Not read are commands.md, which is made from the program, and decisions, which tell what was done.
func pageBlocks(t *testing.T) map[string][]block {
	t.Helper()
	root := filepath.Join("..", "..")
	var files []string
	for _, pattern := range []string{"README.md", "docs/*.md", "docs/howto/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	all := map[string][]block{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			t.Fatal(err)
		}
		if page := filepath.ToSlash(rel); page != "docs/commands.md" {
			if found := blocksOf(page, strings.ReplaceAll(string(b), "\r\n", "\n")); found != nil {
				all[page] = found
			}
		}
	}
	return all
}

// Every shell block of README.md and docs is run by TestPages, or says in a comment before it why not.
func TestShellBlocks(t *testing.T) {
	run, not, all := 0, 0, pageBlocks(t)
	for page, blocks := range all {
		for _, b := range blocks {
			_, known := pages[page]
			switch {
			case b.not != "":
				not++
			case !b.fenced:
				t.Errorf("%s:%d: commands that no test runs: put them between ```sh and ```, or write <!-- not run: WHY --> before them:\n%s", page, b.line, b.text)
			case !known:
				t.Errorf("%s:%d: a shell block on a page that TestPages does not know: enter it in pages, or write <!-- not run: WHY --> before it", page, b.line)
			default:
				run++
			}
		}
	}
	for page := range pages {
		if !slices.ContainsFunc(all[page], func(b block) bool { return b.not == "" }) {
			t.Errorf("%s: no block is run", page)
		}
	}
	if run < 20 || not > run {
		t.Errorf("%d blocks are run, %d are not", run, not)
	}
	t.Logf("%d shell blocks are run, %d are not and say why", run, not)
}

// The blocks are found whatever their form.
func TestBlocksOf(t *testing.T) {
	got := blocksOf("p", "a\n\n    freehold ls\n    more\n\n```sh\nls\n```\n<!-- not run: it takes a year -->\n```console\n$ x\n```\n```text\nfreehold ls\n```\n```\nmake x y\n```\n    plain code\n")
	var says []string
	for _, b := range got {
		says = append(says, fmt.Sprint(b.line, " ", b.fenced, " ", b.not))
	}
	if want := []string{"3 false ", "6 true ", "10 false it takes a year", "16 false "}; !slices.Equal(says, want) {
		t.Errorf("%q, want %q", says, want)
	}
}

// What the pages tell the reader to type works, from the first to the last block of each, and gives what it shows the beginning of.
func TestPages(t *testing.T) {
	sh, err := exec.LookPath("sh")
	_, noCurl := exec.LookPath("curl")
	if err != nil || noCurl != nil {
		t.Skip("NOT TESTED: sh or curl is missing")
	}
	all := pageBlocks(t)
	for page, p := range pages {
		t.Run(strings.TrimSuffix(filepath.Base(page), ".md"), func(t *testing.T) {
			dir, home := t.TempDir(), ""
			if p.where != "run" && os.Getenv("FREEHOLD_LONG") != "1" {
				t.Skip("long test: set FREEHOLD_LONG=1")
			}
			switch p.where {
			case "real":
				copyTickets(t, dir)
			case "clone":
				dir = clone(t)
				t.Setenv("TARGETS", runtime.GOOS+"/"+runtime.GOARCH) // the others take minutes
			case "run":
				dir, home = triage(t), filepath.Join(dir, "cache")
			}
			script := "set -eu\n"
			for _, b := range all[page] {
				if b.not == "" {
					script += b.text
				}
			}
			out, err := shell(t, sh, script, dir, home)
			t.Logf("%s", out)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range p.want {
				if !strings.Contains(out, want) {
					t.Errorf("the output does not hold %q", want)
				}
			}
		})
	}
}

// shell runs a page's script with the program in its path.
func shell(t *testing.T, sh, script, dir, home string) (string, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // the server takes it, unless another program is faster
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, sh, "-c", strings.ReplaceAll(script, "127.0.0.1:8080", l.Addr().String()))
	cmd.Dir, cmd.WaitDelay = dir, 10*time.Second // the server may hold the output open where a command before it failed
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH"))
	if home != "" {
		cmd.Env = append(cmd.Env, "FREEHOLD_HOME="+home)
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// copyTickets puts the tutorial's rows where its reader has them.
func copyTickets(t *testing.T, dir string) {
	t.Helper()
	rows, err := os.ReadFile(filepath.Join("..", "..", "docs", "tutorial", "tickets.csv"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "docs", "tutorial"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "docs", "tutorial", "tickets.csv"), rows, 0o666); err != nil {
		t.Fatal(err)
	}
}

// clone is a clone of the last commit.
func clone(t *testing.T) string {
	t.Helper()
	for _, tool := range []string{"make", "git", "tar", "sha256sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("NOT TESTED: %v", err)
		}
	}
	root, dir := filepath.Join("..", ".."), filepath.Join(t.TempDir(), "freehold")
	if err := exec.Command("git", "-C", root, "rev-parse", "HEAD").Run(); err != nil {
		t.Skipf("NOT TESTED: this is no clone: %v", err)
	}
	if out, err := exec.Command("git", "clone", "--quiet", root, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

// triage is the folder of a tiny recipe that has run.
func triage(t *testing.T) string {
	t.Helper()
	job := recipe(t, tiny(t), "name: tiny", "name: triage", "quantize: [f16, q4_0]", "quantize: [q4_0]", "warmup: 1", "warmup: 1, seed: 7")
	freehold(t, "apply", job).must(t)
	return filepath.Dir(job)
}
