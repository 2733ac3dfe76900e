package gguf

import (
	"fmt"
	"math"
	"os"
)

// Open maps the file at path read-only and reads its header. Only the header is touched, so opening costs the
// same for every size of model. A split model is opened whole, by the path of its first part. The file must not be written to while it is open; for one that is
// cut short see Guard. On systems without mmap the file is read into memory.
func Open(path string) (*File, error) {
	f, err := openOne(path)
	if err != nil {
		return nil, err
	}
	whole, err := f.join()
	if err != nil {
		f.Close() //nolint:errcheck // the first error is the one to tell
		return nil, err
	}
	return whole, nil
}

// openOne opens one file, which may be a part of a model.
func openOne(path string) (*File, error) {
	info, err := os.Stat(path) // before opening: a named pipe would block
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &Error{File: path, Field: "file", Got: info.Mode().Type().String(), Want: "a regular file"}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil {
		return nil, err
	}
	if info.Size() == 0 {
		return nil, &Error{File: path, Field: "magic", Got: "an empty file", Want: `"GGUF"`}
	}
	if info.Size() > math.MaxInt {
		return nil, &Error{File: path, Field: "file", Got: fmt.Sprintf("%d bytes", info.Size()), Want: "what a 32-bit process can address"}
	}
	data, unmap, err := mapFile(file, int(info.Size()))
	if err != nil {
		return nil, fmt.Errorf("%s: mapping %d bytes: %w", path, info.Size(), err)
	}
	mapping := &File{Name: path, data: data}
	var f *File
	if err = mapping.Guard(func() error {
		f, err = Parse(path, data)
		return err
	}); err != nil {
		unmap() //nolint:errcheck // the first error is the one to tell
		return nil, err
	}
	f.unmap = unmap
	return f, nil
}
