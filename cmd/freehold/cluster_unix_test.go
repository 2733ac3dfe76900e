//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/goccy/go-yaml"
)

// longRecipe is a recipe with some dozen shards to label.
func longRecipe(t *testing.T, model string, edits ...string) string {
	t.Helper()
	job := recipe(t, model, edits...)
	var rows strings.Builder
	for i := range 20 * 128 {
		fmt.Fprintf(&rows, "{\"text\": \"train row %d is here\", \"label\": %q}\n", i, []string{"no", "yes"}[i%2])
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(job), "train.jsonl"), []byte(rows.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	return job
}

// copied is a recipe with its data in a folder of its own.
func copied(t *testing.T, job string) string {
	t.Helper()
	dir := t.TempDir()
	files, err := os.ReadDir(filepath.Dir(job))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.IsDir() {
			continue
		}
		b, err := os.ReadFile(filepath.Join(filepath.Dir(job), f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, f.Name()), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, filepath.Base(job))
}

// sameRun holds the shards and the model of a recipe's first run against those of another's.
func sameRun(t *testing.T, first, second string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(filepath.Dir(first), "runs", "001", "labels", "*"))
	if err != nil || len(names) < 2 {
		t.Fatalf("%v shards: %v", len(names), err)
	}
	for _, name := range append(names, filepath.Join(filepath.Dir(first), "runs", "001", "model.gguf")) {
		rel, err := filepath.Rel(filepath.Dir(first), name)
		if err != nil {
			t.Fatal(err)
		}
		a, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(filepath.Dir(second), rel)); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s is another (%v)", rel, err)
		}
	}
	if r := freehold(t, "verify", filepath.Join(filepath.Dir(second), "runs", "001")); r.code != 0 || strings.Contains(r.out, "added") {
		t.Errorf("verify: exit code %d\n%s%s", r.code, r.out, r.err)
	}
}

// A worker that is told to stop gives back what it was at and ends with 75; the same command goes on, and mistakes have their exit codes.
func TestWorkerStops(t *testing.T) {
	model := tiny(t)
	job := longRecipe(t, model)
	dir := filepath.Dir(job)
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		cmd := call{}.command(t, t.Context(), "worker", dir, "--threads", "1")
		var errOut bytes.Buffer
		cmd.Stderr = &errOut
		start(t, cmd)
		waitFor(t, func() bool {
			claims, _ := filepath.Glob(filepath.Join(dir, "runs", "001", "claims", "*.claim"))
			return len(claims) > 0
		})
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		cmd.Wait() //nolint:errcheck // the code is what is looked at
		if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || !strings.Contains(errOut.String(), "run the same command again") {
			t.Errorf("%v: exit code %d, want %d\n%s", s, code, exitInterrupted, errOut.String())
		}
		for _, left := range []string{"*.claim", "*.alive"} {
			if files, _ := filepath.Glob(filepath.Join(dir, "runs", "001", "claims", left)); files != nil {
				t.Errorf("%v: left are %v", s, files)
			}
		}
	}
	r := freehold(t, "worker", dir, "--json", "--part", "1/2").must(t).document(t, "freehold/worker/1")
	if r["all"] != 21.0 || r["missing"].(float64) < 1 {
		t.Errorf("%v", r)
	}
	if r := freehold(t, "worker", filepath.Join(dir, "runs", "latest")).must(t); !strings.Contains(r.out, " of 21 shards in ") || !strings.Contains(r.out, " 0 of all are missing") {
		t.Errorf("%s", r.out)
	}
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{exitUsage, "want I/N with I from 0 to N-1", []string{"worker", job, "--part", "2/2"}},
		{exitUsage, "--take-over", []string{"worker", job, "--take-over", "1ms"}},
		{exitUsage, "--take-over", []string{"apply", job, "--take-over", "-1s"}},
		{exitUsage, "--inputs is for a run's folder", []string{"worker", job, "--inputs", dir}},
		{exitInput, "nothing-there", []string{"worker", filepath.Join(dir, "nothing-there")}},
		{exitInput, "freehold.yaml", []string{"worker", filepath.Join(dir, "runs")}},
		{exitUsage, "--time", []string{"slurm", job, "--time", "soon"}},
		{exitUsage, "--sbatch", []string{"slurm", job, "--sbatch", "--wrap=a b"}},
		{exitUsage, "--tasks", []string{"slurm", job, "--tasks", "0"}},
		{exitUsage, "--cpus", []string{"k8s", job, "--cpus", "0"}},
		{exitUsage, "--image", []string{"k8s", job, "--image", "a b"}},
		{exitUsage, "--claim", []string{"k8s", job, "--claim", "A"}},
		{exitUsage, "outside the recipe's folder", []string{"k8s", job}}, // the tiny model has an absolute path
	} {
		if r := freehold(t, c.args...); r.code != c.code || !strings.Contains(r.err, c.want) || r.out != "" {
			t.Errorf("%v: exit code %d, want %d and %q\n%s%s", c.args, r.code, c.code, c.want, r.out, r.err)
		}
	}
}

