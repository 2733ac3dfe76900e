//go:build !purego

package kernels

// avx512Int fills l with this level's kernels of the int group.
func avx512Int(l *Level) {}
