package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// step is one step of a workflow that runs a program.
type step struct{ Name, Run string }

// workflow reads the steps of a CI job that run a program, its variables, and the folder in which they run.
func workflow(t *testing.T, system, file string) (steps []step, env map[string]string, dir string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if system == "github" {
		var w struct {
			Env  map[string]string
			Jobs map[string]struct {
				Defaults struct {
					Run struct {
						Dir string `yaml:"working-directory"`
					}
				}
				Steps []step
			}
		}
		if err := yaml.Unmarshal(b, &w); err != nil {
			t.Fatal(err)
		}
		for _, s := range w.Jobs["freehold"].Steps {
			if s.Run != "" {
				steps = append(steps, s)
			}
		}
		return steps, w.Env, w.Jobs["freehold"].Defaults.Run.Dir
	}
	var jobs map[string]struct {
		Variables map[string]string
		Script    []string
	}
	if err := yaml.Unmarshal(b, &jobs); err != nil {
		t.Fatal(err)
	}
	for name, j := range jobs {
		for _, line := range j.Script {
			steps = append(steps, step{name, line})
		}
		env = j.Variables
	}
	return steps, env, "."
}

// The CI jobs that init writes run as they stand: each of their steps in turn, in a git repository with a tiny recipe in a folder of its own. A rule that refuses
// ends the job and is in the SARIF file, a gate that is not passed ends it with exit code 4, and what did not change is not trained again.
func TestCI(t *testing.T) {
	sh, err := exec.LookPath("bash")
	_, noGit := exec.LookPath("git")
	if err != nil || noGit != nil {
		t.Skip("NOT TESTED: bash or git is missing")
	}
	for system, name := range map[string]string{"github": ".github/workflows/freehold-jobs-tiny.yml", "gitlab": ".gitlab-ci.yml"} {
		t.Run(system, func(t *testing.T) {
			root := t.TempDir()
			job := filepath.Join(root, "jobs", "tiny")
			if err := os.MkdirAll(filepath.Dir(job), 0o777); err != nil {
				t.Fatal(err)
			}
			made := recipe(t, tiny(t), "quantize: [f16, q4_0]", "quantize: []\npolicy: policy.yaml")
			if err := os.Rename(filepath.Dir(made), job); err != nil {
				t.Fatal(err)
			}
			rules := func(most string) {
				t.Helper()
				text := "version: 1\nname: few\nmode: enforce\nrules:\n  - {id: few-rows, when: [plan, train], check: data.train <= " + most + ", message: too many rows}\n"
				if err := os.WriteFile(filepath.Join(job, "policy.yaml"), []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			rules("24")
			if out, err := exec.Command("git", "init", "-q", root).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			in := call{dir: root}
			in.run(t, "init", "jobs/tiny", "--ci", system).must(t)
			in.run(t, "init", "jobs/tiny", "--ci", system).must(t) // the same again is harmless
			steps, env, dir := workflow(t, system, filepath.Join(root, filepath.FromSlash(name)))
			home := t.TempDir()
			run := func() (done string, code int, out string) {
				t.Helper()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var script []step
				if system == "gitlab" { // one shell for all lines
					all := step{}
					for _, s := range steps {
						all.Run += s.Run + "\n"
					}
					script = []step{all}
				} else {
					script = steps
				}
				for _, s := range script {
					cmd := exec.CommandContext(ctx, sh, "-e", "-c", s.Run)
					cmd.Dir = filepath.Join(root, dir)
					cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CACHE_HOME="+home, "PATH="+filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH"))
					for k, v := range env {
						cmd.Env = append(cmd.Env, k+"="+strings.ReplaceAll(v, "$CI_PROJECT_DIR", root))
					}
					b, err := cmd.CombinedOutput()
					out += string(b)
					if err != nil {
						return s.Name, cmd.ProcessState.ExitCode(), out
					}
				}
				return "", 0, out
			}
			findings := func() int {
				t.Helper()
				var d struct {
					Runs []struct {
						Results []struct {
							Locations []struct {
								PhysicalLocation struct{ ArtifactLocation struct{ URI string } }
							}
						}
					}
				}
				b, err := os.ReadFile(filepath.Join(job, "policy.sarif"))
				if err == nil {
					err = json.Unmarshal(b, &d)
				}
				if err != nil || len(d.Runs) != 1 {
					t.Fatalf("%v: %s", err, b)
				}
				for _, r := range d.Runs[0].Results {
					if at := r.Locations[0].PhysicalLocation.ArtifactLocation.URI; at != "jobs/tiny/freehold.yaml" { // from the root of the repository
						t.Errorf("a finding is about %q", at)
					}
				}
				return len(d.Runs[0].Results)
			}
			if len(steps) < 6 {
				t.Fatalf("%d steps", len(steps))
			}
			if at, code, out := run(); code != 0 || findings() != 0 || !strings.Contains(out, "no run yet") || !strings.Contains(out, "gate passed") || !strings.Contains(out, " 0 are not") {
				t.Fatalf("step %q: code %d\n%s", at, code, out)
			}
			if at, code, out := run(); code != 0 || !strings.Contains(out, "nothing to do") || strings.Contains(out, "train ...") {
				t.Fatalf("again: step %q: code %d\n%s", at, code, out)
			}
			rules("23")
			if at, code, out := run(); code != exitPolicy || system == "github" && at != "Policy" || findings() != 1 {
				t.Errorf("a rule that refuses: step %q: code %d\n%s", at, code, out)
			}
			rules("24")
			text, err := os.ReadFile(filepath.Join(job, "freehold.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(job, "freehold.yaml"), []byte(strings.Replace(string(text), `">= 0"`, `"> 1"`, 1)), 0o666); err != nil {
				t.Fatal(err)
			}
			if _, code, out := run(); code != exitGate {
				t.Errorf("a gate that is not passed: code %d\n%s", code, out)
			}
		})
	}
	if r := freehold(t, "init", t.TempDir(), "--ci", "jenkins"); r.code != exitUsage || !strings.Contains(r.err, "github, gitlab") {
		t.Errorf("code %d: %s", r.code, r.err)
	}
}

// plan --exit-code says by its exit code whether there is something to do, and its drift names each field that differs from the last run: of the recipe, the inputs, the lock,
// the program and the files.
func TestPlanDrift(t *testing.T) {
	job := recipe(t, tiny(t))
	dir := filepath.Dir(job)
	plan := func() (code int, drift map[string]string) {
		t.Helper()
		r := freehold(t, "plan", "--exit-code", "--json", job)
		d := r.document(t, "freehold/plan/1")
		if (r.code == exitToDo) != d["to_do"].(bool) {
			t.Errorf("code %d, to_do %v", r.code, d["to_do"])
		}
		drift = map[string]string{}
		for _, c := range d["drift"].(map[string]any)["changes"].([]any) {
			c := c.(map[string]any)
			drift[c["kind"].(string)+" "+c["field"].(string)] = c["was"].(string) + " -> " + c["is"].(string)
		}
		return r.code, drift
	}
	change := func(name, old, new string) {
		t.Helper()
		path := filepath.Join(dir, filepath.FromSlash(name))
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), old) {
			t.Fatalf("%s does not hold %q", name, old)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(string(b), old, new, 1)), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if code, drift := plan(); code != exitToDo || len(drift) > 0 {
		t.Errorf("before the first run: code %d, %v", code, drift)
	}
	freehold(t, "apply", job).must(t)
	if code, drift := plan(); code != exitOK || len(drift) > 0 {
		t.Errorf("after it: code %d, %v", code, drift)
	}
	if r := freehold(t, "plan", "--exit-code", job).must(t); !strings.Contains(r.out, "nothing to do: ") {
		t.Errorf("%s", r.out)
	}
	for _, c := range []struct {
		name, old, new string
		want           map[string]string // a part of what is said of each field
	}{
		{"freehold.yaml", "batch: 4", "batch: 6", map[string]string{"recipe train.batch": "4 -> 6", "lock key": " -> "}},
		{"freehold.yaml", ", warmup: 1", "", map[string]string{"recipe train.warmup": "1 -> 20", "lock key": " -> "}},
		{"train.jsonl", "row 3 is", "row three is", map[string]string{"input data file train train.jsonl": "24 rows -> sha256", "input rows": "sha256", "lock key": " -> "}},
		{"runs/001/summary.json", `"gate"`, `"goat"`, map[string]string{"output summary.json": "changed: sha256"}},
		{"runs/001/lock.json", `"teacher_sha256": "`, `"teacher_sha256": "0`, map[string]string{"input teacher": "sha256 0", "output lock.json": "changed"}},
	} {
		change(c.name, c.old, c.new)
		code, drift := plan()
		if code != exitToDo || len(drift) != len(c.want) {
			t.Errorf("%s: code %d, %v, want %v", c.new, code, drift, c.want)
		}
		for field, says := range c.want {
			if !strings.Contains(drift[field], says) {
				t.Errorf("%s: %s: %q, want %q", c.new, field, drift[field], says)
			}
		}
		if c.new == "" {
			change(c.name, "save_every: 2", "save_every: 2, warmup: 1")
		} else {
			change(c.name, c.new, c.old)
		}
	}
	if code, drift := plan(); code != exitOK || len(drift) > 0 {
		t.Errorf("put back: code %d, %v", code, drift)
	}
	other := filepath.Join(t.TempDir(), "freehold") // the same program with a byte more is another one
	b, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, append(b, 0), 0o777); err != nil {
		t.Fatal(err)
	}
	cmd := call{}.command(t, t.Context(), "plan", "--exit-code", job)
	cmd.Path = other
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "program   binary") || !strings.Contains(string(out), "nothing to do") {
		t.Errorf("another program: %v\n%s", err, out)
	}
}
