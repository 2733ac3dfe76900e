package distill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/distill/energy"
	"github.com/freehold-slm/freehold/distill/lineage"
	"github.com/freehold-slm/freehold/distill/policy"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
)

// Options are what a job needs beside its recipe. The zero value is good.
type Options struct {
	Threads  int    // 0 = all processors
	RunsDir  string // "" = runs beside the recipe
	Run      string // name of a run folder; "" = the newest of this recipe that is unfinished, else a new one
	Level    string // CPU level; "" = the best (or FREEHOLD_CPU)
	Progress func(Event)
	Warn     func(string)
	FS       gguf.FS                       // nil = the real file system
	Meter    func() (*energy.Meter, error) // opens what measures energy; nil = the kernel's counters
	Prices   energy.Prices
	Enforced *lineage.Enforced // what holds the process back, for the record; nil = nothing is said
	Offline  bool              // a remote teacher is not asked; FREEHOLD_OFFLINE does it too
	Patience time.Duration     // how long another worker may be silent before what it labels is taken over; 0 = 30 s

	joins bool // see Join
}

// Event is progress of a stage.
type Event struct {
	Stage       string        `json:"stage"`
	Step, Total int           `json:"-"`
	Loss, Rate  float64       `json:"-"`
	OwnLoss     float64       `json:"-"` // of the last on-policy step; 0 = none yet
	Unit        string        `json:"-"` // of Rate
	ETA         time.Duration `json:"-"`
	Msg         string        `json:"msg,omitempty"`
}

// Stages selects stages of Apply by name; both empty = all.
type Stages struct{ Only, From string }

// Runs tells whether a stage is selected.
func (s Stages) Runs(stage string) bool {
	if s.Only != "" {
		return stage == s.Only
	}
	names := StageNames()
	return s.From == "" || slices.Index(names, stage) >= slices.Index(names, s.From)
}

// StageNames lists the stages in order.
func StageNames() []string {
	return []string{"adapt", "augment", "label", "train", "eval", "quantize", "report"}
}

// Job is a recipe with its inputs resolved and its run folder chosen.
type Job struct {
	recipe  *Recipe
	opt     Options
	dir     string // run folder
	idle    bool
	key     string // hash of recipe and inputs: same key, same result
	level   *kernels.Level
	teacher source
	others  []source // further teachers, of an ensemble
	base    source
	data    *data.Set
	own     *data.Set // data as it was read, without the rows that the augment stage made
	maker   source    // of these rows: the teacher, or the recipe's data.augment.model
	asked   []making  // what it is asked for; nil = not listed yet
	sure    *data.Set // data without the training rows that the teacher is not sure of; nil = not yet, or all stay
	work    work
	adapted *Adapted           // nil = the teacher has no adapter, or not yet
	policy  *policy.Policy     // nil = none
	timing  map[string]float64 // seconds a stage
	meter   *energy.Meter      // nil = none; while stages run
	used    *EnergyUsed
	events  *events // nil = not yet, or the file could not be opened

	id        string           // of this job in names of temporary files
	kind      string           // applyKind or workerKind
	part      Part             // of the shards, that it labels
	did       int              // shards that it has labelled as a worker
	helpers   []lineage.Worker // who labelled beside it
	trainers  []lineage.Worker // who trained replicas beside it
	unclaimed bool             // it has been told that claims cannot be made
}

