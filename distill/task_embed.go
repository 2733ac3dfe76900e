package distill

import (
	"fmt"
	"strings"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/token"
)

func init() {
	taskTypes["embed"] = taskType{
		form:    data.OneTopic,
		keys:    []string{"teacher.pooling", "student.pooling", "student.attention", "student.dim", "train.alpha"},
		losses:  []string{"cosine", "mixed_similarity", "similarity_kl"},
		metrics: []string{"cosine", "neighbours", "spearman", "recall@1", "recall@10", "mrr", "ndcg@10", "retention", "over_baseline", "size_ratio", "speed_ratio"},
		check:   checkEmbed,
		fill:    fillEmbed,
		work:    newEmbedWork,
	}
}

// fillEmbed puts in what a recipe does not say.
func fillEmbed(r *Recipe, said func(path ...string) bool) {
	r.Student.Head, r.Teacher.Calibration = "", ""
	if !said("task", "prompt") {
		r.Task.Prompt = "{text}"
	}
	if !said("train", "loss") {
		r.Train.Loss = "mixed_similarity"
	}
	if r.Train.Loss == "mixed_similarity" && !said("train", "alpha") {
		r.Train.Alpha = 0.5
	}
	if !said("train", "temperature") {
		r.Train.Temperature = 0.5
	}
	if !said("student", "pooling") {
		r.Student.Pooling = models.PoolMean.String()
	}
}

func checkEmbed(r *Recipe, at func(msg string, path ...string) error) (errs []error) {
	pooling := func(of, got string, known ...string) {
		for _, k := range known {
			if got == k {
				return
			}
		}
		errs = append(errs, at(fmt.Sprintf("%s.pooling is %q, want one of: %s", of, got, strings.Join(known, ", ")), of, "pooling"))
	}
	if r.Teacher.Pooling != "" {
		pooling("teacher", r.Teacher.Pooling, "cls", "last", "mean")
	}
	pooling("student", r.Student.Pooling, "last", "mean")
	refuse := func(is bool, msg string, path ...string) {
		if is {
			errs = append(errs, at(strings.Join(path, ".")+" "+msg, path...))
		}
	}
	refuse(r.Student.Dim < 0 || r.Student.Dim > 1<<16, fmt.Sprintf("is %d, want a number of the vectors' numbers, at most the teacher's (0 = as many)", r.Student.Dim), "student", "dim")
	refuse(r.Train.Alpha < 0 || r.Train.Alpha > 1 || r.Train.Alpha != 0 && r.Train.Loss != "mixed_similarity", fmt.Sprintf("is %v, want 0 to 1, with loss: mixed_similarity alone", r.Train.Alpha), "train", "alpha")
	// What does not fit vectors.
	refuse(r.Teacher.remote(), "is not asked for embeddings yet; name a model of this machine in teacher.model", "teacher", "openai")
	refuse(r.Task.System != "", "is for teachers that answer; what stands before a text goes into task.prompt", "task", "system")
	refuse(r.Train.MinConfidence != 0, "leaves out rows by the teacher's probability, and a vector has none; leave it out", "train", "min_confidence")
	refuse(r.Data.Corrections != "", "are of labels and answers, and a vector is neither; leave it out", "data", "corrections")
	refuse(r.augments(), "is not there for task type embed yet; leave it out", "data", "augment")
	refuse(len(r.Eval.Slices) > 0, "are parts by right and wrong rows, and a vector is neither; leave it out", "eval", "slices")
	return errs
}

// embedWork: the teacher gives vectors of texts, and the student learns to give the same, or such that the same texts are alike.
type embedWork struct {
	j       *Job
	pooling models.Pooling       // the teacher's
	vectors map[string][]float32 // the teacher's, of length 1, by row id
	target  *embedTarget         // what the student learns of them; nil = not made yet
}

