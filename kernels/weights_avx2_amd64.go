//go:build !purego

package kernels

// avx2Weights fills l with this level's loops over float weights.
func avx2Weights(l *Level) {
	floatRows{16, dotF16x256, unpackF16x256}.enter(l, F16)
	floatRows{16, dotBF16x256, unpackBF16x256}.enter(l, BF16)
	floatRows{4, dotF32x256, unpackF32x256}.enter(l, F32)
}

// The loops of floatRows.
//
//go:noescape
func dotF16x256(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)

//go:noescape
func dotBF16x256(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)

//go:noescape
func dotF32x256(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)

//go:noescape
func unpackF16x256(dst *float32, ldd int, w *byte, stride, steps int)

//go:noescape
func unpackBF16x256(dst *float32, ldd int, w *byte, stride, steps int)

//go:noescape
func unpackF32x256(dst *float32, ldd int, w *byte, stride, steps int)
