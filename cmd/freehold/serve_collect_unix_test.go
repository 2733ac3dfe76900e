//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/freehold-slm/freehold/distill/data"
	small "github.com/freehold-slm/freehold/models/tiny"
)

// classes are the answer of /v1/classify.
type classes struct {
	AbstainBelow float64 `json:"abstain_below"`
	Teacher      string
	Data         []struct {
		Label      string
		P          float64
		AnsweredBy string `json:"answered_by"`
		Abstained  bool
		Collected  bool
	}
	header http.Header
}

// classify asks a server about texts.
func (d *daemon) classify(texts ...string) (c classes) {
	d.t.Helper()
	body, err := json.Marshal(map[string]any{"input": texts})
	if err != nil {
		d.t.Fatal(err)
	}
	w, err := http.Post(d.url+"/v1/classify", "application/json", strings.NewReader(string(body)))
	if err != nil {
		d.t.Fatal(err)
	}
	defer w.Body.Close()
	b, err := io.ReadAll(w.Body)
	if err != nil || w.StatusCode != 200 || json.Unmarshal(b, &c) != nil {
		d.t.Fatalf("status %d: %s (%v)", w.StatusCode, b, err)
	}
	c.header = w.Header
	return c
}

// collected reads what a server kept, as a recipe's data are read.
func collected(t *testing.T, path string) []data.Row {
	t.Helper()
	rows, err := data.Read(path, data.ReadOptions{Labels: []string{"no", "yes"}})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// unsure is the folder of a tiny recipe whose student is sure of nothing.
func unsure(t *testing.T, teacher string) (dir, model string) {
	t.Helper()
	job := recipe(t, teacher, `prompt: "{text}"}`, `prompt: "{text}", abstain_below: 0.999}`, "quantize: [f16, q4_0]", "quantize: [q4_0]")
	freehold(t, "apply", job).must(t)
	dir = filepath.Dir(job)
	return dir, filepath.Join(dir, "runs", "latest", "model.gguf")
}

// What a served student is not sure of is answered by its teacher as classify --escalate has it, and kept, masked, as rows that its recipe reads; nothing
// without the flag, and under the lock.
func TestServeCollects(t *testing.T) {
	teacher := tiny(t)
	dir, model := unsure(t, teacher)
	kept := filepath.Join(dir, "kept")
	tree := func() (all []string) {
		t.Helper()
		err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			i, err := e.Info()
			all = append(all, fmt.Sprint(p, i.Size(), i.ModTime()))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	before := tree()
	plain := startServe(t, nil, "-m", "triage="+model)
	plain.cmd.Dir = dir
	got := plain.classify("one text")
	if got.AbstainBelow != 0.999 || !got.Data[0].Abstained || got.Data[0].Collected || got.header.Get("X-Freehold-Collect") != "" {
		t.Errorf("%+v", got)
	}
	plain.stop(syscall.SIGTERM)
	if after := tree(); !slices.Equal(before, after) {
		t.Errorf("without --collect files are\n%v, before\n%v", after, before)
	}

	d := startServe(t, nil, "-m", "triage="+model, "--escalate", "big="+teacher, "--collect", kept, "--escalate-lora", "", "--on-demand")
	texts := []string{"write to me@example.org", "train row 3 is here", "and\nanother"}
	got = d.classify(texts...)
	r := call{}.run(t, "--json", "classify", model, "--escalate", teacher, texts[0], texts[1], texts[2]).must(t)
	var want struct {
		Rows []struct {
			Label      string
			P          float64
			AnsweredBy string `json:"answered_by"`
		}
	}
	if err := json.Unmarshal([]byte(r.out), &want); err != nil || got.Teacher != "big" {
		t.Fatal(err, got)
	}
	for i, row := range want.Rows {
		if g := got.Data[i]; g.Label != row.Label || g.P != row.P || g.AnsweredBy != row.AnsweredBy || g.AnsweredBy != "teacher" || !g.Collected {
			t.Errorf("text %d: %+v, classify says %+v", i, g, row)
		}
	}
	file := filepath.Join(kept, "triage.jsonl")
	rows := collected(t, file)
	if len(rows) != 3 || rows[0].Text != "write to [EMAIL]" || rows[2].Text != texts[2] || rows[0].Gold != -1 || rows[0].ID == rows[1].ID {
		t.Errorf("kept are %+v", rows)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := fileSHA256(model)
	if err != nil || !strings.Contains(string(b), `"model_sha256":"`+sum) || !strings.Contains(string(b), `"label":null,"suggested":"`+got.Data[0].Label+`"`) {
		t.Errorf("%s (%v)", b, err)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st, err)
	}
	// Whoever reads the rows moves the file away. The model and its line are another after SIGHUP.
	if err := os.Rename(file, filepath.Join(dir, "batch.jsonl")); err != nil {
		t.Fatal(err)
	}
	target, err := filepath.EvalSymlinks(model)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = os.ReadFile(editedFile(t, target, map[string]any{"freehold.task.abstain_below": float32(math.Nextafter32(1, 0))})); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(target+".new", b, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(target+".new", target); err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	asked := 0
	waitFor(t, func() bool { asked++; return d.classify("one more").AbstainBelow > 0.999 })
	if n := len(collected(t, file)); n != asked {
		t.Errorf("%d rows are kept of %d", n, asked)
	}
	if strings.Contains(string(must(os.ReadFile(file))), sum) {
		last := string(must(os.ReadFile(file)))
		if last = last[strings.LastIndex(strings.TrimSpace(last), "\n")+1:]; strings.Contains(last, sum) {
			t.Errorf("the last row has the hash of the model before: %s", last)
		}
	}
	if code := d.stop(syscall.SIGTERM); code != exitOK || !strings.Contains(d.err.String(), "TEXTS ARE KEPT") || !strings.Contains(d.err.String(), "asked of big") {
		t.Errorf("exit code %d\n%s", code, d.err)
	}
	if runtime.GOOS == "linux" && strings.Contains(d.err.String(), "locked:") && !strings.Contains(d.err.String(), kept) {
		t.Errorf("the lock's folders lack %s:\n%s", kept, d.err)
	}
}

// A teacher that had an adapter is asked with it, given as a file that requests cannot name or as a model of -m, as classify --escalate-lora does.
func TestServeEscalateAdapter(t *testing.T) {
	m, dir := small.ByName("internlm2"), t.TempDir()
	base, adapter := filepath.Join(dir, "base.gguf"), filepath.Join(dir, "adapter.gguf")
	w := m.Writer()
	w.Set("tokenizer.chat_template", chatml)
	for path, w := range map[string]interface{ WriteTo(string) error }{base: w, adapter: m.Adapter(4, 8, "blk.0.attn_q.weight", "blk.1.ffn_down.weight", "output.weight")} {
		if err := w.WriteTo(path); err != nil {
			t.Fatal(err)
		}
	}
	sum := must(fileSHA256(adapter))
	student := edited(t, "models/qwen2.Q8_0.gguf", map[string]any{"tokenizer.chat_template": chatml, "freehold.task.labels": []string{"up", "down"}, "freehold.task.prompt": "{text}",
		"freehold.task.abstain_below": float32(1), "freehold.teacher.adapter.sha256": sum})
	ask := func(more ...string) (rows struct{ Rows []struct{ P float64 } }) {
		t.Helper()
		r := freehold(t, append([]string{"--json", "classify", student, "some text", "--escalate", base}, more...)...).must(t)
		if err := json.Unmarshal([]byte(r.out), &rows); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	want := ask("--escalate-lora", adapter).Rows[0].P
	for _, args := range [][]string{{"--escalate", base, "--escalate-lora", adapter}, {"-m", "big=" + base, "--adapter", "big:t=" + adapter, "--escalate", "big:t"}} {
		kept := filepath.Join(t.TempDir(), "kept")
		d := startServe(t, nil, append([]string{"-m", "triage=" + student, "--on-demand", "--collect", kept}, args...)...)
		resp, err := http.Post(d.url+"/v1/classify", "application/json", strings.NewReader(`{"model": "triage", "input": "some text"}`))
		if err != nil {
			t.Fatal(err)
		}
		var got classes
		if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || len(got.Data) != 1 || got.Data[0].AnsweredBy != "teacher" || got.Data[0].P != want {
			t.Errorf("%v: %+v (%v), want the teacher with %v", args, got, err, want)
		}
		resp.Body.Close()
		if row, err := os.ReadFile(filepath.Join(kept, "triage.jsonl")); err != nil || !strings.Contains(string(row), `"teacher_adapter_sha256":"`+sum+`"`) {
			t.Errorf("%s (%v)", row, err)
		}
		d.stop(syscall.SIGTERM)
	}
	plain := edited(t, "models/qwen2.Q8_0.gguf", map[string]any{"tokenizer.chat_template": chatml, "freehold.task.labels": []string{"up", "down"}, "freehold.task.prompt": "{text}", "freehold.task.abstain_below": float32(1)})
	if student = plain; ask().Rows[0].P == want {
		t.Error("the adapter changes nothing; the test shows nothing")
	}
}

// Two servers keep rows in one folder at a time, each whole.
func TestServeCollectsTogether(t *testing.T) {
	dir, model := unsure(t, tiny(t))
	kept := filepath.Join(dir, "kept")
	var wg sync.WaitGroup
	const clients, each = 3, 15
	for range 2 {
		d := startServe(t, nil, "-m", "triage="+model, "--collect", kept)
		for i := range clients {
			wg.Go(func() {
				for j := range each {
					if c := d.classify(fmt.Sprintf("text %d of client %d", j, i), strings.Repeat("long ", 50)); !c.Data[0].Collected {
						t.Errorf("not kept: %+v", c)
					}
				}
			})
		}
	}
	wg.Wait()
	rows := collected(t, filepath.Join(kept, "triage.jsonl"))
	ids := map[string]bool{}
	for _, r := range rows {
		ids[r.ID] = true
	}
	if want := 2 * clients * each * 2; len(rows) != want || len(ids) != want {
		t.Errorf("%d rows with %d ids, want %d", len(rows), len(ids), want)
	}
}

// On a disk that is full every request gets its answer, and what is kept stays whole; once there is room rows are kept again.
func TestServeCollectDiskFull(t *testing.T) {
	space := "-rm"
	if os.Geteuid() == 0 {
		space = "-m"
	}
	dir, model := unsure(t, tiny(t))
	kept := filepath.Join(dir, "kept")
	if err := os.Mkdir(kept, 0o700); err != nil {
		t.Fatal(err)
	}
	const mount = `mount -t tmpfs -o size=48k none "$1" && head -c 32768 /dev/zero > "$1/filler"`
	if out, err := exec.Command("unshare", space, "sh", "-c", mount, "sh", kept).CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: a full disk: unshare %s, mount: %v: %s", space, err, out)
	}
	cmd := call{}.command(t, t.Context(), "serve", "--json", "--log", "text", "--addr", "127.0.0.1:0", "--threads", "1", "-m", "triage="+model, "--collect", kept)
	args := cmd.Args[1:]
	path, err := exec.LookPath("unshare")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Path, cmd.Args = path, append([]string{"unshare", space, "sh", "-c", mount + ` && shift && exec "$0" "$@"`, binary, kept}, args...)
	d := startDaemon(t, cmd)
	inside := filepath.Join(fmt.Sprintf("/proc/%d/root", d.cmd.Process.Pid), kept)
	file := filepath.Join(inside, "triage.jsonl")
	text := strings.Repeat("on and on ", 30)
	n := 0
	for d.classify(text).Data[0].Collected {
		if n++; n > 500 {
			t.Fatal("the disk is never full")
		}
	}
	size := func() int64 {
		st, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		return st.Size()
	}
	full := size()
	for range 5 {
		d.classify(text)
	}
	if rows := collected(t, file); len(rows) != n || n < 5 || size() != full {
		t.Errorf("%d rows of %d are there, in %d bytes, before %d", len(rows), n, size(), full)
	}
	w, err := http.Get(d.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(w.Body)
	w.Body.Close()
	if !strings.Contains(string(b), fmt.Sprintf("freehold_collected_rows_total{outcome=\"kept\"} %d\n", n)) || !strings.Contains(string(b), "freehold_collected_rows_total{outcome=\"failed\"} 6\n") {
		t.Errorf("%s", b)
	}
	if err := os.Remove(filepath.Join(inside, "filler")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return d.classify("room again").Data[0].Collected })
	if rows := collected(t, file); len(rows) != n+1 || rows[n].Text != "room again" {
		t.Errorf("%d rows, want %d", len(rows), n+1)
	}
	d.stop(syscall.SIGTERM)
	if c := strings.Count(d.err.String(), "no space left on device"); c != 1 {
		t.Errorf("the log says %d times that the disk is full:\n%s", c, d.err)
	}
}

// unlicensedAlone is a policy that lets the student of the test pass and its teacher not.
const unlicensedAlone = "version: 1\nname: odd\nabout: Odd.\nmode: enforce\nrules:\n  - id: unlicensed-alone\n    check: inputs.all(i, i.licence.class == \"unknown\")\n    message: it has a licence\n    fix: take another\n"

// What --escalate and --collect cannot do is said at the start.
func TestServeCollectRefused(t *testing.T) {
	model := tiny(t)
	words := func(keys map[string]any) string {
		all := map[string]any{"tokenizer.chat_template": chatml, "freehold.task.labels": []string{"up", "down"}, "freehold.task.prompt": "{text}"}
		for k, v := range keys {
			all[k] = v
		}
		return edited(t, "models/qwen2.Q8_0.gguf", all)
	}
	lineless, lined := words(nil), words(map[string]any{"freehold.task.abstain_below": 0.5})
	adapted := words(map[string]any{"freehold.task.abstain_below": 0.5, "freehold.teacher.adapter.sha256": strings.Repeat("ab", 32)})
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"-m", model, "--collect", t.TempDir()}, exitUsage, "no model is a student"},
		{[]string{"-m", lineless, "--collect", t.TempDir()}, exitUsage, "--abstain-below P"},
		{[]string{"-m", lineless, "--escalate", "big=" + model}, exitUsage, "--abstain-below P"},
		{[]string{"-m", "s=" + adapted, "--escalate", "big=" + model}, exitUsage, "give it with --escalate-lora FILE"},
		{[]string{"-m", "s=" + lined, "--escalate-lora", "x"}, exitUsage, "--escalate-lora is for --escalate"},
		{[]string{"-m", "s=" + lined, "--escalate", "big=" + model, "--escalate-lora", "/does/not/exist"}, exitInput, "--escalate-lora: "},
		{[]string{"-m", "s=" + lined, "--escalate", "s=" + model}, exitUsage, "--escalate s="},
		{[]string{"-m", "s=" + lined, "--escalate", "/does/not/exist.gguf"}, exitInput, "exist.gguf"},
		{[]string{"-m", "s=" + lined, "--abstain-below", "2"}, exitUsage, "0 to 1"},
		{[]string{"-m", "s=" + lined, "--collect", t.TempDir(), "--collect-mask", "emial"}, exitUsage, `did you mean "email"`},
		{[]string{"-m", "s=" + lined, "--collect", t.TempDir(), "--collect-bytes", "0"}, exitUsage, "--collect-bytes"},
		{[]string{"-m", "s=" + lined, "--collect", file(t, "no-folder", "")}, exitInput, "no-folder"},
		{[]string{"-m", "s=" + lined, "--escalate", "big=" + model, "--policy", file(t, "p.yaml", unlicensedAlone)}, exitPolicy, "unlicensed-alone"},
	} {
		if r := freehold(t, append([]string{"serve", "--addr", "127.0.0.1:0"}, c.args...)...); r.code != c.code || !strings.Contains(r.err, c.says) {
			t.Errorf("serve %v: exit code %d, want %d with %q\n%s", c.args, r.code, c.code, c.says, r.err)
		}
	}
}
