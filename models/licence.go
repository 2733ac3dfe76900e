package models

import (
	"fmt"
	"strings"
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
	Duties []string `json:"duties,omitempty"` // what the terms ask of who uses or passes on the file
}

// permissive are the licences that allow use, training on outputs and passing
// on, asking for notices only.
var permissive = map[string]bool{"Apache-2.0": true, "MIT": true}

// Check is the licence gate. A permissive licence stated in the file passes.
// Everything else fails closed with a *LicenceError unless accept is exactly the
// licence's ID: that is the user's declaration of an unstated licence, or the
// acceptance of special terms, or of "unknown".
func (l Licence) Check(name, accept string) error {
	if l.Basis == StatedInFile && permissive[l.ID] || l.ID != "" && accept == l.ID {
		return nil
	}
	return &LicenceError{Name: name, Licence: l, Accept: accept}
}

// LicenceError says that the licence gate refuses a file.
type LicenceError struct {
	Name    string
	Licence Licence
	Accept  string // what was accepted instead, "" for nothing
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
	if len(e.Licence.Duties) > 0 {
		why += " (" + strings.Join(e.Licence.Duties, "; ") + ")"
	}
	if e.Accept != "" {
		why += fmt.Sprintf("; %q was accepted, which is another", e.Accept)
	}
	return fmt.Sprintf("%s: refused by the licence gate: %s; if you may use it, say so with --accept-licence %s", e.Name, why, e.Licence.ID)
}
