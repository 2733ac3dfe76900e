//go:build !purego

package kernels

// avx2Float fills l with this level's kernels of the float group.
func avx2Float(l *Level) {}
