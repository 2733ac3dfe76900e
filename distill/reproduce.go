package distill

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/distill/lineage"
)

// Reproduction is what a second run of a recipe gave beside the first.
type Reproduction struct {
	Files   []FileCheck   `json:"files"` // state: equal, differs, missing, added, or left out (of the comparison, with the reason)
	First   lineage.Maker `json:"first"` // who ran the training then, and now
	Second  lineage.Maker `json:"second"`
	Seconds float64       `json:"seconds"`
	Labels  string        `json:"labels,omitempty"` // of a remote teacher: that they were taken as they are
}

// Different lists what the second run made otherwise, in the order of the stages: the first explains those after it.
func (r *Reproduction) Different() []FileCheck {
	return slices.DeleteFunc(slices.Clone(r.Files), func(c FileCheck) bool { return c.State == "equal" || c.State == "left out" })
}

// Equal counts the files that are the same in both.
func (r *Reproduction) Equal() (n int) {
	for _, c := range r.Files {
		if c.State == "equal" {
			n++
		}
	}
	return n
}

// clocked are the files of a run in which the machine and its clock leave something: what is compared of them (nil = nothing), and why.
// Everything else is compared by its sha256.
var clocked = map[string]struct {
	why  string
	rest func([]byte) (any, error)
}{
	"summary.json":                         {"without seconds, rows_per_s, speed_ratio, energy, cost, cpu_level and threads", timeless},
	"papers/eu-technical-documentation.md": {"without the CPU level", anyLevel},
	"eval/ladder.json":                     {"without rows_per_s", timelessLadder},
	lineage.Name:                           {"entry by entry, without who ran it and the hashes over that", bodies},
	"report.html":                          {"draws the other files and says how long the stages took", nil},
	manifestName:                           {"holds the hashes of files with clock times, and the machine", nil},
	sumsName:                               {"holds the hashes of files with clock times", nil},
}

// timeless is a summary without what was measured by the clock.
func timeless(b []byte) (any, error) {
	var s Summary
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, err
	}
	for i := range s.Ladder {
		s.Ladder[i].RowsPerS = 0
	}
	s.Energy, s.Cost, s.Student.JoulesPerRow, s.Teacher.JoulesPerRow = nil, nil, nil, nil
	if s.Remote != nil { // by prices, which change no answer
		s.Remote.Spent.Cost = 0
	}
	s.Seconds, s.CPULevel, s.Threads, s.Gate, s.Student.RowsPerS, s.Teacher.RowsPerS = nil, "", 0, "", 0, 0
	delete(s.Metrics, "speed_ratio")
	s.Gates = slices.DeleteFunc(s.Gates, func(v Verdict) bool { return v.Metric == "speed_ratio" })
	again, err := json.Marshal(s)
	return string(again), err
}

// timelessLadder is a ladder without its speeds.
func timelessLadder(b []byte) (any, error) {
	var f ladderFile
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, err
	}
	for i := range f.Ladder {
		f.Ladder[i].RowsPerS = 0
	}
	again, err := json.Marshal(f)
	return string(again), err
}

