package models

import (
	"fmt"
	"strings"

	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/licence"
)

// Basis says how a licence is known.
type Basis string

const (
	// StatedInFile: the file's own metadata names the licence.
	StatedInFile Basis = "stated_in_file"
	// Declared: the file is silent; its publisher names the licence elsewhere. The
	// user declares it, and is the one who vouches for it.
	Declared Basis = "declared"
	// Unknown: nobody is known to have named a licence.
	Unknown Basis = "unknown"
)

// Licence is what is known about the terms of a file. It is not legal advice.
type Licence struct {
	ID     string   `json:"id"` // SPDX identifier or LicenseRef-..., "unknown" when there is none
	Basis  Basis    `json:"basis"`
	Note   string   `json:"note,omitempty"`
	Duties []string `json:"duties,omitempty"` // what is asked of who uses or passes on the file, beside the licence's own (Asks)
}

// Check is the gate before bytes move. A licence that asks for no acceptance
// (licence.Fact.Free) and stands in the file passes. Everything else fails closed
// with a *LicenceError unless accept is the licence's ID: that is the user's
// declaration of an unstated licence, or the acceptance of special terms, or of
// "unknown". What a use of several inputs comes to is licence.Judge's to say.
func (l Licence) Check(name, accept string) error {
	if l.Basis == StatedInFile && licence.Free(l.ID) || l.ID != "" && accept == l.ID {
		return nil
	}
	return &LicenceError{Name: name, Licence: l, Accept: accept}
}

// Input is the licence as one that counts in a use.
func (l Licence) Input(role, name, accepted, reason string) licence.Input {
	return licence.Input{Role: role, Name: name, ID: l.ID, Stated: l.Basis == StatedInFile, Accepted: accepted, Reason: reason}
}

// Asks is what the licence asks, by what is known of it, and what the file asks beside.
func (l Licence) Asks() []string {
	all := []string{}
	for _, id := range strings.Split(l.ID, " AND ") {
		fact, _ := licence.Named(id)
		for _, d := range fact.Duties {
			all = append(all, fmt.Sprintf("%s (%s, section %s)", d.Text, uses(d.On), d.Section))
		}
	}
	return append(all, l.Duties...)
}

func uses(on []licence.Use) string {
	words := make([]string, len(on))
	for i, u := range on {
		words[i] = string(u)
	}
	return strings.Join(words, ", ")
}

// FileLicence reads what a model file says of its own licence.
func FileLicence(f *gguf.File) (Licence, error) {
	id, err := f.StringOr("general.license", "")
	if err != nil {
		return Licence{}, err
	}
	if id = strings.TrimSpace(id); id == "" || id == "other" || strings.EqualFold(id, "unknown") {
		return Licence{ID: "unknown", Basis: Unknown}, nil
	}
	if fact, ok := licence.Named(id); ok {
		id = fact.ID
	}
	return Licence{ID: id, Basis: StatedInFile}, nil
}

// LicenceError says that the licence gate refuses a file.
type LicenceError struct {
	Name    string
	Licence Licence
	Accept  string // what was accepted instead, "" for nothing
	Key     string // of the recipe that accepts it; "" = --accept-licence does
}

func (e *LicenceError) Error() string {
	var why string
	switch {
	case e.Licence.Basis == Unknown:
		why = "its licence is unknown"
	case e.Licence.Basis == Declared:
		why = fmt.Sprintf("the file states no licence; its publisher declares %s, which nothing here verifies", e.Licence.ID)
	case e.Licence.Basis == StatedInFile:
		why = fmt.Sprintf("its licence %s has terms of its own", e.Licence.ID)
	default:
		why = fmt.Sprintf("the basis of its licence, %q, is none of %s, %s, %s", e.Licence.Basis, StatedInFile, Declared, Unknown)
	}
	if asks := e.Licence.Asks(); len(asks) > 0 {
		why += " (" + strings.Join(asks, "; ") + ")"
	}
	if e.Accept != "" {
		why += fmt.Sprintf("; %q was accepted, which is another", e.Accept)
	}
	say := "with --accept-licence " + e.Licence.ID
	if e.Key != "" {
		say = fmt.Sprintf("in the recipe, %s: %s", e.Key, e.Licence.ID)
	}
	return fmt.Sprintf("%s: refused by the licence gate: %s; if you may use it, say so %s", e.Name, why, say)
}