// NewJob resolves the recipe's models and data, which must be in the cache or on disk, passes the licence gate, and
// chooses the run folder. Nothing is trained yet, and nothing here or later uses the network but to ask a remote teacher that the recipe names: all else is pull's job.
func NewJob(ctx context.Context, r *Recipe, o Options) (*Job, error) {
	if o.FS == nil {
		o.FS = gguf.OS{}
	}
	if o.Threads <= 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if o.RunsDir == "" {
		o.RunsDir = r.RunsDir()
	}
	j := &Job{recipe: r, opt: o, timing: map[string]float64{}, id: randomID(), kind: applyKind}
	if o.joins {
		j.kind = workerKind
	}
	err := r.openBundle()
	if err != nil {
		return nil, err
	}
	if o.Level != "" {
		j.level, err = kernels.ByName(o.Level)
	} else {
		j.level, err = kernels.Best()
	}
	if err != nil {
		return nil, err
	}
	if r.Teacher.remote() {
		j.teacher, err = openRemote(r)
	} else {
		j.teacher, err = openSource(r, r.Teacher.Model, r.Teacher.Licence, r.Teacher.Reason)
	}
	if err != nil {
		return nil, sourceError("teacher", err)
	}
	if !r.Teacher.remote() && !r.embeds() { // an embedding is of the text, not of a turn
		if err := checkTemplate("teacher", j.teacher); err != nil {
			return nil, err
		}
	}
	if err := j.openEnsemble(); err != nil {
		return nil, err
	}
	if r.Student.From == "teacher" || r.Student.From == r.Teacher.Model && !r.Teacher.remote() {
		j.base = j.teacher
	} else if j.base, err = openSource(r, r.Student.From, r.Student.Licence, r.Student.Reason); err != nil {
		return nil, sourceError("student", err)
	}
	if err := learnable(j.base.path, j.base.spec); err != nil {
		return nil, &RecipeError{File: r.file, Msg: "student.from: " + err.Error()}
	}
	err = checkLayers(r.Student.Layers, j.base.spec.Layers)
	if err == nil {
		_, err = j.base.spec.Keep(r.Student.Layers)
	}
	if err != nil {
		return nil, &RecipeError{File: r.file, Msg: fmt.Sprintf("%v (%s)", err, j.base.Name)}
	}
	if err := r.Student.Width.check(j.base.spec); err != nil {
		return nil, &RecipeError{File: r.file, Msg: fmt.Sprintf("student.width: %v (%s)", err, j.base.Name)}
	}
	if j.maker, err = r.openMaker(j.teacher); err != nil {
		return nil, err
	}
	if j.data, err = loadData(ctx, r); err != nil {
		return nil, err
	}
	j.own = j.data
	if err := j.allowed(); err != nil {
		return nil, err
	}
	if j.policy, err = r.policy(); err != nil {
		return nil, err
	}
	if r.keepsBest() && len(j.data.Valid) == 0 {
		return nil, &DataError{File: r.file, Msg: "train.keep is best, and no validation row is left", Fix: "give more of them, or leave train.keep out"}
	}
	if err := j.checkCalibration(); err != nil {
		return nil, err
	}
	if err := j.checkAdaptable(); err != nil {
		return nil, err
	}
	if err := j.checkExamples(); err != nil {
		return nil, err
	}
	if j.work, err = taskTypes[r.Task.Type].work(j); err != nil {
		return nil, err
	}
	asked := *r
	asked.Task.Prompts = nil // no stage reads them
	asked.Teacher = r.Teacher.asked()
	canonical, err := json.Marshal(&asked)
	if err != nil {
		return nil, err
	}
	j.key = hashOf("freehold/run/2", string(canonical), j.data.Hash, j.teacher.sha256, j.base.sha256, j.unit()+j.svd()+j.work.key())
	if j.others != nil {
		j.key = hashOf(append([]string{j.key}, j.ensembleHashes()...)...)
	}
	if j.calibrates() { // runs of before there was a temperature have none
		j.key = hashOf(j.key, calibrationSchema)
	}
	if j.recipe.augments() {
		j.key = hashOf(j.key, j.maker.sha256)
	}
	if err := j.chooseRun(); err != nil {
		return nil, err
	}
	j.loadAdapted()
	return j, nil
}

// RunsDir is where the runs of the recipe are, unless somewhere else is asked for: runs beside it.
func (r *Recipe) RunsDir() string { return r.path("runs") }

// Dir is the run folder.
func (j *Job) Dir() string { return j.dir }

func (j *Job) event(e Event) {
	j.events.progress(e)
	if j.opt.Progress != nil {
		j.opt.Progress(e)
	}
}

func (j *Job) warn(s string) {
	if j.opt.Warn != nil {
		j.opt.Warn(s)
	}
}

// Apply runs the stages, resuming what is there, and returns the summary. A failed gate is a *GateError beside it.
func (j *Job) Apply(ctx context.Context, st Stages) (*Summary, error) {
	sum, err := j.apply(ctx, st)
	j.events.end(err)
	j.events = nil
	return sum, err
}

