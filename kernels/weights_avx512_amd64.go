//go:build !purego

package kernels

// avx512Floats are the loops of this level over float weights, for Intel's cores and for AMD's.
var avx512Floats = map[Type][2]floatRows{
	F16:  {{16, dotF16x512, unpackF16x512}, {16, dotF16x512AMD, unpackF16x512}},
	BF16: {{16, dotBF16x512, unpackBF16x512}, {16, dotBF16x512AMD, unpackBF16x512}},
	F32:  {{4, dotF32x512, unpackF32x512}, {4, dotF32x512AMD, unpackF32x512}},
}

// avx512Weights fills l with those of this CPU.
func avx512Weights(l *Level) {
	for t, loops := range avx512Floats {
		ofCore(loops).enter(l, t)
	}
}

// The loops of floatRows.
//
//go:noescape
func dotF16x512(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)

//go:noescape
func dotF16x512AMD(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)

//go:noescape
func dotBF16x512(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)

//go:noescape
func dotBF16x512AMD(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)

//go:noescape
func dotF32x512(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)

//go:noescape
func dotF32x512AMD(dst *float32, w *byte, stride int, x *float32, steps int, next uintptr)

//go:noescape
func unpackF16x512(dst *float32, ldd int, w *byte, stride, steps int)

//go:noescape
func unpackBF16x512(dst *float32, ldd int, w *byte, stride, steps int)

//go:noescape
func unpackF32x512(dst *float32, ldd int, w *byte, stride, steps int)
