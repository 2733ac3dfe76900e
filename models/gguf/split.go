package gguf

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// Keys of the parts of a split file (llama.cpp's gguf-split): the part's number from 0, the number of parts, and the
// tensors of all parts together. The first part holds the metadata of the whole; a further part little else than these.
const (
	splitNo      = "split.no"
	splitCount   = "split.count"
	splitTensors = "split.tensors.count"
)

// PartsOf lists the files that belong to the model at path: path alone, or all parts of a split model by the path of its first.
func PartsOf(path string) ([]string, error) {
	f, err := openOne(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.partNames()
}

// partNames are the names of all parts of the first part f; f's alone where it is no part.
func (f *File) partNames() ([]string, error) {
	count, err := f.splitKey(splitCount, 1)
	if err != nil || count == 1 {
		return []string{f.Name}, err
	}
	no, err := f.splitKey(splitNo, 0)
	if err != nil {
		return nil, err
	}
	dir, base := filepath.Split(f.Name)
	name := func(no int) string { return fmt.Sprintf("-%05d-of-%05d.gguf", no+1, count) }
	stem, ok := strings.CutSuffix(base, name(no))
	switch {
	case !ok:
		return nil, &Error{File: f.Name, Field: "file name", Got: Quote(base), Want: fmt.Sprintf("one that ends in %s, by %s and %s, since parts are found by their names", name(no), splitNo, splitCount)}
	case no != 0:
		return nil, &Error{File: f.Name, Field: "key " + Quote(splitNo), Got: fmt.Sprintf("part %d of %d", no+1, count), Want: "the first part, " + stem + name(0)}
	}
	parts := make([]string, count)
	for i := range parts {
		parts[i] = dir + stem + name(i)
	}
	return parts, nil
}

// splitKey reads one of the keys above; def where it is not there and none is needed.
func (f *File) splitKey(key string, def int) (int, error) {
	if !f.Has(key) && (key == splitCount || !f.Has(splitCount)) {
		return def, nil
	}
	n, err := f.Int(key)
	if err == nil && (n < 0 || n > maxEntries || key == splitCount && (n < 1 || n > 99999)) {
		err = f.keyError(key, fmt.Sprint(n), "a count of parts or tensors")
	}
	return int(n), err
}

// join opens the further parts of the first one and returns the whole model; f itself where it is no part.
func (f *File) join() (*File, error) {
	names, err := f.partNames()
	if err != nil || len(names) == 1 {
		return f, err
	}
	whole := &File{Name: f.Name, Version: f.Version, Alignment: f.Alignment, DataOffset: f.DataOffset, parts: []*File{f},
		keys: map[string]int{}, tensors: map[string]int{}}
	for _, kv := range f.KV {
		if !strings.HasPrefix(kv.Key, "split.") {
			whole.keys[kv.Key] = len(whole.KV)
			whole.KV = append(whole.KV, kv)
		}
	}
	if err := whole.gather(names); err != nil {
		for _, p := range whole.parts[1:] { // the first is the caller's
			p.Close() //nolint:errcheck // the first error is the one to tell
		}
		return nil, err
	}
	return whole, nil
}

// gather opens the parts that have no file yet and takes over the tensors of all.
func (f *File) gather(names []string) error {
	first := f.parts[0]
	for i, name := range names {
		if i > 0 {
			part, err := openOne(name)
			if errors.Is(err, fs.ErrNotExist) {
				err = &Error{File: f.Name, Field: "part " + filepath.Base(name), Got: "no such file", Want: fmt.Sprintf("all %d parts beside one another", len(names))}
			}
			if err != nil {
				return err
			}
			f.parts = append(f.parts, part)
			if err := first.sameModel(part, i); err != nil {
				return err
			}
		}
		f.Size += f.parts[i].Size
		for _, t := range f.parts[i].Tensors {
			if at, twice := f.tensors[t.Name]; twice {
				return &Error{File: name, Field: "tensor " + Quote(t.Name), Got: "it a second time", Want: "each tensor in one part; " + f.Tensors[at].file + " has it"}
			}
			f.tensors[t.Name] = len(f.Tensors)
			f.Tensors = append(f.Tensors, t)
		}
	}
	want, err := first.splitKey(splitTensors, 0)
	if err == nil && len(f.Tensors) != want {
		err = first.keyError(splitTensors, fmt.Sprint(want), fmt.Sprintf("%d, the tensors that the %d parts hold", len(f.Tensors), len(names)))
	}
	return err
}

// sameModel checks that part is the part with number no of the model whose first part is f: what it says of itself is what f says.
func (f *File) sameModel(part *File, no int) error {
	if got, err := part.Int(splitNo); err != nil {
		return err
	} else if got != int64(no) {
		return part.keyError(splitNo, fmt.Sprint(got), fmt.Sprintf("%d, as in its name", no))
	}
	for _, kv := range part.KV {
		if kv.Key == splitNo || kv.Key == alignmentKey {
			continue
		}
		if mine, ok := f.Get(kv.Key); ok && !mine.equal(kv.Value) {
			return part.keyError(kv.Key, kv.Value.String(), mine.String()+", as in "+filepath.Base(f.Name)+"; it is a part of another model")
		}
	}
	return nil
}

// equal tells whether two values have the same type and the same bytes.
func (v Value) equal(w Value) bool {
	return slices.Equal(v.append(nil), w.append(nil)) && v.Type == w.Type
}
