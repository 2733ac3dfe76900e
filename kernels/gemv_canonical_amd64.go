//go:build !freeorder && !purego

package kernels

// gemvFreeOrder replaces nothing unless the build tag freeorder is set.
func gemvFreeOrder(*Level) {}
