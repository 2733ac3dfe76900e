package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Workers on hosts of their own: each has its own users, network, mounts and name (namespaces), and sees the folder of the run by a bind mount, or by sshfs over a cable of its
// own (veth) to a server of files. Nothing here needs root outside.

// soaking is the long form of these tests, for make soak.
var soaking = os.Getenv("FREEHOLD_SOAK") != ""

const (
	filesHelper   = "FREEHOLD_TEST_FILES" // makes the test binary serve files in a network of its own: see serveFiles
	serverAddress = "10.99.0.1"
	filesPort     = "2222"
)

func init() {
	if sftp := os.Getenv(filesHelper); sftp != "" {
		fmt.Fprintln(os.Stderr, serveFiles(sftp))
		os.Exit(1)
	}
}

// serveFiles hands each connection to an SFTP server.
func serveFiles(sftp string) error {
	l, err := net.Listen("tcp", ":"+filesPort)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		f, err := c.(*net.TCPConn).File()
		if err != nil {
			return err
		}
		c.Close()
		cmd := exec.Command(sftp)
		cmd.Stdin, cmd.Stdout = f, f
		if err := cmd.Start(); err != nil {
			return err
		}
		f.Close()
		go cmd.Wait() //nolint:errcheck // it ends with its connection
	}
}

// network is a switch with a server of files.
type network struct {
	pid    int
	share  string // folder that all hosts see
	server bool   // by sshfs; else by bind mounts
	hosts  int
}

// host is a machine of a network.
type host struct {
	net  *network
	n    int
	pid  int
	seen string // where it has the share

	sshfs *exec.Cmd
}

func newNetwork(t *testing.T, server bool) *network {
	t.Helper()
	n := &network{share: t.TempDir(), server: server}
	sftp := "sh"
	if server {
		var err error
		if sftp, err = exec.LookPath("/usr/lib/openssh/sftp-server"); err != nil {
			sftp, err = exec.LookPath("sftp-server")
		}
		if err == nil {
			_, err = exec.LookPath("sshfs")
		}
		if err != nil {
			t.Skipf("NOT TESTED: hosts that see a folder by sshfs: %v", err)
		}
	}
	cmd := exec.Command("unshare", "-rnm", os.Args[0])
	cmd.Env = append(os.Environ(), filesHelper+"="+sftp)
	n.pid = holder(t, cmd)
	n.run(t, "ip", "link", "add", "switch", "type", "bridge")
	n.run(t, "ip", "addr", "add", serverAddress+"/24", "dev", "switch")
	n.run(t, "ip", "link", "set", "switch", "up")
	return n
}

// holder starts a process that namespaces belong to, and waits until it has said a line.
func holder(t *testing.T, cmd *exec.Cmd) (pid int) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	start(t, cmd)
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() }) //nolint:errcheck
	if _, err := out.Read(make([]byte, 100)); err != nil {
		t.Fatalf("%v: %v: %s", cmd.Args, err, &errs)
	}
	return cmd.Process.Pid
}

func inside(pid int, args ...string) []string {
	return append([]string{"-t", fmt.Sprint(pid), "-U", "-n", "-m", "--preserve-credentials"}, args...)
}

