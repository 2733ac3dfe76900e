package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// sum is the sha256 of a file.
func sum(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// A bundle is all that a machine without a network needs: unpacked by tar, with no home, no cache and no network (a network namespace of its own), and with what it was made from gone,
// it is verified, classifies and serves as before, finds nothing to do, and makes its run again to the bit.
func TestBundle(t *testing.T) {
	if err := exec.Command("unshare", "-rn", "true").Run(); err != nil {
		t.Skipf("NOT TESTED: a bundle without a network: unshare -rn: %v", err)
	}
	model := tiny(t)
	job := recipe(t, model, "quantize: [f16, q4_0]", "quantize: [q4_0]\npolicy: rules/policy.yaml")
	made := filepath.Dir(job)
	if err := os.Mkdir(filepath.Join(made, "rules"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(made, "rules", "policy.yaml"), []byte("version: 1\nname: p\nmode: enforce\nrules:\n  - {id: r, check: data.train > 1, message: too few}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "elsewhere.jsonl") // rows that do not stand beside the recipe
	if err := os.Rename(filepath.Join(made, "valid.jsonl"), outside); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(job)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(job, []byte(strings.Replace(string(text), "valid.jsonl", outside, 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	freehold(t, "apply", job).must(t)
	run := filepath.Join(made, "runs", "latest")
	ask := []string{"classify", "--json", "runs/latest/model.gguf", "train row 3 is here"}
	want := call{dir: made}.run(t, ask...).must(t).out

	dir := t.TempDir()
	file := filepath.Join(dir, "all.tar")
	freehold(t, "export", run, "--bundle", file, "--with-data", "--with-teacher").must(t)
	freehold(t, "export", run, "--bundle", file+"2", "--with-data", "--with-teacher").must(t)
	if sum(t, file) != sum(t, file+"2") {
		t.Error("the same run gives two bundles")
	}
	if r := freehold(t, "export", run, "--bundle", file); r.code != exitUsage || !strings.Contains(r.err, "--force") {
		t.Errorf("over a file: code %d: %s", r.code, r.err)
	}
	small := filepath.Join(dir, "small.tar")
	if r := freehold(t, "export", run, "--bundle", small).must(t); !strings.Contains(r.err, "not in it: teacher "+model) || !strings.Contains(r.err, "not in it: data train train.jsonl") {
		t.Errorf("what is left out is not said: %s", r.err)
	}
	wanted := sum(t, filepath.Join(run, "model.gguf"))
	for _, gone := range []string{made, model, outside} {
		if err := os.RemoveAll(gone); err != nil {
			t.Fatal(err)
		}
	}
	unpack := func(file string) string {
		to := t.TempDir()
		if out, err := exec.Command("tar", "-xf", file, "-C", to).CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("tar: %v %s", err, out)
		}
		return filepath.Join(to, "tiny-001")
	}
	at := unpack(file)
	home := t.TempDir()
	alone := func(dir string, args ...string) *exec.Cmd {
		cmd := exec.Command("unshare", append([]string{"-rn", "./freehold"}, args...)...)
		cmd.Dir, cmd.Env = dir, []string{"HOME=" + home, "PATH=/nonexistent"}
		return cmd
	}
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"verify", "."}, " 0 are not"},
		{[]string{"verify"}, " 0 are not"},
		{[]string{"policy", "check"}, "1 of 1 rules hold"},
		{[]string{"plan", "--exit-code"}, "nothing to do"},
		{[]string{"apply", "--offline"}, "nothing to do"},
		{[]string{"apply", "--offline", "--runs", "again"}, "gate passed"},
		{[]string{"verify", "--reproduce", "."}, "files are the same"},
		{[]string{"show", "--lineage", "runs/latest"}, "made      weights model.gguf"},
	} {
		out, err := alone(at, c.args...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.says) || strings.Contains(string(out), "differs") {
			t.Errorf("%v: %v\n%s", c.args, err, out)
		}
	}
	if got := sum(t, filepath.Join(at, "again", "001", "model.gguf")); got != wanted {
		t.Errorf("applied in the bundle: model %s, want %s", got, wanted)
	}
	if got, err := alone(at, ask...).Output(); err != nil || string(got) != want {
		t.Errorf("classify: %v: %s, want %s", err, got, want)
	}
	if got, err := alone(at, "classify", "--explain", "runs/latest/model.gguf", "train row 3 is here").CombinedOutput(); err != nil || !strings.Contains(string(got), "train.jsonl:") {
		t.Errorf("classify --explain: %v: %s, want the nearest rows of train.jsonl", err, got)
	}
	if names, err := os.ReadDir(home); err != nil || len(names) > 0 {
		t.Errorf("the home is not empty any more: %v, %v", names, err)
	}
	if out, err := exec.Command("sh", "-c", "cd '"+at+"' && sha256sum --quiet -c SHA256SUMS").CombinedOutput(); err != nil {
		t.Errorf("sha256sum: %v: %s", err, out)
	}

	address, socket := handed(t)
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec unshare -rn ./freehold serve --json --log off -m runs/latest/model.gguf`)
	cmd.Dir, cmd.Env, cmd.ExtraFiles = at, []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}, []*os.File{socket}
	d := startDaemon(t, cmd)
	resp, err := http.Post("http://"+address+"/v1/classify", "application/json", strings.NewReader(`{"model":"model","input":["train row 3 is here"]}`))
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

	at = unpack(small) // with hashes alone of rows and teacher
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"verify", "."}, exitOK, " 0 are not"},
		{ask, exitOK, ""},
		{[]string{"apply", "--offline"}, exitInput, "no such file"},
	} {
		cmd := alone(at, c.args...)
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != c.code || !strings.Contains(string(out), c.says) {
			t.Errorf("without rows and teacher: %v: code %d\n%s", c.args, cmd.ProcessState.ExitCode(), out)
		}
	}
}

// A byte that is flipped in a bundle's tar, anywhere in a file's content, is found when it is unpacked and verified, and the file named. A flip in a tar header is tar's to find, or leaves a
// file missing or with another name, which is found too.
func TestBundleFlips(t *testing.T) {
	job := recipe(t, tiny(t), "steps: 6", "steps: 2")
	freehold(t, "apply", job).must(t)
	run := filepath.Join(filepath.Dir(job), "runs", "latest")
	file := filepath.Join(t.TempDir(), "b.tar")
	program := filepath.Join(t.TempDir(), "freehold") // a small one, to be quick
	if err := os.WriteFile(program, bytes.Repeat([]byte("program"), 1000), 0o777); err != nil {
		t.Fatal(err)
	}
	freehold(t, "export", run, "--bundle", file, "--program", program).must(t)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(t.TempDir(), "tiny-001")
	if out, err := exec.Command("tar", "-xf", file, "-C", filepath.Dir(at)).CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: tar: %v %s", err, out)
	}
	// where each file's content lies in the tar
	type span struct {
		name      string
		from, end int
	}
	var spans []span
	for i := 0; i+512 <= len(whole) && whole[i] != 0; {
		name, _, _ := strings.Cut(string(whole[i:i+100]), "\x00")
		size := 0
		for _, c := range whole[i+124 : i+135] {
			size = size*8 + int(c-'0')
		}
		if whole[i+156] != '0' { // the link
			i += 512
			continue
		}
		spans = append(spans, span{strings.TrimPrefix(name, "tiny-001/"), i + 512, i + 512 + size})
		i += 512 + (size+511)/512*512
	}
	if len(spans) < 20 || spans[len(spans)-1].name != "SHA256SUMS" {
		t.Fatalf("%d files: %v", len(spans), spans)
	}
	flips := len(spans)
	if os.Getenv("FREEHOLD_LONG") == "1" {
		flips = 200
	}
	r := rand.New(rand.NewPCG(8, 1))
	for i := range flips {
		s := spans[i%len(spans)]
		if s.from == s.end {
			continue
		}
		n, bit := r.IntN(s.end-s.from), byte(1)<<r.IntN(8)
		b := bytes.Clone(whole)
		b[s.from+n] ^= bit
		if err := os.WriteFile(file, b, 0o666); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("tar", "-xf", file, "-C", filepath.Dir(at)).CombinedOutput(); err != nil {
			t.Fatalf("tar: %v %s", err, out)
		}
		got := freehold(t, "verify", at)
		if rows := strings.Split(strings.TrimSpace(got.out), "\n"); got.code != exitVerify || len(rows) != 1 || !strings.HasPrefix(rows[0], "changed  "+s.name) {
			t.Errorf("byte %d of %s with bit %d flipped: code %d: %s%s", n, s.name, bit, got.code, got.out, got.err)
		}
	}
	if err := os.Remove(filepath.Join(at, "runs", "001", "NOTICE")); err != nil {
		t.Fatal(err)
	}
	if got := freehold(t, "verify", at); got.code != exitVerify || !strings.Contains(got.out, "missing  runs/001/NOTICE") {
		t.Errorf("a missing file: code %d: %s", got.code, got.out)
	}
}

// What is not as the run wrote it, or may not be passed on, is not exported; what the recipe names and is another by now neither.
func TestExportRefused(t *testing.T) {
	job := recipe(t, tiny(t), "steps: 6", "steps: 2")
	dir := filepath.Dir(job)
	freehold(t, "apply", job).must(t)
	file := filepath.Join(t.TempDir(), "b.tar")
	refused := func(code int, says string, flags ...string) {
		t.Helper()
		r := freehold(t, append([]string{"export", filepath.Join(dir, "runs", "latest"), "--bundle", file}, flags...)...)
		if r.code != code || !strings.Contains(r.err, says) {
			t.Errorf("code %d: %s, want %d, %q", r.code, r.err, code, says)
		}
		if left, _ := filepath.Glob(file + "*"); left != nil {
			t.Errorf("a file is left: %v", left)
		}
	}
	rows := filepath.Join(dir, "train.jsonl")
	b, err := os.ReadFile(rows)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(rows, bytes.Replace(b, []byte("row 3"), []byte("row three"), 1), 0o666); err != nil {
		t.Fatal(err)
	}
	refused(exitInput, "put those back, or leave --with-data out", "--with-data")
	summary := filepath.Join(dir, "runs", "001", "summary.json")
	if b, err = os.ReadFile(summary); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(summary, append(b, ' '), 0o666); err != nil {
		t.Fatal(err)
	}
	refused(exitVerify, "summary.json is changed")
}
