//go:build !purego

package kernels

// avx512Float fills l with this level's kernels of the float group.
func avx512Float(l *Level) {}