func (n *network) run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("nsenter", inside(n.pid, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
}

// kill ends the server's part of the last connection.
func (n *network) kill(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("pkill", "--newest", "-P", fmt.Sprint(n.pid)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// host adds a machine.
func (n *network) host(t *testing.T) *host {
	t.Helper()
	n.hosts++
	h := &host{net: n, n: n.hosts, seen: t.TempDir()}
	h.pid = holder(t, exec.Command("nsenter", inside(n.pid, "unshare", "-rnmu", "sh", "-c", fmt.Sprintf("hostname host%d; echo ready; exec sleep infinity", h.n))...))
	n.run(t, "ip", "link", "add", h.cable(), "type", "veth", "peer", "name", "eth0", "netns", fmt.Sprint(h.pid))
	n.run(t, "ip", "link", "set", h.cable(), "master", "switch", "up")
	h.run(t, "ip", "addr", "add", fmt.Sprintf("10.99.0.%d/24", 1+h.n), "dev", "eth0")
	h.run(t, "ip", "link", "set", "eth0", "up")
	h.mount(t)
	return h
}

func (h *host) cable() string { return fmt.Sprintf("cable%d", h.n) }

func (h *host) run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("nsenter", inside(h.pid, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("host%d: %v: %v: %s", h.n, args, err, out)
	}
}

// mount gives the host the share; sshfs in the background is a process of the host.
func (h *host) mount(t *testing.T) {
	t.Helper()
	if !h.net.server {
		h.run(t, "mount", "--bind", h.net.share, h.seen)
		return
	}
	h.sshfs = exec.Command("nsenter", inside(h.pid, "sshfs", "-f", "-o", "directport="+filesPort, serverAddress+":"+h.net.share, h.seen)...)
	var errs bytes.Buffer
	cmd := h.sshfs
	cmd.Stderr = &errs
	start(t, cmd)
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() }) //nolint:errcheck
	for end := time.Now().Add(20 * time.Second); exec.Command("nsenter", inside(h.pid, "mountpoint", "-q", h.seen)...).Run() != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("sshfs: %s", &errs)
		}
	}
}

func (h *host) unmount(t *testing.T) { t.Helper(); h.run(t, "umount", "-l", h.seen) }

// process is the program at work on a host.
type process struct {
	*exec.Cmd
	out  bytes.Buffer
	done chan error
}

// freehold starts the program; before it stand the words of a program that starts it, if any.
func (h *host) freehold(t *testing.T, program string, before []string, args ...string) *process {
	t.Helper()
	c := call{}.command(t, context.Background(), args...)
	p := &process{Cmd: exec.Command("nsenter", inside(h.pid, slices.Concat([]string{"nsenter", "-t", fmt.Sprint(h.pid), "-u"}, before, []string{program}, args)...)...), done: make(chan error, 1)}
	p.Env, p.Dir, p.Stdout, p.Stderr = c.Env, "/", &p.out, &p.out
	start(t, p.Cmd)
	t.Cleanup(func() { p.Process.Kill() }) //nolint:errcheck // it has ended
	go func() { p.done <- p.Wait() }()
	return p
}

// worker starts one that takes over what another has been silent about for the time of patience.
func (h *host) worker(t *testing.T, job string, patience time.Duration) *process {
	t.Helper()
	return h.freehold(t, binary, nil, "worker", filepath.Join(h.seen, job), "--threads", "1", "--take-over", patience.String())
}

// ends waits for the end, and gives the exit code.
func (p *process) ends(t *testing.T) int {
	t.Helper()
	select {
	case <-p.done:
		return p.ProcessState.ExitCode()
	case <-time.After(4 * time.Minute):
		p.Process.Kill() //nolint:errcheck
		t.Fatalf("it goes on and on:\n%s", &p.out)
	}
	return 0
}

func (p *process) must(t *testing.T) {
	t.Helper()
	if code := p.ends(t); code != 0 {
		t.Fatalf("exit code %d\n%s", code, &p.out)
	}
}

// hostsJob is a recipe in the share, and the labels that one machine gives it.
type hostsJob struct {
	net  *network
	from string // recipe
	want map[string][32]byte
	took time.Duration
	n    int
}

