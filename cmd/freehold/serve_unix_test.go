//go:build unix

package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/engine/server/lock"
)

// daemon is a running `freehold serve`.
type daemon struct {
	t   testing.TB
	cmd *exec.Cmd
	url string
	err *bytes.Buffer
}

// startServe starts a server on a free port and waits until it says that it listens.
func startServe(t testing.TB, env []string, args ...string) *daemon {
	t.Helper()
	cmd := call{env: env}.command(t, t.Context(), append([]string{"serve", "--json", "--log", "off", "--addr", "127.0.0.1:0", "--threads", "1"}, args...)...)
	return startDaemon(t, cmd)
}

func startDaemon(t testing.TB, cmd *exec.Cmd) *daemon {
	t.Helper()
	d := &daemon{t: t, cmd: cmd, err: &bytes.Buffer{}}
	cmd.Stderr = d.err
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, cmd)
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() }) //nolint:errcheck // it may have ended
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var doc serving
	if err != nil || json.Unmarshal(line, &doc) != nil || doc.Schema != "freehold/serve/1" {
		cmd.Wait() //nolint:errcheck // its words are what is looked at
		t.Fatalf("serve says %q (%v)\n%s", line, err, d.err)
	}
	d.url = doc.URL
	return d
}

// stop ends it and gives its exit code.
func (d *daemon) stop(s os.Signal) int {
	d.t.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.t.Fatal(err)
	}
	d.cmd.Wait() //nolint:errcheck // the code is what is looked at
	return d.cmd.ProcessState.ExitCode()
}

// noEnd keeps the tiny model from ending: a bias on the tokens that end a text.
var noEnd string

// endless is a tiny model with room for long answers.
func endless(t testing.TB) string {
	t.Helper()
	path := edited(t, "models/qwen2.Q8_0.gguf", map[string]any{"tokenizer.chat_template": chatml, "qwen2.context_length": uint32(16384)})
	m, err := engine.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var all []string
	for _, id := range m.Tokenizer().EOG() {
		all = append(all, fmt.Sprintf(`"%d": -100`, id))
	}
	noEnd = strings.Join(all, ", ")
	return path
}

