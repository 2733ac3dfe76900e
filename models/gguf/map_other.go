//go:build !unix

package gguf

import (
	"io"
	"os"
)

// dropPages does nothing: the file is in memory of its own.
func dropPages([]byte) {}

// mapFile reads the first size bytes of file into memory.
func mapFile(file *os.File, size int) (data []byte, unmap func() error, err error) {
	data = make([]byte, size)
	if _, err = io.ReadFull(file, data); err != nil {
		return nil, nil, err
	}
	return data, func() error { return nil }, nil
}
