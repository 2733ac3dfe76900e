package engine

import (
	"syscall"
	"unsafe"
)

// hugePage is what most CPUs of Linux have for a large page.
const hugePage = 2 << 20

// askHuge asks for large pages for the memory of words, and for what shares a large page with it: attention walks through much memory, and with pages of 4 KB
// a look at the page tables comes with each 64 lines of it. It is a hint, which the system may have been told to refuse or to take for granted.
func askHuge[T any](words []T) {
	if len(words) == 0 {
		return
	}
	start := uintptr(unsafe.Pointer(&words[0])) &^ (hugePage - 1)
	end := (uintptr(unsafe.Pointer(&words[len(words)-1])) + hugePage) &^ (hugePage - 1)
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, start, end-start, syscall.MADV_HUGEPAGE)
}
