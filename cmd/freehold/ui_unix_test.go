//go:build unix

package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// freehold ui shows the runs of a folder and asks their models, changes no file of it, cannot, and ends when it is told to.
func TestUI(t *testing.T) {
	job := recipe(t, tiny(t), "quantize: [f16, q4_0]", "quantize: []")
	freehold(t, "apply", job).must(t)
	dir := filepath.Dir(job)
	files := func() map[string]string {
		all := map[string]string{}
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			sum := sha256.Sum256(b)
			all[path] = string(sum[:])
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	before := files()
	cmd := call{dir: dir}.command(t, t.Context(), "ui", "--json", "--addr", "127.0.0.1:0", "--threads", "1")
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, cmd)
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() }) //nolint:errcheck // it may have ended
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var doc showing
	if err != nil || json.Unmarshal(line, &doc) != nil || doc.Schema != "freehold/ui/1" {
		t.Fatalf("ui says %q (%v)\n%s", line, err, errOut.String())
	}
	if runtime.GOOS == "linux" && doc.Lock.Connections != "denied" {
		t.Errorf("the lock is %+v", doc.Lock)
	}
	read := func(a *http.Response, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close() //nolint:errcheck // read whole
		b, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if page := read(http.Get(doc.URL)); !strings.Contains(page, "state finished") {
		t.Errorf("the list: %s", page)
	}
	if page := read(http.Get(doc.URL + "runs/001/rows")); strings.Contains(page, "role=\"alert\"") || !strings.Contains(page, "test row 3 is here") {
		t.Errorf("the rows: %.2000s", page)
	}
	// The student lies among the runs; the teacher of this recipe elsewhere, where the page may not read.
	answer := read(http.Post(doc.URL+"runs/001/ask", "application/json", strings.NewReader(`{"text": "a row", "sides": ["student", "teacher"]}`)))
	if !strings.Contains(answer, `{"side":"student","choices":[{"label":`) || !strings.Contains(answer, "start it with --read") {
		t.Errorf("asked, it says %s", answer)
	}
	if !maps.Equal(before, files()) {
		t.Error("a file was changed")
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, errOut.String())
	}
}

// What cannot be shown is said at the start.
func TestUIErrors(t *testing.T) {
	job := recipe(t, tiny(t))
	freehold(t, "apply", job).must(t)
	runs := filepath.Join(filepath.Dir(job), "runs")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"ui", filepath.Join(runs, "none")}, exitInput, "none"},
		{[]string{"ui", filepath.Join(runs, "001")}, exitInput, "is the folder of a run; give the one that holds it"},
		{[]string{"ui", runs, "--addr", "0.0.0.0:0"}, exitUsage, "--keys"},
		{[]string{"ui", runs, "--keep-alive", "soon"}, exitUsage, "--keep-alive"},
		{[]string{"ui", runs, "--tls-cert", "x"}, exitUsage, "go together"},
	} {
		r := freehold(t, c.args...)
		if r.code != c.code || !strings.Contains(r.err, c.want) || strings.Count(r.err, "\n") > 1 {
			t.Errorf("%v: exit code %d, want %d with %q: %s", c.args, r.code, c.code, c.want, r.err)
		}
	}
}
