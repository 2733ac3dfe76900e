//go:build unix

package bench

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mapScratch maps a file of size bytes that has no name any more and lies in the page cache. Its bytes are finite
// numbers when read as float32.
func mapScratch(size int) (data []byte, unmap func(), err error) {
	f, err := os.CreateTemp("", "freehold-bench-")
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return nil, nil, err
	}
	block := make([]byte, min(size, 1<<20))
	for i := range block {
		block[i] = byte(i>>12) & 0x3f
	}
	for done := 0; done < size; {
		n, err := f.Write(block[:min(len(block), size-done)])
		if err != nil {
			return nil, nil, fmt.Errorf("bench: scratch file of %d bytes: %w", size, err)
		}
		done += n
	}
	if data, err = unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return nil, nil, fmt.Errorf("bench: mapping a scratch file: %w", err)
	}
	return data, func() { unix.Munmap(data) }, nil //nolint:errcheck // read only
}