// fakeSlurm writes commands that note how they are called: sbatch gives ids, squeue says that a job runs, scontrol ends the script that asks to be queued again, as Slurm does.
func fakeSlurm(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{
		"sbatch":   `n=$(($(cat "$DIR/n" 2>/dev/null || echo 40) + 1)); echo $n > "$DIR/n"; echo "sbatch $*" >> "$DIR/log"; echo "$n;cluster"`,
		"squeue":   `echo "${STATE:-RUNNING}"`,
		"scontrol": `echo "scontrol $*" >> "$DIR/log"; kill -9 $PPID`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\nDIR="+dir+"\n"+text+"\n"), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// What slurm prints submits itself, and its tasks, started as Slurm starts them, make the run that one machine makes: labelling by parts, then the rest, which is told to stop before its
// time is over, saves, is queued again and goes on. A job that was cancelled is not queued again.
func TestSlurm(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("NOT TESTED: bash is missing")
	}
	model := tiny(t)
	whole := longRecipe(t, model, "steps: 6", "steps: 2000", "save_every: 2", "save_every: 50")
	freehold(t, "apply", whole).must(t)
	job := copied(t, whole)
	text := freehold(t, "slurm", job, "--tasks", "3", "--cpus", "1", "--time", "1-12", "--sbatch=--partition=cpu").must(t).out
	for _, want := range []string{"#SBATCH --signal=B:TERM@120\n", "#SBATCH --time=1-12\n", "#SBATCH --partition=cpu\n", "#SBATCH --cpus-per-task=1\n", "#SBATCH --requeue\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the script lacks %q", want)
		}
	}
	fake, script := fakeSlurm(t), filepath.Join(t.TempDir(), "it's a job.sh")
	if err := os.WriteFile(script, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	log := func() string {
		b, _ := os.ReadFile(filepath.Join(fake, "log")) //nolint:errcheck // not there yet
		os.Remove(filepath.Join(fake, "log"))           //nolint:errcheck
		return string(b)
	}
	// task runs the script as a job does.
	task := func(stage string, env ...string) *exec.Cmd {
		cmd := exec.Command(bash, script, stage)
		if stage == "" {
			cmd.Args = cmd.Args[:2]
		}
		cmd.Env = append(os.Environ(), append(env, "PATH="+fake+":"+os.Getenv("PATH"), "SLURM_CPUS_PER_TASK=1", "SLURM_JOB_ID=77", "FREEHOLD_HOME="+t.TempDir())...)
		return cmd
	}
	if out, err := task("").CombinedOutput(); err != nil || !strings.Contains(string(out), "labelling is job 41, the rest job 42") {
		t.Fatalf("%v: %s", err, out)
	}
	want := fmt.Sprintf("sbatch --parsable --job-name=tiny-label --array=0-2 %[1]s label\nsbatch --parsable --job-name=tiny-rest --kill-on-invalid-dep=yes --dependency=afterok:41 %[1]s rest\n", script)
	if got := log(); got != want {
		t.Errorf("submitted is\n%swant\n%s", got, want)
	}
	var tasks sync.WaitGroup
	for i := range 3 {
		tasks.Go(func() {
			if out, err := task("label", fmt.Sprintf("SLURM_ARRAY_TASK_ID=%d", i)).CombinedOutput(); err != nil || !strings.Contains(string(out), "labelled 7 of 21 shards") {
				t.Errorf("task %d: %v\n%s", i, err, out)
			}
		})
	}
	tasks.Wait()
	// stop tells the script alone, as B: does, when some steps are done.
	metrics := filepath.Join(filepath.Dir(job), "runs", "001", "metrics.jsonl")
	stop := func(more int, env ...string) (string, int) {
		cmd := task("rest", env...)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		b, _ := os.ReadFile(metrics) //nolint:errcheck // not there yet
		steps := bytes.Count(b, []byte("\n"))
		start(t, cmd)
		waitFor(t, func() bool {
			b, _ := os.ReadFile(metrics) //nolint:errcheck // not there yet
			return bytes.Count(b, []byte("\n")) > steps+more
		})
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		cmd.Wait() //nolint:errcheck // the code is what is looked at
		return out.String(), cmd.ProcessState.ExitCode()
	}
	if out, code := stop(20); code != -1 || !strings.Contains(out, "everything done so far is kept") { // the fake scontrol has killed it
		t.Errorf("exit code %d\n%s", code, out)
	}
	if got := log(); got != "scontrol requeue 77\n" {
		t.Errorf("after the signal: %q", got)
	}
	if out, code := stop(20, "STATE=COMPLETING"); code != exitInterrupted || log() != "" {
		t.Errorf("a cancelled job: exit code %d\n%s", code, out)
	}
	if out, err := task("rest").CombinedOutput(); err != nil || !strings.Contains(string(out), "gate passed") {
		t.Fatalf("%v: %s", err, out)
	}
	sameRun(t, whole, job)
	if out, err := task("nonsense").CombinedOutput(); err == nil || !strings.Contains(string(out), "unknown stage") {
		t.Errorf("%v: %s", err, out)
	}
}

