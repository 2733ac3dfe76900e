package safetensors

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
)

// source is where a file's bytes come from.
type source interface {
	io.ReaderAt
	io.Closer
}

type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

// closed is the source of a closed file.
type closed struct{}

func (closed) ReadAt([]byte, int64) (int, error) { return 0, os.ErrClosed }
func (closed) Close() error                      { return nil }

// maxHeader is the format's own limit, in bytes.
const maxHeader = 100_000_000

// Open reads the header of the file at path. Tensor data stay on the disk.
func Open(path string) (*File, error) {
	info, err := os.Stat(path) // before opening: a named pipe would block
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
	if info, err = file.Stat(); err == nil {
		var f *File
		if f, err = parse(path, file, info.Size()); err == nil {
			return f, nil
		}
	}
	file.Close() //nolint:errcheck // the first error is the one to tell
	return nil, err
}

// Parse reads a file that is in memory. name is for errors.
func Parse(name string, data []byte) (*File, error) {
	return parse(name, memory{bytes.NewReader(data)}, int64(len(data)))
}

func parse(name string, src source, size int64) (*File, error) {
	var prefix [8]byte
	if size < int64(len(prefix)) {
		return nil, &Error{name, "file", fmt.Sprintf("%d bytes", size), "8 bytes of header length at least"}
	}
	if _, err := src.ReadAt(prefix[:], 0); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	if left := uint64(size - 8); n < 2 || n > maxHeader || n > left {
		return nil, &Error{name, "header length", fmt.Sprint(n), fmt.Sprintf("2 to %d bytes, what the file and the format's limit allow", min(left, maxHeader))}
	}
	text := make([]byte, n)
	if _, err := src.ReadAt(text, 8); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	f := &File{Name: name, Size: size, src: src}
	if err := f.header(text, size-8-int64(n)); err != nil {
		return nil, err
	}
	return f, nil
}
