// Package licence knows the licences that models and task data come under: what each asks of whom, as data (facts.json), and
// what follows for a use of several inputs together (Judge). It is not legal advice.
//
// A fact names its licence and section, and holds the sha256 of the licence's text where this program has that text or had
// it in hand; where the sum is null nobody here has compared the fact with the text, and it counts as unverified.
package licence

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Use is what an input is used for.
type Use string

const (
	Distil     Use = "distil"     // train a student on it or on its outputs
	Serve      Use = "serve"      // answer others with it
	Distribute Use = "distribute" // pass on its file, or that of a student
)

// Uses lists the uses.
func Uses() []Use { return []Use{Distil, Serve, Distribute} }

// Class says how much a licence asks, from little to much: the strictest of several is the last of Classes.
type Class string

const (
	PublicDomain  Class = "public_domain"
	Permissive    Class = "permissive"     // notices and attribution only
	ShareAlike    Class = "share_alike"    // what is derived stays under it
	UseRestricted Class = "use_restricted" // some uses are ruled out
	Terms         Class = "terms"          // a publisher's own agreement
	NonCommercial Class = "non_commercial" // or no derived works
	NotKnown      Class = "unknown"        // no fact here: nothing is known of it
)

// Classes lists the classes, the strictest last.
func Classes() []Class {
	return []Class{PublicDomain, Permissive, ShareAlike, UseRestricted, Terms, NonCommercial, NotKnown}
}

// Kinds lists the kinds of duty.
func Kinds() []string {
	return []string{"acceptance", "attribution", "monthly_users", "naming", "no_derivatives", "non_commercial", "notice", "output_training", "share_alike", "state_changes", "use_limits"}
}

// Effect says what a duty does to a use.
type Effect string

const (
	Do     Effect = "do"     // something is to be done
	Accept Effect = "accept" // refused until the user accepts the terms
	Forbid Effect = "forbid" // refused; only an override with a reason goes past it
)

// Duty is one thing that a licence asks.
type Duty struct {
	Kind    string `json:"kind"` // one of Kinds
	On      []Use  `json:"on"`
	Effect  Effect `json:"effect"`
	Section string `json:"section"` // of the licence
	Text    string `json:"text"`
	// Carries: the duty goes over to a model that was trained on the input or on its outputs. Other duties go over to a student that is
	// made from the input's weights.
	Carries bool `json:"carries,omitempty"`

	Notice  string `json:"notice,omitempty"`  // a line that the NOTICE file has to hold
	Prefix  string `json:"prefix,omitempty"`  // what a model's name has to begin with
	Display string `json:"display,omitempty"` // words to show where the model is offered
	Limits  string `json:"limits,omitempty"`  // where the limits of use are written
	Users   int64  `json:"users,omitempty"`   // monthly users, from which another licence is needed
	Unless  string `json:"unless,omitempty"`  // "same_licence": does not hold where the student's base has the same licence
}

// Source is where a fact comes from.
type Source struct {
	Title   string  `json:"title"`
	URL     string  `json:"url"`
	Version string  `json:"version,omitempty"`
	SHA256  *string `json:"sha256"`         // of the text that was read; null = none was in hand
	Copy    string  `json:"copy,omitempty"` // where that text was had
}

// Fact is what is known of one licence.
type Fact struct {
	ID     string   `json:"id"` // SPDX identifier or LicenseRef-...
	Name   string   `json:"name"`
	Class  Class    `json:"class"`
	Source Source   `json:"source"`
	Also   []string `json:"also,omitempty"` // spellings in files and model cards, lower case
	File   string   `json:"text,omitempty"` // the text's name in texts/
	Duties []Duty   `json:"duties"`
}

// Verified tells that the fact was read from a text whose sum is known.
func (f *Fact) Verified() bool { return f.Source.SHA256 != nil }

// Free tells that nothing has to be accepted before any use.
func (f *Fact) Free() bool {
	return !slices.ContainsFunc(f.Duties, func(d Duty) bool { return d.Effect != Do })
}

// Free tells that a licence, or each of an expression A AND B, is known and free.
func Free(id string) bool {
	for _, part := range strings.Split(id, " AND ") {
		if f, ok := Named(part); !ok || !f.Free() {
			return false
		}
	}
	return true
}

//go:embed facts.json
var factsJSON []byte

//go:embed texts
var texts embed.FS

var facts = sync.OnceValue(func() []Fact {
	var all []Fact
	d := json.NewDecoder(bytes.NewReader(factsJSON))
	d.DisallowUnknownFields()
	if err := d.Decode(&all); err != nil {
		panic(fmt.Sprintf("licence: facts.json: %v", err))
	}
	return all
})

// Facts lists what is known, in the order of facts.json.
func Facts() []Fact { return slices.Clone(facts()) }

// Named finds a licence by its identifier or by a spelling that files use for it, whatever the case.
func Named(name string) (Fact, bool) {
	low := strings.ToLower(strings.TrimSpace(name))
	for _, f := range facts() {
		if strings.ToLower(f.ID) == low || slices.Contains(f.Also, low) {
			return f, true
		}
	}
	return Fact{}, false
}

// Text is the text of the licence; "" where this program does not hold it.
func (f *Fact) Text() string {
	if f.File == "" {
		return ""
	}
	b, err := texts.ReadFile("texts/" + f.File)
	if err != nil {
		panic("licence: " + err.Error())
	}
	return string(b)
}
