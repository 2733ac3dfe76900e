package distill

import (
	"fmt"
	"slices"

	"github.com/freehold-slm/freehold/distill/policy"
)

// policy reads the recipe's rules; nil where it names none. A path is relative to the recipe.
func (r *Recipe) policy() (*policy.Policy, error) {
	switch {
	case r.Policy == "":
		return nil, nil
	case slices.Contains(policy.Bundles(), r.Policy):
		return policy.Load(r.Policy)
	}
	return policy.Load(r.path(r.Policy))
}

// obey judges an action of the job by its policy.
func (j *Job) obey(action string) error {
	if j.policy == nil {
		return nil
	}
	return j.policy.Check(j.Document(action), j.warn)
}

// PolicyActions are the actions of a job that its policy judges.
func PolicyActions() []string { return []string{"plan", "label", "train", "export"} }

// PolicyFile is the file or name of the recipe's policy; "" = none.
func (j *Job) PolicyFile() string {
	if j.policy == nil {
		return ""
	}
	return j.policy.File
}

// Document is what rules see of the job.
func (j *Job) Document(action string) policy.Document {
	l := j.licences()
	d := policy.Document{Action: action, Inputs: []policy.Input{}, Recipe: j.recipe,
		Student: policy.Student{Name: l.Distribute.Name(j.recipe.Name), Licence: l.Distribute.Licence, Class: l.Distribute.Class},
		Data:    policy.Data{Name: j.datasetName(), Train: len(j.own.Train), Valid: len(j.data.Valid), Test: len(j.data.Test), Masked: j.recipe.Data.Mask}, Egress: j.egress()}
	for _, in := range j.inputs() {
		d.Inputs = append(d.Inputs, policy.InputOf(in))
	}
	return d
}

// PolicyUsed is the policy that a run was judged by.
type PolicyUsed struct {
	Name     string           `json:"name"`
	File     string           `json:"file"` // as the recipe names it
	SHA256   string           `json:"sha256"`
	Findings []policy.Finding `json:"findings"` // rules that warn
}

func (j *Job) policyUsed() *PolicyUsed {
	if j.policy == nil {
		return nil
	}
	u := &PolicyUsed{Name: j.policy.Name, File: j.recipe.Policy, SHA256: j.policy.SHA256, Findings: []policy.Finding{}}
	for _, action := range PolicyActions() {
		found, err := j.policy.Judge(j.Document(action))
		if err != nil {
			panic("distill: " + err.Error()) // a document of plain values
		}
		for _, f := range found {
			if !slices.Contains(u.Findings, f) {
				u.Findings = append(u.Findings, f)
			}
		}
	}
	return u
}

// PolicyChangedError says that a run was begun under other rules than those of today.
type PolicyChangedError struct{ Dir, Locked, Now string }

func (e *PolicyChangedError) Error() string {
	name := func(sum string) string {
		if sum == "" {
			return "no policy"
		}
		return fmt.Sprintf("the policy with sha256 %.12s", sum)
	}
	return fmt.Sprintf("%s: the run is locked to %s, the recipe now has %s; put it back, or begin another run with --run NAME", e.Dir, name(e.Locked), name(e.Now))
}
