package distill

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/freehold-slm/freehold/distill/lineage"
)

// randomID tells jobs at the same run apart, on whatever machine.
func randomID() string {
	b := make([]byte, 8)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// Join opens the job of a recipe's file or folder, or of a run's folder (whose recipe's paths begin at inputs, "" = at the folder that holds runs), to help labelling it. A recipe
// joins its newest run that asks the same questions, whatever kind of CPU that was begun on; without one it begins a run.
func Join(ctx context.Context, path, inputs string, o Options) (*Job, error) {
	o.joins = true
	dir, err := RunFolder(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, "lock.json")); err == nil && isFolder(dir) {
		if o.RunsDir != "" || o.Run != "" {
			return nil, &RecipeError{File: path, Msg: "is a run's folder, beside which --runs and --run say nothing; leave them out"}
		}
		o.RunsDir, o.Run = filepath.Dir(dir), filepath.Base(dir)
		return jobOfRun(ctx, dir, inputs, o)
	}
	if inputs != "" {
		return nil, &RecipeError{File: path, Msg: "is a recipe, whose paths begin beside it; --inputs is for a run's folder"}
	}
	r, err := LoadRecipe(dir)
	if err != nil {
		return nil, err
	}
	return NewJob(ctx, r, o)
}

// sameQuestions tells whether a run was begun from this job's recipe, teacher and data: then its shards are this job's, also where the student will be another, for that
// is trained in the bf16 of another CPU.
func (j *Job) sameQuestions(dir string) bool {
	lock, err := readLock(dir)
	if err != nil || lock.Teacher != j.teacher.sha256 || lock.Base != j.base.sha256 || lock.Data != j.data.Hash {
		return false
	}
	was, err := os.ReadFile(filepath.Join(dir, "recipe.yaml"))
	is, now := os.ReadFile(j.recipe.file)
	return err == nil && now == nil && bytes.Equal(was, is)
}

// joinRun lets a worker choose the newest run that asks its questions.
func (j *Job) joinRun() bool {
	if j.kind != workerKind {
		return false
	}
	names, _ := os.ReadDir(j.opt.RunsDir) // none yet
	newest := 0
	for _, e := range names {
		if n, err := strconv.Atoi(e.Name()); err == nil && runName(n) == e.Name() && n > newest && j.sameQuestions(filepath.Join(j.opt.RunsDir, e.Name())) {
			newest = n
		}
	}
	if newest > 0 {
		j.dir = filepath.Join(j.opt.RunsDir, runName(newest))
	}
	return newest > 0
}

// Holds is for the record what holds the process back, where that was not known yet when the job was made.
func (j *Job) Holds(e *lineage.Enforced) { j.opt.Enforced = e }

// Worked is freehold/worker/1: what a worker did.
type Worked struct {
	Schema  string  `json:"schema"`
	Run     string  `json:"run"`
	Shards  int     `json:"shards"`          // that it labelled
	Units   int     `json:"units,omitempty"` // rounds of replicas that it trained
	Missing int     `json:"missing"`
	All     int     `json:"all"`
	Seconds float64 `json:"seconds"`
}

// Work labels shards of the run until those of the part are all there: its own, and those that others are at, which it waits for or takes over. It takes no lock: any number may
// work at one run, beside Apply or without it.
func (j *Job) Work(ctx context.Context, p Part) (*Worked, error) {
	start := time.Now()
	if j.teacher.remote != nil {
		return nil, &RecipeError{File: j.recipe.file, Msg: "the teacher is a remote one, which freehold apply asks several rows at a time; workers are for teachers of this machine"}
	}
	if err := j.obey("label"); err != nil {
		return nil, err
	}
	if err := j.open(); err != nil {
		return nil, err
	}
	if err := j.awaitAdapter(ctx); err != nil {
		return nil, err
	}
	if j.recipe.augments() { // the rows that a model makes are apply's to make
		if err := j.awaitMade(ctx); err != nil {
			return nil, err
		}
		if err := j.augment(ctx); err != nil {
			return nil, err
		}
	}
	j.part = p
	if err := j.work.label(ctx); err != nil && !errors.Is(err, errOthers) {
		if errors.Is(err, context.Canceled) {
			err = ErrInterrupted
		}
		return nil, j.folderError(err)
	}
	w := &Worked{Schema: "freehold/worker/1", Run: j.dir, Shards: j.did}
	if err := j.trainAsWorker(ctx); err != nil {
		return nil, err
	}
	w.Units, w.Seconds = j.did-w.Shards, time.Since(start).Seconds()
	w.Missing, w.All = j.work.missing()
	return w, nil
}

// awaitAdapter waits until the run has the adapter of a teacher that learns first.
func (j *Job) awaitAdapter(ctx context.Context) error {
	if !j.recipe.adapts() {
		return nil
	}
	return j.awaitApply(ctx, adaptedName, func() bool {
		if j.adapted == nil {
			j.loadAdapted()
		}
		return j.adapted != nil
	})
}

// awaitMade waits until all texts are there that rows are made of.
func (j *Job) awaitMade(ctx context.Context) error {
	return j.awaitApply(ctx, madeFolder, func() bool { n, _ := j.unmade(); return n == 0 })
}

// awaitApply waits for what only apply makes.
func (j *Job) awaitApply(ctx context.Context, name string, there func() bool) error {
	for said := false; !there(); said = true {
		if !said {
			j.event(Event{Stage: "label", Msg: fmt.Sprintf("waiting for %s, which freehold apply makes", filepath.Join(j.dir, name))})
		}
		select {
		case <-ctx.Done():
			return ErrInterrupted
		case <-time.After(time.Second):
		}
	}
	return nil
}

// trainAsWorker trains replicas of a run whose labels are all there, where its recipe has any; a worker with a part of the shards labels alone.
func (j *Job) trainAsWorker(ctx context.Context) error {
	if !j.recipe.Train.Outer.on() || j.part != (Part{}) {
		return nil
	}
	lock, err := readLock(j.dir)
	if err != nil {
		return err
	}
	if lock.Key != j.key { // see sameQuestions
		j.warn(fmt.Sprintf("%s was begun on a CPU with another bf16 unit, whose bits are its own: this machine labels for it and does not train (train.precision: f32 is the same everywhere)", j.dir))
		return nil
	}
	if err := j.obey("train"); err != nil {
		return err
	}
	if err := j.leaveOutUnsure(); err != nil {
		return err
	}
	b, err := j.newStudent()
	if err != nil {
		return err
	}
	return j.train(ctx, b)
}
