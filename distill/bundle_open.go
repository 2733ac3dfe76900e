package distill

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/freehold-slm/freehold/models"
)

// openBundle reads where in a bundle the models and files are that the recipe names, if the recipe stands in one that was unpacked.
func (r *Recipe) openBundle() error {
	file := filepath.Join(r.dir, bundleName)
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var is Bundle
	if err == nil {
		err = json.Unmarshal(b, &is)
	}
	if err == nil && !sealed(b) {
		err = errors.New("does not match its seal: it was changed")
	}
	if err != nil {
		return &DataError{File: file, Msg: errText(err), Fix: "unpack the bundle again"}
	}
	r.bundle = map[string]string{}
	for _, in := range is.Inputs {
		if in.Path != "" && !filepath.IsLocal(filepath.FromSlash(in.Path)) {
			return &DataError{File: file, Msg: fmt.Sprintf("says that %s lies at %q, which is not within the bundle", in.Role, in.Path)}
		}
		if in.Path != "" {
			r.bundle[in.Name] = filepath.Join(r.dir, filepath.FromSlash(in.Path))
		}
	}
	return nil
}

// model finds a model that the recipe names: in the bundle, by path, in the catalogue's cache, or by a path that begins at the recipe.
func (r *Recipe) model(name string) (path string, entry *models.Entry, err error) {
	if path, ok := r.bundle[name]; ok {
		if e, err := models.Lookup(name); err == nil {
			entry = &e
		}
		return path, entry, nil
	}
	path, entry, err = models.Resolve(name)
	if entry == nil && errors.Is(err, fs.ErrNotExist) {
		if _, statErr := os.Stat(r.path(name)); statErr == nil {
			path, err = r.path(name), nil
		}
	}
	return path, entry, err
}

// IsBundle tells whether a folder is a bundle that was unpacked.
func IsBundle(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, bundleName))
	return err == nil
}

// VerifyBundle holds each file of an unpacked bundle against bundle.json, this against its seal and SHA256SUMS, and the run within as Verify does. run is its folder.
func VerifyBundle(dir string) (v *Verification, run string, err error) {
	b, err := os.ReadFile(filepath.Join(dir, bundleName))
	if err != nil {
		return nil, "", err
	}
	sums, err := os.ReadFile(filepath.Join(dir, sumsName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, "", err
	}
	v = &Verification{}
	var is Bundle
	switch whole := sealed(b) && json.Unmarshal(b, &is) == nil; {
	case !whole:
		v.add(bundleName, "changed", "does not match its seal")
		is = Bundle{Files: readSums(string(sums))} // what is left to go by
		delete(is.Files, bundleName)
	case sums == nil:
		v.add(sumsName, "missing", "")
	case string(sums) != sumsOf(is.Files, bundleName, b):
		v.add(sumsName, "changed", "does not list what bundle.json does")
	default:
		v.add(bundleName, "ok", "")
		v.add(sumsName, "ok", "")
	}
	v.Run = is.Key
	if err := v.files(dir, is.Files, nil); err != nil {
		return nil, "", err
	}
	if run = filepath.FromSlash(is.Run); run == "" || !filepath.IsLocal(run) {
		return v, "", nil
	}
	run = filepath.Join(dir, run)
	if len(v.Bad()) > 0 {
		return v, run, nil
	}
	within, err := Verify(run)
	if err != nil {
		return nil, "", err
	}
	for _, c := range within.Bad() {
		v.add(is.Run+"/"+c.Name, c.State, c.Note)
	}
	return v, run, nil
}
