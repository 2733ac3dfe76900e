//go:build !purego

package kernels

import (
	"github.com/klauspost/cpuid/v2"
	"golang.org/x/sys/unix"
)

func xgetbv0() uint32

// amxPermitted reports whether tiles may be used. Linux grants them to a process that asks (arch_prctl
// ARCH_REQ_XCOMP_PERM, feature 18 = tile data) where it saves them, XGETBV bits 17 and 18. The grant is to all threads.
func amxPermitted() bool {
	const tiles = 1<<17 | 1<<18
	if !cpuid.CPU.Supports(cpuid.AMXTILE, cpuid.AMXINT8) || xgetbv0()&tiles != tiles {
		return false
	}
	const reqXcompPerm, tileData = 0x1023, 18
	_, _, errno := unix.RawSyscall(unix.SYS_ARCH_PRCTL, reqXcompPerm, tileData, 0)
	return errno == 0
}