// anyLevel is a paper without the line that names the CPU level.
func anyLevel(b []byte) (any, error) {
	lines := strings.Split(string(b), "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "| "+levelField+" |") }), "\n"), nil
}

// bodies are what the newest entry of each stage says but for its maker.
func bodies(b []byte) (any, error) {
	chain, err := lineage.Parse(b)
	all := map[string]any{}
	for _, name := range append([]string{inputsStage}, StageNames()...) {
		if e := lineage.Last(chain, name); e != nil {
			all[name] = e.Body()
		}
	}
	return all, err
}

// IncomparableError says why a run cannot be repeated here to the bit.
type IncomparableError struct{ Msg string }

func (e *IncomparableError) Error() string { return e.Msg }

// Reproduce runs a finished run's recipe again, in a folder of its own that is removed in the end, and compares every file. The recipe
// is that of the run folder, whose relative paths begin at the folder inputs ("" = the one that holds runs/); models and data must
// be those of its lock file, else what differs is all that is said. The run should have been verified.
func Reproduce(ctx context.Context, dir, inputs string, o Options) (*Reproduction, error) {
	dir, err := RunFolder(dir)
	if err != nil {
		return nil, err
	}
	var m Manifest
	b, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		return nil, &DataError{File: filepath.Join(dir, manifestName), Msg: errText(err), Fix: "only a finished run can be repeated: freehold apply"}
	}
	first, err := lineage.Read(filepath.Join(dir, lineage.Name))
	if err != nil {
		return nil, err
	}
	if o.RunsDir, err = os.MkdirTemp("", "freehold-again-"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(o.RunsDir)
	o.Run, o.Offline = filepath.Base(dir), true
	j, err := jobOfRun(ctx, dir, inputs, o)
	if err != nil {
		return nil, err
	}
	if got := j.precision(); got != m.Precision {
		return nil, &IncomparableError{fmt.Sprintf("%s was trained in %s, and here it would be in %s: equal bits are promised within one unit, and for f32 on all (--cpu chooses a level)", dir, m.Precision, got)}
	}
	r := &Reproduction{}
	if r.lock(dir, j) {
		return r, nil
	}
	if j.teacher.remote != nil {
		if err := j.takeAnswers(dir); err != nil {
			return nil, err
		}
		r.Labels = fmt.Sprintf("the labels are answers of %s at %s, which another time may be others: they are an input here and were taken as they are, not asked for again", j.teacher.Name, j.teacher.remote)
	}
	// A gate on speed is judged by the clock, so it may not decide which stages run.
	j.recipe.Eval.Gates = maps.Clone(j.recipe.Eval.Gates)
	delete(j.recipe.Eval.Gates, "speed_ratio")
	sum, err := j.Apply(ctx, Stages{})
	var gate *GateError
	if err != nil && !errors.As(err, &gate) {
		return nil, err
	}
	for _, s := range sum.Seconds {
		r.Seconds += s
	}
	second, err := lineage.Read(filepath.Join(j.dir, lineage.Name))
	if err != nil {
		return nil, err
	}
	if a, b := lineage.Last(first, "train"), lineage.Last(second, "train"); a != nil && b != nil {
		r.First, r.Second = a.By, b.By
	}
	err = r.compare(dir, j.dir, first)
	if j.teacher.remote != nil {
		r.leaveOutAnswers()
	}
	return r, err
}

// recipeOfRun is a run folder's recipe, whose paths begin at the folder inputs, or at the one that holds runs/.
func recipeOfRun(dir, inputs string) (*Recipe, error) {
	file := filepath.Join(dir, "recipe.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	recipe, err := ParseRecipe(file, text)
	if err != nil {
		return nil, err
	}
	if recipe.dir = inputs; inputs == "" {
		recipe.dir = filepath.Dir(filepath.Dir(dir))
	}
	return recipe, recipe.openBundle()
}

// jobOfRun is a run folder's recipe as a job.
func jobOfRun(ctx context.Context, dir, inputs string, o Options) (*Job, error) {
	recipe, err := recipeOfRun(dir, inputs)
	if err != nil {
		return nil, err
	}
	j, err := NewJob(ctx, recipe, o)
	if errors.Is(err, fs.ErrNotExist) && inputs == "" {
		err = fmt.Errorf("%w (the recipe's paths begin at %s; --inputs names another folder)", err, recipe.dir)
	}
	return j, err
}

// lock compares the inputs with those that the run was locked to, and tells whether one is another.
func (r *Reproduction) lock(dir string, j *Job) bool {
	was, err := readLock(dir)
	if err != nil {
		r.Files = append(r.Files, FileCheck{"lock.json", "differs", errText(err)})
		return true
	}
	for _, in := range []struct{ what, was, is string }{{"the teacher's file", was.Teacher, j.teacher.sha256}, {"the other teachers' files", strings.Join(was.Others, " "), strings.Join(j.ensembleHashes(), " ")}, {"the student base's file", was.Base, j.base.sha256},
		{"the data", was.Data, j.data.Hash}, {"recipe, bf16 unit or reading of the data", was.Key, j.key}} {
		if in.was != in.is {
			r.Files = append(r.Files, FileCheck{"lock.json", "differs", fmt.Sprintf("%s is another: hash %s, was %s; nothing was run", in.what, in.is, in.was)})
			return true
		}
	}
	return false
}

// compare holds the files of two runs against each other: first what the stages made, in their order, then the rest, then checkpoints.
func (r *Reproduction) compare(first, second string, chain []lineage.Entry) error {
	var order []string
	for _, e := range chain {
		for _, it := range e.Out {
			order = append(order, strings.TrimSuffix(it.Name, "/"))
		}
	}
	stage := func(name string) int {
		at := slices.IndexFunc(order, func(o string) bool { return name == o || strings.HasPrefix(name, o+"/") })
		if at < 0 {
			return len(order)
		}
		return at
	}
	names, sides := []string{manifestName, sumsName}, [2]map[string]bool{{}, {}}
	for i, dir := range []string{first, second} {
		all, err := runFiles(dir)
		if err != nil {
			return err
		}
		steps, err := checkpoints(filepath.Join(dir, "checkpoints"))
		if err != nil {
			return err
		}
		for _, n := range steps {
			all = append(all, "checkpoints/"+checkpointName(n)+".gguf", "checkpoints/"+checkpointName(n)+".json")
		}
		for _, n := range all {
			sides[i][n] = true
		}
		names = append(names, all...)
	}
	var m Manifest
	if b, err := os.ReadFile(filepath.Join(first, manifestName)); err != nil || json.Unmarshal(b, &m) != nil {
		return fmt.Errorf("%s: cannot be read: %v", manifestName, err)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	slices.SortStableFunc(names, func(a, b string) int { return stage(a) - stage(b) })
	for _, name := range names {
		_, known := m.Files[name]
		switch kept := strings.HasPrefix(name, "checkpoints/"); {
		case kept && !(sides[0][name] && sides[1][name]):
			// which of the earlier ones are kept rests on interruptions
		case sides[0][name] && !sides[1][name] && !known:
			// somebody's own file
		case sides[0][name] && !sides[1][name]:
			r.Files = append(r.Files, FileCheck{name, "missing", "the second run did not write it"})
		case sides[1][name] && !sides[0][name]:
			r.Files = append(r.Files, FileCheck{name, "added", "the first run did not write it"})
		default:
			c, err := same(name, filepath.Join(first, filepath.FromSlash(name)), filepath.Join(second, filepath.FromSlash(name)))
			if err != nil {
				return err
			}
			r.Files = append(r.Files, c)
		}
	}
	return nil
}

// same compares a file of two runs.
func same(name, first, second string) (FileCheck, error) {
	how, partly := clocked[name]
	if partly && how.rest == nil {
		return FileCheck{name, "left out", how.why}, nil
	}
	var text [2][]byte
	var rest [2]any
	for i, path := range []string{first, second} {
		if !partly {
			h, err := hashed(path)
			if err != nil {
				return FileCheck{}, err
			}
			rest[i] = h.SHA256
			continue
		}
		var err error
		if text[i], err = os.ReadFile(path); err == nil {
			rest[i], err = how.rest(text[i])
		}
		if err != nil {
			return FileCheck{}, err
		}
	}
	switch {
	case reflect.DeepEqual(rest[0], rest[1]) && partly && !bytes.Equal(text[0], text[1]):
		return FileCheck{name, "equal", how.why}, nil
	case reflect.DeepEqual(rest[0], rest[1]):
		return FileCheck{Name: name, State: "equal"}, nil
	case partly:
		return FileCheck{name, "differs", "compared " + how.why}, nil
	}
	return FileCheck{name, "differs", fmt.Sprintf("sha256 is %s, was %s", rest[1], rest[0])}, nil
}
