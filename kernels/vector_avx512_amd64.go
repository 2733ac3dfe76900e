//go:build !purego

package kernels

// avx512Vector fills l with this level's kernels of the vector group.
func avx512Vector(l *Level) {}