func (j *Job) apply(ctx context.Context, st Stages) (*Summary, error) {
	names := StageNames()
	for _, s := range []string{st.Only, st.From} {
		if s != "" && !slices.Contains(names, s) {
			return nil, &RecipeError{File: j.recipe.file, Msg: fmt.Sprintf("unknown stage %q, want one of: %s", s, strings.Join(names, ", "))}
		}
	}
	if st.Only == "adapt" && !j.recipe.adapts() {
		return nil, &RecipeError{File: j.recipe.file, Msg: "stage adapt is for a recipe with teacher.adapt, and this one has none"}
	}
	if st.Only == "augment" && !j.recipe.augments() {
		return nil, &RecipeError{File: j.recipe.file, Msg: "stage augment is for a recipe with data.augment, and this one has none"}
	}
	run := func(name string) bool { return st.Runs(name) } // of st as it is then
	if run("train") {
		if err := j.checkStudent(); err != nil {
			return nil, err
		}
	}
	if run("label") {
		if err := j.MaySend(); err != nil {
			return nil, err
		}
	}
	for _, s := range []struct{ stage, action string }{{"adapt", "train"}, {"augment", "label"}, {"label", "label"}, {"train", "train"}, {"quantize", "export"}} {
		if run(s.stage) && (s.stage != "adapt" || j.recipe.adapts()) && (s.stage != "augment" || j.recipe.augments()) {
			if err := j.obey(s.action); err != nil {
				return nil, err
			}
		}
	}
	if err := j.open(); err != nil {
		return nil, err
	}
	lock := filepath.Join(j.dir, "lock.json")
	unlock, held, err := lockRun(lock)
	if err != nil {
		return nil, err
	}
	if held {
		return nil, fmt.Errorf("%s: another freehold is at work in this run folder; wait for it to end, or help it to label: freehold worker %s", lock, j.dir)
	}
	defer unlock()
	if st == (Stages{}) {
		sum := j.finished()
		if sum != nil && !j.repriced(sum) {
			return sum, sum.failed()
		}
		if sum != nil {
			j.idle, st.From = false, "report"
			maps.Copy(j.timing, sum.Seconds)
		}
	}
	j.startEvents()
	defer j.startMeter()()
	if err := j.writeRows(); err != nil {
		return nil, err
	}
	if err := j.record(inputsStage); err != nil {
		return nil, err
	}
	timed := func(name string, fn func() error) error {
		start := time.Now()
		if run(name) {
			j.events.enter(name)
		}
		err := j.metered(name, fn)
		j.timing[name] += time.Since(start).Seconds()
		if err == nil && run(name) {
			err = j.record(name)
		}
		if errors.Is(err, context.Canceled) {
			err = ErrInterrupted
		}
		return err
	}
	if j.recipe.adapts() {
		err := j.checkAdapted()
		if run("adapt") {
			err = timed("adapt", func() error { return j.adapt(ctx) })
		}
		if err != nil || st.Only == "adapt" {
			return nil, err
		}
	}
	if j.recipe.augments() {
		err := timed("augment", func() error {
			if !run("augment") {
				if err := j.checkMade(); err != nil {
					return err
				}
			}
			return j.augment(ctx)
		})
		if err != nil || st.Only == "augment" {
			return nil, err
		}
	}
	err = timed("label", func() error {
		if !run("label") { // later stages read the shards, so they must be whole
			if err := j.checkShards(); err != nil {
				return err
			}
		}
		if err := j.work.label(ctx); err != nil {
			return err
		}
		if err := j.shared(); err != nil {
			return err
		}
		return j.leaveOutUnsure()
	})
	if err != nil || st.Only == "label" {
		return nil, err
	}
	var student *Base
	if run("train") || run("quantize") || run("eval") {
		if student, err = j.newStudent(); err != nil {
			return nil, err
		}
	}
	if run("train") {
		if err := timed("train", func() error { return j.train(ctx, student) }); err != nil || st.Only == "train" {
			return nil, err
		}
	} else if err := j.restoreFinal(student); student != nil && err != nil {
		return nil, err
	}
	sum := &Summary{}
	if run("eval") {
		err := timed("eval", func() error { return j.work.eval(ctx, sum) })
		if err != nil {
			return nil, err
		}
	} else if sum, err = readSummary(j.dir); err != nil {
		return nil, &DataError{File: filepath.Join(j.dir, "summary.json"), Msg: errText(err), Fix: "run the eval stage first"}
	}
	failed := sum.failed()
	if failed == nil && run("quantize") {
		if err := timed("quantize", func() error { return j.quantize(ctx, student, sum) }); err != nil {
			return nil, err
		}
	}
	j.events.enter("report")
	return sum, errors.Join(j.finish(sum), failed)
}

// TestRows are the rows that models of a classify task are judged on, with the teacher's calibrated probabilities [row][label], which the
// label stage has written.
func (j *Job) TestRows(ctx context.Context) (rows []Row, teacher [][]float64, err error) {
	w, ok := j.work.(*classifyWork)
	if !ok {
		return nil, nil, fmt.Errorf("task.type is %s, want classify: other tasks have no probabilities of labels", j.recipe.Task.Type)
	}
	if err := j.checkShards(); err != nil {
		return nil, nil, err
	}
	if err := w.label(ctx); err != nil {
		return nil, nil, err
	}
	for _, r := range j.data.Test {
		teacher = append(teacher, expAll(calibrated(w.labels[r.ID], w.cal)))
	}
	return j.data.Test, teacher, nil
}

// ValidRows are the validation rows, which have no labels but those of the data: the teacher is asked of them with train.keep: best alone.
func (j *Job) ValidRows() []Row { return j.data.Valid }

// checkShards refuses to go on without all labels.
func (j *Job) checkShards() error {
	if n, _ := j.work.missing(); n > 0 {
		return &DataError{File: filepath.Join(j.dir, labelsDir), Msg: fmt.Sprintf("%d label shards are missing", n), Fix: "run the label stage first"}
	}
	return nil
}

// pace gives a func that tells how far a stage is: at a step of total, with so many of them made since now.
func (j *Job) pace(stage, unit string, total int) func(step, made int) {
	start := time.Now()
	return func(step, made int) {
		rate := float64(made) / time.Since(start).Seconds()
		j.event(Event{Stage: stage, Step: step, Total: total, Rate: rate, Unit: unit, ETA: eta(total-step, rate)})
	}
}

func eta(left int, rate float64) time.Duration {
	if !(rate > 0) {
		return 0
	}
	return time.Duration(float64(left) / rate * float64(time.Second)).Round(time.Second)
}
