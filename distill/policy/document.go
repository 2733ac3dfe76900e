package policy

import (
	"github.com/freehold-slm/freehold/models/licence"
)

// Document is what rules are about: an action, what goes in, what comes out.
type Document struct {
	Action  string   `json:"action"`
	Inputs  []Input  `json:"inputs"`
	Student Student  `json:"student"` // empty where no student is made
	Data    Data     `json:"data"`    // empty where there is none
	Recipe  any      `json:"recipe"`  // the recipe as JSON; {} where there is none
	Egress  []string `json:"egress"`  // what would use the network
}

// Input is a model or data set that goes in.
type Input struct {
	Role    string   `json:"role"` // base, teacher, data; model where a command takes one
	Name    string   `json:"name"`
	Licence Licence  `json:"licence"`
	Duties  []string `json:"duties"` // kinds, of all uses
}

// Licence is what is known of an input's.
type Licence struct {
	ID       string        `json:"id"`
	Class    licence.Class `json:"class"`
	Stated   bool          `json:"stated"`   // in the file itself
	Verified bool          `json:"verified"` // facts compared with the licence's text
	Accepted string        `json:"accepted"` // what the user declared or accepted
	Reason   string        `json:"reason"`   // and why
}

// Student is what is made.
type Student struct {
	Name    string        `json:"name"`
	Licence string        `json:"licence"`
	Class   licence.Class `json:"class"`
}

// Data is the task data.
type Data struct {
	Name   string   `json:"name"`
	Train  int      `json:"train"` // rows
	Valid  int      `json:"valid"`
	Test   int      `json:"test"`
	Masked []string `json:"masked"` // kinds of personal data that the recipe masks
}

// InputOf is a licence's input as rules see it.
func InputOf(in licence.Input) Input {
	v := licence.Judge(licence.Distil, []licence.Input{in})
	i := Input{Role: in.Role, Name: in.Name, Duties: []string{},
		Licence: Licence{ID: v.Strictest, Class: v.Class, Stated: in.Stated, Verified: len(v.Unverified)+len(v.Unknown) == 0, Accepted: in.Accepted, Reason: in.Reason}}
	if f, ok := licence.Named(v.Strictest); ok {
		for _, d := range f.Duties {
			i.Duties = append(i.Duties, d.Kind)
		}
	}
	return i
}

// Example is a document that asks for nothing: one permissive model, own data, a gate. Tests of policies put theirs over it.
func Example(action string) Document {
	return Document{Action: action, Inputs: []Input{exampleInput()}, Student: Student{"triage", "Apache-2.0", licence.Permissive},
		Data:   Data{"rows.jsonl", 1000, 100, 200, []string{"email", "phone"}},
		Recipe: map[string]any{"name": "triage", "task": map[string]any{"type": "classify"}, "eval": map[string]any{"gates": map[string]any{"accuracy": ">= 0.9"}}}, Egress: []string{}}
}

func exampleInput() Input {
	return InputOf(licence.Input{Role: "base", Name: "smollm2-135m-instruct", ID: "Apache-2.0", Stated: true})
}

func (d Document) vars() (map[string]any, error) {
	if d.Recipe == nil {
		d.Recipe = map[string]any{}
	}
	if d.Egress == nil {
		d.Egress = []string{}
	}
	if d.Data.Masked == nil {
		d.Data.Masked = []string{}
	}
	v, err := plain(d)
	if err != nil {
		return nil, err
	}
	return v.(map[string]any), nil
}