func newHostsJob(t *testing.T, n *network) *hostsJob {
	t.Helper()
	j := &hostsJob{net: n, from: longRecipe(t, tiny(t))}
	begin := time.Now()
	freehold(t, "apply", j.from, "--only", "label", "--threads", "1").must(t)
	j.took, j.want = time.Since(begin), labelsOf(t, filepath.Dir(j.from))
	rows := map[string]int{}
	for name := range j.want {
		b, err := os.ReadFile(filepath.Join(filepath.Dir(j.from), "runs", "001", "labels", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range strings.Split(strings.TrimSpace(string(b)), "\n")[1:] {
			id, _, _ := strings.Cut(l, ",")
			rows[id]++
		}
	}
	for id, n := range rows {
		if n != 1 {
			t.Errorf("on one machine row %s is labelled %d times", id, n)
		}
	}
	if len(j.want) < 12 || len(rows) < 20*128 {
		t.Fatalf("%d rows in %d shards are too few to share", len(rows), len(j.want))
	}
	return j
}

// labelsOf are the files of labels of a recipe's first run, by their hashes.
func labelsOf(t *testing.T, dir string) map[string][32]byte {
	t.Helper()
	all := map[string][32]byte{}
	names, err := filepath.Glob(filepath.Join(dir, "runs", "001", "labels", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(name)] = sha256.Sum256(b)
	}
	return all
}

// fresh lays the recipe into a new folder of the share, so that no host remembers a run of before.
func (j *hostsJob) fresh(t *testing.T) (job string) {
	t.Helper()
	j.n++
	job = fmt.Sprintf("job%d", j.n)
	if err := os.Rename(filepath.Dir(copied(t, j.from)), filepath.Join(j.net.share, job)); err != nil {
		t.Fatal(err)
	}
	return job
}

func (j *hostsJob) claims(job string) []string {
	all, _ := filepath.Glob(filepath.Join(j.net.share, job, "runs", "001", "claims", "*.claim")) // the pattern is good
	return all
}

// check holds what the hosts made against one machine's: the same files and the same bytes, so no row lost and none twice. What the killed left broken off goes when apply comes.
func (j *hostsJob) check(t *testing.T, job string) {
	t.Helper()
	dir := filepath.Join(j.net.share, job)
	freehold(t, "apply", dir, "--only", "label", "--threads", "1", "--take-over", "1s").must(t)
	got := labelsOf(t, dir)
	for name, sum := range j.want {
		if got[name] != sum {
			t.Errorf("%s: %s is another", job, name)
		}
	}
	for name := range got {
		if _, ok := j.want[name]; !ok {
			t.Errorf("%s: %s is too many", job, name)
		}
	}
	if runs, err := os.ReadDir(filepath.Join(dir, "runs")); err != nil || len(runs) != 2 { // 001 and latest
		t.Errorf("%s: runs are %v, %v", job, runs, err)
	}
}

// overHosts runs a test over ways of seeing the folder: both when soaking, else sshfs alone, or bind mounts where that is missing, but for a test of what happens to mounts.
func overHosts(t *testing.T, mounts bool, test func(t *testing.T, j *hostsJob)) {
	if !soaking && os.Getenv("FREEHOLD_LONG") != "1" {
		t.Skip("long test: set FREEHOLD_LONG=1")
	}
	if out, err := exec.Command("unshare", "-rnm", "sh", "-c", "ip link add cable1 type veth peer name cable2").CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: hosts by namespaces: %v: %s", err, out)
	}
	_, missing := exec.LookPath("sshfs")
	for _, server := range []bool{false, true} {
		if !soaking && !mounts && server == (missing != nil) {
			continue
		}
		t.Run(map[bool]string{false: "bind", true: "sshfs"}[server], func(t *testing.T) { test(t, newHostsJob(t, newNetwork(t, server))) })
	}
}

// kill -9 of workers on 1, 2 and 4 hosts, and others in their place: no row is lost, none is there twice, bytes as on one machine. 200 kills in each way of seeing the folder when soaking.
func TestHostsKill(t *testing.T) {
	const patience = 500 * time.Millisecond
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(71, seed))
	overHosts(t, false, func(t *testing.T, j *hostsJob) {
		hosts := []*host{j.net.host(t), j.net.host(t), j.net.host(t), j.net.host(t)}
		kills := 0
		for _, c := range []struct{ workers, short, long int }{{1, 1, 30}, {2, 2, 70}, {4, 3, 100}} {
			total := c.short
			if soaking {
				total = c.long
			}
			for killed := 0; killed < total; {
				job := j.fresh(t)
				all := make([]*process, c.workers)
				for i := range all {
					all[i] = hosts[i].worker(t, job, patience)
				}
				for left := min(10, total-killed); left > 0; { // of this job; the last workers are let through
					time.Sleep(time.Duration(r.Int64N(int64(j.took))))
					i := r.IntN(c.workers)
					all[i].Process.Kill() //nolint:errcheck // it has ended
					if all[i].ends(t) == -1 {
						killed, left = killed+1, left-1
						all[i] = hosts[i].worker(t, job, patience)
						continue
					}
					all[i].done <- nil
					break // all is done
				}
				for _, p := range all {
					p.must(t)
				}
				j.check(t, job)
			}
			kills += total
			t.Logf("%d workers: %d kills in all, %d jobs; seed %d", c.workers, kills, j.n, seed)
		}
	})
}

