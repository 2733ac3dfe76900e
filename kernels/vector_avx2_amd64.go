//go:build !purego

package kernels

// avx2Vector fills l with this level's kernels of the vector group.
func avx2Vector(l *Level) {}
