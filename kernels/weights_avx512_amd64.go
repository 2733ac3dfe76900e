//go:build !purego

package kernels

// avx512Weights fills l with this level's loops over float weights.
func avx512Weights(l *Level) {
	floatRows{16, dotF16x512, unpackF16x512}.enter(l, F16)
	floatRows{16, dotBF16x512, unpackBF16x512}.enter(l, BF16)
	floatRows{4, dotF32x512, unpackF32x512}.enter(l, F32)
}

// The loops of floatRows.
//
//go:noescape
func dotF16x512(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)

//go:noescape
func dotBF16x512(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)

//go:noescape
func dotF32x512(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)

//go:noescape
func unpackF16x512(dst *float32, ldd int, w *byte, stride, steps int)

//go:noescape
func unpackBF16x512(dst *float32, ldd int, w *byte, stride, steps int)

//go:noescape
func unpackF32x512(dst *float32, ldd int, w *byte, stride, steps int)
