package safetensors

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Names of a folder's files.
const (
	SingleName = "model.safetensors"
	IndexName  = "model.safetensors.index.json"
)

// Model is all tensors of a model: of one file, or of the shards that an index lists.
type Model struct {
	Name    string // the file or the index
	Files   []*File
	Tensors map[string]*Tensor
}

// OpenFolder opens the model of a folder: model.safetensors, or else the shards of model.safetensors.index.json.
func OpenFolder(dir string) (*Model, error) {
	single, index := filepath.Join(dir, SingleName), filepath.Join(dir, IndexName)
	f, err := Open(single)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		m, err := OpenIndex(index)
		if errors.Is(err, fs.ErrNotExist) {
			if _, there := os.Stat(index); there != nil {
				return nil, fmt.Errorf("%s: no %s and no %s: %w", dir, SingleName, IndexName, fs.ErrNotExist)
			}
		}
		return m, err
	case err != nil:
		return nil, err
	}
	m := &Model{Name: single, Files: []*File{f}, Tensors: make(map[string]*Tensor, len(f.Tensors))}
	for i := range f.Tensors {
		m.Tensors[f.Tensors[i].Name] = &f.Tensors[i]
	}
	return m, nil
}

// OpenIndex opens the shards of an index. They lie beside it, hold each tensor where the index says, and no others.
func OpenIndex(path string) (m *Model, err error) {
	text, err := readCapped(path)
	if err != nil {
		return nil, err
	}
	where, err := parseIndex(path, text)
	if err != nil {
		return nil, err
	}
	m = &Model{Name: path, Tensors: make(map[string]*Tensor, len(where))}
	defer func() {
		if err != nil {
			m.Close() //nolint:errcheck // the first error is the one to tell
			m = nil
		}
	}()
	shards := map[string]*File{}
	for _, w := range where {
		if shards[w.shard] != nil {
			continue
		}
		f, err := Open(filepath.Join(filepath.Dir(path), w.shard))
		if errors.Is(err, fs.ErrNotExist) {
			return m, fmt.Errorf("%s: %w", path, err)
		}
		if err != nil {
			return m, err
		}
		shards[w.shard] = f
		m.Files = append(m.Files, f)
	}
	for _, w := range where {
		f := shards[w.shard]
		t, ok := f.Tensor(w.tensor)
		if !ok {
			return m, &Error{path, "weight_map " + quote(w.tensor), "the shard " + quote(w.shard) + ", which has no such tensor", "the shard that holds it"}
		}
		m.Tensors[w.tensor] = t
	}
	for _, f := range m.Files {
		for i := range f.Tensors {
			t := &f.Tensors[i]
			if m.Tensors[t.Name] != t {
				return m, &Error{f.Name, "tensor " + quote(t.Name), "a tensor that the index does not place here", "the tensors that " + filepath.Base(path) + " lists"}
			}
		}
	}
	return m, nil
}

// Close closes all files.
func (m *Model) Close() error {
	var all []error
	for _, f := range m.Files {
		all = append(all, f.Close())
	}
	return errors.Join(all...)
}

// placed is one entry of weight_map.
type placed struct{ tensor, shard string }

func parseIndex(path string, text []byte) (where []placed, err error) {
	c := &cursor{file: path, field: "index", text: text}
	if !utf8.Valid(text) {
		return nil, c.fail("invalid UTF-8", "JSON in UTF-8")
	}
	found, seen := false, map[string]bool{}
	err = c.object(func(key string) error {
		if key != "weight_map" {
			return c.skip(32)
		}
		if found {
			return c.fail("weight_map twice", "it once")
		}
		found = true
		return c.object(func(tensor string) error {
			c.field = "weight_map " + quote(tensor)
			shard, err := c.str()
			switch {
			case err != nil:
				return err
			case seen[tensor]:
				return c.fail("the tensor twice", "each once")
			case len(where) == maxTensors:
				return c.fail("one tensor too many", fmt.Sprintf("at most %d", maxTensors))
			case !isFileName(shard):
				return c.fail(quote(shard), "the name of a .safetensors file beside the index")
			}
			seen[tensor] = true
			where = append(where, placed{tensor, shard})
			c.field = "index"
			return nil
		})
	})
	if err == nil {
		err = c.end()
	}
	if err == nil && len(where) == 0 {
		err = c.fail("no weight_map with tensors", `"weight_map": {tensor: file, ...}`)
	}
	return where, err
}

// isFileName tells whether s names a file of a folder and of no other.
func isFileName(s string) bool {
	return strings.HasSuffix(s, ".safetensors") && !strings.ContainsAny(s, `/\:`) && filepath.IsLocal(s) && nameProblem(s) == ""
}

// readCapped reads a file of at most maxHeader bytes.
func readCapped(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &Error{path, "file", info.Mode().Type().String(), "a regular file"}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(file, maxHeader+1))
	if err == nil && len(text) > maxHeader {
		err = &Error{path, "file", "more bytes", fmt.Sprintf("at most %d", maxHeader)}
	}
	return text, err
}