func newEmbedWork(j *Job) (work, error) {
	w := &embedWork{j: j, pooling: j.teacher.spec.Pooling}
	if p := j.recipe.Teacher.Pooling; p != "" {
		w.pooling, _ = models.ParsePooling(p) // checkEmbed knows it
	}
	bad := func(format string, args ...any) error {
		return &RecipeError{File: j.recipe.file, Msg: fmt.Sprintf(format, args...)}
	}
	switch have := j.teacher.spec.Embedding(); {
	case w.pooling == models.PoolNone:
		return nil, bad("teacher.pooling is missing, and the file of %s states none: say how its states are pooled (mean or last of a model that generates)", j.teacher.Name)
	case j.recipe.Student.Dim > have:
		return nil, bad("student.dim is %d, and the teacher's vectors have %d numbers; want at most these", j.recipe.Student.Dim, have)
	case j.recipe.Student.Dim > 0 && j.recipe.Student.Dim < have && len(j.data.Train) < j.recipe.Student.Dim:
		return nil, bad("student.dim is %d, and %d training rows do not tell which numbers of the teacher's vectors to keep; want as many rows or more", j.recipe.Student.Dim, len(j.data.Train))
	case len(j.data.Train) < 2:
		return nil, bad("one training row is like no other; want two or more")
	}
	return w, nil
}

// width is how many numbers the student's vectors have.
func (w *embedWork) width() int {
	if d := w.j.recipe.Student.Dim; d > 0 {
		return d
	}
	return w.j.teacher.spec.Embedding()
}

// narrows tells whether the student's vectors have fewer numbers than the teacher's.
func (w *embedWork) narrows() bool { return w.width() < w.j.teacher.spec.Embedding() }

// shape: a student as wide as its vectors needs nothing behind the pooling; another has a projection, which learns with it.
func (w *embedWork) shape(p *Prune) {
	p.Pooling, _ = models.ParsePooling(w.j.recipe.Student.Pooling) // checkEmbed knows it
	if w.j.recipe.Student.Width.fill(w.j.base.spec).Dim != w.width() {
		p.Dense = w.width()
	}
}

// write: the file says it all by its pooling and its projection. The student reads texts as they are, whatever prompt the teacher had.
func (w *embedWork) write(*Base) error { return nil }

func (w *embedWork) key() string {
	if w.narrows() {
		return pcaArch
	}
	return ""
}

func (w *embedWork) confidence(Row) (p float64, label string, asked bool) { return 1, "", false }

func (w *embedWork) read(_ *gguf.File, r *reading) error {
	r.encode = func(t *tokenizer, row Row) []int32 { return engine.EncodeText(t, row.Text) }
	return nil
}

// asked is a row's text as the teacher reads it.
func (w *embedWork) asked(r Row) string {
	return strings.Replace(w.j.recipe.Task.Prompt, "{text}", r.Text, 1)
}

// check refuses rows that are too long for the teacher.
func (w *embedWork) check(*reading) error {
	t, err := openTokenizer(w.j.teacher.path)
	if err != nil {
		return err
	}
	room := w.j.teacher.spec.Context
	for _, r := range w.j.labelled() {
		if n := len(t.Encode(nil, w.asked(r), token.EncodeOptions{AddSpecial: true})); n == 0 || room > 0 && n > room {
			return &DataError{File: r.File, Line: r.Line, Msg: fmt.Sprintf("the row has %d tokens for the teacher, want 1 to %d, its context", n, room), Fix: "shorten the row"}
		}
	}
	return nil
}

// tune gives a loss the training rows that likenesses are to.
func (w *embedWork) tune(p *LossParams) {
	p.Anchors, p.Temperature = w.target.anchors, p.Temperature*w.target.spread
}

// examples attaches to each row the vector that it is to have, and which of the anchors it is itself.
func (w *embedWork) examples(read *reading) ([]Example, error) {
	if err := w.aim(); err != nil {
		return nil, err
	}
	return w.j.headExamples(read, func(r Row, ids []int32) Example {
		ex := Example{ID: r.ID, Tokens: ids, Target: w.target.of(w.vectors[r.ID]), Label: -1}
		if k, ok := w.target.at[r.ID]; ok {
			ex.Label = k
		}
		return ex
	})
}
