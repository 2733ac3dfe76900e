package models

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/freehold-slm/freehold/models/gguf"
)

// CacheDir is the folder of pulled files: FREEHOLD_HOME, or freehold in the
// user's cache folder. A pulled model lies there as models/NAME.gguf, byte for
// byte as its publisher made it, beside a small models/NAME.json.
func CacheDir() (string, error) {
	if dir := os.Getenv("FREEHOLD_HOME"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder: %w; set FREEHOLD_HOME", err)
	}
	return filepath.Join(dir, "freehold"), nil
}

// Path is where the model lies once it is pulled.
func (e Entry) Path() (string, error) { return e.cachePath("models") }

// Path is where the data set lies once it is pulled.
func (e DataEntry) Path() (string, error) { return e.cachePath("data") }

func (a Artefact) cachePath(folder string) (string, error) {
	dir, err := CacheDir()
	return filepath.Join(dir, folder, a.Name+a.Ext), err
}

// Resolve turns what a user typed into a model file. A path wins when a file is
// there; the entry is nil then, as it is for STORE:NAME, a file that another
// program keeps (Stores). A catalogue name gives the cached file, or a
// *NotPulledError; anything else an *UnknownNameError, or an error that is
// fs.ErrNotExist when it looks like a path.
func Resolve(nameOrPath string) (path string, entry *Entry, err error) {
	st, statErr := os.Stat(nameOrPath)
	if statErr == nil && !st.IsDir() {
		return nameOrPath, nil, nil
	}
	if path, known, err := resolveStored(nameOrPath); known {
		return path, nil, err
	}
	e, err := Lookup(nameOrPath)
	if err != nil {
		if statErr == nil {
			for _, at := range []string{"model.gguf", "runs/latest/model.gguf"} { // of a run, or of its recipe
				if path := filepath.Join(nameOrPath, filepath.FromSlash(at)); isFile(path) {
					return "", nil, fmt.Errorf("%s is a folder, not a model file; its model is %s", nameOrPath, path)
				}
			}
			return "", nil, fmt.Errorf("%s is a folder, not a model file", nameOrPath)
		}
		if strings.Contains(nameOrPath, "://") {
			return "", nil, fmt.Errorf("model file: %w: %s is an address, want a file of this machine or a name of the catalogue; a remote model can label the rows of a recipe alone, by teacher.openai", fs.ErrNotExist, nameOrPath)
		}
		if strings.ContainsAny(nameOrPath, `/\`) || strings.HasSuffix(nameOrPath, ".gguf") {
			return "", nil, fmt.Errorf("model file: %w", statErr)
		}
		return "", nil, err
	}
	if path, err = e.Path(); err != nil {
		return "", nil, err
	}
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = &NotPulledError{Kind: "model", Name: e.Name, Path: path}
		}
		return "", &e, err
	}
	return path, &e, nil
}

// NotPulledError says that a catalogue entry is not in the cache yet.
type NotPulledError struct{ Kind, Name, Path string }

func (e *NotPulledError) Error() string {
	return fmt.Sprintf("%s %s is not in the cache (%s); fetch it with: freehold pull %s", e.Kind, e.Name, e.Path, e.Name)
}

// Pulled is the record beside a file in the cache.
type Pulled struct {
	Schema  string  `json:"schema"` // freehold.pulled/1
	Name    string  `json:"name"`
	File    string  `json:"file"`
	Bytes   int64   `json:"bytes"`
	SHA256  string  `json:"sha256"`
	Source  string  `json:"source"`
	Licence Licence `json:"licence"`
	// Accepted is the licence ID that the user declared or accepted; empty when
	// the gate passed by itself.
	Accepted string `json:"accepted,omitempty"`
	Reason   string `json:"reason,omitempty"` // of the acceptance
}

const pulledSchema = "freehold.pulled/1"

// Cached lists the records of the models and data sets in the cache, by name.
func Cached() ([]Pulled, error) {
	dir, err := CacheDir()
	if err != nil {
		return nil, err
	}
	var out []Pulled
	for _, folder := range []string{"models", "data"} {
		files, err := filepath.Glob(filepath.Join(dir, folder, "*.json"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			p, err := readPulled(file)
			if err != nil {
				return nil, err
			}
			out = append(out, p)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

// recordPath is the record's place beside the file at path.
func recordPath(path string) string {
	return strings.TrimSuffix(path, filepath.Ext(path)) + ".json"
}

func readPulled(file string) (Pulled, error) {
	var p Pulled
	data, err := os.ReadFile(file)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return p, fmt.Errorf("%s: %w; delete it and pull again", file, err)
	}
	if p.Schema != pulledSchema {
		return p, fmt.Errorf("%s: schema %q, want %q; delete it and pull again", file, p.Schema, pulledSchema)
	}
	return p, nil
}

// publish writes data to path through a temporary file that is synced and renamed.
func publish(fsys gguf.FS, path string, data []byte) error {
	tmp := path + ".tmp"
	f, err := fsys.Create(tmp)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = fsys.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(err, fsys.Remove(tmp))
	}
	return fsys.SyncDir(filepath.Dir(path))
}

// Offline reports whether FREEHOLD_OFFLINE forbids the network. Anything but
// empty, 0 and false does.
func Offline() bool {
	switch strings.ToLower(os.Getenv("FREEHOLD_OFFLINE")) {
	case "", "0", "false":
		return false
	}
	return true
}

// hashFile writes the file at path into h.
func hashFile(h io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(h, f)
	return err
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}