// caught starts a worker and stops it (SIGSTOP) while it has a shard.
func caught(t *testing.T, h *host, j *hostsJob, job string, patience time.Duration) *process {
	t.Helper()
	p := h.worker(t, job, patience)
	for range 100 {
		waitFor(t, func() bool { return len(j.claims(job)) > 0 })
		if err := p.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatalf("%v\n%s", err, &p.out)
		}
		time.Sleep(20 * time.Millisecond)
		if len(j.claims(job)) > 0 {
			return p
		}
		p.Process.Signal(syscall.SIGCONT) //nolint:errcheck
	}
	t.Fatal("it was never seen at a shard")
	return nil
}

// A worker that stands still (60 seconds when soaking), or whose folder is taken away while it is at a shard, or can no longer be written, or whose cable is pulled, or whose file server or mount dies: another
// does its work, and the run is the same. It goes on by itself where it waits for the folder, else ends with what to do, and the same command goes on.
func TestHostsApart(t *testing.T) {
	patience, pause := 500*time.Millisecond, 1200*time.Millisecond
	if soaking {
		patience, pause = 30*time.Second, 60*time.Second
	}
	overHosts(t, true, func(t *testing.T, j *hostsJob) {
		for _, c := range []struct {
			name      string
			server    bool // by sshfs alone; else by bind mount alone, but for a pause
			cut, mend func(h *host)
			ends      bool // by itself, as if nothing had been
		}{
			{"paused", j.net.server || !soaking, func(*host) {}, func(*host) {}, true},
			{"folder gone", false, func(h *host) { h.unmount(t) }, func(h *host) { h.mount(t) }, false},
			{"read-only", false, func(h *host) { h.run(t, "mount", "-o", "remount,bind,ro", h.seen) }, func(h *host) { h.run(t, "mount", "-o", "remount,bind,rw", h.seen) }, false},
			{"cable pulled", true, func(h *host) { j.net.run(t, "ip", "link", "set", h.cable(), "down") }, func(h *host) { j.net.run(t, "ip", "link", "set", h.cable(), "up") }, true},
			{"server gone", true, func(h *host) { j.net.kill(t) }, func(h *host) { h.mount(t) }, false},
			{"mount broken", true, func(h *host) { h.sshfs.Process.Kill() }, func(h *host) { h.unmount(t); h.mount(t) }, false}, //nolint:errcheck
		} {
			if c.server != j.net.server {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				b, a, job := j.net.host(t), j.net.host(t), j.fresh(t) // a's connection to the server is the last
				p := caught(t, a, j, job, patience)
				c.cut(a)
				begin := time.Now()
				b.worker(t, job, patience).must(t)
				t.Logf("the other was done after %v", time.Since(begin).Round(time.Millisecond))
				time.Sleep(pause - time.Since(begin))
				if err := p.Process.Signal(syscall.SIGCONT); err != nil {
					t.Fatal(err)
				}
				if !c.ends {
					code := p.ends(t)
					idle := c.name == "read-only" && code == 0 && strings.Contains(p.out.String(), "labelled 0 of ") // the other had done its shard, too: there was nothing to write
					if !idle && (code == 0 || !strings.Contains(p.out.String(), "run the same command again")) {
						t.Errorf("exit code %d\n%s", code, &p.out)
					}
					t.Logf("exit code %d: %s", p.ProcessState.ExitCode(), strings.TrimSpace(p.out.String()))
				} else {
					time.Sleep(pause / 4)
				}
				c.mend(a)
				if c.ends {
					p.must(t)
				}
				again := a.worker(t, job, patience)
				if again.must(t); !strings.Contains(again.out.String(), "labelled 0 of 21 shards") {
					t.Errorf("%s", &again.out)
				}
				j.check(t, job)
			})
		}
	})
}

