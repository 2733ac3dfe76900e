package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/goccy/go-yaml"
)

// recipeFile reads a file of docs/deploy.
func recipeFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// inImage runs serve as the image of docs/deploy does: a root folder with the program alone and what is mounted, read-only, an empty environment, no
// capabilities, no new privileges, and where the test is root the image's own user.
func inImage(t *testing.T, model, user string, args []string) *daemon {
	t.Helper()
	root := t.TempDir()
	for _, d := range []string{"models", "keys"} {
		if err := os.Mkdir(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(root, 0o755); err != nil { // the temporary folder's own is its owner's
		t.Fatal(err)
	}
	for from, to := range map[string]string{binary: "freehold", tiny(t): model, file(t, "keys", "image image-0123456789abcdef\n"): "keys/keys.txt"} {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o444)
		if to == "freehold" {
			mode = 0o555
		}
		if err := os.WriteFile(filepath.Join(root, to), b, mode); err != nil {
			t.Fatal(err)
		}
	}
	space, as := "-m", "--userspec="+user
	if os.Geteuid() != 0 {
		space, as = "-rm", "--userspec=0:0"
	}
	const enter = `mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 98
touch "$1/written" 2>/dev/null && exit 99
root=$1 as=$2; shift 2; exec env -i "$(command -v setpriv)" --no-new-privs "$(command -v chroot)" "$as" "$root" /freehold "$@"`
	if out, err := exec.Command("unshare", space, "sh", "-c", `mount --bind "$0" "$0" && setpriv --no-new-privs true`, root).CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: the image: unshare %s, mount, setpriv: %v: %s", space, err, out)
	}
	cmd := call{}.command(t, t.Context(), append([]string{args[0], "--json", "--threads", "1"}, args[1:]...)...)
	cmd.Args = append([]string{"unshare", space, "sh", "-c", enter, "sh", root, as}, cmd.Args[1:]...)
	path, err := exec.LookPath("unshare")
	if err != nil {
		t.Skipf("NOT TESTED: the image: %v", err)
	}
	cmd.Path = path
	return startDaemon(t, cmd)
}

