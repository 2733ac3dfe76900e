//go:build !purego

package kernels

// neonInt fills l with this level's kernels of the int group.
func neonInt(l *Level) {
	l.Quantize = quantizeTokens(quantizeByNEON)
	codesNEON(l)
	l.PackTile, l.GemmInt8 = packTileBy4, byNEON.gemm
	gemvArm64(l, byNEON)
}

// dotprodInt: SDOT in the products.
func dotprodInt(l *Level) {
	l.GemmInt8 = byDotProd.gemm
	gemvArm64(l, byDotProd)
}

// i8mmInt: SMMLA in the product of several tokens; with one it has nothing to gain.
func i8mmInt(l *Level) { l.PackTile, l.GemmInt8 = packTileBy8, byI8MM.gemm }