// Hosts with clocks that are hours apart: what they write has times of ten hours ago and ten hours ahead, in turns, as hosts with wrong clocks would give it; monotonic clocks of two of them
// are moved by a time namespace; when soaking the clock of the day is moved too, in programs whose time.Now is built to. One is killed and taken over; the run is the same.
func TestHostsClocks(t *testing.T) {
	program := binary
	if soaking {
		program = movedClock(t)
	}
	const early, late = "TEST_CLOCK=-36000", "TEST_CLOCK=36000"
	overHosts(t, false, func(t *testing.T, j *hostsJob) {
		hosts := []*host{j.net.host(t), j.net.host(t), j.net.host(t)}
		job := j.fresh(t)
		stop, stopped := make(chan struct{}), make(chan int)
		go func() {
			moved := 0
			for by := 10 * time.Hour; ; by = -by {
				select {
				case <-stop:
					stopped <- moved
					return
				case <-time.After(10 * time.Millisecond):
				}
				names, _ := filepath.Glob(filepath.Join(j.net.share, job, "runs", "001", "*", "*")) // the pattern is good
				for i, name := range names {
					if at := time.Now().Add(by); i%2 == 0 && os.Chtimes(name, at, at) == nil {
						moved++
					}
				}
			}
		}()
		patience := time.Second
		dies := caught(t, hosts[0], j, job, patience)
		dies.Process.Kill() //nolint:errcheck
		begin := time.Now()
		dies.ends(t)
		moved := func(h *host, clock, by string) *process {
			return h.freehold(t, program, []string{"env", clock, "unshare", "-T", "--monotonic", by, "--boottime", by, "--fork", "--kill-child"}, "worker", filepath.Join(h.seen, job), "--threads", "1", "--take-over", patience.String())
		}
		all := []*process{moved(hosts[1], early, "36000"), moved(hosts[2], late, "864000"), hosts[0].worker(t, job, patience)}
		for _, p := range all {
			p.must(t)
		}
		if took := time.Since(begin); took < patience {
			t.Errorf("a dead worker's shard was taken over after %v, want %v and more", took, patience)
		}
		close(stop)
		if n := <-stopped; n < 20 {
			t.Errorf("times of %d files were moved, want more", n)
		}
		j.check(t, job)
		if soaking {
			for clock, by := range map[string]time.Duration{early: -10 * time.Hour, late: 10 * time.Hour} {
				job := j.fresh(t)
				const hour = `"time":"2006-01-02T15`
				want := time.Now().Add(by).UTC().Format(hour)
				hosts[1].freehold(t, program, []string{"env", clock}, "apply", filepath.Join(hosts[1].seen, job, "freehold.yaml"), "--only", "label", "--threads", "1").must(t)
				text, err := os.ReadFile(filepath.Join(j.net.share, job, "runs", "001", "events.jsonl"))
				if err != nil || !strings.Contains(string(text), want) && !strings.Contains(string(text), time.Now().Add(by).UTC().Format(hour)) {
					t.Errorf("the program's clock was not moved to %s: %v: %.200s", want, err, text)
				}
			}
		}
	})
}

// movedClock builds the program with a clock of the day that is TEST_CLOCK seconds off.
func movedClock(t *testing.T) string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	src := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	text, err := os.ReadFile(filepath.Join(src, "time.go"))
	if err != nil {
		t.Fatal(err)
	}
	const now = "sec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(text), now) != 1 {
		t.Fatalf("%s: time.Now is another; move its clock in another way", src)
	}
	moved := file(t, "time.go", strings.Replace(string(text), now, now+"\tsec += testClock\n", 1))
	by := file(t, "test_clock.go", `package time

import "syscall"

var testClock = func() (n int64) {
	text, _ := syscall.Getenv("TEST_CLOCK")
	sign := int64(1)
	for _, c := range []byte(text) {
		if c == '-' {
			sign = -1
		} else {
			n = 10*n + int64(c-'0')
		}
	}
	return sign * n
}()
`)
	overlay := file(t, "overlay.json", fmt.Sprintf(`{"Replace": {%q: %q, %q: %q}}`, filepath.Join(src, "time.go"), moved, filepath.Join(src, "test_clock.go"), by))
	program := filepath.Join(t.TempDir(), "freehold")
	build := exec.Command("go", "build", "-overlay", overlay, "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return program
}