// answers asks a server of an image, with its key and without.
func (d *daemon) answers(user string) {
	t := d.t
	t.Helper()
	_, port, _ := strings.Cut(strings.TrimPrefix(d.url, "http://"), "]:")
	if port == "" {
		port = d.url[strings.LastIndex(d.url, ":")+1:]
	}
	url := "http://127.0.0.1:" + port
	get := func(method, path, key, body string) (int, string) {
		t.Helper()
		r, _ := http.NewRequest(method, url+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if key != "" {
			r.Header.Set("Authorization", "Bearer "+key)
		}
		w, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Body.Close()
		b, _ := io.ReadAll(w.Body)
		return w.StatusCode, string(b)
	}
	for _, probe := range []string{"/livez", "/readyz"} {
		if status, b := get("GET", probe, "", ""); status != 200 {
			t.Errorf("%s: %d %s", probe, status, b)
		}
	}
	const chat = `{"messages": [{"role": "user", "content": "hi"}], "max_tokens": 3}`
	if status, b := get("POST", "/v1/chat/completions", "image-0123456789abcdef", chat); status != 200 {
		t.Errorf("chat: %d %s", status, b)
	}
	if status, b := get("POST", "/v1/chat/completions", "", chat); status != 401 {
		t.Errorf("without a key: %d %s", status, b)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	is := regexp.MustCompile(`(?m)^(Uid|CapEff|NoNewPrivs|Seccomp):\t(\w+)`).FindAllStringSubmatch(string(b), -1)
	want := map[string]string{"NoNewPrivs": "1", "Seccomp": "2"}
	if os.Geteuid() == 0 {
		want["Uid"], _, _ = strings.Cut(user, ":")
		want["CapEff"] = "0000000000000000"
	}
	for _, m := range is {
		if w, ok := want[m[1]]; ok && m[2] != w {
			t.Errorf("the process has %s %s, want %s", m[1], m[2], w)
		}
		delete(want, m[1])
	}
	if len(want) > 0 {
		t.Errorf("/proc/PID/status lacks %v", want)
	}
}

// The image's recipe names a program that needs nothing else, and arguments that serve.
func TestDockerfile(t *testing.T) {
	text := recipeFile(t, "Dockerfile")
	line := func(word string) string {
		m := regexp.MustCompile(`(?m)^`+word+` (.*)$`).FindAllStringSubmatch(text, -1)
		if len(m) != 1 {
			t.Fatalf("%d lines %s, want one", len(m), word)
		}
		return m[0][1]
	}
	var entry, args []string
	if err := json.Unmarshal([]byte(line("ENTRYPOINT")), &entry); err != nil || len(entry) != 1 || entry[0] != "/freehold" {
		t.Errorf("ENTRYPOINT %v %v", entry, err)
	}
	if err := json.Unmarshal([]byte(line("CMD")), &args); err != nil {
		t.Fatal(err)
	}
	if line("FROM") != "scratch" || line("COPY") != "bin/freehold /freehold" || line("USER") != "65532:65532" {
		t.Errorf("the image is another: %s", text)
	}
	d := inImage(t, "models/model.gguf", line("USER"), anyPort(args))
	d.answers(line("USER"))
	if code := d.stop(syscall.SIGTERM); code != exitOK {
		t.Errorf("exit code %d\n%s", code, d.err)
	}
}

// anyPort listens where there is room.
func anyPort(args []string) []string {
	var out []string
	for _, a := range args {
		out = append(out, strings.Replace(a, "0.0.0.0:8080", "0.0.0.0:0", 1))
	}
	return out
}

// The cluster's example starts the same image with arguments that serve, lets it do no more than it has to, and asks probes that there are.
func TestKubernetesExample(t *testing.T) {
	type probe struct {
		HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
	}
	var deployment struct {
		Spec struct {
			Template struct {
				Spec struct {
					Grace           int `yaml:"terminationGracePeriodSeconds"`
					SecurityContext struct {
						RunAsNonRoot bool `yaml:"runAsNonRoot"`
						RunAsUser    int  `yaml:"runAsUser"`
					} `yaml:"securityContext"`
					Containers []struct {
						Args            []string
						Startup         probe `yaml:"startupProbe"`
						Ready           probe `yaml:"readinessProbe"`
						Live            probe `yaml:"livenessProbe"`
						SecurityContext struct {
							ReadOnly     bool  `yaml:"readOnlyRootFilesystem"`
							Escalation   *bool `yaml:"allowPrivilegeEscalation"`
							Capabilities struct{ Drop []string }
						} `yaml:"securityContext"`
						Mounts []struct {
							Path     string `yaml:"mountPath"`
							ReadOnly bool   `yaml:"readOnly"`
						} `yaml:"volumeMounts"`
					}
				}
			}
		}
	}
	first, _, _ := strings.Cut(recipeFile(t, "kubernetes.yaml"), "\n---\n")
	if err := yaml.Unmarshal([]byte(first), &deployment); err != nil {
		t.Fatal(err)
	}
	pod := deployment.Spec.Template.Spec
	if len(pod.Containers) != 1 || !pod.SecurityContext.RunAsNonRoot || pod.SecurityContext.RunAsUser != 65532 || pod.Grace < 600 {
		t.Fatalf("%+v", pod)
	}
	c := pod.Containers[0]
	if !c.SecurityContext.ReadOnly || c.SecurityContext.Escalation == nil || *c.SecurityContext.Escalation || strings.Join(c.SecurityContext.Capabilities.Drop, "") != "ALL" {
		t.Errorf("%+v", c.SecurityContext)
	}
	for _, m := range c.Mounts {
		if !m.ReadOnly {
			t.Errorf("%s may be written", m.Path)
		}
	}
	if c.Startup.HTTPGet.Path != "/readyz" || c.Ready.HTTPGet.Path != "/readyz" || c.Live.HTTPGet.Path != "/livez" {
		t.Errorf("probes %+v %+v %+v", c.Startup, c.Ready, c.Live)
	}
	d := inImage(t, "models/triage.gguf", "65532:65532", anyPort(c.Args))
	d.answers("65532:65532")
	if code := d.stop(syscall.SIGTERM); code != exitOK {
		t.Errorf("exit code %d\n%s", code, d.err)
	}
}

// systemd reads the units, and their command line is one of serve's.
func TestSystemdUnits(t *testing.T) {
	unit := recipeFile(t, "freehold.service")
	m := regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/freehold (.*)$`).FindStringSubmatch(unit)
	if m == nil {
		t.Fatal("no ExecStart")
	}
	args := strings.Fields(strings.ReplaceAll(m[1], "/var/log/freehold/", t.TempDir()+"/"))
	if r := freehold(t, args...); r.code != exitInput || !strings.Contains(r.err, "/srv/models/triage.gguf") {
		t.Errorf("%v: exit code %d, want %d for the model that is not there\n%s", args, r.code, exitInput, r.err)
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skipf("NOT TESTED: the units by systemd: %v", err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"freehold.service": strings.ReplaceAll(unit, "/usr/local/bin/freehold", binary), "freehold.socket": recipeFile(t, "freehold.socket")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(analyze, "verify", "--man=no", filepath.Join(dir, "freehold.service"), filepath.Join(dir, "freehold.socket")).CombinedOutput()
	ours := regexp.MustCompile(`(?m)^.*freehold\.(service|socket).*$`).FindAllString(string(out), -1)
	if err != nil || len(ours) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
