package distill

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/distill/data"
)

//go:embed report_confidence.tmpl.html
var confidenceSource string

// Training rows that the teacher is not sure of may be left out (train.min_confidence). They are labelled like the others, so another threshold asks the
// teacher nothing: it trains another student. Test and validation rows all stay.

// checkConfidence refuses a threshold that leaves out nothing, or everything.
func checkConfidence(r *Recipe, at func(msg string, path ...string) error) error {
	p, least := r.Train.MinConfidence, 0.0
	if n := len(r.Task.Labels); r.Task.Type == "classify" && n > 1 {
		least = 1 / float64(n)
	}
	if r.several() { // of each label yes or no
		least = 0.5
	}
	switch {
	case p == 0:
		return nil
	case p < 0 || p >= 1:
		return at(fmt.Sprintf("train.min_confidence is %v, want a probability from 0 (all rows) to below 1", p), "train", "min_confidence")
	case p <= least:
		return at(fmt.Sprintf("train.min_confidence is %v and leaves out nothing: the likeliest of %d labels has %.3g or more; raise it, or leave it out", p, len(r.Task.Labels), least), "train", "min_confidence")
	}
	return nil
}

// learns is the data as it is learnt from: after labelling, without the rows that the teacher is not sure of.
func (j *Job) learns() *data.Set {
	if j.sure != nil {
		return j.sure
	}
	return j.data
}

// unsure says in the report why a row is left out.
func unsure(p float64) string { return fmt.Sprintf("teacher less sure than %g", p) }

// underSteps are the thresholds that the report counts rows under, to choose another by.
var underSteps = []float64{0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99}

// leaveOutUnsure takes the training rows out that the teacher is less sure of than the recipe wants, and made rows that it gives another label. The work must know the teacher's answers.
func (j *Job) leaveOutUnsure() error {
	least := j.recipe.Train.MinConfidence
	if least == 0 && j.teacher.remote != nil {
		return j.leaveOutUnanswered()
	}
	if j.sure != nil {
		return nil
	}
	if err := j.leaveOutDisagreeing(); err != nil || least == 0 {
		return err
	}
	out, most := map[string]bool{}, 0.0
	counts := &data.ConfidenceReport{Min: least}
	for _, p := range underSteps {
		counts.Under = append(counts.Under, data.UnderReport{Confidence: p})
	}
	for _, l := range j.recipe.Task.Labels {
		counts.Labels = append(counts.Labels, data.LabelConfidence{Label: l})
	}
	for _, r := range j.learns().Train {
		p, label, asked := j.work.confidence(r)
		if !asked {
			continue
		}
		counts.Rows++
		for i := range counts.Under {
			if p < counts.Under[i].Confidence {
				counts.Under[i].Rows++
			}
		}
		at := slices.IndexFunc(counts.Labels, func(l data.LabelConfidence) bool { return l.Label == label })
		most = max(most, p)
		if out[r.ID] = p < least; out[r.ID] {
			counts.LeftOut++
		}
		if at >= 0 && out[r.ID] {
			counts.Labels[at].LeftOut++
		} else if at >= 0 {
			counts.Labels[at].Rows++
		}
	}
	set := j.learns().Without(func(r Row) string {
		if out[r.ID] {
			return unsure(least)
		}
		return ""
	}, j.recipe.tidy().Labels)
	if len(set.Train) == 0 {
		return &RecipeError{File: j.recipe.file, Msg: fmt.Sprintf("train.min_confidence is %v, and the teacher is less sure of all %d training rows: of the surest %.3g; lower it", least, counts.Rows, most)}
	}
	for _, l := range counts.Labels {
		if l.Rows == 0 && l.LeftOut > 0 {
			j.warn(fmt.Sprintf("train.min_confidence %v leaves out all %d training rows that the teacher labels %q", least, l.LeftOut, l.Label))
		}
	}
	if counts.Rows == 0 {
		j.warn("train.min_confidence leaves out nothing: every training row teaches its own label or answer (of classify, with train.gold above 0)")
	}
	set.Report.Confidence = counts
	j.sure = set
	j.event(Event{Stage: "label", Step: len(j.data.Train), Total: len(j.data.Train), Msg: counts.Says()})
	return nil
}

// planned is the data as plan tells of it: where all labels are there, what is left out is known before the run.
func (j *Job) planned(labelled bool) (tidied string, err error) {
	least := j.recipe.Train.MinConfidence
	if (least > 0 || j.recipe.augments() || j.teacher.remote != nil) && labelled {
		if err := j.work.recall(); err != nil {
			return "", err
		}
		if err := j.leaveOutUnsure(); err != nil {
			return "", err
		}
	}
	tidied = j.learns().Report.String()
	if note := j.madeNote(labelled); note != "" {
		tidied = strings.TrimPrefix(tidied+"; "+note, "; ")
	}
	if least > 0 && !labelled {
		if tidied != "" {
			tidied += "; "
		}
		tidied += fmt.Sprintf("rows that the teacher is less sure of than %g are left out too: how many is known after labelling", least)
	}
	return tidied, nil
}
