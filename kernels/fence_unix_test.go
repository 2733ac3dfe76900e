//go:build unix

package kernels

import (
	"testing"

	"golang.org/x/sys/unix"
)

// fenced returns n bytes that end where an unreadable page begins: a kernel that reads past its weights dies.
func fenced(t testing.TB, n int) []byte {
	t.Helper()
	page := unix.Getpagesize()
	size := (n + page - 1) / page * page
	buf, err := unix.Mmap(-1, 0, size+page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(buf) })
	if err := unix.Mprotect(buf[size:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	return buf[size-n : size : size]
}
