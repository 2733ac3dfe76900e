package distill

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/distill/remote"
)

//go:embed report_remote.tmpl.html
var remoteSource string

// RemoteUsed is what summary.json holds of a remote teacher: who answered, when, what it cost, and how much of it could be used.
type RemoteUsed struct {
	Endpoint     string         `json:"endpoint"`
	Asked        string         `json:"asked"`        // teacher.model
	Models       map[string]int `json:"models"`       // as the server called those that answered, and how many answers
	Fingerprints map[string]int `json:"fingerprints"` // system_fingerprint, where the server gives one
	First        string         `json:"first"`        // date of the first answer
	Last         string         `json:"last"`
	Answers      int            `json:"answers"`
	TakenOver    int            `json:"taken_over"` // of other runs, which paid for them
	Spent        remote.Spent   `json:"spent"`
	Labels       map[string]int `json:"labels,omitempty"`     // rows by how their label is known
	Unlearnt     map[string]int `json:"unlearnt,omitempty"`   // answers of text by why they are not learnt from
	Unanswered   int            `json:"unanswered,omitempty"` // test rows without a label, or whose answer is none; they count as the teacher's mistakes
}

// remoteUsed sums up the answers that the run's labels are made of; nil = the teacher is a model of this machine.
func (j *Job) remoteUsed() (*RemoteUsed, error) {
	if j.teacher.remote == nil {
		return nil, nil
	}
	asks, err := j.remoteAsks()
	if err != nil {
		return nil, err
	}
	u := &RemoteUsed{Endpoint: j.teacher.remote.String(), Asked: j.recipe.Teacher.Model, Models: map[string]int{}, Fingerprints: map[string]int{}, Labels: map[string]int{}, Unlearnt: map[string]int{}}
	mine := map[string]remoteLine{}
	for _, q := range asks.list {
		l, ok := asks.own[q.key]
		if !ok {
			continue
		}
		mine[q.key] = l
		u.Answers++
		if l.From != "" {
			u.TakenOver++
		}
		if l.Model != "" {
			u.Models[l.Model]++
		}
		if l.Fingerprint != "" {
			u.Fingerprints[l.Fingerprint]++
		}
		if u.First == "" || l.At < u.First {
			u.First = l.At
		}
		u.Last = max(u.Last, l.At)
	}
	u.Spent = spentOn(mine)
	u.Spent.Add(0, 0, 0, j.prices())
	test := map[string]bool{}
	for _, r := range j.data.Test {
		test[r.ID] = true
	}
	all, _ := j.remoteWork().remoteRows()
	count := j.remoteWork().counter(u)
	for _, r := range all {
		if l, ok := asks.of(r); ok && count(&l) && test[r.ID] {
			u.Unanswered++
		}
	}
	return u, nil
}

// counted lists names with their counts.
func counted(m map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s (%d)", name, m[name]))
	}
	return strings.Join(parts, ", ")
}

// Says is the figure for people.
func (u *RemoteUsed) Says() string {
	text := fmt.Sprintf("%d answers of %s at %s", u.Answers, orElse(counted(u.Models), u.Asked), u.Endpoint)
	if len(u.Fingerprints) > 0 {
		text += ", fingerprint " + counted(u.Fingerprints)
	}
	if u.First != "" {
		text += fmt.Sprintf(", %s to %s", u.First, u.Last)
	}
	text += "; " + u.Spent.String()
	if u.TakenOver > 0 {
		text += fmt.Sprintf("; %d taken over from other runs, which paid for them", u.TakenOver)
	}
	if len(u.Labels) > 0 {
		text += "; labels " + counted(u.Labels)
	}
	if len(u.Unlearnt) > 0 {
		text += "; not learnt from: " + counted(u.Unlearnt)
	}
	if u.Unanswered > 0 {
		text += fmt.Sprintf("; %d test rows have none", u.Unanswered)
	}
	return text
}

// facts are what the lineage says of it.
func (u *RemoteUsed) facts() map[string]string {
	return map[string]string{"remote": u.Endpoint, "remote_model": u.Asked, "remote_answered_by": counted(u.Models), "remote_fingerprints": counted(u.Fingerprints), "remote_first": u.First, "remote_last": u.Last,
		"remote_answers": fmt.Sprint(u.Answers), "reproducible": "no: these labels are the remote teacher's answers, which another time may be others"}
}