// ask streams an answer; sent is called once its first piece is there.
func ask(client *http.Client, url string, tokens int, sent func()) (pieces int, err error) {
	body := fmt.Sprintf(`{"prompt": "hello", "max_tokens": %d, "temperature": 0.5, "seed": 1, "logit_bias": {%s}, "stream": true}`, tokens, noEnd)
	w, err := client.Post(url+"/v1/completions", "application/json", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	defer w.Body.Close()
	if w.StatusCode != 200 {
		b, _ := io.ReadAll(w.Body)
		return 0, fmt.Errorf("status %d: %s", w.StatusCode, b)
	}
	done := false
	sc := bufio.NewScanner(w.Body)
	for sc.Scan() {
		switch line := sc.Text(); {
		case line == "data: [DONE]":
			done = true
		case strings.HasPrefix(line, "data: "):
			if pieces++; pieces == 1 && sent != nil {
				sent()
			}
		}
	}
	if err := sc.Err(); err != nil {
		return pieces, err
	}
	if !done {
		return pieces, fmt.Errorf("cut after %d pieces", pieces)
	}
	return pieces, nil
}

// SIGTERM cuts no answer: those on their way come to their end, and the server exits with 0.
func TestServeDrains(t *testing.T) {
	rounds := 3
	if os.Getenv("FREEHOLD_LONG") == "1" || os.Getenv("FREEHOLD_SOAK") != "" {
		rounds = 100
	}
	model := endless(t)
	cut := 0
	for range rounds {
		d := startServe(t, nil, "-m", "m="+model)
		var wg sync.WaitGroup
		var begun atomic.Int64
		for range 4 {
			wg.Go(func() {
				if _, err := ask(&http.Client{Transport: &http.Transport{}}, d.url, 3000, func() { begun.Add(1) }); err != nil {
					t.Errorf("an answer on its way: %v", err)
				}
			})
		}
		waitFor(t, func() bool { return begun.Load() == 4 || t.Failed() })
		if code := d.stop(syscall.SIGTERM); code != exitOK {
			t.Errorf("exit code %d\n%s", code, d.err)
		}
		wg.Wait()
		if strings.Contains(d.err.String(), "stopping: 0 answers") {
			cut++ // they were over before the signal came
		}
	}
	if cut == rounds {
		t.Error("no answer was on its way in any round; the test shows nothing")
	}
	// The second signal does not wait.
	d := startServe(t, nil, "-m", "m="+model)
	begun := make(chan struct{})
	go ask(&http.Client{Transport: &http.Transport{}}, d.url, 16_000, func() { close(begun) }) //nolint:errcheck // it is cut
	<-begun
	d.cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it runs
	waitFor(t, func() bool { _, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://")); return err != nil })
	if code := d.stop(syscall.SIGTERM); code != exitKilled && code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// SIGHUP opens the model and the keys anew, and no request fails meanwhile.
func TestServeReloads(t *testing.T) {
	dir := t.TempDir()
	model, keys, audit := filepath.Join(dir, "m.gguf"), filepath.Join(dir, "keys"), filepath.Join(dir, "audit.jsonl")
	put := func(path, from string) {
		t.Helper()
		b, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(path+".new", b, 0o666)
		}
		if err == nil {
			err = os.Rename(path+".new", path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put(model, tiny(t))
	const one, two = "one-0123456789abcdef", "two-0123456789abcdef"
	put(keys, file(t, "k", one+"\n"+two+"\n"))
	d := startServe(t, nil, "-m", model, "--keys", keys, "--audit", audit)
	client := &http.Client{Transport: bearer{one}}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var answers atomic.Int64
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := ask(client, d.url, 10, nil); err != nil {
					t.Error(err)
					return
				}
				answers.Add(1)
			}
		})
	}
	length := func() int {
		t.Helper()
		w, err := client.Get(d.url + "/v1/models/m")
		if err != nil {
			t.Fatal(err)
		}
		defer w.Body.Close()
		var info struct {
			Length int `json:"max_model_len"`
		}
		if err := json.NewDecoder(w.Body).Decode(&info); err != nil {
			t.Fatal(err)
		}
		return info.Length
	}
	if n := length(); n != 512 {
		t.Fatalf("context of %d", n)
	}
	put(model, edited(t, "models/qwen2.Q8_0.gguf", map[string]any{"qwen2.context_length": uint32(256)}))
	put(keys, file(t, "k", one+"\n"))
	waitFor(t, func() bool { return answers.Load() > 0 || t.Failed() }) // something is in the audit log
	if err := os.Rename(audit, audit+".1"); err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return length() == 256 })
	if w, err := (&http.Client{Transport: bearer{two}}).Get(d.url + "/v1/models"); err != nil || w.StatusCode != 401 {
		t.Errorf("a key that was taken out: %v, %v", w, err)
	}
	n := answers.Load()
	waitFor(t, func() bool { return answers.Load() > n+5 || t.Failed() })
	put(model, file(t, "broken.gguf", "GGUF and nothing else"))
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	n = answers.Load()
	waitFor(t, func() bool { return answers.Load() > n+5 || t.Failed() })
	if n := length(); n != 256 {
		t.Errorf("with a broken file in its place the model has a context of %d", n)
	}
	close(stop)
	wg.Wait()
	if code := d.stop(syscall.SIGTERM); code != exitOK {
		t.Errorf("exit code %d\n%s", code, d.err)
	}
	if !strings.Contains(d.err.String(), "reload: m: ") || !strings.Contains(d.err.String(), "stays as it was") {
		t.Errorf("nothing is said of the broken file:\n%s", d.err)
	}
	for _, path := range []string{audit, audit + ".1"} {
		b, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(b, []byte(`"model_sha256":"`)) || bytes.Contains(b, []byte("hello")) {
			t.Errorf("%s: %v\n%.500s", path, err, b)
		}
	}
}

// bearer sends a key.
type bearer struct{ key string }

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.key)
	return http.DefaultTransport.RoundTrip(r)
}

// systemd hands over the socket and is told when the service is ready, and when it stops.
func TestServeSystemd(t *testing.T) {
	dir := t.TempDir()
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Skipf("no local sockets here: %v", err)
	}
	defer notify.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	l.Close()
	// LISTEN_PID is the process itself, so a shell sets it.
	cmd := call{env: []string{"NOTIFY_SOCKET=" + filepath.Join(dir, "notify"), "LISTEN_FDS=1"}}.command(t, t.Context(), "serve", "--json", "--log", "off", "-m", tiny(t))
	cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
	if cmd.Path, err = exec.LookPath("sh"); err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{f}
	d := startDaemon(t, cmd)
	f.Close()
	if d.url != url {
		t.Errorf("listens on %s, the socket is %s", d.url, url)
	}
	said := func() string {
		t.Helper()
		b := make([]byte, 1000)
		notify.SetReadDeadline(time.Now().Add(10 * time.Second)) //nolint:errcheck // the read fails then
		n, err := notify.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	if got := said(); got != "READY=1" {
		t.Errorf("systemd is told %q", got)
	}
	if _, err := ask(http.DefaultClient, url, 3, nil); err != nil {
		t.Error(err)
	}
	if code := d.stop(syscall.SIGTERM); code != exitOK {
		t.Errorf("exit code %d\n%s", code, d.err)
	}
	if got := said(); got != "STOPPING=1" {
		t.Errorf("systemd is told %q", got)
	}
}

func TestServeTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := file(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	keyFile := file(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	d := startServe(t, nil, "-m", tiny(t), "--tls-cert", cert, "--tls-key", keyFile)
	roots := x509.NewCertPool()
	roots.AddCert(must(x509.ParseCertificate(der)))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	if !strings.HasPrefix(d.url, "https://") {
		t.Errorf("listens on %s", d.url)
	}
	if _, err := ask(client, d.url, 5, nil); err != nil {
		t.Error(err)
	}
	client.CloseIdleConnections()
	if code := d.stop(syscall.SIGTERM); code != exitOK {
		t.Errorf("exit code %d\n%s", code, d.err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// The server locks itself, all its threads, says so, and opens models on demand all the same; or not, where it is told.
func TestServeLocks(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the lock is Linux's")
	}
	for _, c := range []struct {
		args    []string
		state   string
		seccomp string
	}{{nil, lock.Denied, "2"}, {[]string{"--no-lock"}, "off (--no-lock)", "0"}} {
		d := startServe(t, nil, append([]string{"-m", "m=" + endless(t), "-m", "other=" + tiny(t), "--on-demand", "--threads", "3"}, c.args...)...)
		w, err := http.Get(d.url + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		var health struct{ Lock lock.State }
		if err := json.NewDecoder(w.Body).Decode(&health); err != nil || health.Lock.Connections != c.state || health.Lock.Files != c.state {
			t.Errorf("%v: /readyz says %+v (%v)", c.args, health, err)
		}
		w.Body.Close()
		for _, model := range []string{"m", "other"} {
			w, err := http.Post(d.url+"/v1/completions", "application/json", strings.NewReader(`{"model": "`+model+`", "prompt": "hello", "max_tokens": 3}`))
			if err != nil || w.StatusCode != 200 {
				t.Errorf("%v: %s: %v %v", c.args, model, w, err)
			}
		}
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", d.cmd.Process.Pid))
		if err != nil || len(threads) < 3 {
			t.Fatalf("%d threads: %v", len(threads), err)
		}
		for _, path := range threads {
			b, err := os.ReadFile(path)
			if err != nil {
				continue // it ended
			}
			if !strings.Contains(string(b), "\nSeccomp:\t"+c.seccomp+"\n") {
				t.Errorf("%v: a thread is not as the server says, want Seccomp %s:\n%s", c.args, c.seccomp, b)
			}
		}
		if code := d.stop(syscall.SIGTERM); code != exitOK {
			t.Errorf("exit code %d\n%s", code, d.err)
		}
	}
}

// What cannot be served is said, with the exit code of its kind.
func TestServeRefused(t *testing.T) {
	model := tiny(t)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{}, exitUsage, "--model"},
		{[]string{"-m", model, "--addr", "0.0.0.0:0"}, exitUsage, "can be reached from other machines"},
		{[]string{"-m", model, "--addr", ":0"}, exitUsage, "can be reached from other machines"},
		{[]string{"-m", model, "--addr", "nowhere"}, exitUsage, "want HOST:PORT"},
		{[]string{"-m", model, "-m", model, "--addr", "127.0.0.1:0"}, exitUsage, "two models are named"},
		{[]string{"-m", "a b=" + model, "--addr", "127.0.0.1:0"}, exitUsage, "no name for a model"},
		{[]string{"-m", "/does/not/exist.gguf", "--addr", "127.0.0.1:0"}, exitInput, "exist.gguf"},
		{[]string{"-m", model, "--keys", file(t, "short", "short"), "--addr", "127.0.0.1:0"}, exitInput, "at least 16"},
		{[]string{"-m", model, "--keys", "/does/not/exist"}, exitInput, "/does/not/exist"},
		{[]string{"-m", model, "--tls-cert", "x"}, exitUsage, "go together"},
		{[]string{"-m", model, "--slots", "0"}, exitUsage, "slots is 0"},
		{[]string{"-m", model, "--pin", "m"}, exitUsage, "add --on-demand"},
		{[]string{"-m", model, "--on-demand", "--pin", "none"}, exitUsage, "to pin"},
		{[]string{"-m", model, "--on-demand", "--keep-alive", "soon"}, exitUsage, "--keep-alive"},
		{[]string{"-m", model, "--on-demand", "--model-memory", "1000", "--addr", "127.0.0.1:0"}, exitInput, "--model-memory"},
		{[]string{"-m", model, "--adapter", "x.gguf"}, exitUsage, "NAME=FILE"},
		{[]string{"-m", model, "--adapter", "other:a=x.gguf"}, exitUsage, "no model of -m"},
		{[]string{"-m", "a=" + model, "-m", "b=" + model, "--adapter", "a=x.gguf"}, exitUsage, "MODEL:NAME=FILE"},
		{[]string{"-m", model, "--adapter", "a=/does/not/exist.gguf", "--addr", "127.0.0.1:0"}, exitInput, "exist.gguf"},
		{[]string{"-m", model, "--log", "loud"}, exitUsage, "--log"},
	} {
		if r := freehold(t, append([]string{"serve"}, c.args...)...); r.code != c.code || !strings.Contains(r.err, c.says) {
			t.Errorf("serve %v: exit code %d, want %d with %q\n%s", c.args, r.code, c.code, c.says, r.err)
		}
	}
}
