//go:build !linux && !purego

package kernels

func xgetbv0() uint32

// amxPermitted: only Linux is known to grant tiles, and how to ask for them.
func amxPermitted() bool { return false }
