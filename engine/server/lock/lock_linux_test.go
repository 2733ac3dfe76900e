//go:build linux && (amd64 || arm64)

package lock

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A process of its own tries everything, locked or not: told by the environment.
const trialEnv = "FREEHOLD_LOCK_TRIAL"

func TestMain(m *testing.M) {
	if os.Getenv(trialEnv) != "" {
		if err := trial(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// order is what a trial is told.
type order struct {
	Lock        bool
	Server, UDP string // that listen in the test's process
	In, Out     string // folders: In may be read and Log written
	Log         string
	Own         string // its own, whole
}

// report is what came of it: the error of each thing tried, "" = it worked.
type report struct {
	State State
	Tried map[string]string
}

func trial() error {
	var o order
	if err := json.Unmarshal([]byte(os.Getenv(trialEnv)), &o); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	// Threads that were there before.
	const threads = 6
	ask, answers := make(chan func() error), make(chan error)
	for range threads {
		go func() {
			runtime.LockOSThread()
			for f := range ask {
				answers <- f()
			}
		}()
	}
	before, err := net.Dial("tcp", o.Server) // a connection stays one
	if err != nil {
		return err
	}
	r := report{Tried: map[string]string{}}
	if o.Lock {
		if r.State, err = Process(Folders{Read: []string{o.In}, Write: []string{o.Log}, Own: []string{o.Own}}); err != nil {
			return err
		}
	}
	try := func(name string, f func() error) {
		if err := f(); err != nil {
			r.Tried[name] = err.Error()
			var errno syscall.Errno
			if errors.As(err, &errno) {
				r.Tried[name] = errno.Error()
			}
		} else {
			r.Tried[name] = ""
		}
	}
	dial := func(network, address string) func() error {
		return func() error {
			c, err := net.Dial(network, address)
			if err == nil {
				_, err = c.Write([]byte("x"))
				c.Close() //nolint:errcheck // it was a try
			}
			return err
		}
	}
	read := func() error { _, err := os.ReadFile(filepath.Join(o.Out, "file")); return err }
	try("tcp", dial("tcp", o.Server))
	try("udp", dial("udp", o.UDP))
	for i := range threads {
		try(fmt.Sprintf("udp from thread %d", i), func() error { ask <- dial("udp", o.UDP); return <-answers }) // seccomp alone sees to it
		try(fmt.Sprintf("a file elsewhere from thread %d", i), func() error { ask <- read; return <-answers })
	}
	try("udp from a new thread", func() error {
		done := make(chan error)
		go func() { runtime.LockOSThread(); done <- dial("udp", o.UDP)() }() // the thread ends with it
		return <-done
	})
	try("listen", func() error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err == nil {
			l.Close() //nolint:errcheck // it was a try
		}
		return err
	})
	fd, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		return err
	}
	try("connect by the listener", func() error {
		var inside error
		if err := fd.Control(func(fd uintptr) {
			_, port, _ := net.SplitHostPort(o.Server)
			a := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
			fmt.Sscan(port, &a.Port) //nolint:errcheck // a number
			if inside = unix.Connect(int(fd), a); inside == unix.EISCONN || inside == unix.EINPROGRESS || inside == unix.EALREADY {
				inside = nil
			}
		}); err != nil {
			return err
		}
		return inside
	})
	try("io_uring", func() error {
		var params [120]byte
		fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(ptr(params[:])), 0)
		if errno == unix.EPERM {
			return errno
		}
		unix.Close(int(fd)) //nolint:errcheck // some kernels have none
		return nil
	})
	try("a program", func() error { return exec.Command("/bin/true").Run() })
	try("a file elsewhere", read)
	try("write elsewhere", func() error { return os.WriteFile(filepath.Join(o.Out, "new"), nil, 0o600) })
	try("write where it may read", func() error { return os.WriteFile(filepath.Join(o.In, "new"), nil, 0o600) })
	try("write a folder where it may write files", func() error {
		err := os.Mkdir(filepath.Join(o.Log, "new"), 0o700)
		if err == nil {
			err = os.Remove(filepath.Join(o.Log, "new"))
		}
		return err
	})
	// What a server goes on to do, and a job.
	try("its own folder", func() error {
		a, b := filepath.Join(o.Own, "a"), filepath.Join(o.Own, "b")
		for _, f := range []func() error{
			func() error { return os.MkdirAll(a, 0o700) }, func() error { return os.MkdirAll(b, 0o700) },
			func() error { return os.WriteFile(filepath.Join(a, "x"), []byte("x"), 0o600) },
			func() error { return os.Truncate(filepath.Join(a, "x"), 0) },
			func() error { return os.Rename(filepath.Join(a, "x"), filepath.Join(b, "x")) },
			func() error { return os.Symlink("b", filepath.Join(o.Own, "latest")) },
			func() error { return os.RemoveAll(a) }, func() error { return os.RemoveAll(b) }, func() error { return os.Remove(filepath.Join(o.Own, "latest")) },
		} {
			if err := f(); err != nil {
				return err
			}
		}
		return nil
	})
	try("its own connection", func() error {
		if _, err := before.Write([]byte("once more\n")); err != nil {
			return err
		}
		_, err := bufio.NewReader(before).ReadString('\n')
		return err
	})
	try("its folder", func() error {
		_, err := os.ReadFile(filepath.Join(o.In, "file"))
		if err == nil {
			_, err = os.ReadDir(o.In)
		}
		return err
	})
	try("its log", func() error {
		name := filepath.Join(o.Log, "log")
		err := os.WriteFile(name+".tmp", []byte("x"), 0o600)
		if err == nil {
			err = os.Rename(name+".tmp", name)
		}
		return err
	})
	if !o.Lock { // connected by now
		l.Close() //nolint:errcheck // it takes nothing any more
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
	}
	fmt.Println(l.Addr()) // the test calls
	try("a caller", func() error {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		defer c.Close() //nolint:errcheck // it was served
		if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
			return err
		}
		_, err = c.Write([]byte("answer\n"))
		return err
	})
	return json.NewEncoder(os.Stdout).Encode(r)
}

