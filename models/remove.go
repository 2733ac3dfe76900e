package models

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Remove deletes a catalogue model or data set from the cache, with its record
// and what an interrupted pull left, and returns the bytes freed. What is not
// there is a *NotPulledError. It waits for a running pull of the same file.
func Remove(name string) (freed int64, err error) {
	kind, path := "model", ""
	if e, err := Lookup(name); err == nil {
		if path, err = e.Path(); err != nil {
			return 0, err
		}
	} else if d, dataErr := LookupData(name); dataErr == nil {
		kind = "data set"
		if path, err = d.Path(); err != nil {
			return 0, err
		}
	} else {
		return 0, err
	}
	partial := path + ".partial"
	freed = folderSize(partial)
	st, err := os.Stat(path)
	switch {
	case err == nil:
		freed += st.Size()
	case !errors.Is(err, fs.ErrNotExist):
		return 0, err
	default:
		if _, err := os.Stat(partial); err != nil {
			return 0, &NotPulledError{Kind: kind, Name: name, Path: path}
		}
	}
	unlock, err := lockFile(context.Background(), filepath.Join(filepath.Dir(path), "."+name+".lock"), func() {})
	if err != nil {
		return 0, err
	}
	defer unlock()
	for _, file := range []string{path, recordPath(path)} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	}
	return freed, os.RemoveAll(partial)
}
