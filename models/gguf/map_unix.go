//go:build unix

package gguf

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapFile maps the first size bytes of file read-only; the mapping outlives the descriptor.
func mapFile(file *os.File, size int) (data []byte, unmap func() error, err error) {
	data, err = unix.Mmap(int(file.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, err
	}
	return data, func() error { return unix.Munmap(data) }, nil
}

// dropPages gives back the memory of the whole pages in b, which are part of a mapping.
func dropPages(b []byte) {
	page := uintptr(os.Getpagesize())
	start := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	from, to := (start+page-1)&^(page-1), (start+uintptr(len(b)))&^(page-1)
	if from < to {
		unix.Madvise(b[from-start:to-start], unix.MADV_DONTNEED) //nolint:errcheck // an advice
	}
}
