package distill

import (
	"context"
	"slices"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models/gguf"
)

// taskType is what one type of task brings: its keys of a recipe, its losses and metrics, and its part in a job. Each is
// a file task_NAME.go with an entry in taskTypes; TestTaskTypes runs a job of each.
type taskType struct {
	form    data.Form // of its rows
	keys    []string  // of a recipe, among those that are not for every type
	losses  []string  // train.loss
	metrics []string  // that a gate may name
	check   func(r *Recipe, at func(msg string, path ...string) error) []error
	fill    func(r *Recipe, said func(path ...string) bool) // puts in what a recipe does not say; nil = nothing
	work    func(j *Job) (work, error)
}

// taskTypes is filled by the init of each task_NAME.go.
var taskTypes = map[string]taskType{}

// TaskTypes lists the types of task that a recipe may name, sorted.
func TaskTypes() []string { return sortedKeys(taskTypes) }

func (r *Recipe) form() data.Form { return taskTypes[r.Task.Type].form }

// answers tells whether the recipe's task is answered with text.
func (r *Recipe) answers() bool { return r.form() == data.OneAnswer }

// writes tells whether the student writes its answers, and does not mark them.
func (r *Recipe) writes() bool { return r.answers() && r.Student.Head != headTags }

// several tells whether it gives any number of labels.
func (r *Recipe) several() bool { return r.form() == data.SeveralLabels }

// pairs tells whether it judges a query and a document.
func (r *Recipe) pairs() bool { return r.form() == data.OnePair }

// embeds tells whether it gives vectors.
func (r *Recipe) embeds() bool { return r.form() == data.OneTopic }

// typedKeys are the keys that some types have and others do not.
func typedKeys() []string {
	var all []string
	for _, name := range TaskTypes() {
		all = append(all, taskTypes[name].keys...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func typesWith(key string) (types []string) {
	for _, name := range TaskTypes() {
		if slices.Contains(taskTypes[name].keys, key) {
			types = append(types, name)
		}
	}
	return types
}

// work is a task's part in the stages of one job.
type work interface {
	// label asks the teacher for what is not yet in the run's shards, and keeps what it said for the later stages.
	label(ctx context.Context) error
	// recall reads what the teacher said where all of it is there, and neither asks nor writes.
	recall() error
	// confidence is how sure the teacher is of a training row, after label or recall.
	// asked is false where it learns from the row's own label or answer.
	confidence(r Row) (p float64, label string, asked bool)
	// missing counts the shards that are not there yet, and all.
	missing() (missing, all int)
	// read fills in how rows become the student's tokens, after newReading has opened the base's tokenizer.
	read(f *gguf.File, r *reading) error
	// check refuses, before anything is labelled, what later stages would.
	check(r *reading) error
	// shape says what the student has beside its layers.
	shape(p *Prune)
	// write keeps the task in the student's file, where engine finds it.
	write(b *Base) error
	// examples are the training rows with what is to be learnt from them.
	examples(r *reading) ([]Example, error)
	// eval measures the written student and fills sum.
	eval(ctx context.Context, sum *Summary) error
	// measure lets a form of the student answer the test rows, and keeps in eval/ what it says under
	// the format's name; "" = eval has kept it.
	measure(ctx context.Context, m *engine.Model, format string) (*form, error)
	// key is what the answers rest on that the recipe names and does not hold.
	key() string
}

// What some works can do beside that.
type (
	// fitter fits something to the trained student, and keeps it in its files.
	fitter interface {
		fit(ctx context.Context, b *Base) error
		refit(b *Base) error // of a run that was trained before
	}
	// validated has a loss on validation rows (train.keep: best), given in the tokens of t, the student's.
	validated interface {
		valid(read *reading, t *tokenizer) []Example
	}
	// tuner gives the loss what rests on the teacher's answers.
	tuner interface{ tune(p *LossParams) }
)