// With replicas an array of tasks trains beside the last job, each started as Slurm starts it; all make the run that one machine makes.
func TestSlurmReplicas(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("NOT TESTED: bash is missing")
	}
	whole := longRecipe(t, tiny(t), "steps: 6", "steps: 24, outer: {replicas: 3, inner_steps: 2}")
	freehold(t, "apply", whole).must(t)
	job := copied(t, whole)
	fake, script := fakeSlurm(t), filepath.Join(t.TempDir(), "job.sh")
	if err := os.WriteFile(script, []byte(freehold(t, "slurm", job, "--tasks", "1", "--cpus", "1").must(t).out), 0o666); err != nil {
		t.Fatal(err)
	}
	task := func(stage ...string) *exec.Cmd {
		cmd := exec.Command(bash, append([]string{script}, stage...)...)
		cmd.Env = append(os.Environ(), "PATH="+fake+":"+os.Getenv("PATH"), "SLURM_CPUS_PER_TASK=1", "SLURM_JOB_ID=77", "SLURM_ARRAY_TASK_ID=0", "FREEHOLD_HOME="+t.TempDir())
		return cmd
	}
	if out, err := task().CombinedOutput(); err != nil || !strings.Contains(string(out), "labelling is job 41, the rest job 43") {
		t.Fatalf("%v: %s", err, out)
	}
	log, err := os.ReadFile(filepath.Join(fake, "log"))
	if want := fmt.Sprintf("sbatch --parsable --job-name=tiny-train --array=0-1 --kill-on-invalid-dep=yes --dependency=afterok:41 %s train\n", script); err != nil || !strings.Contains(string(log), want) {
		t.Errorf("submitted is\n%swant in it\n%s(%v)", log, want, err)
	}
	if out, err := task("label").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var all sync.WaitGroup
	for _, stage := range []string{"train", "train", "rest"} {
		all.Go(func() {
			if out, err := task(stage).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", stage, err, out)
			}
		})
	}
	all.Wait()
	sameRun(t, whole, job)
}

