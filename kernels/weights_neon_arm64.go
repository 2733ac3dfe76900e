//go:build !purego

package kernels

// neonWeights fills l with this level's loops over float weights.
func neonWeights(l *Level) {
	floatRows{8, dotF16x128, unpackF16x128}.enter(l, F16)
	floatRows{8, dotBF16x128, unpackBF16x128}.enter(l, BF16)
	floatRows{4, dotF32x128, unpackF32x128}.enter(l, F32)
}

// The loops of floatRows.
//
//go:noescape
func dotF16x128(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)

//go:noescape
func dotBF16x128(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)

//go:noescape
func dotF32x128(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)

//go:noescape
func unpackF16x128(dst *float32, ldd int, w *byte, stride, steps int)

//go:noescape
func unpackBF16x128(dst *float32, ldd int, w *byte, stride, steps int)

//go:noescape
func unpackF32x128(dst *float32, ldd int, w *byte, stride, steps int)
