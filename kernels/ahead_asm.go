//go:build (amd64 || arm64) && !purego

package kernels

//go:noescape
func ahead(p *byte, lines int)
