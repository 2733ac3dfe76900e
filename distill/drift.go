package distill

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/distill/lineage"
)

// Drift is what differs between a recipe as it is now and a run that it was compared with.
type Drift struct {
	Run     string   `json:"run"` // folder; "" = there is no run yet
	Changes []Change `json:"changes"`
}

// Change is one field that differs.
type Change struct {
	Kind  string `json:"kind"`  // recipe, input, lock, program, output
	Field string `json:"field"` // key of the recipe, role of an input, name of a file ...
	Was   string `json:"was"`
	Is    string `json:"is"`
}

// Counts tells whether a change asks for something to be done. Another program alone does not: runs are the same bits whatever computed them, and
// verify --reproduce is what shows it.
func (c Change) Counts() bool { return c.Kind != "program" }

// absent stands for a value that is not there.
const absent = "(none)"

// drift compares the job with its own run, where that was begun, else with the newest one.
func (j *Job) drift() (*Drift, error) {
	d := &Drift{Changes: []Change{}}
	latest, err := latestRun(filepath.Join(j.opt.RunsDir, "latest"))
	if err != nil {
		latest = ""
	}
	dir := j.dir
	lock, err := readLock(dir)
	if errors.Is(err, fs.ErrNotExist) && latest != "" {
		dir = filepath.Join(j.opt.RunsDir, latest)
		lock, err = readLock(dir)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	d.Run = dir
	if err != nil {
		d.add("lock", "lock.json", "unreadable: "+errText(err), j.key)
		return d, nil
	}
	if dir == j.dir {
		d.add("lock", "runs/latest", latest, filepath.Base(j.dir))
	}
	was, is, err := j.recipes(dir)
	if err != nil { // of another release, or damaged
		d.add("recipe", "recipe.yaml", "unreadable: "+errText(err), j.recipe.file)
	}
	for _, key := range slices.Compact(slices.Sorted(func(yield func(string) bool) { maps.Keys(was)(yield); maps.Keys(is)(yield) })) {
		d.add("recipe", key, was[key], is[key])
	}
	if err := j.inputDrift(d, dir, lock); err != nil {
		return nil, err
	}
	d.add("lock", "key", lock.Key, j.key)
	return d, j.outputDrift(d, dir)
}

// add notes a field whose values differ; an empty value is one that is not there.
func (d *Drift) add(kind, field, was, is string) {
	if was == is {
		return
	}
	for _, v := range []*string{&was, &is} {
		if *v == "" {
			*v = absent
		}
	}
	d.Changes = append(d.Changes, Change{kind, field, was, is})
}

// recipes are the fields of the recipe that a run was made from and of the one of today, as JSON by their dotted keys. Those that no stage reads are left out.
func (j *Job) recipes(dir string) (was, is map[string]string, err error) {
	var m struct {
		Recipe any `json:"recipe"`
	}
	b, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil { // unfinished, or damaged: what was typed is left
		file := filepath.Join(dir, "recipe.yaml")
		if b, err = os.ReadFile(file); err != nil {
			return nil, nil, &DataError{File: file, Msg: "cannot be read: " + errText(err)}
		}
		old, err := ParseRecipe(file, b)
		if err != nil {
			return nil, nil, err
		}
		if m.Recipe, err = asJSON(old); err != nil {
			return nil, nil, err
		}
	}
	now, err := asJSON(j.recipe)
	if err != nil {
		return nil, nil, err
	}
	was, is = map[string]string{}, map[string]string{}
	flatten("", m.Recipe, was)
	flatten("", now, is)
	for _, fields := range []map[string]string{was, is} {
		maps.DeleteFunc(fields, func(key, _ string) bool { return key == "task.prompts" || changesNoAnswer(key) })
	}
	return was, is, nil
}

func asJSON(v any) (out any, err error) {
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	return out, err
}

// flatten enters what is no object by its dotted key.
func flatten(key string, v any, to map[string]string) {
	if m, ok := v.(map[string]any); ok {
		for k, x := range m {
			flatten(strings.TrimPrefix(key+"."+k, "."), x, to)
		}
		return
	}
	b, _ := json.Marshal(v) // it came from JSON
	to[key] = string(b)
}

// inputDrift compares what goes in: models, files of data, policy, the unit that trains.
func (j *Job) inputDrift(d *Drift, dir string, lock lockFile) error {
	sum := func(s string) string {
		if s == "" {
			return ""
		}
		return "sha256 " + s
	}
	d.add("input", "teacher", sum(lock.Teacher), sum(j.teacher.sha256))
	for i := range max(len(lock.Others), len(j.others)) {
		both := [2]string{}
		for k, sums := range [][]string{lock.Others, j.ensembleHashes()} {
			if i < len(sums) {
				both[k] = sum(sums[i])
			}
		}
		d.add("input", fmt.Sprintf("teacher %d", i+2), both[0], both[1])
	}
	d.add("input", "student base", sum(lock.Base), sum(j.base.sha256))
	chain, _ := lineage.Read(filepath.Join(dir, lineage.Name)) // verification says what is wrong with it
	if e := lineage.Last(chain, inputsStage); e != nil && lock.Data != j.data.Hash {
		now, err := j.origins()
		if err != nil {
			return err
		}
		files := map[string][2]string{}
		for i, items := range [][]lineage.Item{e.In, now} {
			for _, it := range items {
				if it.Kind == "data" {
					name := strings.TrimSpace(it.Role + " " + it.Name)
					both := files[name]
					both[i] = fmt.Sprintf("sha256 %s, %d rows", it.SHA256, it.Rows)
					files[name] = both
				}
			}
		}
		for _, name := range sortedKeys(files) {
			d.add("input", "data file "+name, files[name][0], files[name][1])
		}
	}
	d.add("input", "rows", sum(lock.Data), sum(j.data.Hash))
	d.add("input", "maker of rows", sum(lock.Maker), sum(j.maker.sha256))
	policy := ""
	if j.policy != nil {
		policy = j.policy.SHA256
	}
	d.add("input", "policy", sum(lock.Policy), sum(policy))
	return nil
}

// outputDrift compares a finished run's files with its manifest, and who made them with the program that runs.
func (j *Job) outputDrift(d *Drift, dir string) error {
	var m Manifest
	b, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err == nil && json.Unmarshal(b, &m) == nil {
		d.add("input", "unit of training", m.Precision, j.precision())
	}
	v, err := Verify(dir)
	if errors.Is(err, fs.ErrNotExist) { // unfinished: its stages are to do
		return nil
	}
	if err != nil {
		return err
	}
	for _, c := range v.Bad() {
		d.Changes = append(d.Changes, Change{"output", c.Name, "as the run wrote it", strings.TrimSuffix(c.State+": "+c.Note, ": ")})
	}
	chain, _ := lineage.Read(filepath.Join(dir, lineage.Name))
	e := lineage.Last(chain, "train")
	if e == nil {
		return nil
	}
	now, err := lineage.Program()
	if err != nil {
		return err
	}
	d.add("program", "version", e.By.Version, now.Version)
	d.add("program", "commit", e.By.Commit, now.Commit)
	d.add("program", "binary", "sha256 "+e.By.Binary, "sha256 "+now.Binary)
	d.add("program", "go", e.By.Go, now.Go)
	d.add("program", "platform", e.By.Platform, now.Platform)
	return nil
}

// fullHash is a sha256, of which people are shown the beginning.
var fullHash = regexp.MustCompile(`\b([0-9a-f]{12})[0-9a-f]{52}\b`)

// text is what the plan says of it.
func (d *Drift) text(toDo bool) string {
	if d == nil || d.Run == "" {
		return "\n  no run yet: all of it is to do\n"
	}
	var b strings.Builder
	if len(d.Changes) > 0 {
		fmt.Fprintf(&b, "\n  differs from %s:\n", d.Run)
	}
	short := func(s string) string { return fullHash.ReplaceAllString(s, "$1") }
	for _, c := range d.Changes {
		fmt.Fprintf(&b, "  %-9s %-30s %s -> %s\n", c.Kind, c.Field, short(c.Was), short(c.Is))
	}
	if !toDo {
		fmt.Fprintf(&b, "\n  nothing to do: %s is this recipe's run, and its files are whole\n", d.Run)
	}
	return b.String()
}