// The pods of what k8s prints, all started at once as a cluster starts them, make the run that one machine makes; with replicas some train beside the last.
func TestKubernetesJobs(t *testing.T) {
	model := tiny(t)
	whole := longRecipe(t, model, "steps: 6", "steps: 24, outer: {replicas: 3, inner_steps: 2}")
	freehold(t, "apply", whole).must(t)
	job := copied(t, whole)
	dir := filepath.Dir(job)
	b, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(job)
	if err != nil {
		t.Fatal(err)
	}
	for path, b := range map[string][]byte{filepath.Join(dir, "model.gguf"): b, job: []byte(strings.ReplaceAll(string(text), model, "model.gguf"))} {
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	type manifest struct {
		Kind     string
		Metadata struct{ Name string }
		Spec     struct {
			Mode     string `yaml:"completionMode"`
			Count    int    `yaml:"completions"`
			Template struct {
				Spec struct {
					Restart    string `yaml:"restartPolicy"`
					Containers []struct {
						Args []string
						Env  []struct{ Name, Value string }
					}
				}
			}
		}
	}
	var pods []*exec.Cmd
	for part := range strings.SplitSeq(freehold(t, "k8s", job, "--tasks", "3", "--cpus", "1").must(t).out, "\n---\n") {
		var m manifest
		if err := yaml.Unmarshal([]byte(part), &m); err != nil {
			t.Fatal(err)
		}
		if m.Kind != "Job" {
			continue
		}
		pod := m.Spec.Template.Spec
		if len(pod.Containers) != 1 || pod.Restart != "Never" || len(pod.Containers[0].Env) != 1 {
			t.Fatalf("%s: %+v", m.Metadata.Name, pod)
		}
		for i := range max(1, m.Spec.Count) {
			var args []string
			for _, a := range pod.Containers[0].Args {
				if m.Spec.Mode == "Indexed" {
					a = strings.ReplaceAll(a, "$(JOB_COMPLETION_INDEX)", fmt.Sprint(i))
				}
				args = append(args, strings.ReplaceAll(a, "/job/", dir+"/"))
			}
			cmd := exec.Command(binary, args...)
			env := pod.Containers[0].Env[0]
			cmd.Env = []string{env.Name + "=" + strings.ReplaceAll(env.Value, "/job/", dir+"/")}
			cmd.Dir = "/"
			pods = append(pods, cmd)
		}
	}
	if len(pods) != 6 {
		t.Fatalf("%d pods, want 6", len(pods))
	}
	var all sync.WaitGroup
	for _, cmd := range pods {
		all.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %v\n%s", cmd.Args, err, out)
			}
		})
	}
	all.Wait()
	alone := copied(t, job)
	freehold(t, "apply", alone).must(t)
	sameRun(t, alone, job)
}

// Any number of workers beside apply, on one folder: their figures add up, and the run says who helped.
func TestWorkersBesideApply(t *testing.T) {
	model := tiny(t)
	job := longRecipe(t, model)
	alone := copied(t, job)
	freehold(t, "apply", alone).must(t)
	dir := filepath.Dir(job)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	worker := call{}.command(t, ctx, "worker", dir, "--threads", "1")
	start(t, worker)
	waitFor(t, func() bool {
		done, _ := filepath.Glob(filepath.Join(dir, "runs", "001", "labels", "*.jsonl"))
		return len(done) > 2
	})
	freehold(t, "apply", job, "--threads", "1").must(t)
	if err := worker.Wait(); err != nil {
		t.Error(err)
	}
	sameRun(t, alone, job)
	if r := freehold(t, "show", "--lineage", filepath.Join(dir, "runs", "001")).must(t); !regexp.MustCompile(`(?m)^\s+with\s+freehold .* threads: [0-9]+ shards$`).MatchString(r.out) {
		t.Errorf("the lineage does not name the worker:\n%s", r.out)
	}
}
