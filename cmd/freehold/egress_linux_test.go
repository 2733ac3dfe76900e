package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/distill"
	"github.com/freehold-slm/freehold/distill/lineage"
)

// within makes a command that is run through another program, with the arguments before it.
func within(t *testing.T, cmd *exec.Cmd, program string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil && os.Getenv("CI") == "true" && os.Getenv("FREEHOLD_LONG") == "1" { // make test-long installs it
		t.Fatal(err)
	} else if err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
	cmd.Args = append(append([]string{path}, args...), append([]string{cmd.Path}, cmd.Args[1:]...)...)
	cmd.Path = path
	return cmd
}

// handed is a socket that listens on loopback, for a server that is to be handed it as systemd does.
func handed(t *testing.T) (address string, socket *os.File) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if socket, err = l.(*net.TCPListener).File(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return l.Addr().String(), socket
}

// Without any network (a network namespace of its own, in which not even loopback is up) apply gives the same hashes, run the same text, and serve
// answers on a socket that it is handed.
func TestNoNetwork(t *testing.T) {
	if os.Getenv("FREEHOLD_LONG") != "1" {
		t.Skip("long test: set FREEHOLD_LONG=1")
	}
	if err := exec.Command("unshare", "-rn", "true").Run(); err != nil {
		t.Skipf("NOT TESTED: apply, run and serve without a network: unshare -rn: %v", err)
	}
	job := recipe(t, tiny(t), "steps: 6", "steps: 3")
	freehold(t, "apply", job).must(t)
	dir := filepath.Join(filepath.Dir(job), "runs", "001")
	again := within(t, call{}.command(t, t.Context(), "verify", "--reproduce", dir), "unshare", "-rn")
	if out, err := again.CombinedOutput(); err != nil || !strings.Contains(string(out), "equal     model.gguf") || strings.Contains(string(out), "differs") {
		t.Errorf("apply: %v\n%s", err, out)
	}
	ask := []string{"run", tiny(t), "hello", "--max-tokens", "8", "--temperature", "1", "--seed", "3", "--raw"}
	want := freehold(t, ask...).must(t).out
	got, err := within(t, call{}.command(t, t.Context(), ask...), "unshare", "-rn").Output()
	if err != nil || string(got) != want || want == "" {
		t.Errorf("run: %q, %v, want %q", got, err, want)
	}
	address, socket := handed(t)
	cmd := within(t, call{env: []string{"LISTEN_FDS=1"}}.command(t, t.Context(), "serve", "--json", "--log", "off", "-m", tiny(t)), "sh", "-c", `LISTEN_PID=$$ exec unshare -rn "$0" "$@"`)
	cmd.ExtraFiles = []*os.File{socket}
	d := startDaemon(t, cmd)
	resp, err := http.Post("http://"+address+"/v1/completions", "application/json", strings.NewReader(`{"model":"model","prompt":"hello","max_tokens":4}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("serve answers %s", resp.Status)
	}
	if code := d.stop(syscall.SIGTERM); code != exitOK {
		t.Errorf("exit code %d\n%s", code, d.err)
	}
}

// snapshot lists the files under a folder with their sizes and times.
func snapshot(t *testing.T, root string, but ...string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		for _, skip := range but {
			if p == skip {
				return fs.SkipDir
			}
		}
		st, err := e.Info()
		if err == nil && !e.IsDir() {
			fmt.Fprintln(&b, p, st.Size(), st.ModTime(), st.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var (
	netCall   = regexp.MustCompile(`(?m)^.*\b(?:socket|connect|sendto|sendmsg|bind)\(.*$`)
	writeCall = regexp.MustCompile(`(?m)\b(?:openat|open|creat|mkdirat|mkdir|unlinkat|unlink|renameat2?|rename|symlinkat|symlink|linkat|truncate)\((.*)$`)
	quoted    = regexp.MustCompile(`"([^"]*)"`)
)

// The system calls of apply, as strace sees them: no socket at all, and nothing is made, changed or removed outside the folder of runs, the rows and the
// recipe least of all. The same eye sees pull's connection, and the file that it makes.
func TestSystemCalls(t *testing.T) {
	traced := func(c call, args ...string) (trace string, code int) {
		t.Helper()
		out := filepath.Join(t.TempDir(), "trace")
		cmd := within(t, c.command(t, t.Context(), args...), "strace", "-f", "-qq", "--seccomp-bpf", "-s", "4096", "-o", out,
			"-e", "trace=%network,openat,open,creat,mkdir,mkdirat,unlink,unlinkat,rename,renameat,renameat2,symlink,symlinkat,linkat,truncate")
		text, err := cmd.CombinedOutput()
		b, readErr := os.ReadFile(out)
		if readErr != nil || bytes.Contains(text, []byte("ptrace")) || len(b) == 0 {
			t.Skipf("NOT TESTED: strace cannot trace here: %v %v %s", err, readErr, text)
		}
		return string(b), cmd.ProcessState.ExitCode()
	}
	home := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	server := &http.Server{Handler: http.NotFoundHandler()}
	go server.Serve(l) //nolint:errcheck // ends with the listener
	control, _ := traced(call{env: []string{"HF_ENDPOINT=http://" + l.Addr().String(), "FREEHOLD_HOME=" + home, "PATH=/nonexistent"}}, "pull", "smollm2-135m-instruct")
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if !strings.Contains(control, "connect(") || !strings.Contains(control, "htons("+port+")") || !strings.Contains(control, home) {
		t.Fatalf("the control is not seen: pull connects to port %s and makes a file in %s\n%s", port, home, control)
	}

	job := recipe(t, tiny(t), "steps: 6", "steps: 3")
	root := filepath.Dir(job)
	runs := filepath.Join(root, "runs")
	before := snapshot(t, root, runs)
	trace, code := traced(call{dir: t.TempDir()}, "apply", "--quiet", job)
	if code != exitOK {
		t.Fatalf("exit code %d", code)
	}
	if after := snapshot(t, root, runs); after != before {
		t.Errorf("the folder of the recipe was\n%s\nand is\n%s", before, after)
	}
	if calls := netCall.FindAllString(trace, -1); calls != nil {
		t.Errorf("apply calls the network:\n%s", strings.Join(calls, "\n"))
	}
	written := 0
	for _, m := range writeCall.FindAllStringSubmatch(trace, -1) {
		line := m[1]
		if strings.Contains(m[0], "open") && !strings.Contains(line, "O_WRONLY") && !strings.Contains(line, "O_RDWR") && !strings.Contains(line, "O_CREAT") {
			continue
		}
		for i, p := range quoted.FindAllStringSubmatch(line, -1) {
			if strings.HasPrefix(m[0], "symlink") && i == 0 { // what the link says
				continue
			}
			if written++; p[1] != runs && !strings.HasPrefix(p[1], runs+"/") && p[1] != "/dev/null" {
				t.Errorf("outside %s: %s", runs, m[0])
			}
		}
	}
	if written < 20 {
		t.Errorf("apply was seen writing %d times; the eye is closed\n%s", written, trace)
	}
}

// The kernel holds a process back while it runs stages, and each entry of the run's lineage and its manifest say so: whether connections and writing elsewhere were denied, whether the
// program was told to stay offline, which interfaces it saw.
func TestEnforced(t *testing.T) {
	status := func(pid int) string {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // gone = ""
		return string(b)
	}
	seccomp := regexp.MustCompile(`(?m)^Seccomp:\t2$`)
	if seccomp.MatchString(status(os.Getpid())) {
		t.Log("this process has a filter of its own already: that of apply is not told from it")
	}
	for _, c := range []struct {
		name        string
		flags       []string
		connections string
		offline     bool
	}{
		{"as it is", nil, lineage.Denied, false},
		{"offline", []string{"--offline"}, lineage.Denied, true},
		{"not locked", []string{"--no-lock"}, "not denied (--no-lock)", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			job := recipe(t, tiny(t), "steps: 6", "steps: 3")
			dir := filepath.Join(filepath.Dir(job), "runs", "001")
			cmd := call{}.command(t, t.Context(), append([]string{"apply", "--quiet", job}, c.flags...)...)
			var text bytes.Buffer
			cmd.Stdout, cmd.Stderr = &text, &text
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- cmd.Wait() }()
			locked, seen := false, false
			for ended := false; !ended; {
				select {
				case err := <-done:
					if ended = true; err != nil {
						t.Fatalf("%v\n%s", err, text.String())
					}
				case <-time.After(2 * time.Millisecond):
					if _, err := os.Stat(filepath.Join(dir, lineage.Name)); err == nil && !seen { // a stage runs
						if s := status(cmd.Process.Pid); strings.Contains(s, "Seccomp:") {
							seen, locked = true, seccomp.MatchString(s)
						}
					}
				}
			}
			if want := c.connections == lineage.Denied; !seen || locked != want && !seccomp.MatchString(status(os.Getpid())) {
				t.Errorf("the process was seen at work: %v; it had a filter: %v, want %v", seen, locked, want)
			}
			chain, err := lineage.Read(filepath.Join(dir, lineage.Name))
			if err != nil || len(chain) < 4 {
				t.Fatalf("%d entries, %v", len(chain), err)
			}
			var m distill.Manifest
			b, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
			if err == nil {
				err = json.Unmarshal(b, &m)
			}
			if err != nil {
				t.Fatal(err)
			}
			said := []*lineage.Enforced{m.Enforced}
			for _, e := range chain {
				said = append(said, e.By.Enforced)
			}
			for i, e := range said {
				if e == nil || e.Connections != c.connections || e.Offline != c.offline || !slices.Contains(e.Interfaces, "lo") {
					t.Errorf("%d: %v, want connections %s, offline %v, and lo among the interfaces", i, e, c.connections, c.offline)
				}
			}
			if out := freehold(t, "show", "--lineage", dir).must(t).out; strings.Count(out, "connections "+c.connections) != len(chain) {
				t.Errorf("show --lineage does not say what held each stage back:\n%s", out)
			}
			all := fmt.Sprintf("connections were denied in %d of %d stages", map[bool]int{true: len(chain)}[c.connections == lineage.Denied], len(chain))
			if r := freehold(t, "verify", dir).must(t); !strings.Contains(r.err, all) {
				t.Errorf("verify does not say %q:\n%s", all, r.err)
			}
		})
	}
}
