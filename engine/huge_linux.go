package engine

import (
	"syscall"
	"unsafe"
)

// hugePage is the size of a large page on most machines.
const hugePage = 2 << 20

// askHuge asks for large pages where they fit into the memory of x: attention walks through much of it, and with pages of 4 KB it looks up
// an address every 64 lines. The system may have been told to refuse it, or to do so for all memory.
func askHuge[T any](x []T) {
	n := len(x) * int(unsafe.Sizeof(*new(T)))
	if n < hugePage {
		return
	}
	b := unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), n)
	b = b[-uintptr(unsafe.Pointer(&x[0]))&(hugePage-1):]
	if b = b[:len(b)&^(hugePage-1)]; len(b) > 0 {
		_ = syscall.Madvise(b, syscall.MADV_HUGEPAGE)
	}
}
