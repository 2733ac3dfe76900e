package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

const module = "github.com/freehold-slm/freehold"

// rooms are what the cases need of a commit.
var rooms = []string{"kernels", "quant", "models", "engine"}

// The cases are compiled against both commits, the timing once.
const (
	casesDir = "bench/gate/cases"
	pairsDir = "bench/gate/pairs"
)

// errNoBase says that there is nothing to compare with; the gate does not fail then.
var errNoBase = errors.New("no base")

func git(args ...string) (string, error) {
	out, err := gitOutput(args...)
	return strings.TrimSpace(string(out)), err
}

func gitOutput(args ...string) ([]byte, error) {
	cmd := exec.Command("git", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

// baseCommit chooses what head is held against and says why.
func baseCommit(wanted string) (commit, why string, err error) {
	if wanted != "" {
		commit, err = git("rev-parse", "--verify", "--quiet", wanted+"^{commit}")
		if err != nil {
			return "", "", fmt.Errorf("%w: BENCH_BASE is %q, which is no commit of this clone", errNoBase, wanted)
		}
		return commit, "BENCH_BASE=" + wanted, nil
	}
	head, err := git("rev-parse", "--verify", "HEAD^{commit}")
	if err != nil {
		return "", "", fmt.Errorf("%w: this is not a clone with a commit (%v)", errNoBase, err)
	}
	if commit, err = git("merge-base", "HEAD", "origin/main"); err == nil && commit != head {
		return commit, "where HEAD left origin/main", nil
	}
	if dirty, err := git(append([]string{"status", "--porcelain", "--"}, rooms...)...); err == nil && dirty != "" {
		return head, "HEAD, for the working tree differs from it", nil
	}
	if commit, err = git("rev-parse", "--verify", "--quiet", "HEAD~1^{commit}"); err != nil {
		return "", "", fmt.Errorf("%w: HEAD has no parent in this clone (a shallow clone? fetch more history, or set BENCH_BASE)", errNoBase)
	}
	return commit, "HEAD~1, for there is no other branch point", nil
}

// layOut writes a module to dir that holds both commits' rooms: the working tree's under right/ and base's under left/,
// or swapped, with their imports moved along. The linker sorts data by name, so only both ways together are fair.
// ownCases = base brings its own cases, else it gets head's.
func layOut(dir, base string, ownCases, swapped bool) error {
	was, is := "left", "right"
	if swapped {
		was, is = is, was
	}
	if err := os.RemoveAll(dir); err != nil { // what an attempt before has left
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, f := range []string{"go.mod", "go.sum"} {
		b, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, f), b, 0o666); err != nil {
			return err
		}
	}
	list, err := git(append([]string{"ls-files", "-co", "--exclude-standard", "--", casesDir, pairsDir}, rooms...)...)
	if err != nil {
		return err
	}
	for _, name := range strings.Split(list, "\n") {
		b, err := os.ReadFile(filepath.FromSlash(name))
		if errors.Is(err, os.ErrNotExist) { // deleted and not yet committed
			continue
		}
		if err == nil {
			err = place(dir, is, name, b)
		}
		if err == nil && !ownCases && strings.HasPrefix(name, casesDir+"/") {
			err = place(dir, was, name, b)
		}
		if err != nil {
			return err
		}
	}
	paths := append([]string{}, rooms...)
	if ownCases {
		paths = append(paths, casesDir)
	}
	out, err := gitOutput(append([]string{"archive", "--format=tar", base, "--"}, paths...)...)
	if err != nil {
		return err
	}
	for t := tar.NewReader(bytes.NewReader(out)); ; {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		b, err := io.ReadAll(t)
		if err == nil {
			err = place(dir, was, h.Name, b)
		}
		if err != nil {
			return err
		}
	}
	program := fmt.Sprintf(`package main

import (
	"fmt"
	"os"

	base %q
	head %q
	%q
)

func main() {
	if len(os.Args) > 1 {
		for _, name := range head.Names() {
			fmt.Println(name)
		}
		return
	}
	if err := pairs.Serve(os.Stdin, os.Stdout, base.New, head.New); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
`, module+"/"+was+"/"+casesDir, module+"/"+is+"/"+casesDir, module+"/"+is+"/"+pairsDir)
	return os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o666)
}

// place writes one file of a side; Go files import from their own side. Tests are left out.
func place(dir, side, name string, b []byte) error {
	if strings.HasSuffix(name, "_test.go") || strings.Contains("/"+name, "/testdata/") {
		return nil
	}
	if path.Ext(name) == ".go" {
		b = bytes.ReplaceAll(b, []byte(`"`+module+`/`), []byte(`"`+module+`/`+side+`/`))
	}
	to := filepath.Join(dir, side, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o666)
}

// link builds the program of dir with its functions shuffled by seed.
func link(dir string, seed int) (bin string, err error) {
	bin = filepath.Join(dir, fmt.Sprintf("pairs-%d", seed))
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", fmt.Sprintf("-ldflags=-randlayout=%d", seed), "-o", bin, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bin, nil
}