// A locked process reaches nobody and no file elsewhere, from any thread, and goes on serving; one that is not locked could.
func TestProcess(t *testing.T) {
	dir := t.TempDir()
	o := order{In: filepath.Join(dir, "in"), Out: filepath.Join(dir, "out"), Log: filepath.Join(dir, "log"), Own: filepath.Join(dir, "own")}
	for _, d := range []string{o.In, o.Out, o.Log, o.Own} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d, "file"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { // echoes
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if line, err := bufio.NewReader(c).ReadString('\n'); err == nil {
					c.Write([]byte(line)) //nolint:errcheck // the other side says so
				}
			}()
		}
	}()
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	o.Server, o.UDP = l.Addr().String(), u.LocalAddr().String()
	serves := []string{"a caller", "its folder", "its log", "its own connection", "its own folder"}
	for _, o.Lock = range []bool{false, true} {
		t.Run(fmt.Sprintf("lock=%v", o.Lock), func(t *testing.T) {
			r := run(t, o)
			var names []string
			for name := range r.Tried {
				names = append(names, name)
			}
			sort.Strings(names)
			if len(names) < 18 {
				t.Errorf("only %d things were tried: %v", len(names), names)
			}
			for _, name := range names {
				works := r.State.Connections != Denied
				if strings.Contains(name, "elsewhere") || strings.HasPrefix(name, "write") {
					works = r.State.Files != Denied
				}
				for _, s := range serves {
					works = works || name == s
				}
				switch got := r.Tried[name]; {
				case works && got != "":
					t.Errorf("%s: %s", name, got)
				case !works && got != unix.EPERM.Error() && got != unix.EACCES.Error():
					t.Errorf("%s: %q, want it refused", name, got)
				}
			}
			if o.Lock && !r.State.Whole() {
				if !strings.Contains(r.State.String(), "not available") {
					t.Fatalf("%v", r.State)
				}
				t.Skipf("NOT TESTED: %v", r.State) // the kernel's, or the build's, lack
			}
		})
	}
	_, err = Process(Folders{Read: []string{filepath.Join(dir, "none")}}) // this process stays free: nothing is in force before all folders are known
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// run lets a process try, calls it, and reads what it tells.
func run(t *testing.T, o order) (r report) {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), trialEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := bufio.NewReader(out)
	address, err := read.ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %v", err, cmd.Wait())
	}
	c, err := net.Dial("tcp", strings.TrimSpace(address))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("question\n")) //nolint:errcheck // the answer tells
	if line, err := bufio.NewReader(c).ReadString('\n'); line != "answer\n" {
		t.Errorf("the caller is told %q (%v)", line, err)
	}
	if err := json.NewDecoder(read).Decode(&r); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return r
}

func ptr(b []byte) unsafe.Pointer { return unsafe.Pointer(&b[0]) }
