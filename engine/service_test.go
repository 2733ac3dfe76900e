package engine_test

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// A service of 30 lines beside its imports (testdata/service) answers, and when it is told to stop it closes its model: no goroutine is left of it, and the program is
// less than 15 MB larger than the same one without the engine.
func TestService(t *testing.T) {
	if os.Getenv("FREEHOLD_LONG") != "1" {
		t.Skip("builds two programs: make test-long")
	}
	if runtime.GOOS == "windows" {
		t.Skip("the service is stopped by SIGTERM")
	}
	source, err := os.ReadFile("testdata/service/main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(source), "\n)\n") // behind the imports
	lines := 0
	for l := range strings.Lines(code) {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "//") {
			lines++
		}
	}
	build := func(dir string) (program string, size int64) {
		program = filepath.Join(t.TempDir(), "service")
		cmd := exec.Command("go", "build", "-o", program, "./testdata/"+dir)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		info, err := os.Stat(program)
		if err != nil {
			t.Fatal(err)
		}
		return program, info.Size()
	}
	model, remove := chatModel()
	defer remove()
	program, size := build("service")
	bare, bareSize := build("service/without")
	for name, program := range map[string]string{"with": program, "without": bare} {
		cmd := exec.Command(program, model)
		out, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		log := bufio.NewScanner(out)
		said := func(pattern string) string {
			t.Helper()
			for log.Scan() {
				if m := regexp.MustCompile(pattern).FindStringSubmatch(log.Text()); m != nil {
					return m[1]
				}
			}
			t.Fatalf("%s ended without saying %q", name, pattern)
			return ""
		}
		url := "http://" + said(`listening on (\S+)`)
		for range 3 {
			w, err := http.Post(url, "text/plain", strings.NewReader("The bin was not emptied again."))
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(w.Body)
			w.Body.Close()
			if err != nil || w.StatusCode != 200 || !regexp.MustCompile(`^\{"Urgent":(true|false)\}\n$`).Match(b) {
				t.Errorf("%s: %s %v %s", name, w.Status, err, b)
			}
		}
		http.DefaultClient.CloseIdleConnections()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		said(`^(goroutine) profile: total`)
		left := ""
		for log.Scan() {
			left += log.Text() + "\n"
		}
		if !strings.Contains(left, "main.main+") || strings.Contains(left, "freehold/engine.") {
			t.Errorf("%s: goroutines are left after Close, or main is not among these:\n%s", name, left)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Logf("%d lines; %.1f MB with the engine, %.1f without: %.1f more", lines, float64(size)/1e6, float64(bareSize)/1e6, float64(size-bareSize)/1e6)
	if lines > 30 {
		t.Errorf("the service has %d lines, want at most 30", lines)
	}
	if size-bareSize >= 15_000_000 || size-bareSize < 1_000_000 {
		t.Errorf("the engine adds %d bytes, want less than 15 MB", size-bareSize)
	}
}
