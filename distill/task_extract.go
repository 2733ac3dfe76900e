package distill

import (
	"fmt"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/engine/grammar"
)

func init() {
	taskTypes["extract"] = taskType{
		form:    data.OneAnswer,
		keys:    append([]string{"task.schema", "teacher.vote_on", "student.head"}, answerKeys...),
		losses:  answerLosses,
		metrics: append([]string{"field_f1", "field_precision", "field_recall", "exact", "valid", "perplexity"}, answerMetrics...),
		check: func(r *Recipe, at func(msg string, path ...string) error) []error {
			errs := append(checkTags(r, at), checkAnswers(r, at)...)
			if r.Task.Schema == "" {
				errs = append(errs, at("task.schema is missing: the path of a JSON Schema, or the schema itself", "task"))
			} else if r.Task.Schema.inline() {
				if _, err := grammar.Schema([]byte(r.Task.Schema)); err != nil {
					errs = append(errs, at("task."+err.Error(), "task", "schema"))
				}
			}
			return errs
		},
		fill: func(r *Recipe, said func(path ...string) bool) {
			head := ""
			if said("student", "head") {
				head = r.Student.Head
			}
			fillAnswers(r, said)
			fillTags(r, head, said)
		},
		work: newExtractWork,
	}
}

// newExtractWork compiles the schema and writes the gold answers as it has them.
func newExtractWork(j *Job) (work, error) {
	w, err := newAnswerWork(j, "field_f1")
	if err != nil {
		return nil, err
	}
	if w.schema, w.rule, err = j.recipe.Task.Schema.text(j.recipe); err != nil {
		return nil, err
	}
	if j.recipe.Student.Head == headTags {
		if w.tags, err = engine.NewTagging(w.schema); err != nil {
			return nil, &RecipeError{File: j.recipe.file, Msg: tagsRefused(err)}
		}
	}
	if err := w.checkVoteOn(); err != nil {
		return nil, err
	}
	for _, rows := range [][]Row{j.data.Train, j.data.Valid, j.data.Test} {
		for i := range rows {
			r := &rows[i]
			if r.Gold < 0 {
				continue
			}
			text, err := grammar.Order(w.schema, []byte(r.Answer))
			if err != nil {
				return nil, &DataError{File: r.File, Line: r.Line, Msg: fmt.Sprintf("the answer %.60q %v", r.Answer, err), Fix: "an answer of this task is a JSON value of task.schema"}
			}
			if !w.rule.Allows(text) {
				return nil, &DataError{File: r.File, Line: r.Line, Msg: fmt.Sprintf("the answer %.200s is not what task.schema allows", text)}
			}
			r.Answer = string(text)
		}
	}
	return w, nil
}
