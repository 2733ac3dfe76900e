package main

import (
	"errors"
	"io/fs"

	"github.com/freehold-slm/freehold/distill"
	"github.com/freehold-slm/freehold/models/sign"
)

type signCmd struct {
	Model        string   `arg:"" optional:"" complete:"model" help:"Run folder, model folder or file."`
	Key          string   `help:"Private key, a PEM file on P-256, P-384 or P-521." placeholder:"FILE" type:"path"`
	Certificates []string `name:"certificate" help:"Certificate of the key, then those between it and a root (PEM); without one the signature names the key alone. May be repeated." placeholder:"FILE" type:"path" sep:"none"`
	Signature    string   `help:"Where the signature goes; default: model.sig in the folder, or beside the file with .sig at its end." placeholder:"FILE" type:"path"`
	NewKey       string   `help:"Make a key on P-256: the private one in FILE, the public one in FILE.pub." placeholder:"FILE" type:"path"`
}

func (*signCmd) Help() string {
	return "The signature is a Sigstore bundle of OpenSSF Model Signing: the sha256 of every file, signed by a key of your own. Nothing goes to any log or service. " +
		"Check it with freehold verify --signature, or with the Python package: model_signing verify key."
}

// signed is freehold/sign/1.
type signed struct {
	Schema    string `json:"schema"`
	Model     string `json:"model"`
	Signature string `json:"signature"`
	Files     int    `json:"files"`
}

func (c *signCmd) Run(a *app) error {
	if c.NewKey != "" {
		if c.Model != "" || c.Key != "" {
			return usagef("--new-key makes a key and signs nothing; leave the model and --key out")
		}
		if err := sign.NewKey(c.NewKey); errors.Is(err, fs.ErrExist) {
			return usagef("%s is there already; a key is not overwritten", c.NewKey)
		} else if err != nil {
			return err
		}
		a.note("keep %s to yourself; who checks your signatures needs %s.pub", c.NewKey, c.NewKey)
		return nil
	}
	if c.Model == "" || c.Key == "" {
		return usagef("what to sign and --key are needed (freehold sign --new-key FILE makes a key)")
	}
	s, err := sign.NewSigner(c.Key, c.Certificates...)
	if err != nil {
		return signError(err)
	}
	model, err := distill.RunFolder(c.Model)
	if err != nil {
		return err
	}
	d := signed{Schema: "freehold/sign/1", Model: c.Model, Signature: c.Signature}
	if d.Signature == "" {
		d.Signature = sign.DefaultPath(model)
	}
	if d.Files, err = sign.Sign(model, d.Signature, s); err != nil {
		return signError(err)
	}
	if a.json {
		return a.emit(d)
	}
	a.note("%s: files signed: %d", d.Signature, d.Files)
	return nil
}

// signError makes a key or a folder that cannot be used an error of the input.
func signError(err error) error {
	if is[*sign.Error](err) {
		return asInput(err)
	}
	return err
}

// trustFlags say whose signature is checked.
type trustFlags struct {
	Signature string   `help:"Check this signature, too; - = where sign puts it. Needs --public-key or --root." placeholder:"FILE"`
	PublicKey string   `help:"With --signature: the key that must have signed (PEM)." placeholder:"FILE" type:"path"`
	Roots     []string `name:"root" help:"With --signature: a certificate that the signer's must lead to (PEM); may be repeated." placeholder:"FILE" type:"path" sep:"none"`
}

// signatureCheck is what came of it.
type signatureCheck struct {
	File  string            `json:"file"`
	Valid bool              `json:"valid"` // of the signature itself, whatever the files are
	Note  string            `json:"note,omitempty"`
	Good  int               `json:"good"`
	Bad   []sign.Difference `json:"bad"`
}

func (t *trustFlags) check(path string) (*signatureCheck, error) {
	if t.Signature == "" {
		if t.PublicKey != "" || t.Roots != nil {
			return nil, usagef("--public-key and --root say who may have signed; give --signature too")
		}
		return nil, nil
	}
	var v *sign.Verifier
	var err error
	switch {
	case t.PublicKey != "" && t.Roots == nil:
		v, err = sign.ByKey(t.PublicKey)
	case t.PublicKey == "" && t.Roots != nil:
		v, err = sign.ByRoots(t.Roots...)
	default:
		return nil, usagef("a signature is worth as much as the key that it is held against: give --public-key or --root, one of them")
	}
	if err != nil {
		return nil, signError(err)
	}
	model, err := distill.RunFolder(path)
	if err != nil {
		return nil, err
	}
	d := &signatureCheck{File: t.Signature, Bad: []sign.Difference{}}
	if d.File == "-" {
		d.File = sign.DefaultPath(model)
	}
	good, bad, err := sign.Verify(model, d.File, v)
	var invalid *sign.Error
	if errors.As(err, &invalid) {
		d.Note = invalid.Error()
		return d, nil
	}
	if err != nil {
		return nil, err
	}
	d.Valid, d.Good, d.Bad = true, good, append(d.Bad, bad...)
	return d, nil
}

func (d *signatureCheck) ok() bool { return d == nil || d.Valid && len(d.Bad) == 0 }

// show tells people.
func (d *signatureCheck) show(a *app) {
	if d == nil {
		return
	}
	if !d.Valid {
		a.note("the signature does not hold: %s", d.Note)
		return
	}
	rows := [][]string{}
	for _, f := range d.Bad {
		rows = append(rows, []string{f.State, f.Name, f.Note})
	}
	a.columns(rows)
	a.note("%s: the signature holds; files as they were signed: %d, others: %d", d.File, d.Good, len(d.Bad))
}
