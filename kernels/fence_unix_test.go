//go:build unix

package kernels

import (
	"runtime"
	"testing"

	"github.com/klauspost/cpuid/v2"
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
	if runtime.GOARCH == "amd64" && cpuid.CPU.HypervisorVendorString == "TCGTCGTCGTCG" {
		t.Log("fences are OPEN: qemu reads the masked-off elements of VMASKMOVPS, which a CPU does not")
		return buf[size-n : size : size]
	}
	if err := unix.Mprotect(buf[size:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	return buf[size-n : size : size]
}
