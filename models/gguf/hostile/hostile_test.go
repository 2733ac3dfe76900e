package hostile_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/gguf/hostile"
)

// recorder is a test that writes down what is said to it instead of failing.
type recorder struct {
	testing.TB
	errors, fatal, skip string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors += fmt.Sprintf(format, args...) + "\n"
}
func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal = fmt.Sprintf(format, args...)
	runtime.Goexit()
}
func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }
func (r *recorder) Skipf(format string, args ...any) {
	r.skip = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// record runs fn with a recorder, to its end or to what ends a test.
func record(t *testing.T, fn func(t testing.TB)) *recorder {
	r := &recorder{TB: t}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		fn(r)
	}()
	<-ended
	return r
}

var hold []byte // keeps the compiler from leaving the allocations out

// A loader that panics, hangs or takes too much memory is told on, with the case; others are not.
func TestRun(t *testing.T) {
	refused, release := errors.New("refused"), make(chan struct{})
	defer close(release)
	allocate := func(bytes int) error {
		hold = make([]byte, bytes)
		return nil
	}
	c := hostile.Case{Name: "a-case", File: "a.gguf", Field: "a field", Mutation: "changed", Dir: "folder"}
	for _, l := range []struct {
		name      string
		load      func() error
		err, told string
	}{
		{"loads", func() error { return nil }, "", ""},
		{"refuses", func() error { return refused }, "refused", ""},
		{"panics", func() error { panic("index out of range") }, "", "panic: index out of range"},
		{"hangs", func() error { <-release; return nil }, "hung", "not done after 2s"},
		{"allocates little", func() error { return allocate(hostile.MemoryLimit / 2) }, "", ""},
		{"allocates much", func() error { return allocate(hostile.MemoryLimit + 1<<20) }, "", "65 MiB allocated, limit 64"},
	} {
		t.Run(l.name, func(t *testing.T) {
			var err error
			r := record(t, func(t testing.TB) {
				err = hostile.Run(t, c, func(path string) error {
					if path != filepath.Join("folder", "a.gguf") {
						return fmt.Errorf("the path is %q", path)
					}
					return l.load()
				})
			})
			if got := fmt.Sprint(err); got != l.err && (err != nil || l.err != "") {
				t.Errorf("the loader's error is %q, want %q", got, l.err)
			}
			if l.told == "" && r.errors != "" || !strings.Contains(r.errors, l.told) {
				t.Errorf("the test is told %q, want %q", r.errors, l.told)
			}
			if l.told != "" && !strings.Contains(r.errors, "a-case (a field: changed)") {
				t.Errorf("the test is not told the case: %q", r.errors)
			}
		})
	}
}

// A wrong answer is told, a right one is not: for each expectation, for a loader that loads and one that refuses, before
// and at the case's stage.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		expect                       string
		loads, refuses               string // what is told before the case's stage; "" = nothing
		loadsInStage, refusesInStage string
	}{
		{"error", "", "", "loaded, want an error", ""},
		{"must-load", "", "refused: bad", "", "refused: bad"},
		{"load-then-error", "", "refused before its stage: bad", "", ""},
		{"either", "", "", "", ""},
		{"maybe", "unknown expectation", "unknown expectation", "unknown expectation", "unknown expectation"},
	} {
		for _, a := range []struct {
			err   error
			final bool
			want  string
		}{{nil, false, c.loads}, {errors.New("bad"), false, c.refuses}, {nil, true, c.loadsInStage}, {errors.New("bad"), true, c.refusesInStage}} {
			r := record(t, func(t testing.TB) { hostile.Judge(t, hostile.Case{Name: "a-case", Expect: c.expect}, a.err, a.final) })
			if a.want == "" && r.errors != "" || !strings.Contains(r.errors, a.want) || r.fatal != "" {
				t.Errorf("%s, answer %v, final %v: the test is told %q and %q, want %q", c.expect, a.err, a.final, r.errors, r.fatal, a.want)
			}
		}
		// A case that is not there has not been tried, whatever it expects.
		gone := &fs.PathError{Op: "open", Path: "a.gguf", Err: fs.ErrNotExist}
		if r := record(t, func(t testing.TB) { hostile.Judge(t, hostile.Case{Name: "a-case", Expect: c.expect}, gone, true) }); !strings.Contains(r.fatal, "a-case") {
			t.Errorf("%s: a missing file does not end the test: %q", c.expect, r.fatal)
		}
	}
}

// The maker's files are there and what they are said to be.
func TestFixturesMake(t *testing.T) {
	for _, base := range hostile.Bases {
		for _, c := range hostile.Make(t, base, "ok-base", "hdr-magic-only") {
			f, err := gguf.Open(c.Path())
			if err == nil {
				f.Close()
			}
			hostile.Judge(t, c, err, true)
			if want := map[string]string{"ok-base": "must-load", "hdr-magic-only": "error"}[c.Name]; c.Expect != want {
				t.Errorf("%s: the manifest expects %q, want %q", c.Name, c.Expect, want)
			}
		}
	}
	if r := record(t, func(t testing.TB) { hostile.Make(t, hostile.Bases[0], "no-such-case") }); r.fatal == "" {
		t.Error("a case that the maker does not know is missed by nobody")
	}
}

// Without python3 the test says that it did not run, and in CI it fails.
func TestNoPython(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, ci := range []string{"", "true"} {
		t.Setenv("CI", ci)
		r := record(t, func(t testing.TB) { hostile.Make(t, hostile.Bases[0]) })
		told, silent := r.skip, r.fatal
		if ci == "true" {
			told, silent = r.fatal, r.skip
		} else if !strings.Contains(told, "NOT TESTED") {
			t.Errorf("the skip is not loud: %q", told)
		}
		if !strings.Contains(told, "python3 is needed") || silent != "" {
			t.Errorf("CI=%q: skipped with %q, failed with %q", ci, r.skip, r.fatal)
		}
	}
}

// A maker that fails, or makes less than it should, ends the test.
func TestBrokenMaker(t *testing.T) {
	for want, script := range map[string]string{
		"sorry":                     `sys.exit("sorry")`,
		"manifest.json":             ``,
		"unexpected end of JSON":    `manifest("")`,
		"1 cases and 0 skipped":     `manifest('{"cases": [{"name": "a"}]}')`,
		"276 cases and 1 skipped":   `manifest('{"cases": [%s], "skipped": [{}]}' % ",".join(['{"name": "a"}'] * 276))`,
		"275 cases and 0 skipped":   `manifest('{"cases": [%s]}' % ",".join(['{"name": "a"}'] * 275))`,
		"no hostile/make_bad_gguf.": "",
	} {
		fixtures := t.TempDir()
		t.Setenv("FREEHOLD_FIXTURES", fixtures)
		if !strings.HasPrefix(want, "no ") {
			text := "import sys\ndef manifest(s): open(sys.argv[2] + '/manifest.json', 'w').write(s)\n" + script + "\n"
			if err := errors.Join(os.Mkdir(filepath.Join(fixtures, "hostile"), 0o777),
				os.WriteFile(filepath.Join(fixtures, "hostile", "make_bad_gguf.py"), []byte(text), 0o666)); err != nil {
				t.Fatal(err)
			}
		}
		r := record(t, func(t testing.TB) { hostile.Make(t, hostile.Bases[0]) })
		if r.skip != "" {
			t.Skip(r.skip)
		}
		if !strings.Contains(r.fatal, want) {
			t.Errorf("a broken maker ends the test with %q, want %q", r.fatal, want)
		}
	}
}
