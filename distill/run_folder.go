package distill

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// lockFile pins the inputs of a run.
type lockFile struct {
	Schema  string   `json:"schema"`
	Key     string   `json:"key"`
	Teacher string   `json:"teacher_sha256"`
	Others  []string `json:"ensemble_sha256,omitempty"` // further teachers
	Base    string   `json:"student_base_sha256"`
	Data    string   `json:"data_sha256"`
	Policy  string   `json:"policy_sha256,omitempty"`
	Maker   string   `json:"augment_sha256,omitempty"` // model that makes rows
}

// chooseRun opens the newest run folder with this job's key, or makes the next one. A run that is asked for by name
// must have this job's key or be new; "latest" is what runs/latest points at.
func (j *Job) chooseRun() error {
	if j.opt.Run != "" {
		return j.namedRun(j.opt.Run)
	}
	if j.joinRun() {
		return nil
	}
	names, err := os.ReadDir(j.opt.RunsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	next, mine := 1, 0
	for _, e := range names {
		n, err := strconv.Atoi(e.Name())
		if err != nil || !e.IsDir() || runName(n) != e.Name() {
			continue
		}
		dir := filepath.Join(j.opt.RunsDir, e.Name())
		begun := !unstarted(dir) // looked at first: another job may be writing the lock right now
		if lock, err := readLock(dir); err == nil && lock.Key == j.key {
			mine = max(mine, n)
		}
		if begun {
			next = max(next, n+1)
		}
	}
	if mine == 0 {
		mine = next
	}
	j.dir = filepath.Join(j.opt.RunsDir, runName(mine))
	return nil
}

// unstarted tells that a run was killed while its folder was being made: it holds nothing that matters.
func unstarted(dir string) bool {
	names, err := os.ReadDir(dir)
	for _, e := range names {
		if n := e.Name(); n != "eval" && n != claimsDir && n != "recipe.yaml" && filepath.Ext(n) != ".tmp" {
			return false
		}
	}
	return err == nil
}

func runName(n int) string { return fmt.Sprintf("%03d", n) }

func (j *Job) namedRun(name string) error {
	bad := func(format string, args ...any) error {
		return &RecipeError{File: j.recipe.file, Msg: fmt.Sprintf(format, args...)}
	}
	if strings.ContainsAny(name, "/\\\x00 ") || strings.HasPrefix(name, ".") {
		return bad("run is %q, want the name of a folder in %s", name, j.opt.RunsDir)
	}
	if name == "latest" {
		to, err := latestRun(filepath.Join(j.opt.RunsDir, "latest"))
		if err != nil {
			return bad("there is no latest run yet: %s", errText(err))
		}
		name = to
	}
	j.dir = filepath.Join(j.opt.RunsDir, name)
	lock, err := readLock(j.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &DataError{File: filepath.Join(j.dir, "lock.json"), Msg: errText(err), Fix: "leave --run out to start a new run"}
	}
	if err == nil && lock.Key != j.key && !(j.kind == workerKind && j.sameQuestions(j.dir)) {
		return bad("run %s was made from another recipe, data or model; leave --run out to start a new one", name)
	}
	return nil
}

// latestRun is the name of the run that path, runs/latest, points at: as a link, or as a file that holds the name.
func latestRun(path string) (string, error) {
	if name, err := os.Readlink(path); err == nil {
		return filepath.Base(name), nil
	}
	b, err := os.ReadFile(path)
	return filepath.Base(strings.TrimSpace(string(b))), err
}

func readLock(dir string) (lockFile, error) {
	var l lockFile
	b, err := os.ReadFile(filepath.Join(dir, "lock.json"))
	if err == nil {
		err = json.Unmarshal(b, &l)
	}
	return l, err
}

// open makes the run folder with its recipe and lock, and points runs/latest at it.
func (j *Job) open() error {
	if err := os.MkdirAll(filepath.Join(j.dir, "eval"), 0o777); err != nil {
		return err
	}
	policy := ""
	if j.policy != nil {
		policy = j.policy.SHA256
	}
	if lock, err := readLock(j.dir); err == nil {
		if lock.Policy != policy {
			return &PolicyChangedError{j.dir, lock.Policy, policy}
		}
		return j.pointLatest()
	}
	if b, err := os.ReadFile(j.recipe.file); err == nil {
		if err := j.writeShared(filepath.Join(j.dir, "recipe.yaml"), b); err != nil {
			return err
		}
	}
	lock, err := json.MarshalIndent(lockFile{"freehold/lock/1", j.key, j.teacher.sha256, j.ensembleHashes(), j.base.sha256, j.data.Hash, policy, j.maker.sha256}, "", "  ")
	if err == nil {
		err = j.writeShared(filepath.Join(j.dir, "lock.json"), append(lock, '\n'))
	}
	if err != nil {
		return err
	}
	return j.pointLatest()
}

// pointLatest makes runs/latest a link to the run, or a file with its name where links cannot be made.
func (j *Job) pointLatest() error {
	latest := filepath.Join(j.opt.RunsDir, "latest")
	name := filepath.Base(j.dir)
	if have, err := os.Readlink(latest); err == nil && have == name {
		return nil
	}
	tmp := latest + "." + j.id + ".tmp"
	if err := os.Symlink(name, tmp); err != nil {
		return j.writeShared(latest, []byte(name+"\n"))
	}
	return os.Rename(tmp, latest)
}

// FolderError is a run's folder that cannot be read or written any more while work is on: its file system went away, is full, or broke.
type FolderError struct {
	Dir string
	Err error
}

func (e *FolderError) Error() string {
	return fmt.Sprintf("%s: the run's folder went away or cannot be written: %v; what is done is kept: run the same command again when the folder is back", e.Dir, e.Err)
}

func (e *FolderError) Unwrap() error { return e.Err }

// folderError makes a FolderError of what the file system says of a file of the run.
func (j *Job) folderError(err error) error {
	var file *fs.PathError
	var files *os.LinkError
	name := ""
	if errors.As(err, &file) {
		name = file.Path
	} else if errors.As(err, &files) {
		name = files.New
	}
	if name == "" || !strings.HasPrefix(name, j.dir+string(filepath.Separator)) || errors.Is(err, fs.ErrPermission) {
		return err
	}
	return &FolderError{j.dir, err}
}
