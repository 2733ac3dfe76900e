package kernels

import "unsafe"

// Ahead asks the memory for lines (of 64 bytes) that begin at p and does not wait for them: they go to the core's
// second-level cache. It is a hint that changes nothing else, also where p is not mapped.
func Ahead(p *byte, lines int) { AheadAt(uintptr(unsafe.Pointer(p)), lines) }

// AheadAt is Ahead of an address, which need not lie in memory of this program.
func AheadAt(at uintptr, lines int) {
	if lines > 0 {
		ahead(at, lines)
	}
}
