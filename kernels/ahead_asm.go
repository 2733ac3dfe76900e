//go:build (amd64 || arm64) && !purego

package kernels

//go:noescape
func ahead(at uintptr, lines int)
